"""The SQL of sampling: policies, rates there were, what was drawn, and what is to be queued beyond that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import JsonValue

from assay import db, jsontext
from assay.ids import new_id

Mode = Literal["live", "shadow"]
"""Runs that are drawn; the two are never counted together."""

CHANNEL = "assay_sampling"
"""On which the id of an automation is told whose policy changed."""

_FIND_POLICY = """
SELECT policy, updated_by, updated_at FROM sampling_policies WHERE organization_id = $1 AND automation_id = $2
"""

_SAVE_POLICY = """
WITH saved AS (
    INSERT INTO sampling_policies (automation_id, organization_id, policy, updated_by) VALUES ($2, $1, $3, $4)
    ON CONFLICT (automation_id) DO UPDATE
    SET policy = excluded.policy, updated_by = excluded.updated_by, updated_at = clock_timestamp()
    WHERE sampling_policies.organization_id = $1
)
SELECT pg_notify($5, $2)
"""

_ADD_RATE_CHANGE = """
INSERT INTO sampling_rate_changes
    (id, organization_id, automation_id, rate_before, rate_after, reason, evidence, user_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_RATE_CHANGES = """
SELECT c.id, c.rate_before, c.rate_after, c.reason, c.evidence, c.user_id, u.email AS user_email, c.created_at,
       count(*) OVER () AS total
FROM sampling_rate_changes c LEFT JOIN users u ON u.id = c.user_id
WHERE c.organization_id = $1 AND c.automation_id = $2
ORDER BY c.created_at DESC, c.id DESC LIMIT $3 OFFSET $4
"""

_COUNT_RATE_CHANGES = """
SELECT count(*) FROM sampling_rate_changes WHERE organization_id = $1 AND automation_id = $2
"""

_WITH_POLICY = """
SELECT organization_id, automation_id, policy FROM sampling_policies
WHERE CASE $1 WHEN 'auto' THEN (policy->>'auto')::boolean ELSE (policy->>'minimumPerDay')::int > 0 END
ORDER BY automation_id
"""

# A label belongs to one version of an automation, and leads to its runs by an index.
_VERSION_AGE = """
SELECT extract(epoch FROM clock_timestamp() - coalesce(
           (SELECT min(created_at) FROM automation_activations WHERE automation_id = $2 AND version_id = v.id),
           v.created_at))::float8 / 86400 AS days,
       (SELECT count(*) FROM (
            SELECT FROM runs WHERE organization_id = $1 AND automation_id = $2 AND version_label = v.label
                AND outcome = 'completed' AND mode <> 'eval' LIMIT $4) AS labelled)
       + CASE WHEN v.label IS NULL THEN (SELECT count(*) FROM (
            SELECT FROM runs WHERE organization_id = $1 AND automation_id = $2 AND version_label IS NULL
                AND version_id = v.id AND outcome = 'completed' AND mode <> 'eval' LIMIT $4) AS unlabelled)
         ELSE 0 END AS runs
FROM automation_versions v WHERE v.organization_id = $1 AND v.automation_id = $2 AND v.id = $3
"""

_CURRENT_VERSION = """
SELECT v.id, v.label, lately.since FROM automations a
JOIN automation_versions v ON v.id = a.current_version_id
JOIN LATERAL (
    SELECT created_at AS since FROM automation_activations
    WHERE automation_id = a.id AND version_id = v.id ORDER BY created_at DESC LIMIT 1
) AS lately ON true
WHERE a.organization_id = $1 AND a.id = $2
"""

_LAST_RATE_CHANGES = """
SELECT max(created_at) AS at,
       max(created_at) FILTER (WHERE user_id IS NOT NULL OR rate_after > rate_before) AS decided_at
FROM sampling_rate_changes WHERE organization_id = $1 AND automation_id = $2
"""

# The mode stands in the text, because the few shadow runs have an index of their own.
_HAS_TRAFFIC = {
    mode: f"""
SELECT EXISTS (
    SELECT FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND mode = '{mode}' AND outcome = 'completed'
        AND parent_run_id IS NULL AND created_at > now() - interval '7 days')
"""
    for mode in ("live", "shadow")
}

_DRAWN = """
WITH drawn AS (
    SELECT coalesce(sample_stratum, '') AS stratum, sample_probability AS probability, review_rating AS rating,
           review_created_at AS reviewed_at, completed_at
    FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND sampled AND mode = $3 AND version_id = $4
        AND created_at >= $5 AND outcome = 'completed' AND parent_run_id IS NULL AND sample_probability > 0
), missed AS (
    SELECT max(reviewed_at) AS last FROM drawn WHERE rating IN ('fail', 'partial')
)
SELECT stratum,
       count(*) AS sampled,
       sum(1 / probability) AS population,
       coalesce(sum(1 / probability) FILTER (WHERE completed_at > clock_timestamp() - interval '7 days'), 0) / 7
           AS per_day,
       count(rating) AS reviewed,
       count(*) FILTER (WHERE rating = 'fail') AS failed,
       count(*) FILTER (WHERE rating = 'partial') AS partial,
       coalesce(sum(1 / probability) FILTER (WHERE rating IS NOT NULL), 0) AS weight,
       coalesce(sum(1 / probability) FILTER (WHERE rating IN ('fail', 'partial')), 0) AS missed_weight,
       count(*) FILTER (WHERE rating = 'pass' AND (missed.last IS NULL OR reviewed_at > missed.last)) AS clean,
       count(*) FILTER (WHERE rating IS NULL) AS waiting,
       count(*) FILTER (WHERE rating IS NULL AND completed_at < clock_timestamp() - $6 * interval '1 day') AS overdue,
       missed.last AS last_missed_at
FROM drawn, missed GROUP BY stratum, missed.last ORDER BY stratum
"""

_QUEUED_OF_DAY = """
SELECT count(*) FROM runs JOIN review_items i ON i.run_id = runs.id
WHERE runs.organization_id = $1 AND runs.automation_id = $2 AND runs.outcome IS NOT NULL
    AND runs.created_at >= $3 AND runs.created_at < $4 AND i.reason IN ('random', 'stratum', 'minimum')
"""

_TOP_UP = """
INSERT INTO review_items (id, organization_id, automation_id, run_id, reason, priority)
SELECT ($6::text[])[row_number() OVER (ORDER BY picked.sample_rank, picked.id)],
       $1, $2, picked.id, 'minimum', 0
FROM (
    SELECT id, sample_rank FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND outcome = 'completed' AND mode <> 'eval' AND NOT sampled
        AND created_at >= $3 AND created_at < $4 AND parent_run_id IS NULL
        AND NOT EXISTS (SELECT FROM review_items WHERE review_items.run_id = runs.id)
    ORDER BY sample_rank, id LIMIT $5
) AS picked
ON CONFLICT (run_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy as it is kept."""

    policy: JsonValue
    updated_by: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RateChange:
    """One change of a rate; without `user_id` the advisor made it, by what `evidence` says."""

    id: str
    rate_before: float | None
    rate_after: float
    reason: str
    evidence: JsonValue
    user_id: str | None
    user_email: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CurrentVersion:
    """The version that serves, and since when."""

    id: str
    label: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class DrawnGroup:
    """What was drawn in one stratum ('': in none), and what people said of it.

    `population` and `per_day` are how many runs that stands for, `weight` and `missed_weight` for how many the
    reviewed and the missed ones stand. `clean` were found right since the last miss in any stratum.
    """

    stratum: str
    sampled: int
    population: float
    per_day: float
    reviewed: int
    failed: int
    partial: int
    weight: float
    missed_weight: float
    clean: int
    waiting: int
    overdue: int
    last_missed_at: datetime | None

    @property
    def missed(self) -> int:
        """Runs that were not right; a partial one is not."""
        return self.failed + self.partial


async def find_policy(tx: db.Transaction, organization_id: str, automation_id: str) -> PolicyRow | None:
    """Return the policy that somebody set."""
    row = await tx.fetch_one(_FIND_POLICY, organization_id, automation_id)
    return None if row is None else PolicyRow(jsontext.load(row["policy"]), row["updated_by"], row["updated_at"])


async def save_policy(
    tx: db.Transaction, organization_id: str, automation_id: str, policy: JsonValue, user_id: str | None
) -> None:
    """Put a policy in the place of the one there is, and tell the samplers when the transaction commits."""
    await tx.execute(_SAVE_POLICY, organization_id, automation_id, jsontext.dump(policy), user_id, CHANNEL)


async def add_rate_change(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    before: float,
    after: float,
    reason: str,
    *,
    user_id: str | None,
    evidence: JsonValue,
) -> str:
    """Append a change of a rate; return its id."""
    change_id = new_id("src")
    text = jsontext.dump_or_none(evidence)
    await tx.execute(_ADD_RATE_CHANGE, change_id, organization_id, automation_id, before, after, reason, text, user_id)
    return change_id


async def rate_changes(
    tx: db.Transaction, organization_id: str, automation_id: str, limit: int, offset: int
) -> tuple[list[RateChange], int]:
    """Return a page of the changes, newest first, and how many there are."""
    rows = await tx.fetch(_RATE_CHANGES, organization_id, automation_id, limit, offset)
    changes = [
        RateChange(
            **{**_without(row, "total"), "evidence": jsontext.load(row["evidence"])}
        )  # as the columns are called
        for row in rows
    ]
    if rows:
        return changes, rows[0]["total"]
    return [], await tx.fetch_value(_COUNT_RATE_CHANGES, organization_id, automation_id)


async def moved_by_themselves(tx: db.Transaction) -> list[tuple[str, str]]:
    """Name organization and automation where the advisor moves the rate."""
    return [(row["organization_id"], row["automation_id"]) for row in await tx.fetch(_WITH_POLICY, "auto")]


async def with_minimum(tx: db.Transaction) -> list[tuple[str, str, int]]:
    """Name organization and automation where so many runs of a day are reviewed at least."""
    rows = await tx.fetch(_WITH_POLICY, "minimum")
    return [
        (row["organization_id"], row["automation_id"], jsontext.load(row["policy"])["minimumPerDay"]) for row in rows
    ]


async def version_age(
    tx: db.Transaction, organization_id: str, automation_id: str, version_id: str, most: int
) -> tuple[float, int] | None:
    """Return how many days a version has been there, and how many runs of it completed, up to `most`."""
    row = await tx.fetch_one(_VERSION_AGE, organization_id, automation_id, version_id, most)
    return None if row is None else (row["days"], row["runs"])


async def current_version(tx: db.Transaction, organization_id: str, automation_id: str) -> CurrentVersion | None:
    """Return the version that serves."""
    row = await tx.fetch_one(_CURRENT_VERSION, organization_id, automation_id)
    return None if row is None else CurrentVersion(**dict(row))


async def last_rate_changes(
    tx: db.Transaction, organization_id: str, automation_id: str
) -> tuple[datetime | None, datetime | None]:
    """Return when the rate was changed last, and when last by a person or upwards."""
    row = await tx.fetch_one(_LAST_RATE_CHANGES, organization_id, automation_id)
    assert row is not None
    return row["at"], row["decided_at"]


async def has_traffic(tx: db.Transaction, organization_id: str, automation_id: str, mode: Mode) -> bool:
    """Tell whether runs of this mode completed in the last seven days."""
    return await tx.fetch_value(_HAS_TRAFFIC[mode], organization_id, automation_id)


async def drawn(
    tx: db.Transaction, organization_id: str, automation_id: str, mode: Mode, version: CurrentVersion, overdue_days: int
) -> list[DrawnGroup]:
    """Sum up what was drawn of a version's runs since it became current, by stratum."""
    arguments = organization_id, automation_id, mode, version.id, version.since, overdue_days
    return [DrawnGroup(**dict(row)) for row in await tx.fetch(_DRAWN, *arguments)]


async def queued_of_day(
    tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime
) -> int:
    """Count the runs created then that were queued without anybody picking them."""
    return await tx.fetch_value(_QUEUED_OF_DAY, organization_id, automation_id, start, end)


async def top_up(
    tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime, number: int
) -> int:
    """Queue up to so many more runs created then, those of the smallest ranks; return how many."""
    ids: Sequence[str] = [new_id("rvi") for _ in range(number)]
    return await tx.execute(_TOP_UP, organization_id, automation_id, start, end, number, ids)


def _without(row: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in dict(row).items() if key != name}
