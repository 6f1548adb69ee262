"""What can be read of experiments: one, a page of them, their runs in portions, the scores of a run."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime

from assay import db
from assay.experiments import store
from assay.experiments.errors import ExperimentNotFoundError
from assay.experiments.model import Experiment, ExperimentRun, Score

PORTION = 500


async def get(
    tx: db.Transaction, organization_id: str, experiment_id: str, automation_id: str | None = None
) -> Experiment:
    """Read an experiment, of this automation if one is named.

    Raises:
        ExperimentNotFoundError: there is none.
    """
    found = await store.get(tx, organization_id, experiment_id)
    if found is None or automation_id not in {None, found.automation_id}:
        raise ExperimentNotFoundError
    return found


async def list_experiments(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    limit: int,
    offset: int = 0,
) -> tuple[list[Experiment], int]:
    """Read one page of an automation's experiments, newest first, and how many there are in all."""
    return await store.list_experiments(
        tx,
        organization_id,
        automation_id,
        created_from=created_from,
        created_to=created_to,
        limit=limit,
        offset=offset,
    )


async def runs_in_portions(
    database: db.Database, experiment: Experiment, *, with_scores: bool
) -> AsyncGenerator[tuple[Sequence[ExperimentRun], Mapping[str, Sequence[Score]]]]:
    """Yield the runs of an experiment in order, some hundred at a time, with their scores by run if wanted."""
    after = -1
    while True:
        async with database.transaction() as tx:
            portion = await store.runs_of(tx, experiment.id, after=after, limit=PORTION)
            ids = [run.id for _, run in portion] if with_scores else []
            scores = await store.scores_of(tx, experiment.organization_id, ids) if ids else {}
        if portion:
            yield [run for _, run in portion], scores
        if len(portion) < PORTION:
            return
        after = portion[-1][0]


async def scores_of_run(tx: db.Transaction, organization_id: str, run_id: str) -> Sequence[Score]:
    """Read what the evaluators said of a run; nothing of one that was not graded."""
    return (await store.scores_of(tx, organization_id, [run_id])).get(run_id, [])
