"""What a person may do with a run's feedback: read it, change it in part, clear it, look at what it was."""

from collections.abc import Sequence
from dataclasses import replace

from assay import access, db
from assay.reviews import store, verdicts
from assay.reviews.errors import StaleFeedbackError
from assay.reviews.model import FailureTag, FeedbackChange, HistoryEntry, ReviewSummary, View
from assay.reviews.record import hold, hold_finished, read, record
from assay.reviews.resolution import resolution_of

MAX_FAILURE_TAGS = 500


async def get(tx: db.Transaction, caller: access.Caller, run_id: str) -> View:
    """Return what the caller may see of a run's review.

    Raises:
        RunNotFoundError: the organization has no such run.
    """
    view = await verdicts.see(tx, caller, await read(tx, caller.organization_id, run_id))
    return view if view.feedback is None else replace(view, resolution=await resolution_of(tx, view.feedback))


async def update(
    tx: db.Transaction, caller: access.Caller, run_id: str, change: FeedbackChange, *, if_match: str | None = None
) -> View:
    """Change a run's feedback in part and return what it is then; the same change again changes nothing.

    Without `if_match` (an ETag, several, or `*`) the last one wins, and history has both. In a blind double review
    it is the caller's own verdict that changes.

    Raises:
        RunNotFoundError: the organization has no such run.
        RunNotFinishedError: the run has not ended.
        StaleFeedbackError: it is not what `if_match` says.
        InvalidFeedbackError, FeedbackTooLargeError: the change is none.
        DoubleReviewPendingError, AdjudicationForbiddenError: two people are asked here.
        ResolutionUnprovenError, ReasonRequiredError: the status may not be that.
    """
    held = await hold_finished(tx, caller.organization_id, run_id)
    check_match(await verdicts.see(tx, caller, held), if_match)
    await verdicts.give(tx, caller, held, change)
    return await get(tx, caller, run_id)


async def clear(
    tx: db.Transaction, caller: access.Caller, run_id: str, *, if_match: str | None = None
) -> tuple[View, list[str]]:
    """Clear what people see of a run's review, with the expected files; where there is nothing, nothing happens.

    Its history stays, and so does a promoted miss on the board until it is resolved. In a blind double review
    only the caller's own verdict goes. Returns also the hashes that the files had: hand them to `Blobs.forget` once
    the transaction has committed.

    Raises:
        RunNotFoundError: the organization has no such run.
        StaleFeedbackError: it is not what `if_match` says.
    """
    held = await hold(tx, caller.organization_id, run_id)
    view = await verdicts.see(tx, caller, held)
    check_match(view, if_match)
    hashes = [file.sha256 for file in view.feedback.files] if view.feedback else []
    if held.is_blind or (held.item is None or held.item.slots == 1):
        await verdicts.withdraw(tx, caller, held)
    before = held.feedback
    if before.exists and not held.is_blind:
        names = [file.name for file in before.files]
        await store.delete_files(tx, caller.organization_id, run_id, "", names)
        promoted = before.promoted_example_id is not None
        after = replace(
            before,
            cleared=True,
            rating=before.rating if promoted else None,
            status=before.status if promoted else None,
            body="",
            expected=None,
            corrections=(),
            tags=(),
            ignore_reason=None,
            closed_note=None,
            files=(),
        )
        await record(tx, before, after, by=caller)
    return await get(tx, caller, run_id), hashes


async def history(
    tx: db.Transaction, caller: access.Caller, run_id: str, *, limit: int, offset: int = 0
) -> tuple[Sequence[HistoryEntry], int]:
    """Return a page of who changed what when, newest first, and how many changes there are.

    Of a blind double review it tells a reviewer what he did himself.

    Raises:
        RunNotFoundError: the organization has no such run.
    """
    held = await read(tx, caller.organization_id, run_id)
    own = caller.user_id if held.is_blind else None
    return await store.list_history(
        tx, caller.organization_id, run_id, only_verdicts_of=own, limit=limit, offset=offset
    )


async def failure_tags(tx: db.Transaction, organization_id: str, automation_id: str) -> Sequence[FailureTag]:
    """Return the ways in which an automation fails, as people tagged them, the commonest first, at most 500."""
    return await store.failure_tags(tx, organization_id, automation_id, MAX_FAILURE_TAGS)


async def summaries(tx: db.Transaction, organization_id: str, run_ids: Sequence[str]) -> dict[str, ReviewSummary]:
    """Sum up the reviews of those of the runs that have one, by run id; blind verdicts are in none."""
    return await store.summaries(tx, organization_id, run_ids) if run_ids else {}


def check_match(view: View, if_match: str | None) -> None:
    """Return if what somebody sees is what he thinks it is.

    Raises:
        StaleFeedbackError: it is not.
    """
    if if_match is None:
        return
    wanted = [tag.strip().removeprefix("W/") for tag in if_match.split(",")]
    if view.etag not in wanted and not (wanted == ["*"] and view.feedback is not None):
        raise StaleFeedbackError
