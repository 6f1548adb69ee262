"""The overview of the review queue: what waits of each automation, and how far the people are with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import access, db, reviews
from assay.dashboard.rendering import Page, render
from assay.dashboard.visitors import Here, SignedIn

router = APIRouter()

DAYS = 30
MOST_MINE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPage(Page):
    """The queue. `mine` are items that the reader has; `agreement` is None for who may only review.

    `done` is the item that was judged last, which can be undone.
    """

    template: ClassVar[str] = "review.html"
    place: ClassVar[str] = "review"

    queues: Sequence[reviews.AutomationQueue]
    mine: Sequence[reviews.QueueItem]
    stats: reviews.QueueStats
    waiting: int
    days: int
    agreement: reviews.ReviewerAgreement | None
    may_add: bool
    done: str | None


@router.get("/review")
async def review_page(request: Request, visitor: SignedIn, server: Here, done: str = "") -> Response:
    """Show the queue."""
    caller = visitor.caller
    async with server.database.transaction() as tx:
        stats = await reviews.queue_stats(tx, caller, days=DAYS)
        page = ReviewPage(
            title="Review",
            queues=await reviews.queues(tx, caller),
            mine=(await reviews.list_queue(tx, caller, reviews.ItemFilters(mine=True), limit=MOST_MINE)).items,
            stats=stats,
            waiting=sum(one.count for one in stats.waiting),
            days=DAYS,
            agreement=(
                None
                if caller.only_reviews
                else await reviews.reviewer_agreement(tx, caller.organization_id, since=stats.since)
            ),
            may_add=caller.may("runs:write"),
            done=await _done(tx, caller, done),
        )
    return render(request, visitor, page)


async def _done(tx: db.Transaction, caller: access.Caller, item_id: str) -> str | None:
    if not item_id:
        return None
    try:
        return (await reviews.get_item(tx, caller, item_id.replace("\x00", ""))).id
    except reviews.ItemNotFoundError:
        return None
