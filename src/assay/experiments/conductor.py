"""What moves an experiment on: it queues the next runs, and ends it when all of them have ended.

Nothing of it lives in memory: whichever worker locks the experiment's row reads how it stands, so an
experiment goes on after any crash and no run of it is repeated.
"""

import asyncio
import contextlib
import logging
import time
from typing import Protocol

from assay import db, engine
from assay.experiments import result_store, store
from assay.experiments.baselines import compare_with_baseline
from assay.experiments.concluding import conclude
from assay.experiments.model import Experiment

log = logging.getLogger(__name__)

WINDOW = 200
"""How many runs of one experiment stand in the queue or are worked on, where it names no number itself."""
LOOK_AGAIN_SECONDS = 2.0
PACE_SECONDS = 0.02
"""So much is let pass between two looks: many runs end meanwhile, and one look serves them all."""


class OnConcluded(Protocol):
    """What follows from the end of an experiment: asked in the transaction that ends it, its results written."""

    async def __call__(self, tx: db.Transaction, experiment_id: str, organization_id: str) -> None:
        """Do it; what it raises keeps the experiment from ending, and it is asked again."""
        ...


class Conductor:
    """Moves all experiments on; every worker has one, and they keep out of each other's way."""

    def __init__(self, database: db.Database, on_concluded: OnConcluded) -> None:
        """Prepare; nothing happens before `run` runs."""
        self._database = database
        self._on_concluded = on_concluded
        self._told: set[str] = set()
        self._next_look_at_all = 0.0
        self._woken = asyncio.Event()
        self._looked_back = False

    async def run(self) -> None:
        """Go on until cancelled, through every loss of the database."""
        listener = engine.Listener(self._database.dsn, {"assay_batch_progress": self._note}, self._look_at_all)
        listening = asyncio.create_task(listener.run())
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), timeout=LOOK_AGAIN_SECONDS)
                try:
                    await self._look_back()
                    await self._look()
                except db.DatabaseUnavailableError:
                    log.warning("Experiments wait: the database is away.")
                    self._told.clear()
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
                except Exception:
                    log.exception("Experiments could not be looked at; it is tried again.")
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
                await asyncio.sleep(PACE_SECONDS)
        finally:
            listening.cancel()

    def _note(self, experiment_id: str) -> None:
        self._told.add(experiment_id)
        self._woken.set()

    async def _look_at_all(self) -> None:
        self._next_look_at_all = 0.0
        self._woken.set()

    async def _look_back(self) -> None:
        """Once, make the comparisons that a crash between the end of an experiment and them left out."""
        if self._looked_back:
            return
        async with self._database.single_statement() as tx:
            ended = await result_store.without_baseline(tx)
        self._looked_back = True
        for organization_id, experiment_id in ended:
            await compare_with_baseline(self._database, organization_id, experiment_id)

    async def _look(self) -> None:
        self._woken.clear()
        told, self._told = self._told, set()
        # Also while others are told of: what nobody was told of must not wait for the end of those.
        if time.monotonic() >= self._next_look_at_all:
            async with self._database.single_statement() as tx:
                told.update(await store.open_experiments(tx))
            self._next_look_at_all = time.monotonic() + LOOK_AGAIN_SECONDS
        for experiment_id in told:
            try:
                await advance(self._database, experiment_id, self._on_concluded)
            except db.DatabaseUnavailableError:
                raise
            except Exception:
                log.exception("Experiment %s could not be moved on; it is tried again.", experiment_id)


async def advance(database: db.Database, experiment_id: str, on_concluded: OnConcluded) -> None:
    """Do what is to be done for an experiment now; nothing if it has ended or another worker is at it.

    Whoever ends it also holds it against its baseline.
    """
    async with database.transaction() as tx:
        experiment = await store.take(tx, experiment_id)
        if experiment is None or await _goes_on(tx, experiment):
            return
        await conclude(tx, experiment)
        await on_concluded(tx, experiment.id, experiment.organization_id)
    await compare_with_baseline(database, experiment.organization_id, experiment.id)


async def _goes_on(tx: db.Transaction, experiment: Experiment) -> bool:
    """Queue what there is room for; False if nothing is left to wait for."""
    unfinished = await engine.unfinished_of_batch(tx, experiment.id)
    waiting = experiment.startable - experiment.admitted
    room = (experiment.concurrency or WINDOW) - (unfinished - waiting)
    if waiting > 0 and room > 0:
        following = await store.next_runs(tx, experiment, room)
        await engine.admit(tx, [run_id for run_id, _ in following])
        last = following[-1][1] if following else experiment.next_position
        # Where fewer came than there is room for, the others were cancelled one by one.
        admitted = experiment.admitted + len(following) if len(following) == room else experiment.startable
        await store.set_admitted(tx, experiment.id, admitted, last + 1)
    return unfinished > 0
