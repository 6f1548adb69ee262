"""All SQL about experiments: their rows, their runs, the scores, and what came of each example."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import JsonValue

from assay import db, jsontext, runs
from assay.evaluators import GradedFile
from assay.experiments.model import Counts, Experiment, ExperimentRun, Graded, RunVerdict, Score

# What became of a run: grading says it, else its end does.
VERDICT = """CASE WHEN er.verdict IS NOT NULL THEN er.verdict
            WHEN r.outcome = 'cancelled' THEN 'cancelled'
            WHEN r.outcome = 'completed' AND r.cancel_requested_at IS NOT NULL THEN 'cancelled'
            WHEN r.outcome IN ('failed', 'rejected') THEN 'error'
            WHEN r.outcome = 'completed' THEN 'ungraded' END"""

_INSERT = """
INSERT INTO experiments (id, organization_id, automation_id, version_id, version_label, requested_ref, dataset_revision,
    dataset_hash, whole_dataset, evaluator_set_id, models, examples, repeats, required_passes, concurrency, runs,
    startable, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""

_INSERT_RUNS = """
INSERT INTO example_runs (organization_id, automation_id, experiment_id, evaluator_set_id, run_id, example_id,
    example_version_id, example_name, position, repeat)
SELECT $1, $2, $3, $4, * FROM unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::int[], $10::int[])
"""

_EXPERIMENT = """
SELECT e.*, a.kind AS automation_kind FROM experiments e JOIN automations a ON a.id = e.automation_id
"""

_COUNTS = f"""
SELECT experiment_id, count(verdict) AS completed, count(*) FILTER (WHERE verdict = 'pass') AS passed,
       count(*) FILTER (WHERE verdict = 'fail') AS failed, count(*) FILTER (WHERE verdict = 'error') AS errors,
       count(*) FILTER (WHERE verdict = 'ungraded') AS ungraded,
       count(*) FILTER (WHERE verdict = 'cancelled') AS cancelled, avg(score) AS avg_score
FROM (SELECT er.experiment_id, {VERDICT} AS verdict, er.score
      FROM example_runs er JOIN runs r ON r.id = er.run_id WHERE er.experiment_id = ANY($1)) AS ended
GROUP BY experiment_id
"""

RUNS = f"""
SELECT er.run_id AS id, r.status, er.example_id, er.example_name, er.repeat, {VERDICT} AS verdict, er.score, er.passed,
       r.error, r.created_at, r.completed_at, er.position
FROM example_runs er JOIN runs r ON r.id = er.run_id
WHERE er.experiment_id = $1
"""

_MATERIAL = """
SELECT er.evaluator_set_id, er.automation_id, v.expected, v.expected IS NOT NULL AS has_expected, v.expected_error,
       (SELECT json_agg(json_build_object('name', substr(f.path, 10), 'size', f.size, 'sha256', f.sha256,
            'content_type', f.content_type) ORDER BY f.path)
        FROM example_files f WHERE f.example_version_id = v.id AND f.path LIKE 'expected/%') AS expected_files,
       (SELECT json_agg(json_build_object('name', f.name, 'size', f.size, 'sha256', f.sha256,
            'content_type', f.content_type) ORDER BY f.path)
        FROM run_artifacts f WHERE f.run_id = er.run_id AND f.role = 'output') AS output_files
FROM example_runs er JOIN example_versions v ON v.id = er.example_version_id
WHERE er.run_id = $1 AND er.organization_id = $2
"""

_SAVE_SCORES = """
WITH saved AS (
    INSERT INTO scores (run_id, organization_id, position, evaluator_name, evaluator_type, evaluator_version, score,
        passed, label, weight, pass_threshold, description, details, error)
    SELECT $1, $2, * FROM json_to_recordset($3::json) AS row (position smallint, evaluator_name text,
        evaluator_type text, evaluator_version text, score double precision, passed boolean, label text,
        weight double precision, pass_threshold double precision, description text, details json, error text)
)
UPDATE example_runs SET verdict = $4, score = $5, passed = $6 WHERE run_id = $1 AND organization_id = $2
"""

_SCORES = """
SELECT s.run_id, er.automation_id, s.position, s.evaluator_name, s.evaluator_type, s.evaluator_version, s.score,
       s.passed, s.label, s.weight, s.pass_threshold, s.description, s.details, s.error, s.created_at
FROM scores s JOIN example_runs er ON er.run_id = s.run_id
WHERE s.run_id = ANY($1) AND s.organization_id = $2
ORDER BY s.run_id, s.position
"""

_EXAMPLE_TALLIES = f"""
SELECT er.example_id, min(er.example_version_id) AS example_version_id, min(er.example_name) AS example_name,
       min(v.graded_hash) AS graded_hash,
       count(*) FILTER (WHERE verdict.word = 'pass') AS passes, count(*) FILTER (WHERE verdict.word = 'fail') AS fails,
       count(*) FILTER (WHERE verdict.word = 'error') AS errors,
       count(*) FILTER (WHERE verdict.word = 'cancelled') AS cancelled,
       count(*) FILTER (WHERE verdict.word = 'ungraded') AS ungraded, avg(er.score) AS score
FROM example_runs er JOIN example_versions v ON v.id = er.example_version_id
LEFT JOIN runs r ON r.id = er.run_id
CROSS JOIN LATERAL (SELECT {VERDICT} AS word) AS verdict
WHERE er.experiment_id = $1 AND er.position = ANY($2::int[])
GROUP BY er.example_id ORDER BY min(er.position)
"""

_EVALUATOR_MEANS = """
SELECT er.example_id, s.evaluator_name, avg(s.score) AS score
FROM example_runs er JOIN scores s ON s.run_id = er.run_id
WHERE er.experiment_id = $1 AND er.position = ANY($2::int[])
GROUP BY er.example_id, s.evaluator_name ORDER BY er.example_id, min(s.position)
"""

_PER_EVALUATOR = """
SELECT s.evaluator_name, min(s.evaluator_type) AS evaluator_type, min(s.evaluator_version) AS evaluator_version,
       avg(s.score) AS mean, count(s.score) AS scored, count(*) FILTER (WHERE s.passed) AS passed,
       count(*) FILTER (WHERE NOT s.passed) AS failed, count(s.error) AS errors
FROM example_runs er JOIN scores s ON s.run_id = er.run_id
WHERE er.experiment_id = $1 GROUP BY s.evaluator_name ORDER BY min(s.position)
"""

_EFFORT = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
FROM (SELECT extract(epoch FROM r.completed_at - r.started_at)::float AS seconds
      FROM example_runs er JOIN runs r ON r.id = er.run_id
      WHERE er.experiment_id = $1 AND r.started_at IS NOT NULL) AS timed
"""

_USAGE = """
SELECT used.key AS name, sum(used.value::text::float) AS amount
FROM example_runs er JOIN run_results result ON result.run_id = er.run_id
CROSS JOIN LATERAL json_each(result.usage) AS used
WHERE er.experiment_id = $1 AND json_typeof(result.usage) = 'object' AND json_typeof(used.value) = 'number'
GROUP BY used.key ORDER BY used.key
"""

_SAVE_RESULTS = """
INSERT INTO example_results (experiment_id, organization_id, automation_id, version_id, evaluator_hash, example_id,
    example_version_id, example_name, graded_hash, verdict, passes, fails, errors, score, scores, completed_at)
SELECT $1, $2, $3, $4, $5, row.*, clock_timestamp() FROM json_to_recordset($6::json) AS row (example_id text,
    example_version_id text, example_name text, graded_hash text, verdict text, passes int, fails int, errors int,
    score double precision, scores json)
"""

_EXAMPLE_FEATURES = """
SELECT v.name, v.metadata, latest.features::text AS features, promoted.features::text AS promoted_features
FROM example_versions v JOIN examples e ON e.id = v.example_id
LEFT JOIN LATERAL (
    SELECT result.features FROM example_runs er JOIN run_results result ON result.run_id = er.run_id
    WHERE er.organization_id = $1 AND er.example_id = v.example_id AND result.features IS NOT NULL
    ORDER BY er.run_id DESC LIMIT 1
) AS latest ON true
LEFT JOIN run_results promoted ON promoted.run_id = e.promoted_run_id AND promoted.organization_id = $1
WHERE v.organization_id = $1 AND v.automation_id = $2 AND v.to_revision IS NULL
ORDER BY coalesce(v.row_order, 2147483647), v.name
"""

_FINISH = """
UPDATE experiments
SET status = 'completed', completed_at = clock_timestamp(), completed_count = $2, passed_count = $3,
    failed_count = $4, error_count = $5, avg_score = $6, summary = $7
WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class Material:
    """What a run is graded by: the set of evaluators, and what the example expects."""

    evaluator_set_id: str | None
    automation_id: str
    has_expected: bool
    expected: JsonValue
    expected_error: Mapping[str, JsonValue] | None
    expected_files: Sequence[GradedFile]
    output_files: Sequence[GradedFile]


@dataclass(frozen=True, slots=True)
class ExampleTally:
    """How the repeats of one example ended, and their mean score."""

    example_id: str
    example_version_id: str
    example_name: str
    graded_hash: str
    passes: int
    fails: int
    errors: int
    ungraded: int
    cancelled: int
    score: float | None


@dataclass(frozen=True, slots=True)
class EvaluatorTally:
    """What one evaluator said over a whole experiment."""

    evaluator_name: str
    evaluator_type: str
    evaluator_version: str
    mean: float | None
    scored: int
    passed: int
    failed: int
    errors: int


# --- writing


async def insert(tx: db.Transaction, experiment: Experiment) -> None:
    """Write a new experiment."""
    await tx.execute(
        _INSERT,
        experiment.id,
        experiment.organization_id,
        experiment.automation_id,
        experiment.version_id,
        experiment.version_label,
        experiment.requested_ref,
        experiment.dataset_revision,
        experiment.dataset_hash,
        experiment.whole_dataset,
        experiment.evaluator_set_id,
        jsontext.dump_or_none(experiment.models),
        experiment.examples,
        experiment.repeats,
        experiment.required_passes,
        experiment.concurrency,
        experiment.runs,
        experiment.startable,
        experiment.created_by,
    )


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run of an example, before it is graded."""

    run_id: str
    example_id: str
    example_version_id: str
    example_name: str
    position: int
    repeat: int


async def insert_runs(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    experiment_id: str | None,
    evaluator_set_id: str | None,
    planned: Sequence[PlannedRun],
) -> None:
    """Write what runs of examples are graded by."""
    await tx.execute(
        _INSERT_RUNS,
        organization_id,
        automation_id,
        experiment_id,
        evaluator_set_id,
        [run.run_id for run in planned],
        [run.example_id for run in planned],
        [run.example_version_id for run in planned],
        [run.example_name for run in planned],
        [run.position for run in planned],
        [run.repeat for run in planned],
    )


async def save_grades(tx: db.Transaction, organization_id: str, graded: Graded) -> None:
    """Write the scores of a run and what they amount to."""
    rows = [
        {
            "position": score.position,
            "evaluator_name": score.evaluator_name,
            "evaluator_type": score.evaluator_type,
            "evaluator_version": score.evaluator_version,
            "score": score.score,
            "passed": score.passed,
            "label": score.label,
            "weight": score.weight,
            "pass_threshold": score.pass_threshold,
            "description": score.description,
            "details": score.details,
            "error": score.error,
        }
        for score in graded.scores
    ]
    await tx.execute(
        _SAVE_SCORES, graded.run_id, organization_id, jsontext.dump(rows), graded.verdict, graded.score, graded.passed
    )


async def take(tx: db.Transaction, experiment_id: str) -> Experiment | None:
    """Lock an experiment that goes on; None if it has ended, or another worker is at it."""
    row = await tx.fetch_one(
        _EXPERIMENT + "WHERE e.id = $1 AND e.status <> 'completed' FOR UPDATE OF e SKIP LOCKED", experiment_id
    )
    return None if row is None else _experiment(row, _no_counts())


async def next_runs(tx: db.Transaction, experiment: Experiment, limit: int) -> list[tuple[str, int]]:
    """Name the next runs that are to be queued, each with its position."""
    sql = """SELECT er.run_id, er.position FROM example_runs er JOIN runs r ON r.id = er.run_id
             WHERE er.experiment_id = $1 AND er.position >= $2 AND r.status = 'created' ORDER BY er.position LIMIT $3"""
    rows = await tx.fetch(sql, experiment.id, experiment.next_position, limit)
    return [(row["run_id"], row["position"]) for row in rows]


async def set_admitted(tx: db.Transaction, experiment_id: str, admitted: int, next_position: int) -> None:
    """Remember how many runs have been queued and where the next one stands; it is a running experiment now."""
    sql = """UPDATE experiments SET admitted = $2, next_position = $3, status = 'running',
                 started_at = coalesce(started_at, clock_timestamp()) WHERE id = $1"""
    await tx.execute(sql, experiment_id, admitted, next_position)


async def set_cancel_requested(tx: db.Transaction, organization_id: str, experiment_id: str) -> bool:
    """Ask an experiment to stop; False if it has ended or there is none."""
    sql = """UPDATE experiments
             SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), admitted = startable
             WHERE id = $1 AND organization_id = $2 AND status <> 'completed'"""
    return await tx.execute(sql, experiment_id, organization_id) > 0


async def finish(tx: db.Transaction, experiment_id: str, counts: Counts, summary: Mapping[str, Any]) -> None:
    """End an experiment with what came of it."""
    await tx.execute(
        _FINISH,
        experiment_id,
        counts.completed,
        counts.passed,
        counts.failed,
        counts.errors,
        counts.avg_score,
        jsontext.dump(summary),
    )


async def save_results(
    tx: db.Transaction, experiment: Experiment, evaluator_hash: str | None, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write what came of each example."""
    await tx.execute(
        _SAVE_RESULTS,
        experiment.id,
        experiment.organization_id,
        experiment.automation_id,
        experiment.version_id,
        evaluator_hash,
        jsontext.dump(rows),
    )


# --- reading


async def get(
    tx: db.Transaction, organization_id: str, experiment_id: str, *, live_counts: bool = True
) -> Experiment | None:
    """Read an experiment with its counts; without `live_counts`, which read all its runs, only once it has ended."""
    row = await tx.fetch_one(_EXPERIMENT + "WHERE e.id = $1 AND e.organization_id = $2", experiment_id, organization_id)
    if row is None:
        return None
    return (await _with_counts(tx, [row]))[0] if live_counts else _experiment(row, _stored_counts(row))


async def list_experiments(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    created_from: datetime | None,
    created_to: datetime | None,
    limit: int,
    offset: int,
) -> tuple[list[Experiment], int]:
    """Read a page of an automation's experiments, newest first, and how many there are."""
    where = """WHERE e.organization_id = $1 AND e.automation_id = $2
        AND ($3::timestamptz IS NULL OR e.created_at >= $3) AND ($4::timestamptz IS NULL OR e.created_at <= $4)"""
    arguments = (organization_id, automation_id, created_from, created_to)
    total = int(await tx.fetch_value(f"SELECT count(*) FROM experiments e {where}", *arguments))
    page = f"{_EXPERIMENT} {where} ORDER BY e.created_at DESC, e.id DESC LIMIT $5 OFFSET $6"
    return await _with_counts(tx, await tx.fetch(page, *arguments, limit, offset)), total


async def open_experiments(tx: db.Transaction) -> list[str]:
    """Name the experiments that go on, oldest first."""
    return [
        row["id"]
        for row in await tx.fetch("SELECT id FROM experiments WHERE status <> 'completed' ORDER BY created_at")
    ]


async def runs_of(
    tx: db.Transaction, experiment_id: str, *, after: int = -1, limit: int | None = None
) -> list[tuple[int, ExperimentRun]]:
    """Read runs of an experiment in order, each with its position; a portion begins behind the position `after`."""
    sql = RUNS + "AND er.position > $2 ORDER BY er.position LIMIT $3"
    return [(row["position"], run_of_row(row)) for row in await tx.fetch(sql, experiment_id, after, limit)]


async def ended_at(
    tx: db.Transaction, experiment_id: str, positions: Collection[int]
) -> list[tuple[int, ExperimentRun]]:
    """Read those of the runs at these positions that have ended, in the order of their ends."""
    sql = RUNS + "AND er.position = ANY($2::int[]) AND r.outcome IS NOT NULL ORDER BY r.completed_at, er.position"
    return [(row["position"], run_of_row(row)) for row in await tx.fetch(sql, experiment_id, list(positions))]


async def scores_of(tx: db.Transaction, organization_id: str, run_ids: Sequence[str]) -> dict[str, list[Score]]:
    """Read the scores of runs, by run, in the order of the evaluators."""
    found: dict[str, list[Score]] = {}
    for row in await tx.fetch(_SCORES, list(run_ids), organization_id):
        score = Score(**{**dict(row), "details": jsontext.load(row["details"])})
        found.setdefault(score.run_id, []).append(score)
    return found


async def material(tx: db.Transaction, organization_id: str, run_id: str) -> Material | None:
    """Read what a run of an example is graded by; None if it is no such run."""
    row = await tx.fetch_one(_MATERIAL, run_id, organization_id)
    if row is None:
        return None
    return Material(
        evaluator_set_id=row["evaluator_set_id"],
        automation_id=row["automation_id"],
        has_expected=row["has_expected"],
        expected=jsontext.load(row["expected"]),
        expected_error=jsontext.load(row["expected_error"]),
        expected_files=_files(row["expected_files"]),
        output_files=_files(row["output_files"]),
    )


async def tallies(tx: db.Transaction, experiment_id: str, positions: Sequence[int]) -> list[ExampleTally]:
    """Count how the repeats of each example ended, among the runs at these positions."""
    return [ExampleTally(**dict(row)) for row in await tx.fetch(_EXAMPLE_TALLIES, experiment_id, list(positions))]


async def evaluator_means(
    tx: db.Transaction, experiment_id: str, positions: Sequence[int]
) -> dict[str, dict[str, float | None]]:
    """Average the scores of each evaluator over the repeats of each example: by example, then evaluator."""
    found: dict[str, dict[str, float | None]] = {}
    for row in await tx.fetch(_EVALUATOR_MEANS, experiment_id, list(positions)):
        found.setdefault(row["example_id"], {})[row["evaluator_name"]] = row["score"]
    return found


async def per_evaluator(tx: db.Transaction, experiment_id: str) -> list[EvaluatorTally]:
    """Sum up what each evaluator said."""
    return [EvaluatorTally(**dict(row)) for row in await tx.fetch(_PER_EVALUATOR, experiment_id)]


async def effort(tx: db.Transaction, experiment_id: str) -> dict[str, JsonValue]:
    """Say how long the runs of an experiment took (milliseconds) and what they used."""
    row = await tx.fetch_one(_EFFORT, experiment_id)
    assert row is not None, "an aggregate always has a row"
    duration: dict[str, JsonValue] = {
        name: None if row[name] is None else round(row[name] * 1000) for name in ("p50", "p95")
    }
    usage = {row["name"]: row["amount"] for row in await tx.fetch(_USAGE, experiment_id)}
    return {"durationMs": duration, "usage": usage}


async def counts_of(tx: db.Transaction, experiment_id: str) -> Counts:
    """Count how the runs of an experiment stand now."""
    row = await tx.fetch_one(_COUNTS, [experiment_id])
    return _no_counts() if row is None else _counts(row)


async def example_features(
    tx: db.Transaction, organization_id: str, automation_id: str
) -> list[tuple[str, runs.Features | None]]:
    """Read what each example of the dataset is like, in its order: (name, features); None where that is not known."""
    rows = await tx.fetch(_EXAMPLE_FEATURES, organization_id, automation_id)
    return [(row["name"], _example_features(row)) for row in rows]


# --- rows to values


def _example_features(row: db.Row) -> runs.Features | None:
    promoted = None if row["promoted_features"] is None else runs.Features.load(row["promoted_features"])
    latest = promoted if row["features"] is None else runs.Features.load(row["features"])
    if latest is None:
        return None
    source = runs.source_in(jsontext.load(row["metadata"])) or (promoted and promoted.source)
    return _from_source(latest, source)


@lru_cache(maxsize=1_000)
def _from_source(features: runs.Features, source: str | None) -> runs.Features:
    return replace(features, source=source)


async def _with_counts(tx: db.Transaction, rows: Sequence[db.Row]) -> list[Experiment]:
    going_on = [row["id"] for row in rows if row["status"] != "completed"]
    live = {row["experiment_id"]: _counts(row) for row in await tx.fetch(_COUNTS, going_on)} if going_on else {}
    return [_experiment(row, live.get(row["id"]) or _stored_counts(row)) for row in rows]


def _counts(row: db.Row) -> Counts:
    return Counts(**{name: row[name] for name in Counts.__dataclass_fields__})


def _stored_counts(row: db.Row) -> Counts:
    if row["completed_count"] is None:
        return _no_counts()
    ended = jsontext.load(row["summary"])["runs"]
    return Counts(
        row["completed_count"],
        row["passed_count"],
        row["failed_count"],
        row["error_count"],
        ended["ungraded"],
        ended["cancelled"],
        row["avg_score"],
    )


def _no_counts() -> Counts:
    return Counts(0, 0, 0, 0, 0, 0, None)


def _experiment(row: db.Row, counts: Counts) -> Experiment:
    values = {
        name: row[name] for name in Experiment.__dataclass_fields__ if name not in {"counts", "summary", "models"}
    }
    return Experiment(
        **values, counts=counts, summary=jsontext.load(row["summary"]), models=jsontext.load(row["models"])
    )


def _files(text: str | None) -> list[GradedFile]:
    return [] if text is None else [GradedFile(**file) for file in json.loads(text)]


def run_of_row(row: db.Row) -> ExperimentRun:
    """Read a run from a row of `RUNS`."""
    verdict: RunVerdict | None = row["verdict"]
    values = {name: row[name] for name in ExperimentRun.__dataclass_fields__ if name != "verdict"}
    return ExperimentRun(**values, verdict=verdict)
