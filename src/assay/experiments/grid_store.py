"""The SQL of the grid: examples of an experiment that goes on or has ended, filtered, ordered and counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay import db
from assay.experiments.model import Experiment, ExperimentRun
from assay.experiments.store import RUNS, VERDICT, run_of_row
from assay.experiments.verdicts import Verdict

_ENDED = """
SELECT r.example_id, r.example_name AS name, r.verdict, r.passes, r.fails, r.errors, 0 AS cancelled, 0 AS ungraded,
       0 AS ended, r.score, r.verdict = 'fail' AS is_failed,
       CASE r.verdict WHEN 'fail' THEN 0 WHEN 'error' THEN 1 WHEN 'cancelled' THEN 2 WHEN 'ungraded' THEN 3 ELSE 4
       END AS place
FROM example_results r WHERE r.experiment_id = $1
"""

_LIVE = f"""
SELECT tally.*, fails > 0 AS is_failed,
       CASE WHEN fails > 0 THEN 0 WHEN errors > 0 THEN 1 WHEN cancelled > 0 THEN 2 WHEN ungraded > 0 THEN 3
            WHEN passes > 0 THEN 4 ELSE 5 END AS place
FROM (SELECT er.example_id, min(er.example_name) AS name, NULL::text AS verdict,
             count(*) FILTER (WHERE said.word = 'pass') AS passes, count(*) FILTER (WHERE said.word = 'fail') AS fails,
             count(*) FILTER (WHERE said.word = 'error') AS errors,
             count(*) FILTER (WHERE said.word = 'cancelled') AS cancelled,
             count(*) FILTER (WHERE said.word = 'ungraded') AS ungraded, count(said.word) AS ended,
             avg(er.score) AS score
      FROM example_runs er LEFT JOIN runs r ON r.id = er.run_id
      CROSS JOIN LATERAL (SELECT {VERDICT} AS word) AS said
      WHERE er.experiment_id = $1 GROUP BY er.example_id) AS tally
"""

_KINDS = """
    all_of.is_failed AS failed, all_of.errors > 0 OR coalesce(all_of.verdict = 'error', false) AS erring,
    all_of.passes > 0 AND all_of.fails > 0 AS flaky, e.promoted_run_id IS NOT NULL AS promoted
"""

_WHERE = {
    "all": "true",
    "failed": "known.failed",
    "errors": "known.erring",
    "flaky": "known.flaky",
    "promoted": "known.promoted",
}
_ORDER = {
    "name": "name, example_id",
    "worst": "place, score NULLS LAST, name, example_id",
    "score": "score NULLS LAST, name, example_id",
}

_CELLS = """
SELECT er.example_id, s.evaluator_name, min(s.position) AS position, avg(s.score) AS score,
       count(*) FILTER (WHERE s.passed) AS passed, count(*) FILTER (WHERE NOT s.passed) AS failed,
       count(s.error) AS errors
FROM example_runs er JOIN scores s ON s.run_id = er.run_id
WHERE er.organization_id = $1 AND er.experiment_id = $2 AND er.example_id = ANY($3)
GROUP BY er.example_id, s.evaluator_name
"""


@dataclass(frozen=True, slots=True)
class GridTally:
    """How the repeats of an example ended so far; `verdict` is there once the experiment has ended."""

    example_id: str
    name: str
    promoted: bool
    verdict: Verdict | None
    passes: int
    fails: int
    errors: int
    cancelled: int
    ungraded: int
    ended: int
    score: float | None


@dataclass(frozen=True, slots=True)
class GridCounts:
    """How many examples there are of each kind."""

    examples: int
    failed: int
    errors: int
    flaky: int
    promoted: int


@dataclass(frozen=True, slots=True)
class CellTally:
    """What one evaluator said of one example, over its repeats."""

    example_id: str
    evaluator_name: str
    position: int
    score: float | None
    passed: int
    failed: int
    errors: int


async def page(
    tx: db.Transaction, experiment: Experiment, *, ended: bool, only: str, order: str, limit: int, offset: int
) -> tuple[list[GridTally], GridCounts]:
    """Read a page of examples, and how many each filter lets through."""
    known = f"""WITH all_of AS ({_ENDED if ended else _LIVE}), known AS (
        SELECT all_of.*, {_KINDS} FROM all_of LEFT JOIN examples e ON e.id = all_of.example_id)"""
    rows = await tx.fetch(
        f"{known} SELECT * FROM known WHERE {_WHERE[only]} ORDER BY {_ORDER[order]} LIMIT $2 OFFSET $3",
        experiment.id,
        limit,
        offset,
    )
    counted = await tx.fetch_one(
        f"""{known} SELECT count(*) AS examples, count(*) FILTER (WHERE failed) AS failed,
            count(*) FILTER (WHERE erring) AS errors, count(*) FILTER (WHERE flaky) AS flaky,
            count(*) FILTER (WHERE promoted) AS promoted FROM known""",
        experiment.id,
    )
    assert counted is not None, "an aggregate always has a row"
    names = GridTally.__dataclass_fields__
    return [GridTally(**{name: row[name] for name in names}) for row in rows], GridCounts(**dict(counted))


async def cells(tx: db.Transaction, experiment: Experiment, example_ids: Sequence[str]) -> list[CellTally]:
    """Read what each evaluator said of these examples."""
    rows = await tx.fetch(_CELLS, experiment.organization_id, experiment.id, list(example_ids))
    return [CellTally(**dict(row)) for row in rows]


async def runs_of_example(tx: db.Transaction, experiment: Experiment, example_id: str) -> list[ExperimentRun]:
    """Read the runs of one example of an experiment, by repeat."""
    sql = RUNS + "AND er.organization_id = $2 AND er.example_id = $3 ORDER BY er.repeat"
    return [run_of_row(row) for row in await tx.fetch(sql, experiment.id, experiment.organization_id, example_id)]
