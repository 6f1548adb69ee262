"""How far somebody reaches who may only review: the runs that are or were queued, and verdicts on them."""

from assay import access, db
from assay.reviews import queue_store
from assay.reviews.errors import OnlyReviewsError
from assay.reviews.model import Feedback
from assay.runs import RunNotFoundError


async def check_reach(tx: db.Transaction, caller: access.Caller, run_id: str) -> None:
    """Return if the caller may know of a run at all: who may only review knows of those that are, or were, queued.

    Every door asks this before it does anything with a run.

    Raises:
        RunNotFoundError: he may not, and it says nothing of whether there is such a run.
    """
    if caller.only_reviews and not await queue_store.is_queued(tx, caller.organization_id, run_id):
        raise RunNotFoundError


def check_settling(caller: access.Caller, before: Feedback, after: Feedback, *, override: str | None = None) -> None:
    """Return if the caller may bring feedback from one state to another: who may only review gives verdicts.

    A pass may be closed with the verdict; a miss is resolved by proof, and what stands in its place, or that it is
    ignored, is said by those who may do more.

    Raises:
        OnlyReviewsError: he may not.
    """
    if not caller.only_reviews:
        return
    closes = after.status in {"resolved", "ignored"} and after.status != before.status
    is_pass = after.status == "resolved" and after.rating == "pass" and before.status is None
    if override is not None or (closes and not is_pass):
        raise OnlyReviewsError(field="status" if override is None else "override")
