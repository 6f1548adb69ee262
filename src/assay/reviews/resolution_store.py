"""The SQL about proof: how promoted examples fared in experiments, and which version came after which."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from assay import db, jsontext
from assay.reviews.proof import VersionPlace

MOST_TRIALS = 100
"""So many of an example's latest results are looked at."""

# Only where something may follow from it.
_CONCERNED = """
SELECT f.run_id FROM example_results r
JOIN feedback f ON f.organization_id = r.organization_id AND f.promoted_example_id = r.example_id
WHERE r.experiment_id = $1 AND r.organization_id = $2
  AND (f.status = 'open' AND r.verdict = 'pass' OR f.status = 'resolved' AND r.verdict = 'fail')
ORDER BY f.run_id
"""

_RESULTS = """
SELECT r.experiment_id, r.version_id, r.verdict, r.passes, r.score, r.scores, r.graded_hash, r.completed_at, e.repeats,
       e.evaluator_set_id, r.evaluator_hash, e.cancel_requested_at IS NOT NULL AS cancelled, v.label, v.precedence,
       v.created_at AS pushed_at
FROM example_results r
JOIN experiments e ON e.id = r.experiment_id AND e.status = 'completed'
JOIN automation_versions v ON v.id = r.version_id
WHERE r.organization_id = $1 AND r.example_id = $2 AND ($3::text IS NULL OR r.experiment_id = $3)
ORDER BY r.completed_at DESC, r.experiment_id DESC LIMIT $4
"""

# A version that is not there any more counts as pushed when the run began.
_MISSED_BY = """
SELECT r.version_id AS id, coalesce(v.label, r.version_label) AS label, v.precedence,
       coalesce(v.created_at, r.created_at) AS pushed_at
FROM runs r LEFT JOIN automation_versions v ON v.id = r.version_id WHERE r.organization_id = $1 AND r.id = $2
"""

_PLACES = """
SELECT id, label, precedence, created_at AS pushed_at FROM automation_versions
WHERE organization_id = $1 AND id = ANY($2)
"""

_CURRENT = """
SELECT v.id, v.label, v.precedence, v.created_at AS pushed_at
FROM automations a JOIN automation_versions v ON v.id = a.current_version_id
WHERE a.organization_id = $1 AND a.id = $2
"""

_WAS_A_MISS = """
SELECT EXISTS (SELECT FROM feedback_history
               WHERE organization_id = $1 AND run_id = $2 AND changes->'rating'->>'after' IN ('fail', 'partial'))
"""

_REQUIRED_REPEATS = """
SELECT repeats, repeats_with_model AS with_model, updated_by, updated_at FROM resolution_policies
WHERE organization_id = $1 AND automation_id = $2
"""

_SAVE_REQUIRED_REPEATS = """
INSERT INTO resolution_policies (organization_id, automation_id, repeats, repeats_with_model, updated_by)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (automation_id) DO UPDATE SET repeats = excluded.repeats, updated_at = clock_timestamp(),
    repeats_with_model = excluded.repeats_with_model, updated_by = excluded.updated_by
WHERE resolution_policies.organization_id = $1
"""

_SETTLED_BY = """
SELECT f.run_id, r.example_id, r.example_name, f.status = 'open' AS is_back
FROM example_results r
JOIN feedback f ON f.organization_id = r.organization_id AND f.promoted_example_id = r.example_id
WHERE r.experiment_id = $1 AND r.organization_id = $2
  AND (f.status = 'resolved' AND f.evidence->>'experimentId' = $1
       OR f.status = 'open' AND f.regressed->>'experimentId' = $1)
ORDER BY is_back DESC, r.example_name, f.run_id
"""


@dataclass(frozen=True, slots=True)
class Result:
    """How an example fared in an experiment, as it stands in the database."""

    experiment_id: str
    version: VersionPlace
    cancelled: bool
    repeats: int
    verdict: str
    passes: int
    score: float | None
    scores: Mapping[str, object]
    graded_hash: str
    evaluator_set_id: str | None
    evaluator_hash: str | None
    completed_at: datetime


async def concerned_runs(tx: db.Transaction, organization_id: str, experiment_id: str) -> list[str]:
    """Name the runs whose promoted miss an experiment that ended may have proven or brought back, by id."""
    return [row["run_id"] for row in await tx.fetch(_CONCERNED, experiment_id, organization_id)]


async def settled_by(tx: db.Transaction, organization_id: str, experiment_id: str) -> list[db.Row]:
    """Return the promoted misses that an experiment resolved or opened again: run_id, example_id and _name, is_back."""
    return list(await tx.fetch(_SETTLED_BY, experiment_id, organization_id))


async def automation_of(tx: db.Transaction, organization_id: str, experiment_id: str) -> str:
    """Return the automation that an experiment measured."""
    sql = "SELECT automation_id FROM experiments WHERE organization_id = $1 AND id = $2"
    return await tx.fetch_value(sql, organization_id, experiment_id)


async def results(
    tx: db.Transaction, organization_id: str, example_id: str, experiment_id: str | None = None
) -> list[Result]:
    """Return how an example fared in experiments that have ended, or in one of them, the latest first."""
    rows = await tx.fetch(_RESULTS, organization_id, example_id, experiment_id, MOST_TRIALS)
    return [
        Result(
            row["experiment_id"],
            VersionPlace(row["version_id"], row["label"], row["precedence"], row["pushed_at"]),
            row["cancelled"],
            row["repeats"],
            row["verdict"],
            row["passes"],
            row["score"],
            jsontext.load(row["scores"]) or {},
            row["graded_hash"],
            row["evaluator_set_id"],
            row["evaluator_hash"],
            row["completed_at"],
        )
        for row in rows
    ]


async def missed_by(tx: db.Transaction, organization_id: str, run_id: str) -> VersionPlace:
    """Return the version that a run was of."""
    row = await tx.fetch_one(_MISSED_BY, organization_id, run_id)
    assert row is not None
    return VersionPlace(**dict(row))


async def places(tx: db.Transaction, organization_id: str, version_ids: Iterable[str]) -> dict[str, VersionPlace]:
    """Return where versions stand, by their id."""
    wanted: Sequence[str] = list(version_ids)
    if not wanted:
        return {}
    return {row["id"]: VersionPlace(**dict(row)) for row in await tx.fetch(_PLACES, organization_id, wanted)}


async def current_version(tx: db.Transaction, organization_id: str, automation_id: str) -> VersionPlace | None:
    """Return the version that serves an automation's calls."""
    row = await tx.fetch_one(_CURRENT, organization_id, automation_id)
    return None if row is None else VersionPlace(**dict(row))


async def was_a_miss(tx: db.Transaction, organization_id: str, run_id: str) -> bool:
    """Whether anybody ever called a run wrong."""
    return bool(await tx.fetch_value(_WAS_A_MISS, organization_id, run_id))


async def required_repeats(tx: db.Transaction, organization_id: str, automation_id: str) -> db.Row | None:
    """Return what somebody set: repeats, with_model, updated_by, updated_at; None: nobody did."""
    return await tx.fetch_one(_REQUIRED_REPEATS, organization_id, automation_id)


async def save_required_repeats(
    tx: db.Transaction, organization_id: str, automation_id: str, repeats: int, with_model: int, user_id: str
) -> None:
    """Write how often an example has to pass."""
    await tx.execute(_SAVE_REQUIRED_REPEATS, organization_id, automation_id, repeats, with_model, user_id)
