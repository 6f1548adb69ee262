"""The SQL about what examples came to: results to be held against others, comparisons, gate policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from assay import db, jsontext
from assay.experiments.comparing import ExampleResult
from assay.experiments.gate_rules import GradedExample
from assay.experiments.model import Experiment

_RESULT = "r.example_id, r.example_name, r.graded_hash, r.verdict, r.score, r.scores, r.passes, r.fails, r.errors"

# Versions in the order in which they were last current when the experiment began.
BASELINES = """
SELECT e.id FROM experiments e
JOIN (SELECT version_id, max(created_at) AS since FROM automation_activations
      WHERE organization_id = $1 AND automation_id = $2 AND created_at <= $3 GROUP BY version_id) AS lately
    ON lately.version_id = e.version_id
WHERE e.organization_id = $1 AND e.automation_id = $2 AND (e.created_at, e.id) < ($3, $4)
    AND e.status = 'completed' AND e.cancel_requested_at IS NULL
ORDER BY lately.since DESC, e.created_at DESC, e.id DESC LIMIT $5
"""

SHARES = """
SELECT EXISTS (SELECT FROM example_results a JOIN example_results b USING (example_id)
               WHERE a.experiment_id = $1 AND b.experiment_id = $2)
    OR EXISTS (SELECT FROM example_results a JOIN example_results b USING (example_name)
               WHERE a.experiment_id = $1 AND b.experiment_id = $2)
"""

RESULTS = f"SELECT {_RESULT} FROM example_results r WHERE r.experiment_id = $1 ORDER BY r.example_name, r.example_id"

TRAITS = """
SELECT r.example_id, e.promoted_run_id IS NOT NULL AS promoted, v.metadata,
       ARRAY(SELECT DISTINCT f.content_type FROM example_files f
             WHERE f.example_version_id = v.id AND f.path LIKE 'input/%' ORDER BY f.content_type) AS content_types
FROM example_results r
JOIN example_versions v ON v.id = r.example_version_id
JOIN examples e ON e.id = r.example_id
WHERE r.experiment_id = $1
"""

EVALUATOR_HASHES = """
SELECT e.id, s.content_hash FROM experiments e LEFT JOIN evaluator_sets s ON s.id = e.evaluator_set_id
WHERE e.id = ANY($1)
"""

SAVE_COMPARISON = """
INSERT INTO comparisons (organization_id, base_id, other_id, result) VALUES ($1, $2, $3, $4)
ON CONFLICT (base_id, other_id) DO UPDATE SET result = EXCLUDED.result, created_at = clock_timestamp()
"""

WITHOUT_BASELINE = """
SELECT organization_id, id FROM experiments
WHERE status = 'completed' AND completed_at > clock_timestamp() - interval '1 day' AND summary->'baseline' IS NULL
ORDER BY completed_at
"""

GRADED_EXAMPLES = """
SELECT v.example_id, v.name, v.graded_hash, e.promoted_run_id IS NOT NULL AS promoted
FROM example_versions v JOIN examples e ON e.id = v.example_id
WHERE v.organization_id = $1 AND v.automation_id = $2 AND v.to_revision IS NULL
ORDER BY coalesce(v.row_order, 2147483647), v.name
"""

# A cancelled run says nothing, so it hides no result that does. Which results are of examples as they are graded now is
# not asked here: joined with a dataset that was just imported, of which PostgreSQL knows nothing yet, it took 20 s.
STANDING = """
SELECT DISTINCT ON (r.example_id, r.graded_hash) r.example_id, r.example_name, r.graded_hash, r.verdict, r.score,
    '{}' AS scores, r.passes, r.fails, r.errors, r.experiment_id
FROM example_results r
WHERE r.organization_id = $1 AND r.version_id = $2 AND r.evaluator_hash IS NOT DISTINCT FROM $3
    AND r.verdict <> 'cancelled'
ORDER BY r.example_id, r.graded_hash, r.completed_at DESC, r.experiment_id DESC
"""

POLICY = """
SELECT policy, updated_by, updated_at FROM gate_policies WHERE organization_id = $1 AND automation_id = $2
"""

# The highest version of each automation that has a policy, and how it was last made current.
GATED = """
SELECT p.automation_id, v.id AS version_id, v.label, coalesce(v.id = a.current_version_id, false) AS is_current,
       lately.override_reason IS NOT NULL AS overridden
FROM gate_policies p
JOIN automations a ON a.id = p.automation_id
JOIN LATERAL (
    SELECT id, label FROM automation_versions WHERE automation_id = a.id
    ORDER BY precedence DESC NULLS LAST, created_at DESC LIMIT 1) AS v ON true
LEFT JOIN LATERAL (
    SELECT override_reason FROM automation_activations t WHERE t.automation_id = a.id AND t.version_id = v.id
    ORDER BY t.created_at DESC LIMIT 1) AS lately ON true
WHERE p.organization_id = $1 AND p.automation_id = ANY($2)
"""

SAVE_POLICY = """
INSERT INTO gate_policies (automation_id, organization_id, policy, updated_by) VALUES ($2, $1, $3, $4)
ON CONFLICT (automation_id) DO UPDATE
SET policy = EXCLUDED.policy, updated_by = EXCLUDED.updated_by, updated_at = clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class Traits:
    """What an example of an experiment may be grouped by."""

    example_id: str
    promoted: bool
    metadata: JsonValue
    content_types: Sequence[str]


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A stored gate policy, as JSON, and who set it when."""

    policy: JsonValue
    updated_by: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StandingResult:
    """The newest result of an example in one of the forms it was graded in, and the experiment that it is from."""

    result: ExampleResult
    experiment_id: str


# --- comparisons


async def baselines_of(tx: db.Transaction, experiment: Experiment, limit: int) -> list[str]:
    """Name ended experiments before this one: of the version that was current then first, each newest first."""
    rows = await tx.fetch(
        BASELINES,
        experiment.organization_id,
        experiment.automation_id,
        experiment.created_at,
        experiment.id,
        limit,
    )
    return [row["id"] for row in rows]


async def share_an_example(tx: db.Transaction, one_id: str, other_id: str) -> bool:
    """Whether two ended experiments have an example in common, by its id or its name."""
    return bool(await tx.fetch_value(SHARES, one_id, other_id))


async def results_of(tx: db.Transaction, experiment_id: str) -> list[ExampleResult]:
    """Read what became of each example of an ended experiment, by name."""
    return [_result(row) for row in await tx.fetch(RESULTS, experiment_id)]


async def traits_of(tx: db.Transaction, experiment_id: str) -> list[Traits]:
    """Read what the examples of an ended experiment may be grouped by."""
    return [
        Traits(row["example_id"], row["promoted"], jsontext.load(row["metadata"]), row["content_types"])
        for row in await tx.fetch(TRAITS, experiment_id)
    ]


async def have_the_same_evaluators(tx: db.Transaction, one_id: str, other_id: str) -> bool:
    """Whether two experiments were graded by evaluators that judge alike."""
    hashes = {row["content_hash"] for row in await tx.fetch(EVALUATOR_HASHES, [one_id, other_id])}
    return len(hashes) == 1


async def find_comparison(tx: db.Transaction, organization_id: str, base_id: str, other_id: str) -> str | None:
    """Return the text of a stored comparison."""
    sql = "SELECT result FROM comparisons WHERE organization_id = $1 AND base_id = $2 AND other_id = $3"
    return await tx.fetch_value(sql, organization_id, base_id, other_id)


async def save_comparison(tx: db.Transaction, organization_id: str, base_id: str, other_id: str, text: str) -> None:
    """Store the text of a comparison; it takes the place of one that is there."""
    await tx.execute(SAVE_COMPARISON, organization_id, base_id, other_id, text)


async def set_baseline(tx: db.Transaction, experiment: Experiment, baseline: Mapping[str, Any] | None) -> None:
    """Note in the summary of an ended experiment what it was compared with; None: with nothing."""
    sql = "SELECT summary FROM experiments WHERE id = $1 AND organization_id = $2 FOR NO KEY UPDATE"
    summary = jsontext.load(await tx.fetch_value(sql, experiment.id, experiment.organization_id))
    text = jsontext.dump({**summary, "baseline": baseline})
    await tx.execute("UPDATE experiments SET summary = $2 WHERE id = $1", experiment.id, text)


async def without_baseline(tx: db.Transaction) -> list[tuple[str, str]]:
    """Name (organization, id) what ended lately and was not held against a baseline, in the order of the ends."""
    return [(row["organization_id"], row["id"]) for row in await tx.fetch(WITHOUT_BASELINE)]


@dataclass(frozen=True, slots=True)
class GatedVersion:
    """The highest version of an automation with a gate policy; `overridden`: it is current though the gate said no."""

    automation_id: str
    version_id: str
    label: str | None
    is_current: bool
    overridden: bool


# --- gates


async def gated_versions(tx: db.Transaction, organization_id: str, automation_ids: Sequence[str]) -> list[GatedVersion]:
    """Read the highest version of each of the automations that have a gate policy."""
    rows = await tx.fetch(GATED, organization_id, list(automation_ids))
    return [GatedVersion(**dict(row)) for row in rows]


async def graded_examples(tx: db.Transaction, organization_id: str, automation_id: str) -> list[GradedExample]:
    """Read the examples of a dataset as they are now, in their order."""
    rows = await tx.fetch(GRADED_EXAMPLES, organization_id, automation_id)
    return [GradedExample(row["example_id"], row["name"], row["graded_hash"], row["promoted"]) for row in rows]


async def standing_results(
    tx: db.Transaction, organization_id: str, version_id: str, evaluator_hash: str | None
) -> list[StandingResult]:
    """Read the newest result of a version on each example, in each form it was graded in, by these evaluators.

    Scores by evaluator are left out.
    """
    rows = await tx.fetch(STANDING, organization_id, version_id, evaluator_hash)
    return [StandingResult(_result(row), row["experiment_id"]) for row in rows]


async def find_policy(tx: db.Transaction, organization_id: str, automation_id: str) -> PolicyRow | None:
    """Return the policy of an automation, or None."""
    row = await tx.fetch_one(POLICY, organization_id, automation_id)
    return None if row is None else PolicyRow(jsontext.load(row["policy"]), row["updated_by"], row["updated_at"])


async def save_policy(
    tx: db.Transaction, organization_id: str, automation_id: str, policy: JsonValue, user_id: str | None
) -> None:
    """Write the policy of an automation; it takes the place of one that is there."""
    await tx.execute(SAVE_POLICY, organization_id, automation_id, jsontext.dump(policy), user_id)


async def delete_policy(tx: db.Transaction, organization_id: str, automation_id: str) -> bool:
    """Remove the policy of an automation; False if there is none."""
    sql = "DELETE FROM gate_policies WHERE organization_id = $1 AND automation_id = $2"
    return await tx.execute(sql, organization_id, automation_id) > 0


def _result(row: db.Row) -> ExampleResult:
    return ExampleResult(
        example_id=row["example_id"],
        name=row["example_name"],
        graded_hash=row["graded_hash"],
        verdict=row["verdict"],
        score=row["score"],
        scores=jsontext.load(row["scores"]),
        passes=row["passes"],
        fails=row["fails"],
        errors=row["errors"],
    )
