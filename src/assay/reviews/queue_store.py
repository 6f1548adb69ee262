"""The SQL of the review queue. Whether a lease holds is asked of the database's clock, and of no other."""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from assay import db
from assay.ids import new_id
from assay.reviews.queue_model import (
    AutomationQueue,
    ItemFilters,
    ItemPlace,
    Lease,
    Progress,
    QueueItem,
    QueueReason,
    Waiting,
)

_HOLDS = "(claim.verdict_at IS NOT NULL OR claim.expires_at > clock_timestamp())"

# $1 organization, $2 reviewer, $3 whether he may decide where two disagree. Nobody judges a run twice, nor takes a
# second slot of it; a disagreement goes to one third person at a time.
_OPEN_TO_HIM = f"""
item.organization_id = $1 AND item.state <> 'done'
AND NOT EXISTS (
    SELECT FROM review_claims claim WHERE claim.item_id = item.id AND claim.reviewer = $2 AND {_HOLDS})
AND CASE WHEN item.state = 'open'
    THEN item.slots > (
        SELECT count(*) FROM review_claims claim
        WHERE claim.item_id = item.id AND claim.reviewer <> $2 AND {_HOLDS})
    ELSE $3::boolean AND NOT EXISTS (
        SELECT FROM review_claims claim
        WHERE claim.item_id = item.id AND claim.verdict_at IS NULL AND claim.expires_at > clock_timestamp())
    END
"""

# An array, so that the few that are his are looked up and not all that wait.
_HIS = """
item.id = ANY (ARRAY(
    SELECT claim.item_id FROM review_claims claim WHERE claim.organization_id = $1 AND claim.reviewer = $2
    AND claim.verdict_at IS NULL AND claim.expires_at > clock_timestamp()))
"""

_HE_SKIPPED = "SELECT FROM review_skips skip WHERE skip.item_id = item.id AND skip.reviewer = $2"

# What he has put off comes last, the longest ago first.
_NEXT = """
SELECT item.id FROM review_items item
WHERE {conditions} AND NOT EXISTS ({skipped})
ORDER BY item.rank DESC, item.created_at, item.id LIMIT 1 FOR UPDATE OF item {locked}
"""
_NEXT_SKIPPED = """
SELECT item.id FROM review_items item JOIN review_skips skip ON skip.item_id = item.id AND skip.reviewer = $2
WHERE {conditions}
ORDER BY skip.created_at, item.id LIMIT 1 FOR UPDATE OF item {locked}
"""

# Asked under the item's lock, in a statement of its own: now nobody else can take the slot.
_TAKE = f"""
INSERT INTO review_claims (item_id, organization_id, reviewer, claimed_at, expires_at)
SELECT item.id, item.organization_id, $2, clock_timestamp(), clock_timestamp() + $5::interval
FROM review_items item WHERE item.id = $4 AND {_OPEN_TO_HIM}
ON CONFLICT (item_id, reviewer) DO UPDATE SET claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
"""

_EXTEND = """
UPDATE review_claims SET expires_at = clock_timestamp() + $4::interval
WHERE organization_id = $1 AND reviewer = $2 AND item_id = $3 AND verdict_at IS NULL AND expires_at > clock_timestamp()
"""

_GIVE_UP = """
DELETE FROM review_claims WHERE organization_id = $1 AND reviewer = $2 AND item_id = $3 AND verdict_at IS NULL
"""

_SKIP = """
INSERT INTO review_skips (item_id, organization_id, reviewer, reason) VALUES ($3, $1, $2, $4)
ON CONFLICT (item_id, reviewer) DO UPDATE SET reason = excluded.reason, created_at = clock_timestamp()
"""

_CLOSE_SLOT = """
INSERT INTO review_claims (item_id, organization_id, reviewer, expires_at, verdict_at)
SELECT id, organization_id, $2, clock_timestamp(), clock_timestamp() FROM review_items WHERE run_id = $1
ON CONFLICT (item_id, reviewer) DO UPDATE SET verdict_at = coalesce(review_claims.verdict_at, excluded.verdict_at)
"""

_COUNT_VERDICTS = """
UPDATE review_items item SET
    verdicts = counted.verdicts,
    state = CASE WHEN item.state = 'disagreement' THEN item.state
                 WHEN counted.verdicts >= item.slots THEN 'done' ELSE 'open' END,
    done_at = CASE WHEN item.state <> 'disagreement' AND counted.verdicts >= item.slots
                   THEN coalesce(item.done_at, clock_timestamp()) END
FROM (SELECT count(*) AS verdicts FROM review_claims claim JOIN review_items own ON own.id = claim.item_id
      WHERE own.run_id = $1 AND claim.verdict_at IS NOT NULL) counted
WHERE item.run_id = $1
"""

_ITEM = """
SELECT item.id, item.run_id, item.automation_id, automation.slug AS automation_slug,
       automation.name AS automation_name, run.version_label, run.mode, item.reason, item.rank, item.slots,
       item.verdicts, item.state, item.created_at, item.done_at, skip.reason AS skipped_because,
       EXISTS (SELECT FROM review_claims claim
               WHERE claim.item_id = item.id AND claim.reviewer = $2 AND claim.verdict_at IS NOT NULL) AS judged
FROM review_items item JOIN automations automation ON automation.id = item.automation_id
JOIN runs run ON run.id = item.run_id
LEFT JOIN review_skips skip ON skip.item_id = item.id AND skip.reviewer = $2
"""

_QUEUES = f"""
SELECT automation.id AS automation_id, automation.slug, automation.name, counted.waiting, counted.disagreements,
       counted.mine, counted.oldest_at
FROM (SELECT item.automation_id, count(*) AS waiting, min(item.created_at) AS oldest_at,
             count(*) FILTER (WHERE item.state = 'disagreement') AS disagreements,
             count(*) FILTER (WHERE {_HIS}) AS mine
      FROM review_items item WHERE item.organization_id = $1 AND item.state <> 'done'
      GROUP BY item.automation_id) counted
JOIN automations automation ON automation.id = counted.automation_id
ORDER BY counted.waiting DESC, automation.slug
"""

_LEASES = """
SELECT claim.item_id, claim.reviewer, person.email, claim.claimed_at, claim.expires_at
FROM review_claims claim JOIN review_items item ON item.id = claim.item_id
LEFT JOIN users person ON person.id = claim.reviewer
WHERE claim.organization_id = $1 AND claim.item_id = ANY($2) AND claim.verdict_at IS NULL
  AND claim.expires_at > clock_timestamp() AND item.state <> 'done'
ORDER BY claim.claimed_at
"""

_STANDING = """
SELECT run.id, run.automation_id, run.outcome IS NOT NULL AS finished, run.review_rating IS NOT NULL AS reviewed,
       item.id AS item_id, item.state, item.priority
FROM runs run LEFT JOIN review_items item ON item.run_id = run.id
WHERE run.organization_id = $1 AND run.id = ANY($2)
"""

_ADD = """
INSERT INTO review_items (id, organization_id, automation_id, run_id, reason, priority, slots)
SELECT given.id, $1, given.automation_id, given.run_id, $5, $6, $7
FROM unnest($2::text[], $3::text[], $4::text[]) AS given (id, automation_id, run_id)
ON CONFLICT (run_id) DO NOTHING
"""

_REOPEN = """
WITH reopened AS (
    UPDATE review_items SET state = 'open', reason = $3, priority = $4, slots = $5, verdicts = 0, done_at = NULL,
        created_at = clock_timestamp()
    WHERE organization_id = $1 AND id = ANY($2) AND state = 'done' RETURNING id
), freed AS (
    DELETE FROM review_claims claim USING reopened WHERE claim.item_id = reopened.id
), unskipped AS (
    DELETE FROM review_skips skip USING reopened WHERE skip.item_id = reopened.id
)
SELECT count(*) FROM reopened
"""

_WAITING = """
SELECT state, reason, count(*) AS count, min(created_at) AS oldest_at FROM review_items item
WHERE organization_id = $1 AND state <> 'done'{automation} GROUP BY state, reason ORDER BY count(*) DESC, state, reason
"""

_CLAIMED = """
SELECT count(DISTINCT item.id) FROM review_claims claim JOIN review_items item ON item.id = claim.item_id
WHERE claim.organization_id = $1 AND claim.verdict_at IS NULL AND claim.expires_at > clock_timestamp()
  AND item.state <> 'done'{automation}
"""

_PROGRESS = """
WITH done AS (
    SELECT verdict.reviewer, count(*) AS done,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY verdict.seconds) AS median_seconds
    FROM verdicts verdict{of_runs}
    WHERE verdict.organization_id = $1 AND verdict.created_at >= $2 AND verdict.rating IS NOT NULL{automation}
    GROUP BY verdict.reviewer
), holding AS (
    SELECT claim.reviewer, count(*) AS open
    FROM review_claims claim JOIN review_items item ON item.id = claim.item_id
    WHERE claim.organization_id = $1 AND claim.verdict_at IS NULL AND claim.expires_at > clock_timestamp()
      AND item.state <> 'done'{automation}
    GROUP BY claim.reviewer
)
SELECT reviewer, person.email, coalesce(done, 0) AS done, coalesce(open, 0) AS open, median_seconds
FROM done FULL JOIN holding USING (reviewer) LEFT JOIN users person ON person.id = reviewer
ORDER BY coalesce(done, 0) DESC, reviewer
"""

# Both verdicts are in where the item is not open any more; until then nobody is told anything.
_BLIND_PAIRS = """
SELECT one.reviewer AS first, other.reviewer AS second, one.blind_rating AS first_rating,
       other.blind_rating AS second_rating, count(*) AS count,
       min(first_person.email) AS first_email, min(second_person.email) AS second_email
FROM review_items item
JOIN verdicts one ON one.run_id = item.run_id
JOIN verdicts other ON other.run_id = item.run_id AND other.reviewer > one.reviewer
LEFT JOIN users first_person ON first_person.id = one.reviewer
LEFT JOIN users second_person ON second_person.id = other.reviewer
WHERE item.organization_id = $1 AND item.slots > 1 AND item.state <> 'open'
  AND one.blind_rating IS NOT NULL AND other.blind_rating IS NOT NULL
  AND ($2::timestamptz IS NULL OR greatest(one.created_at, other.created_at) >= $2)
  AND ($3::timestamptz IS NULL OR greatest(one.created_at, other.created_at) < $3){automation}
GROUP BY one.reviewer, other.reviewer, one.blind_rating, other.blind_rating
"""


# --- slots


class _TakenMeanwhileError(Exception):
    """Between looking for an item and locking it, somebody else took its last slot."""


async def take_next(
    tx: db.Transaction,
    organization_id: str,
    reviewer: str,
    duration: timedelta,
    *,
    adjudicates: bool,
    automation_id: str | None,
    skipped: bool,
    wait: bool,
) -> str | None:
    """Give a reviewer the next item that is open to him, of those he skipped or of the others; None: there is none.

    Without `wait`, an item that somebody else has locked is passed over.
    """
    conditions = _OPEN_TO_HIM + (" AND item.automation_id = $4" if automation_id else "")
    template = _NEXT_SKIPPED if skipped else _NEXT
    sql = template.format(conditions=conditions, skipped=_HE_SKIPPED, locked="" if wait else "SKIP LOCKED")
    arguments = [organization_id, reviewer, adjudicates, *([automation_id] if automation_id else [])]
    while True:
        with contextlib.suppress(_TakenMeanwhileError):
            # A savepoint gives back the lock of what is lost: two who wait must not hold what the other waits for.
            async with tx.connection.transaction():
                item_id = await tx.fetch_value(sql, *arguments)
                if item_id is not None and not await take(
                    tx, organization_id, reviewer, item_id, duration, adjudicates=adjudicates
                ):
                    raise _TakenMeanwhileError
                return item_id


async def lock_item(tx: db.Transaction, organization_id: str, item_id: str) -> bool:
    """Lock an item until the transaction ends; False: there is none."""
    sql = "SELECT id FROM review_items WHERE organization_id = $1 AND id = $2 FOR UPDATE"
    return await tx.fetch_one(sql, organization_id, item_id) is not None


async def take(
    tx: db.Transaction, organization_id: str, reviewer: str, item_id: str, duration: timedelta, *, adjudicates: bool
) -> bool:
    """Give a slot of a locked item to a reviewer; False: none is open to him any more."""
    return await tx.execute(_TAKE, organization_id, reviewer, adjudicates, item_id, duration) > 0


async def extend(tx: db.Transaction, organization_id: str, reviewer: str, item_id: str, duration: timedelta) -> bool:
    """Let a lease end so much later than now; False: he has none that holds."""
    return await tx.execute(_EXTEND, organization_id, reviewer, item_id, duration) > 0


async def give_up(tx: db.Transaction, organization_id: str, reviewer: str, item_id: str) -> bool:
    """End a lease, and tell whether there was one."""
    return await tx.execute(_GIVE_UP, organization_id, reviewer, item_id) > 0


async def skip(tx: db.Transaction, organization_id: str, reviewer: str, item_id: str, reason: str) -> None:
    """Let an item come last for one reviewer."""
    await tx.execute(_SKIP, organization_id, reviewer, item_id, reason)


async def close_slot(tx: db.Transaction, run_id: str, reviewer: str) -> None:
    """Note that a reviewer's verdict on a run is in; a run that is not in the queue is none of its business."""
    await tx.execute("SELECT id FROM review_items WHERE run_id = $1 FOR UPDATE", run_id)
    if await tx.execute(_CLOSE_SLOT, run_id, reviewer):
        await tx.execute(_COUNT_VERDICTS, run_id)


async def open_slot(tx: db.Transaction, run_id: str, reviewer: str) -> None:
    """Note that a reviewer has taken his verdict on a run back."""
    await tx.execute("SELECT id FROM review_items WHERE run_id = $1 FOR UPDATE", run_id)
    sql = """DELETE FROM review_claims claim USING review_items item
             WHERE item.id = claim.item_id AND item.run_id = $1 AND claim.reviewer = $2"""
    if await tx.execute(sql, run_id, reviewer):
        await tx.execute(_COUNT_VERDICTS, run_id)


# --- items


async def is_queued(tx: db.Transaction, organization_id: str, run_id: str) -> bool:
    """Tell whether a run stands, or stood, in the queue."""
    sql = "SELECT FROM review_items WHERE organization_id = $1 AND run_id = $2"
    return await tx.fetch_one(sql, organization_id, run_id) is not None


async def item(tx: db.Transaction, organization_id: str, reviewer: str, item_id: str) -> QueueItem | None:
    """Return an item."""
    sql = f"{_ITEM} WHERE item.organization_id = $1 AND item.id = $3"
    found = await _items(tx, organization_id, await tx.fetch(sql, organization_id, reviewer, item_id))
    return found[0] if found else None


async def items(
    tx: db.Transaction,
    organization_id: str,
    reviewer: str,
    filters: ItemFilters,
    *,
    adjudicates: bool,
    after: ItemPlace | None,
    limit: int,
) -> list[QueueItem]:
    """Return up to `limit` items in the order of the queue."""
    # Named in every case, so that its type is known also where nothing asks for it.
    conditions = ["item.organization_id = $1", "$3::boolean IS NOT NULL"]
    values: list[Any] = [organization_id, reviewer, adjudicates]

    def add(condition: str, *given: object) -> None:
        places = [f"${len(values) + 1 + number}" for number in range(len(given))]
        conditions.append(condition.format(*places))
        values.extend(given)

    if filters.state is not None:
        add("item.state = {}", filters.state)
    elif filters.run_id is None:
        conditions.append("item.state <> 'done'")
    for name in ("automation_id", "reason", "run_id"):
        if getattr(filters, name) is not None:
            add(f"item.{name} = {{}}", getattr(filters, name))
    if filters.available:
        conditions.append(_OPEN_TO_HIM)
    if filters.mine:
        conditions.append(_HIS)
    if after is not None:
        further = "(item.rank < {0} OR item.rank = {0} AND (item.created_at, item.id) > ({1}, {2}))"
        add(further, after.rank, after.created_at, after.item_id)
    ordered = "ORDER BY item.rank DESC, item.created_at, item.id"
    sql = f"{_ITEM} WHERE {' AND '.join(conditions)} {ordered} LIMIT {limit:d}"
    return await _items(tx, organization_id, await tx.fetch(sql, *values))


async def standing(tx: db.Transaction, organization_id: str, run_ids: Sequence[str]) -> dict[str, db.Row]:
    """Return `finished`, `reviewed`, `item_id`, `state` and `priority` of each of the runs that exists."""
    return {row["id"]: row for row in await tx.fetch(_STANDING, organization_id, list(run_ids))}


async def add(
    tx: db.Transaction,
    organization_id: str,
    runs: Sequence[tuple[str, str]],
    *,
    reason: QueueReason,
    priority: int,
    slots: int,
) -> int:
    """Put runs, named by automation and id, into the queue; return how many were not there yet."""
    # In one order everywhere: two who add the same runs wait for each other, and never both.
    ordered = sorted(runs, key=lambda one: one[1])
    item_ids = [new_id("rvi") for _ in ordered]
    automation_ids, run_ids = [one for one, _ in ordered], [one for _, one in ordered]
    return await tx.execute(_ADD, organization_id, item_ids, automation_ids, run_ids, reason, priority, slots)


async def lock_items(tx: db.Transaction, organization_id: str, item_ids: Sequence[str]) -> None:
    """Lock items until the transaction ends, in one order everywhere."""
    sql = "SELECT id FROM review_items WHERE organization_id = $1 AND id = ANY($2) ORDER BY id FOR UPDATE"
    await tx.fetch(sql, organization_id, list(item_ids))


async def reopen(
    tx: db.Transaction, organization_id: str, item_ids: Sequence[str], *, reason: QueueReason, priority: int, slots: int
) -> int:
    """Let items that are done wait again, with all their slots; return how many were."""
    return await tx.fetch_value(_REOPEN, organization_id, list(item_ids), reason, priority, slots)


async def raise_priority(tx: db.Transaction, organization_id: str, item_ids: Sequence[str], priority: int) -> None:
    """Move waiting items forward."""
    sql = "UPDATE review_items SET priority = $3 WHERE organization_id = $1 AND id = ANY($2) AND priority < $3"
    await tx.execute(sql, organization_id, list(item_ids), priority)


# --- figures


async def waiting(tx: db.Transaction, organization_id: str, automation_id: str | None) -> list[Waiting]:
    """Count what waits, by state and reason."""
    return [Waiting(**dict(row)) for row in await _figures(tx, _WAITING, [organization_id], automation_id)]


async def queues(tx: db.Transaction, organization_id: str, reviewer: str) -> list[AutomationQueue]:
    """Count what waits of each automation."""
    return [AutomationQueue(**dict(row)) for row in await tx.fetch(_QUEUES, organization_id, reviewer)]


async def claimed(tx: db.Transaction, organization_id: str, automation_id: str | None) -> int:
    """Count the items that somebody has at the moment."""
    (row,) = await _figures(tx, _CLAIMED, [organization_id], automation_id)
    return row[0]


async def progress(
    tx: db.Transaction, organization_id: str, automation_id: str | None, since: datetime
) -> list[Progress]:
    """Return what each reviewer has done since a moment, the busiest first."""
    rows = await _figures(tx, _PROGRESS, [organization_id, since], automation_id)
    return [Progress(**dict(row)) for row in rows]


async def blind_pairs(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[db.Row]:
    """Count what pairs of reviewers said blind of the same runs."""
    return await _figures(tx, _BLIND_PAIRS, [organization_id, since, until], automation_id)


async def _figures(
    tx: db.Transaction, template: str, values: Sequence[object], automation_id: str | None
) -> list[db.Row]:
    if automation_id is None:
        return await tx.fetch(template.format(automation="", of_runs=""), *values)
    condition = f" AND item.automation_id = ${len(values) + 1}"
    of_runs = " JOIN runs item ON item.id = verdict.run_id"
    return await tx.fetch(template.format(automation=condition, of_runs=of_runs), *values, automation_id)


async def _items(tx: db.Transaction, organization_id: str, rows: Sequence[db.Row]) -> list[QueueItem]:
    leases: dict[str, list[Lease]] = {row["id"]: [] for row in rows}
    if leases:
        for row in await tx.fetch(_LEASES, organization_id, list(leases)):
            leases[row["item_id"]].append(Lease(*list(row)[1:]))
    return [QueueItem(**dict(row), leases=leases[row["id"]]) for row in rows]
