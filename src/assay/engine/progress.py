"""How those who follow a batch hear that runs of it ended: once for all that end within a moment."""

import asyncio
import contextlib

from assay.db import Database, DatabaseUnavailableError
from assay.engine.statements import SQL

PACE_SECONDS = 0.02


class Progress:
    """Tells of batches what this worker has ended; whoever follows them also looks now and then without being told.

    A notification within the transactions that end runs would let these wait for each other's writing to the
    disk, as PostgreSQL orders such commits.
    """

    def __init__(self, database: Database) -> None:
        """Prepare; nothing is told yet."""
        self._database = database
        self._batches: set[str] = set()
        self._telling: asyncio.Task[None] | None = None

    def ended(self, batch_id: str) -> None:
        """Have it told that a run of the batch ended; does not wait."""
        self._batches.add(batch_id)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def told(self) -> None:
        """Wait until everything is told."""
        if self._telling is not None:
            await self._telling

    async def _tell(self) -> None:
        await asyncio.sleep(PACE_SECONDS)
        batches, self._batches = self._batches, set()
        self._telling = None
        with contextlib.suppress(DatabaseUnavailableError):
            async with self._database.single_statement() as tx:
                await tx.execute(SQL["tell_progress"], list(batches))
