"""The grid of an experiment: its examples page by page, what each evaluator said of them, the runs of one of them.

It reads the same while the experiment goes on: then an example has a verdict once all its repeats have ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from assay import db
from assay.experiments import grid_store, store
from assay.experiments.model import Experiment, ExperimentRun, Score
from assay.experiments.verdicts import Verdict, is_flaky, verdict_of

GridFilter = Literal["all", "failed", "errors", "flaky", "promoted"]
GridOrder = Literal["name", "worst", "score"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What an evaluator said of an example over its repeats: the mean score, and how many passed, failed or erred."""

    evaluator: str
    score: float | None
    passed: int
    failed: int
    errors: int


@dataclass(frozen=True, slots=True)
class GridRow:
    """An example over its repeats; `verdict` is None until all of them have ended."""

    example_id: str
    name: str
    promoted: bool
    verdict: Verdict | None
    passes: int
    fails: int
    errors: int
    ended: int
    score: float | None
    cells: Mapping[str, Cell] = field(default_factory=dict[str, Cell])

    @property
    def flaky(self) -> bool:
        """Whether its repeats came out both ways."""
        return is_flaky(self.passes, self.fails)


@dataclass(frozen=True, slots=True)
class Grid:
    """A page of the grid. `counts` are how many examples each filter lets through; `evaluators` are its columns."""

    rows: Sequence[GridRow]
    counts: Mapping[GridFilter, int]
    evaluators: Sequence[str]


async def grid(
    tx: db.Transaction,
    experiment: Experiment,
    *,
    only: GridFilter = "all",
    order: GridOrder = "name",
    limit: int,
    offset: int = 0,
) -> Grid:
    """Read a page of an experiment's examples.

    `worst` puts failures before errors before what passed, each by score; `score` the lowest first. By name no row
    moves while the experiment goes on.
    """
    ended = experiment.status == "completed"
    tallies, counts = await grid_store.page(
        tx, experiment, ended=ended, only=only, order=order, limit=limit, offset=offset
    )
    found = await grid_store.cells(tx, experiment, [tally.example_id for tally in tallies])
    cells: dict[str, dict[str, Cell]] = {}
    for cell in found:
        cells.setdefault(cell.example_id, {})[cell.evaluator_name] = Cell(
            cell.evaluator_name, cell.score, cell.passed, cell.failed, cell.errors
        )
    return Grid(
        rows=[_row(experiment, tally, cells.get(tally.example_id, {})) for tally in tallies],
        counts={
            "all": counts.examples,
            "failed": counts.failed,
            "errors": counts.errors,
            "flaky": counts.flaky,
            "promoted": counts.promoted,
        },
        evaluators=list(dict.fromkeys(cell.evaluator_name for cell in sorted(found, key=lambda one: one.position))),
    )


async def runs_of_example(
    tx: db.Transaction, experiment: Experiment, example_id: str
) -> tuple[Sequence[ExperimentRun], Mapping[str, Sequence[Score]]]:
    """Read the runs of one example, by repeat, and their scores by run; nothing of an example that was not in it."""
    found = await grid_store.runs_of_example(tx, experiment, example_id)
    scores = await store.scores_of(tx, experiment.organization_id, [run.id for run in found])
    return found, scores


def _row(experiment: Experiment, tally: grid_store.GridTally, cells: Mapping[str, Cell]) -> GridRow:
    verdict = tally.verdict
    if verdict is None and tally.ended == experiment.repeats:
        verdict = verdict_of(
            passes=tally.passes,
            fails=tally.fails,
            errors=tally.errors,
            cancelled=tally.cancelled,
            ungraded=tally.ungraded,
            required=experiment.required_passes,
        )
    return GridRow(
        tally.example_id,
        tally.name,
        tally.promoted,
        verdict,
        tally.passes,
        tally.fails,
        tally.errors,
        tally.ended,
        tally.score,
        cells,
    )
