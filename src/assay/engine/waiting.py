"""Waiting for a run to finish, or for runs of a batch to, without asking again and again."""

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager

from assay.db import Database, Transaction
from assay.engine.listening import Listener
from assay.engine.statements import SQL


class Waiter:
    """A place in the waiting room, taken before the run can possibly finish."""

    def __init__(self) -> None:
        """Start with the run unfinished."""
        self._finished = asyncio.Event()

    def wake(self) -> None:
        """Say that the run finished, or one of the batch did."""
        self._finished.set()

    def rearm(self) -> None:
        """Wait for the next one of the batch; call before reading how it stands."""
        self._finished.clear()

    async def wait(self, seconds: float) -> bool:
        """Wait at most so long; return whether the run, or one of the batch, finished."""
        if seconds <= 0:
            return self._finished.is_set()
        try:
            await asyncio.wait_for(self._finished.wait(), timeout=seconds)
        except TimeoutError:
            return False
        return True


class WaitingRoom:
    """All who wait in this process, and the one connection that hears when runs finish."""

    def __init__(self, database: Database) -> None:
        """Prepare; nobody is woken before `run` runs."""
        self._database = database
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)
        self._batch_waiters: defaultdict[str, set[Waiter]] = defaultdict(set)
        channels = {"assay_batch_progress": self._wake_batch, "assay_run_finished": self._wake}
        self._listener = Listener(database.dsn, channels, self._read_all_once)

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._listener.run()

    @contextmanager
    def place(self, run_id: str) -> Generator[Waiter]:
        """Take a place for a run; enter before the transaction that makes the run visible commits."""
        with self._place(self._waiters, run_id) as waiter:
            yield waiter

    @contextmanager
    def place_for_batch(self, batch_id: str) -> Generator[Waiter]:
        """Take a place where every end of a run of the batch is told."""
        with self._place(self._batch_waiters, batch_id) as waiter:
            yield waiter

    async def ask_for(self, tx: Transaction, organization_id: str, run_id: str) -> bool:
        """Have the end of a run told that nobody waited for; take a place before. Return whether it has ended."""
        return bool(await tx.fetch_value(SQL["await_run"], run_id, organization_id))

    @contextmanager
    def _place(self, waiters: defaultdict[str, set[Waiter]], key: str) -> Generator[Waiter]:
        waiter = Waiter()
        waiters[key].add(waiter)
        try:
            yield waiter
        finally:
            waiters[key].discard(waiter)
            if not waiters[key]:
                del waiters[key]

    def _wake(self, run_id: str) -> None:
        for waiter in self._waiters.get(run_id, ()):
            waiter.wake()

    def _wake_batch(self, batch_id: str) -> None:
        for waiter in self._batch_waiters.get(batch_id, ()):
            waiter.wake()

    async def _read_all_once(self) -> None:
        for batch_id in self._batch_waiters:  # they read for themselves how it stands
            self._wake_batch(batch_id)
        if not self._waiters:
            return
        async with self._database.transaction() as tx:
            for row in await tx.fetch(SQL["finished_among"], list(self._waiters)):
                self._wake(row["id"])
