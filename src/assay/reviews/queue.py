"""What stands in the review queue: a run once, put there by the draw or by somebody, until its verdicts are in."""

import base64
import binascii
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from assay import access, clock, db, runs
from assay.errors import Issue
from assay.reviews import queue_store
from assay.reviews.errors import ItemNotFoundError, TooManyRunsError
from assay.reviews.model import CHANNEL
from assay.reviews.queue_model import (
    PRIORITIES,
    Added,
    AutomationQueue,
    ItemFilters,
    ItemPlace,
    QueueItem,
    QueuePage,
    QueueReason,
    QueueStats,
)
from assay.runs import InvalidCursorError, RunNotFinishedError, RunNotFoundError

MOST_AT_ONCE = 10_000
"""Runs that one call may add."""
_PAGE = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = struct.Struct(">hq")


def adjudicates(caller: access.Caller) -> bool:
    """Tell whether somebody may decide where two reviewers disagree."""
    return caller.may("runs:write")


async def verdict_given(tx: db.Transaction, run_id: str, reviewer: str) -> None:
    """Note that a reviewer's verdict on a run is in: its slot is closed, and with the last one its item.

    To be called after the verdict is written, in the same transaction; a second call changes nothing, nor does one
    about a run that is not in the queue. What two unequal verdicts of a blind double review mean is not decided here.
    """
    await queue_store.close_slot(tx, run_id, reviewer)
    tx.notify_after_commit(CHANNEL, "")


async def verdict_withdrawn(tx: db.Transaction, run_id: str, reviewer: str) -> None:
    """Note that a reviewer has taken his verdict on a run back: the slot is free again, and the item waits."""
    await queue_store.open_slot(tx, run_id, reviewer)
    tx.notify_after_commit(CHANNEL, "")


async def list_queue(
    tx: db.Transaction,
    caller: access.Caller,
    filters: ItemFilters,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> QueuePage:
    """Read one page: disagreements first, then by priority, and of equal ones the oldest first. Pages are full.

    Items that are done are in none, but the one of a run that the filters name.

    Raises:
        InvalidCursorError: the cursor is not one of ours.
    """
    after = None if cursor is None else _decoded(cursor)
    found = await queue_store.items(
        tx,
        caller.organization_id,
        caller.user_id,
        filters,
        adjudicates=adjudicates(caller),
        after=after,
        limit=limit + 1,
    )
    page = found[:limit]
    return QueuePage(page, _encoded(page[-1]) if len(found) > limit else None)


def cursor_after(item: QueueItem) -> str:
    """Return the cursor of the page that begins behind an item."""
    return _encoded(item)


async def queues(tx: db.Transaction, caller: access.Caller) -> Sequence[AutomationQueue]:
    """Say of each automation how much waits; those of which nothing does are left out, the fullest come first."""
    return await queue_store.queues(tx, caller.organization_id, caller.user_id)


async def get_item(tx: db.Transaction, caller: access.Caller, item_id: str) -> QueueItem:
    """Return an item.

    Raises:
        ItemNotFoundError: the organization has no such item.
    """
    found = await queue_store.item(tx, caller.organization_id, caller.user_id, item_id)
    if found is None:
        raise ItemNotFoundError
    return found


async def add_runs(
    tx: db.Transaction,
    caller: access.Caller,
    run_ids: Sequence[str],
    *,
    reason: QueueReason,
    double: bool = False,
    dry_run: bool = False,
) -> Added:
    """Put runs into the queue; with `double` they take two blind verdicts. `dry_run` only counts.

    One that waits there already stays what it is, and moves forward where the reason says so. One that has been
    judged is not asked about again, unless it is reported. A second call adds nothing.

    Raises:
        RunNotFoundError: the organization has no such run; an issue for each.
        RunNotFinishedError: runs have not ended; an issue for each.
        TooManyRunsError: there are more than 10,000.
    """
    wanted = list(dict.fromkeys(run_ids))
    if len(wanted) > MOST_AT_ONCE:
        raise TooManyRunsError
    standing = await queue_store.standing(tx, caller.organization_id, wanted)
    unknown = [
        Issue(f"runIds[{index}]", f"There is no run {run_id[:80]!r}.", "not_found")
        for index, run_id in enumerate(wanted)
        if run_id not in standing
    ]
    if unknown:
        raise RunNotFoundError(unknown[0].message, issues=unknown)
    early = [
        Issue(f"runIds[{index}]", f"The run {run_id} has not ended.", RunNotFinishedError.code)
        for index, run_id in enumerate(wanted)
        if not standing[run_id]["finished"]
    ]
    if early:
        raise RunNotFinishedError(early[0].message, issues=early)
    return await _add(tx, caller, wanted, reason=reason, double=double, dry_run=dry_run)


async def add_matching(
    tx: db.Transaction,
    caller: access.Caller,
    filters: runs.RunFilters,
    *,
    reason: QueueReason,
    timeout_seconds: float,
    double: bool = False,
    dry_run: bool = False,
) -> Added:
    """Put the runs that filters match into the queue, like `add_runs`; those that have not ended are left out.

    `dry_run` counts up to 10,000 and says whether there are more.

    Raises:
        TooManyRunsError: there are more than 10,000.
    """
    found: list[str] = []
    cursor = None
    while True:
        page = await runs.list_runs(
            tx, caller.organization_id, filters, cursor=cursor, limit=_PAGE, timeout_seconds=timeout_seconds
        )
        found += [run.id for run in page.runs]
        cursor = page.next_cursor
        if cursor is None or len(found) >= MOST_AT_ONCE:
            break
    if cursor is not None and not dry_run:
        raise TooManyRunsError
    return await _add(tx, caller, found, reason=reason, double=double, dry_run=dry_run, more=cursor is not None)


async def queue_stats(
    tx: db.Transaction, caller: access.Caller, automation_id: str | None = None, *, days: int = 30
) -> QueueStats:
    """Say how the queue stands, of one automation or of all, and what each reviewer did in the last `days`.

    Who may only review is told of himself alone.
    """
    since = clock.now() - timedelta(days=days)
    organization_id = caller.organization_id
    progress = await queue_store.progress(tx, organization_id, automation_id, since)
    return QueueStats(
        await queue_store.waiting(tx, organization_id, automation_id),
        await queue_store.claimed(tx, organization_id, automation_id),
        sum(one.done for one in progress),
        [one for one in progress if not caller.only_reviews or one.reviewer == caller.user_id],
        since,
    )


async def _add(
    tx: db.Transaction,
    caller: access.Caller,
    run_ids: Sequence[str],
    *,
    reason: QueueReason,
    double: bool,
    dry_run: bool,
    more: bool = False,
) -> Added:
    standing = await queue_store.standing(tx, caller.organization_id, run_ids)
    reported = reason == "reported"
    priority, slots = PRIORITIES[reason], 2 if double else 1
    finished = [row for row in standing.values() if row["finished"]]
    queued = [row for row in finished if row["item_id"] is not None]
    new = [row for row in finished if row["item_id"] is None and (reported or not row["reviewed"])]
    done = [row["item_id"] for row in queued if row["state"] == "done"]
    slow = [row["item_id"] for row in queued if row["state"] == "open" and row["priority"] < priority]
    added, reopened = len(new), len(done) if reported else 0
    if not dry_run:
        named = [(row["automation_id"], row["id"]) for row in new]
        organization_id = caller.organization_id
        added = await queue_store.add(tx, organization_id, named, reason=reason, priority=priority, slots=slots)
        await queue_store.lock_items(tx, organization_id, [*slow, *(done if reported else [])])
        if reopened:
            reopened = await queue_store.reopen(
                tx, organization_id, done, reason=reason, priority=priority, slots=slots
            )
        await queue_store.raise_priority(tx, organization_id, slow, priority)
        tx.notify_after_commit(CHANNEL, "")
        await _record(tx, caller, reason, added=added, reopened=reopened, double=double)
    # Somebody else may have been first with some of them; those wait, too.
    waiting = len(queued) - len(done) + len(new) - added
    return Added(
        matched=len(standing),
        added=added,
        reopened=reopened,
        waiting=waiting,
        reviewed=len(finished) - added - reopened - waiting,
        unfinished=len(standing) - len(finished),
        raised=len(slow),
        more=more,
    )


async def _record(
    tx: db.Transaction, caller: access.Caller, reason: str, *, added: int, reopened: int, double: bool
) -> None:
    if not added and not reopened:
        return
    await access.record_by(
        tx,
        caller,
        "review_queue.added",
        "review-queue",
        {"reason": reason, "added": added, "reopened": reopened, "double": double},
    )


def _encoded(item: QueueItem) -> str:
    moment = (item.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_PLACE.pack(item.rank, moment) + item.id.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> ItemPlace:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        rank, moment = _PLACE.unpack(raw[: _PLACE.size])
        place = ItemPlace(rank, _EPOCH + timedelta(microseconds=moment), raw[_PLACE.size :].decode("ascii"))
    except (binascii.Error, ValueError, struct.error, OverflowError) as error:
        raise InvalidCursorError(field="cursor") from error
    if not place.item_id.startswith("rvi_") or "\x00" in place.item_id:
        raise InvalidCursorError(field="cursor")
    return place
