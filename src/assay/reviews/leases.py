"""Who has which item of the review queue, and for how long: two people never have the same slot.

A claim takes the item's lock first and then asks, in a statement of its own, whether a slot is still free: what others
have committed until then it sees, and until it commits they wait or pass by. A lease that is over is no claim any more;
that nobody gave it back does not matter.
"""

from datetime import timedelta

from assay import access, db
from assay.reviews import queue_store
from assay.reviews.errors import ClaimLostError, ItemNotAvailableError, ItemNotFoundError, ReasonRequiredError
from assay.reviews.model import CHANNEL
from assay.reviews.queue import adjudicates, get_item
from assay.reviews.queue_model import QueueItem

LEASE = timedelta(minutes=15)
SHORTEST_LEASE = timedelta(seconds=10)
LONGEST_LEASE = timedelta(hours=8)
MAX_REASON = 2_000


async def claim(
    tx: db.Transaction, caller: access.Caller, *, automation_id: str | None = None, duration: timedelta = LEASE
) -> QueueItem | None:
    """Claim the next item that is open to the caller, of one automation or of all; None: there is none.

    What he has skipped comes last. An item that he has already is not handed out again while his lease holds;
    afterwards it is, to him or to another.
    """
    # Passing by what others have locked is quick, and may miss the second slot of what is only being claimed.
    for wait, skipped in ((False, False), (True, False), (True, True)):
        item_id = await queue_store.take_next(
            tx,
            caller.organization_id,
            caller.user_id,
            duration,
            adjudicates=adjudicates(caller),
            automation_id=automation_id,
            skipped=skipped,
            wait=wait,
        )
        if item_id is not None:
            tx.notify_after_commit(CHANNEL, "")
            return await get_item(tx, caller, item_id)
    return None


async def claim_item(
    tx: db.Transaction, caller: access.Caller, item_id: str, *, duration: timedelta = LEASE
) -> QueueItem:
    """Claim one item by its id; one that the caller has is his for `duration` from now on.

    Raises:
        ItemNotFoundError: the organization has no such item.
        ItemNotAvailableError: it is done, others have it, or he has given his verdict.
    """
    await _lock(tx, caller, item_id)
    if not await _extend(tx, caller, item_id, duration) and not await _take(tx, caller, item_id, duration):
        raise ItemNotAvailableError
    return await get_item(tx, caller, item_id)


async def renew(tx: db.Transaction, caller: access.Caller, item_id: str, *, duration: timedelta = LEASE) -> QueueItem:
    """Let the caller keep an item for `duration` from now on; one that ran out is his again if it is still free.

    Raises:
        ItemNotFoundError: the organization has no such item.
        ClaimLostError: somebody else has it by now, or it is done.
    """
    try:
        return await claim_item(tx, caller, item_id, duration=duration)
    except ItemNotAvailableError as error:
        raise ClaimLostError from error


async def release(tx: db.Transaction, caller: access.Caller, item_id: str, *, reason: str | None = None) -> QueueItem:
    """Give an item back, at once open to everybody. Where he does not have it, nothing happens.

    Raises:
        ItemNotFoundError: the organization has no such item.
    """
    await _lock(tx, caller, item_id)
    given_up = await queue_store.give_up(tx, caller.organization_id, caller.user_id, item_id)
    if given_up and reason:
        await access.record_by(tx, caller, "review_item.released", item_id, {"reason": reason[:MAX_REASON]})
    return await get_item(tx, caller, item_id)


async def skip(tx: db.Transaction, caller: access.Caller, item_id: str, *, reason: str) -> QueueItem:
    """Give an item back and let it come last, for the caller alone; skipped again, it goes to the very end.

    Raises:
        ItemNotFoundError: the organization has no such item.
        ReasonRequiredError: there is no reason.
    """
    await _lock(tx, caller, item_id)
    if not reason.strip():
        message = "An item is skipped for a reason: say it as `reason`."
        raise ReasonRequiredError(message, field="reason")
    await queue_store.give_up(tx, caller.organization_id, caller.user_id, item_id)
    await queue_store.skip(tx, caller.organization_id, caller.user_id, item_id, reason.strip()[:MAX_REASON])
    await access.record_by(tx, caller, "review_item.skipped", item_id, {"reason": reason.strip()[:MAX_REASON]})
    return await get_item(tx, caller, item_id)


async def _take(tx: db.Transaction, caller: access.Caller, item_id: str, duration: timedelta) -> bool:
    return await queue_store.take(
        tx, caller.organization_id, caller.user_id, item_id, duration, adjudicates=adjudicates(caller)
    )


async def _extend(tx: db.Transaction, caller: access.Caller, item_id: str, duration: timedelta) -> bool:
    return await queue_store.extend(tx, caller.organization_id, caller.user_id, item_id, duration)


async def _lock(tx: db.Transaction, caller: access.Caller, item_id: str) -> None:
    if not await queue_store.lock_item(tx, caller.organization_id, item_id):
        raise ItemNotFoundError
    tx.notify_after_commit(CHANNEL, "")
