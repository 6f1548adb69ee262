"""The SQL about incumbents: what the process before made of the inputs of runs, and how far the two agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import JsonValue

from assay import db, jsontext
from assay.reviews.model import Rating

_OF_AUTOMATION = "SELECT id FROM runs WHERE organization_id = $1 AND automation_id = $2 AND id = ANY($3)"

_BY_METADATA = """
SELECT i.metadata->>$3 AS value, r.id AS run_id
FROM runs r JOIN run_inputs i ON i.run_id = r.id
WHERE r.organization_id = $1 AND r.automation_id = $2 AND r.mode <> 'eval' AND r.parent_run_id IS NULL
  AND r.created_at >= $5 AND json_typeof(i.metadata) = 'object' AND i.metadata->>$3 = ANY($4)
ORDER BY r.created_at DESC, r.id DESC
"""

_ATTACH = """
INSERT INTO incumbent_outputs AS i (run_id, organization_id, automation_id, output, source, created_by)
SELECT given.run_id, $1, r.automation_id, given.output::json, given.source, $5
FROM unnest($2::text[], $3::text[], $4::text[]) AS given (run_id, output, source)
JOIN runs r ON r.organization_id = $1 AND r.id = given.run_id
ORDER BY given.run_id  -- two imports of the same runs wait for each other, and not in a circle
ON CONFLICT (run_id) DO UPDATE SET output = excluded.output, source = excluded.source, agreement = NULL,
    created_by = excluded.created_by, created_at = clock_timestamp()
RETURNING (xmax = 0) AS is_new
"""

_PAIR = """
SELECT r.id AS run_id, r.automation_id, r.outcome, v.output, i.output AS incumbent, i.source, i.created_at,
       i.run_id IS NOT NULL AS is_attached,
       CASE WHEN NOT f.cleared THEN f.rating END AS rating, CASE WHEN NOT f.cleared THEN f.expected END AS expected
FROM runs r LEFT JOIN run_results v ON v.run_id = r.id LEFT JOIN incumbent_outputs i ON i.run_id = r.id
LEFT JOIN feedback f ON f.run_id = r.id
WHERE r.organization_id = $1 AND r.id = ANY($2)
"""

# Failed runs have nothing to compare; they are counted.
_RANGE = """
SELECT r.id AS run_id, r.outcome, r.review_rating IS NOT NULL AS is_judged, r.sampled, i.agreement
FROM incumbent_outputs i JOIN runs r ON r.id = i.run_id
WHERE i.organization_id = $1 AND i.automation_id = $2 AND ($3::text IS NULL OR r.mode = $3)
  AND ($4::timestamptz IS NULL OR r.created_at >= $4) AND ($5::timestamptz IS NULL OR r.created_at < $5)
ORDER BY r.created_at DESC, r.id DESC LIMIT $6
"""

# What somebody else is writing, or has replaced meanwhile, is compared again the next time.
_REMEMBER = """
UPDATE incumbent_outputs i SET agreement = known.agreement::json
FROM (SELECT given.run_id, given.agreement
      FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS given (run_id, agreement, created_at)
      JOIN incumbent_outputs o ON o.run_id = given.run_id AND o.created_at = given.created_at
      WHERE o.organization_id = $1 FOR UPDATE OF o SKIP LOCKED) known
WHERE i.run_id = known.run_id
"""

Outcome = Literal["completed", "failed", "cancelled", "rejected"]


@dataclass(frozen=True, slots=True)
class Attached:
    """One output of the process before, on its way to a run."""

    run_id: str
    output: JsonValue
    source: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A run's output, that of the process before, and what people said of the run. `outcome` None: it has not ended."""

    run_id: str
    automation_id: str
    outcome: Outcome | None
    output: JsonValue
    is_attached: bool
    incumbent: JsonValue
    source: str | None
    created_at: datetime | None
    rating: Rating | None
    expected: JsonValue


@dataclass(frozen=True, slots=True)
class Compared:
    """A run with an incumbent; `by` tells which evaluators `fields` were compared by, where they were at all."""

    run_id: str
    outcome: Outcome | None
    is_judged: bool
    sampled: bool
    by: str | None
    fields: Mapping[str, bool] | None


async def runs_of(
    tx: db.Transaction, organization_id: str, automation_id: str, run_ids: Sequence[str]
) -> frozenset[str]:
    """Return those of the runs that are the automation's."""
    rows = await tx.fetch(_OF_AUTOMATION, organization_id, automation_id, list(run_ids))
    return frozenset(row["id"] for row in rows)


async def runs_by_metadata(
    tx: db.Transaction, organization_id: str, automation_id: str, key: str, values: Sequence[str], since: datetime
) -> dict[str, list[str]]:
    """Find an automation's runs since a moment by a value in their metadata, written as text; newest first."""
    rows = await tx.fetch(_BY_METADATA, organization_id, automation_id, key, list(values), since)
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["value"], []).append(row["run_id"])
    return found


async def attach(tx: db.Transaction, organization_id: str, outputs: Sequence[Attached], by: str | None) -> int:
    """Write outputs, over what their runs had; return how many runs had none."""
    rows = await tx.fetch(
        _ATTACH,
        organization_id,
        [one.run_id for one in outputs],
        [jsontext.dump(one.output) for one in outputs],
        [one.source for one in outputs],
        by,
    )
    return sum(row["is_new"] for row in rows)


async def pairs(tx: db.Transaction, organization_id: str, run_ids: Sequence[str]) -> list[Pair]:
    """Read runs side by side with what the process before made, in no order."""
    return [
        Pair(
            row["run_id"],
            row["automation_id"],
            row["outcome"],
            jsontext.load(row["output"]),
            row["is_attached"],
            jsontext.load(row["incumbent"]),
            row["source"],
            row["created_at"],
            row["rating"],
            jsontext.load(row["expected"]),
        )
        for row in await tx.fetch(_PAIR, organization_id, list(run_ids))
    ]


async def compared(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    mode: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[Compared]:
    """List the newest runs of a range of time that have an incumbent."""
    rows = await tx.fetch(_RANGE, organization_id, automation_id, mode, since, until, limit)
    found: list[Compared] = []
    for row in rows:
        known: dict[str, Any] = jsontext.load(row["agreement"]) or {}
        found.append(
            Compared(
                row["run_id"],
                row["outcome"],
                row["is_judged"],
                row["sampled"],
                known.get("by"),
                known.get("fields"),
            )
        )
    return found


async def remember(
    tx: db.Transaction, organization_id: str, by: str | None, compared_now: Sequence[tuple[Pair, Mapping[str, bool]]]
) -> None:
    """Keep which fields agreed, so that they need not be compared again."""
    texts = [jsontext.dump({"by": by, "fields": fields}) for _, fields in compared_now]
    run_ids, since = [pair.run_id for pair, _ in compared_now], [pair.created_at for pair, _ in compared_now]
    await tx.execute(_REMEMBER, organization_id, run_ids, texts, since)
