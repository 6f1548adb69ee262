"""What can be wrong with a run or with starting one."""

from assay.errors import ConflictError, ForbiddenError, InvalidValueError, NotFoundError


class RunNotFoundError(NotFoundError):
    """There is no such run."""


class ApiTriggerDisabledError(ForbiddenError):
    """The API trigger of this automation is off."""

    code = "api_trigger_disabled"
    hint = "Switch it on: assay automations triggers <automation> --enable api"


class ManualTriggerDisabledError(ForbiddenError):
    """The manual trigger of this automation is off."""

    code = "manual_trigger_disabled"
    hint = "Switch it on: assay automations triggers <automation> --enable manual"


class AutomationDisabledError(ForbiddenError):
    """This automation is archived or its current version says `enabled: false`."""

    code = "automation_disabled"


class IdempotencyConflictError(ConflictError):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"
    hint = "Use a fresh key for a new run; send the same body to read the earlier run again."


class RunUnderReviewError(ConflictError):
    """The run's review is open, or an example of the dataset stands for its miss."""

    code = "run_under_review"
    hint = "Resolve the review first, or ignore it with a reason; then delete the example that it was promoted to."


class RunNotFinishedError(ConflictError):
    """The run is still in flight."""

    code = "run_not_finished"
    hint = "Cancel it first, or wait until it ends."


class InvalidCursorError(InvalidValueError):
    """The cursor is not one that this server handed out."""

    code = "invalid_cursor"
    hint = "Take `nextCursor` of the page before, and keep the other filters as they were."
