"""Runs of no automation in a real queue, and workers that execute whatever a test tells them to."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from assay import clock, db, engine, runs
from assay.engine import claiming
from assay.engine.statements import SQL
from assay.runs import starting
from assay.runs.model import NewRun

Found = TypeVar("Found")

AUDIT = """
CREATE TABLE status_changes (run_id text, was text, became text);
CREATE FUNCTION note_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO status_changes VALUES (NEW.id, CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, NEW.status);
    RETURN NULL;
END $$;
CREATE TRIGGER note_creation AFTER INSERT ON runs FOR EACH ROW EXECUTE FUNCTION note_status();
CREATE TRIGGER note_change AFTER UPDATE OF status ON runs FOR EACH ROW EXECUTE FUNCTION note_status();
"""

QUICK = engine.WorkerLimits(concurrency=8, heartbeat=1.0, grace=0.05)


@dataclass(frozen=True, slots=True)
class Hold:
    """A job in the hands of a worker."""

    job_id: int
    holder: uuid.UUID


async def pick(database: db.Database, run_id: str) -> Hold:
    """Take the run's job as a worker does, whoever has it."""
    holder = uuid.uuid4()
    async with database.transaction() as tx:
        sql = """UPDATE pgqueuer SET status = 'picked', queue_manager_id = $2, heartbeat = now()
                 WHERE dedupe_key = $1 RETURNING id"""
        job_id = await tx.fetch_value(sql, run_id, holder)
    assert job_id is not None, "the run stands in no queue"
    return Hold(job_id, holder)


async def claim(database: db.Database, run_id: str) -> engine.Claim:
    """Take the run as a worker does, whoever has it."""
    hold = await pick(database, run_id)
    taken = await claiming.take(database, run_id, hold.job_id, hold.holder, asyncio.Event())
    assert taken is not None, "the run cannot be claimed"
    await claiming.read_recorded(database, taken.claim)
    return taken.claim


def step(key: str, order: int = 0, output: str = "{}") -> engine.StepRecord:
    moment = clock.now()
    return engine.StepRecord(key, order, key, "test.step", "success", moment, moment, output=output)


@dataclass(frozen=True)
class Stage:
    """Starts runs and looks at what became of them."""

    database: db.Database
    organization_id: str

    async def start(self, automation_id: str = "aut_none", *, concurrency_limit: int | None = None) -> str:
        async with self.database.transaction() as tx:
            return await self.start_in(tx, automation_id, concurrency_limit=concurrency_limit)

    async def start_in(
        self, tx: db.Transaction, automation_id: str = "aut_none", *, concurrency_limit: int | None = None
    ) -> str:
        chosen = runs.Chosen(automation_id, "workflow", "ver_none", "1.0.0", None, "current", concurrency_limit)
        run = NewRun(
            id=runs.new_run_id(),
            organization_id=self.organization_id,
            chosen=chosen,
            mode="live",
            trigger_type="api",
            triggered_by=None,
            input={"n": 1},
        )
        await starting.queue(tx, run)
        return run.id

    async def lose(self, run_id: str, *, alone: bool = False) -> engine.Claim:
        """Let a worker take the run and never be heard of again."""
        lost = await claim(self.database, run_id)
        async with self.database.transaction() as tx:
            if alone:
                assert await tx.fetch_one(SQL["mark_alone"], run_id, lost.delivery) is not None
            await tx.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour' WHERE dedupe_key = $1", run_id)
        return lost

    async def run(self, run_id: str) -> db.Row:
        async with self.database.transaction() as tx:
            sql = """SELECT runs.*, output, failure FROM runs LEFT JOIN run_results ON run_id = id WHERE id = $1"""
            row = await tx.fetch_one(sql, run_id)
        assert row is not None
        return row

    async def status(self, run_id: str) -> str:
        return (await self.run(run_id))["status"]

    async def failure(self, run_id: str) -> str | None:
        text = (await self.run(run_id))["failure"]
        return None if text is None else json.loads(text)["code"]

    async def steps(self, run_id: str) -> dict[str, str]:
        """The recorded steps and their outputs."""
        async with self.database.transaction() as tx:
            rows = await tx.fetch("SELECT step_key, output FROM run_steps WHERE run_id = $1", run_id)
        return {row["step_key"]: row["output"] for row in rows}

    async def job(self, run_id: str) -> db.Row | None:
        async with self.database.transaction() as tx:
            return await tx.fetch_one("SELECT * FROM pgqueuer WHERE dedupe_key = $1", run_id)

    async def events(self, run_id: str) -> list[str]:
        async with self.database.transaction() as tx:
            rows = await tx.fetch("SELECT type FROM run_events WHERE run_id = $1 ORDER BY created_at", run_id)
        return [row["type"] for row in rows]

    async def cancel(self, run_id: str) -> engine.CancelAnswer | None:
        async with self.database.transaction() as tx:
            return await engine.request_cancel(tx, self.organization_id, run_id)

    async def cut_connections(self, *also: str) -> None:
        """End every connection to this database but the one that says so, and run statements in the same moment."""
        async with self.database.transaction() as tx:
            for statement in also:
                await tx.execute(statement)
            await tx.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()"""
            )

    @asynccontextmanager
    async def working(
        self, handler: engine.Handler, limits: engine.WorkerLimits = QUICK
    ) -> AsyncGenerator[engine.Worker]:
        """Keep a worker for as long as the block lasts, then tell it to stop and wait for its end."""
        stop = asyncio.Event()
        worker = engine.Worker(self.database, handler, limits)
        task = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            stop.set()
            await task

    async def finished(self, run_ids: Iterable[str]) -> Mapping[str, str]:
        """Wait until the runs ended; return how."""
        wanted = list(run_ids)

        async def statuses() -> dict[str, str] | None:
            found = {run_id: await self.status(run_id) for run_id in wanted}
            return found if all(engine.RunStatus(status).finished for status in found.values()) else None

        return await eventually(statuses)


async def eventually(look: Callable[[], Awaitable[Found | None]]) -> Found:
    """Look until there is something; give up after half a minute."""
    async with asyncio.timeout(30):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.02)


def completes(output: str = "{}") -> engine.Handler:
    async def handle(_claim: engine.Claim, _journal: engine.Journal) -> engine.Outcome:
        return engine.Completed(output)

    return handle


class Doors:
    """A handler whose runs wait until the test lets them out; counts how many are inside."""

    def __init__(self) -> None:
        self.inside: dict[str, engine.Claim] = {}
        self.most = 0
        self.entries: list[tuple[str, int]] = []
        self._out: dict[str, asyncio.Event] = {}
        self.all_out = False

    async def __call__(self, claim: engine.Claim, journal: engine.Journal) -> engine.Outcome:
        self.inside[claim.run_id] = claim
        self.entries.append((claim.run_id, claim.delivery))
        self.most = max(self.most, len(self.inside))
        try:
            await journal.record(step(f"entered-{claim.delivery}", claim.delivery), commit=True)
            if not self.all_out:
                await self._wait(claim)
        finally:
            del self.inside[claim.run_id]
        return engine.Cancelled() if claim.cancelled.is_set() else engine.Completed("{}")

    async def _wait(self, claim: engine.Claim) -> None:
        out = self._out.setdefault(claim.run_id, asyncio.Event())
        waits = [asyncio.create_task(event.wait()) for event in (out, claim.cancelled)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def let_out(self, *run_ids: str) -> None:
        for run_id in run_ids:
            self._out.setdefault(run_id, asyncio.Event()).set()

    def open(self) -> None:
        self.all_out = True
        self.let_out(*self.inside)

    async def until_inside(self, *run_ids: str) -> None:
        async def all_inside() -> bool:
            return all(run_id in self.inside for run_id in run_ids)

        await eventually(all_inside)
