"""The SQL of failures, latency and cost: the newest runs of each stretch of time, found by indexes, never all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from assay import db

MOST_TIMED = 1_000
MOST_TIMED_OVERALL = 10_000
MOST_PRICED = 100
MOST_FAILED = 2_000
MOST_COUNTED = 100_000
MOST_GROUPS = 20
MOST_IDS = 50


@dataclass(frozen=True, slots=True)
class Pace:
    """Of the newest `looked_at` ended runs: how many failed, and milliseconds from creation to end (of completed)."""

    looked_at: int
    failed: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Spending:
    """What the newest `looked_at` completed runs cost together, in US dollars; None: no price of theirs is known."""

    looked_at: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed runs of one code or step ('': none is named), with the ids of the newest of them, at most 50."""

    name: str
    count: int
    last_at: datetime
    run_ids: Sequence[str]


# Both are answered from `runs_by_automation` alone.
_NEWEST = """
SELECT outcome, extract(epoch FROM completed_at - created_at) * 1000 AS took FROM runs
WHERE organization_id = $1 AND automation_id = $2 AND outcome IS NOT NULL
    AND mode IN ('live', 'shadow') AND NOT in_experiment AND created_at >= {start} AND created_at < {end}
ORDER BY created_at DESC, id DESC LIMIT {limit}
"""
_FIGURES = """
count(*) AS looked_at, count(*) FILTER (WHERE outcome = 'failed') AS failed,
percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE outcome = 'completed') AS p50,
percentile_cont(0.95) WITHIN GROUP (ORDER BY took) FILTER (WHERE outcome = 'completed') AS p95
"""

_PACES = f"""
SELECT figures.* FROM unnest($3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS part (start, finish, place),
    LATERAL (SELECT {_FIGURES} FROM ({_NEWEST.format(start="part.start", end="part.finish", limit="$5")}) AS newest
    ) AS figures
ORDER BY part.place
"""

_PACE = f"SELECT {_FIGURES} FROM ({_NEWEST.format(start='$3', end='$4', limit='$5')}) AS newest"

_SPENDING = """
SELECT figures.* FROM unnest($3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS part (start, finish, place),
    LATERAL (
        SELECT count(*) AS looked_at, sum((result.usage ->> 'costUsd')::float8) AS usd
        FROM (
            SELECT id FROM runs
            WHERE organization_id = $1 AND automation_id = $2 AND outcome = 'completed'
                AND mode IN ('live', 'shadow') AND NOT in_experiment
                AND created_at >= part.start AND created_at < part.finish
            ORDER BY created_at DESC, id DESC LIMIT $5
        ) AS newest JOIN run_results result ON result.run_id = newest.id
    ) AS figures
ORDER BY part.place
"""

_FAILED = """
FROM runs
WHERE organization_id = $1 AND automation_id = $2 AND outcome = 'failed'
    AND mode IN ('live', 'shadow') AND NOT in_experiment AND created_at >= $3 AND created_at < $4
"""

_COUNT_FAILED = f"SELECT count(*) FROM (SELECT 1 {_FAILED} LIMIT $5) AS failed"

# By both at once, and only of those that are looked at: which they are is said by an index, why they failed by the row.
_FAILURES = f"""
WITH newest AS MATERIALIZED (
    SELECT runs.id, runs.created_at, coalesce(error_code, '') AS code, coalesce(error_step, '') AS step
    FROM (SELECT id {_FAILED} ORDER BY created_at DESC, id DESC LIMIT $5) AS found JOIN runs ON runs.id = found.id
), named AS (
    SELECT 'code' AS sort, code AS name, id, created_at FROM newest
    UNION ALL SELECT 'step', step, id, created_at FROM newest
)
SELECT sort, name, count(*) AS count, max(created_at) AS last_at,
       (array_agg(id ORDER BY created_at DESC, id DESC))[1:{MOST_IDS}] AS run_ids
FROM named GROUP BY sort, name ORDER BY 3 DESC, 2
"""


async def paces(tx: db.Transaction, organization_id: str, automation_id: str, edges: Sequence[datetime]) -> list[Pace]:
    """Measure the newest runs between each two neighbours of `edges`."""
    rows = await tx.fetch(_PACES, organization_id, automation_id, list(edges[:-1]), list(edges[1:]), MOST_TIMED)
    return [Pace(**dict(row)) for row in rows]


async def pace(tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime) -> Pace:
    """Measure the newest 10,000 runs between two moments."""
    row = await tx.fetch_one(_PACE, organization_id, automation_id, start, end, MOST_TIMED_OVERALL)
    return Pace(0, 0, None, None) if row is None else Pace(**dict(row))


async def spending(
    tx: db.Transaction, organization_id: str, automation_id: str, edges: Sequence[datetime]
) -> list[Spending]:
    """Sum up what the newest completed runs cost between each two neighbours of `edges`."""
    rows = await tx.fetch(_SPENDING, organization_id, automation_id, list(edges[:-1]), list(edges[1:]), MOST_PRICED)
    return [Spending(**dict(row)) for row in rows]


async def count_failed(
    tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime
) -> tuple[int, int]:
    """Count failed runs, up to 100,000, and those of them that `failures` looks at."""
    total = await tx.fetch_value(_COUNT_FAILED, organization_id, automation_id, start, end, MOST_COUNTED)
    return total, min(total, MOST_FAILED)


async def failures(
    tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime
) -> tuple[list[FailureGroup], list[FailureGroup]]:
    """Group the newest failed runs by code and by step, the largest group first; up to 20 groups of each."""
    rows = await tx.fetch(_FAILURES, organization_id, automation_id, start, end, MOST_FAILED)
    by_code, by_step = (
        [FailureGroup(row["name"], row["count"], row["last_at"], row["run_ids"]) for row in rows if row["sort"] == sort]
        for sort in ("code", "step")
    )
    return by_code[:MOST_GROUPS], by_step[:MOST_GROUPS]
