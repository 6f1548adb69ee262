"""Waiting for a run to finish without asking again and again."""

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
        """Say that the run finished."""
        self._finished.set()

    async def wait(self, seconds: float) -> bool:
        """Wait at most so long; return whether the run finished."""
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
        self._listener = Listener(database.dsn, {"assay_run_finished": self._wake}, self._read_all_once)

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._listener.run()

    @contextmanager
    def place(self, run_id: str) -> Generator[Waiter]:
        """Take a place for a run; enter before the transaction that makes the run visible commits."""
        waiter = Waiter()
        self._waiters[run_id].add(waiter)
        try:
            yield waiter
        finally:
            self._waiters[run_id].discard(waiter)
            if not self._waiters[run_id]:
                del self._waiters[run_id]

    async def ask_for(self, tx: Transaction, organization_id: str, run_id: str) -> bool:
        """Have the end of a run told that nobody waited for; take a place before. Return whether it has ended."""
        return bool(await tx.fetch_value(SQL["await_run"], run_id, organization_id))

    def _wake(self, run_id: str) -> None:
        for waiter in self._waiters.get(run_id, ()):
            waiter.wake()

    async def _read_all_once(self) -> None:
        if not self._waiters:
            return
        async with self._database.transaction() as tx:
            for row in await tx.fetch(SQL["finished_among"], list(self._waiters)):
                self._wake(row["id"])
