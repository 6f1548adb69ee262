"""Following an experiment while it goes on: each run once, as it ends."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from assay import db, engine
from assay.experiments import store
from assay.experiments.model import Counts, Experiment, ExperimentRun, Score

HEARTBEAT_SECONDS = 10.0
PORTION = 200
# Ends are written in an order that is not quite that of their times.
_OVERLAP = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class ExampleEnded:
    """A run of the experiment ended; the experiment's counts are as of then."""

    run: ExperimentRun
    scores: Sequence[Score]
    experiment: Experiment


@dataclass(frozen=True, slots=True)
class ExperimentEnded:
    """All runs have ended, and what came of them is there."""

    experiment: Experiment


async def follow(
    database: db.Database, waiting_room: engine.WaitingRoom, experiment: Experiment
) -> AsyncGenerator[ExampleEnded | ExperimentEnded | None]:
    """Yield what happens from the beginning of the experiment to its end; None now and then when nothing does.

    Ends after `ExperimentEnded`, or when the experiment is gone. Holds the ids of the runs that were told.
    """
    told: set[str] = set()
    since: datetime | None = None
    counts = Counts(0, 0, 0, 0, 0, 0, None)
    with waiting_room.place_for_batch(experiment.id) as waiter:
        while True:
            waiter.rearm()
            async with database.transaction() as tx:
                now = await store.get(tx, experiment.organization_id, experiment.id)
                ended = await store.ended_since(tx, experiment.id, since, len(told) + PORTION)
                fresh = [run for run in ended if run.id not in told][:PORTION]
                scores = await store.scores_of(tx, experiment.organization_id, [run.id for run in fresh])
            if now is None:
                return
            for run in fresh:
                told.add(run.id)
                counts = _counted(counts, run)
                yield ExampleEnded(run, scores.get(run.id, []), replace(now, counts=counts))
            if fresh:
                latest = fresh[-1].completed_at
                since = None if latest is None else latest - _OVERLAP
                continue
            if now.status == "completed":
                yield ExperimentEnded(now)
                return
            if not await waiter.wait(HEARTBEAT_SECONDS):
                yield None


def _counted(counts: Counts, run: ExperimentRun) -> Counts:
    scored = counts.passed + counts.failed
    mean = counts.avg_score
    if run.score is not None:
        mean = run.score if mean is None else mean + (run.score - mean) / (scored + 1)
    return Counts(
        completed=counts.completed + 1,
        passed=counts.passed + (run.verdict == "pass"),
        failed=counts.failed + (run.verdict == "fail"),
        errors=counts.errors + (run.verdict == "error"),
        ungraded=counts.ungraded + (run.verdict == "ungraded"),
        cancelled=counts.cancelled + (run.verdict == "cancelled"),
        avg_score=mean,
    )
