"""The SQL about evaluators: each text that was ever in force, and which one is."""

from assay import db
from assay.evaluators.model import EvaluatorSet, PastSet, StoredSet
from assay.ids import new_id

_STORED = "id, automation_id, number, source, content_hash, created_by, created_at"

# Held until the transaction ends, so that numbers are consecutive.
LOCK = "SELECT id FROM automations WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE"

CURRENT = f"""
SELECT {_STORED} FROM evaluator_sets
WHERE organization_id = $1 AND automation_id = $2 ORDER BY number DESC LIMIT 1
"""

BY_ID = f"SELECT {_STORED} FROM evaluator_sets WHERE organization_id = $1 AND id = $2"

PAST = """
SELECT id, number, content_hash, created_by, created_at FROM evaluator_sets
WHERE organization_id = $1 AND automation_id = $2 ORDER BY number DESC LIMIT $3 OFFSET $4
"""

INSERT = f"""
INSERT INTO evaluator_sets (id, organization_id, automation_id, number, source, content_hash, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_STORED}
"""


async def current(tx: db.Transaction, organization_id: str, automation_id: str) -> StoredSet | None:
    """Return what is in force, or None where there never were any."""
    row = await tx.fetch_one(CURRENT, organization_id, automation_id)
    return None if row is None else _stored(row)


async def by_id(tx: db.Transaction, organization_id: str, set_id: str) -> StoredSet | None:
    """Return the text with this id, in force or not."""
    row = await tx.fetch_one(BY_ID, organization_id, set_id)
    return None if row is None else _stored(row)


async def past_sets(
    tx: db.Transaction, organization_id: str, automation_id: str, limit: int, offset: int
) -> list[PastSet]:
    """Return one page of the texts that were ever in force, newest first, without the texts."""
    return [PastSet(**dict(row)) for row in await tx.fetch(PAST, organization_id, automation_id, limit, offset)]


async def lock(tx: db.Transaction, organization_id: str, automation_id: str) -> None:
    """Keep everyone else from replacing the evaluators until the transaction ends."""
    await tx.execute(LOCK, organization_id, automation_id)


async def insert(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    number: int,
    evaluator_set: EvaluatorSet,
    user_id: str | None,
) -> StoredSet:
    """Add a text under the next number."""
    row = await tx.fetch_one(
        INSERT,
        new_id("evs"),
        organization_id,
        automation_id,
        number,
        evaluator_set.source,
        evaluator_set.content_hash,
        user_id,
    )
    assert row is not None, "an insert returns its row"
    return _stored(row)


def _stored(row: db.Row) -> StoredSet:
    return StoredSet(**dict(row))
