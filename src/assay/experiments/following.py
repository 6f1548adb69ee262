"""Following an experiment while it goes on: each run once, as it ends."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from assay import db, engine
from assay.experiments import store
from assay.experiments.model import Counts, Experiment, ExperimentRun, Score

HEARTBEAT_SECONDS = 10.0
PORTION = 200
PACE_SECONDS = 0.1
"""So much is let pass after a look that found something: one look serves many ends."""


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

    Runs that ended before are told first, roughly in the order in which they were queued. Ends after
    `ExperimentEnded`, or when the experiment is gone.
    """
    # Each look reads the runs that are queued and were not told: few, however large the experiment is.
    behind: set[int] = set()
    frontier = 0
    counts = Counts(0, 0, 0, 0, 0, 0, None)
    with waiting_room.place_for_batch(experiment.id) as waiter:
        while True:
            waiter.rearm()
            async with database.transaction() as tx:
                now = await store.get(tx, experiment.organization_id, experiment.id, live_counts=False)
                if now is None:
                    return
                reached = min(_queued_up_to(now), frontier + PORTION)
                behind.update(range(frontier, reached))
                ended = await store.ended_at(tx, experiment.id, behind)
                scores = await store.scores_of(tx, experiment.organization_id, [run.id for _, run in ended])
            is_everything = reached == _queued_up_to(now)
            frontier = reached
            for position, run in ended:
                behind.discard(position)
                counts = _counted(counts, run)
                yield ExampleEnded(run, scores.get(run.id, []), replace(now, counts=counts))
            if not is_everything:
                continue
            if now.status == "completed":
                yield ExperimentEnded(now)
                return
            if ended:
                await asyncio.sleep(PACE_SECONDS)
            elif not await waiter.wait(HEARTBEAT_SECONDS):
                yield None


def _queued_up_to(experiment: Experiment) -> int:
    """Return the position behind the last run that may have ended; those rejected at once may stand behind it."""
    if experiment.status == "completed" or experiment.cancel_requested_at is not None:
        return experiment.runs
    return experiment.next_position


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
