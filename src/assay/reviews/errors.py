"""What can be wrong with reviewing a run."""

from assay.errors import (
    AssayError,
    ConflictError,
    ErrorKind,
    ForbiddenError,
    InvalidValueError,
    NotFoundError,
    TooLargeError,
)


class StaleFeedbackError(AssayError):
    """Somebody has changed this feedback since you read it."""

    kind = ErrorKind.STALE
    code = "feedback_changed"
    hint = "Read it again and send its ETag as If-Match, or leave If-Match out to overwrite."


class InvalidFeedbackError(InvalidValueError):
    """The feedback is not acceptable."""


class FeedbackTooLargeError(TooLargeError):
    """The feedback is larger than this server keeps."""

    code = "feedback_too_large"


class ReasonRequiredError(InvalidValueError):
    """Feedback is ignored for a reason: say it as `reason`, or as `body`."""

    code = "reason_required"


class ResolutionUnprovenError(ConflictError):
    """Nothing proves that this miss is fixed."""

    code = "resolution_unproven"


class DoubleReviewPendingError(ConflictError):
    """This run is reviewed by two people; its status is decided when both have given their verdict."""

    code = "double_review_pending"


class AdjudicationForbiddenError(ForbiddenError):
    """Two reviewers disagree here; that is decided by somebody with the scope runs:write who is neither of them."""

    code = "adjudication_forbidden"


class ExpectedFileNotFoundError(NotFoundError):
    """The feedback has no such expected file."""


class ExpectedFileExistsError(ConflictError):
    """The feedback has an expected file of this name already."""

    code = "file_exists"


class OutputFileNotFoundError(NotFoundError):
    """The run has no such output file."""

    code = "output_file_not_found"


class TooManyExpectedFilesError(InvalidValueError):
    """The feedback of one run takes at most 100 expected files."""

    code = "too_many_files"


class ItemNotFoundError(NotFoundError):
    """There is no such item in the review queue."""


class ItemNotAvailableError(ConflictError):
    """This item is not open to you: it is done, others have it, or you have given your verdict."""

    code = "item_not_available"


class ClaimLostError(ConflictError):
    """Your time for this item was over, and it is not yours any more."""

    code = "claim_lost"
    hint = "`assay review next` claims the next one."


class TooManyRunsError(InvalidValueError):
    """That are more than 10,000 runs; the review queue takes no more at once."""

    code = "too_many_runs"


class OnlyReviewsError(ForbiddenError):
    """Whoever may only review gives verdicts; that a miss is resolved or ignored is for others to say."""

    code = "insufficient_scope"


class ExampleUnresolvedError(ConflictError):
    """An example of the dataset stands for a miss that somebody promoted."""

    code = "example_unresolved"
    hint = (
        "An open miss is resolved when its example passes on a later version, or ignored with a reason: "
        "`assay runs feedback get RUN`. To give the example another expectation, say why: ?overrideReason=…"
    )


class ExpectedRequiredError(ConflictError):
    """Nothing on the feedback says what the output should have been."""

    code = "expected_required"
    hint = (
        "Attach the correction first: `assay runs feedback update RUN --expected-json …` or `--correct /field=value`."
        " Or promote it as it is, without ground truth: `--no-require-expected`, requireExpected: false."
    )


class InputNotKeptError(ConflictError):
    """What this run was given is not kept, so it cannot be run again."""

    code = "input_not_kept"


class IncumbentNotFoundError(NotFoundError):
    """Nobody has told what the process before made of this run's input."""

    hint = "`assay runs incumbent import AUTOMATION FILE`, or PUT /runs/{id}/incumbent."


class InvalidIncumbentsError(InvalidValueError):
    """The outputs of the process before are not acceptable."""

    code = "invalid_incumbents"


class TooManyIncumbentsError(InvalidValueError):
    """That are more than 10,000 outputs; send them in several calls."""

    code = "too_many_outputs"
