"""How those who look on hear what became of runs: once for all that begins or ends within a moment."""

import asyncio
import contextlib

from assay.db import Database, DatabaseUnavailableError
from assay.engine.statements import SQL

RUNS_CHANNEL = "assay_runs"
"""Says that some run began or ended, and nothing else."""
PACE_SECONDS = 0.02
PACE_OF_RUNS_SECONDS = 0.5


class Progress:
    """Tells what this worker has begun and ended; whoever follows a batch also looks now and then without being told.

    A notification within the transactions that end runs would let these wait for each other's writing to the
    disk, as PostgreSQL orders such commits.
    """

    def __init__(self, database: Database) -> None:
        """Prepare; nothing is told yet."""
        self._database = database
        self._batches: set[str] = set()
        self._telling: asyncio.Task[None] | None = None
        self._telling_of_runs: asyncio.Task[None] | None = None

    def moved(self) -> None:
        """Have it told that a run began or ended; does not wait."""
        if self._telling_of_runs is None:
            self._telling_of_runs = asyncio.create_task(self._tell_of_runs())

    def ended(self, batch_id: str) -> None:
        """Have it told that a run of the batch ended; does not wait."""
        self._batches.add(batch_id)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def told(self) -> None:
        """Wait until everything is told."""
        for telling in (self._telling, self._telling_of_runs):
            if telling is not None:
                await telling

    async def _tell_of_runs(self) -> None:
        await asyncio.sleep(PACE_OF_RUNS_SECONDS)
        self._telling_of_runs = None
        with contextlib.suppress(DatabaseUnavailableError):
            async with self._database.single_statement() as tx:
                await tx.execute(SQL["tell_of_runs"], RUNS_CHANNEL)

    async def _tell(self) -> None:
        await asyncio.sleep(PACE_SECONDS)
        batches, self._batches = self._batches, set()
        self._telling = None
        with contextlib.suppress(DatabaseUnavailableError):
            async with self._database.single_statement() as tx:
                await tx.execute(SQL["tell_progress"], list(batches))
