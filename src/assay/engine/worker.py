"""A worker: takes runs from the queue, has them executed, and survives what befalls it and the database."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.core.executors import EntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job, Schedule
from pgqueuer.domain.types import QueueEntrypoint

from assay import db, jsontext
from assay.db import CONNECTION_ERRORS, Database, DatabaseUnavailableError, Row
from assay.engine.journal import Journal
from assay.engine.listening import Listener
from assay.engine.model import Cancelled, Claim, Failed, Outcome, StepRecord, SupersededError
from assay.engine.queue import SHARED_ENTRYPOINT, FencedQueries, enqueue
from assay.engine.solitude import Solitude
from assay.engine.statements import SQL

log = logging.getLogger(__name__)

Handler = Callable[[Claim, Journal], Awaitable[Outcome]]
"""Executes a claimed run from where its recorded steps end, and says how it ended."""

Chore = Callable[[], Awaitable[None]]

LOSSES_BEFORE_ALONE = 2
BATCH = 10
LOOK_AGAIN_SECONDS = 0.05
"""How soon a worker that could take no more looks whether it can: finished jobs wake nobody."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How much a worker does at once and how patient it is; times in seconds."""

    concurrency: int = 32
    heartbeat: float = 10.0
    grace: float = 20.0


@dataclass(slots=True)
class Worker:
    """Executes runs until it is told to stop.

    `chores` are jobs by the clock, run by one worker of all: cron expression and work by name.
    """

    database: Database
    handler: Handler
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    chores: Mapping[str, tuple[str, Chore]] = field(default_factory=dict[str, tuple[str, Chore]])
    _solitude: Solitude = field(default_factory=Solitude)
    _active: dict[str, tuple[Claim, "asyncio.Task[object]"]] = field(
        default_factory=dict[str, tuple[Claim, "asyncio.Task[object]"]]
    )
    _manager: QueueManager | None = None
    _stopping: bool = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish or hand back what is in hand within the grace period.

        A lost database ends nothing: the worker backs off, opens a new pool and goes on.
        """
        channels = {"assay_run_cancel": self._cancel, "assay_limits": self._refresh_limits}
        listening = asyncio.create_task(Listener(self.database.dsn, channels, self._after_reconnect).run())
        draining: set[asyncio.Task[None]] = set()
        delay = 0.05
        try:
            while not stop.is_set():
                with contextlib.suppress(*CONNECTION_ERRORS, OSError, TimeoutError, asyncpg.PostgresError):
                    draining.add(await self._serve(stop))
                    delay = 0.05
                if not stop.is_set():
                    log.warning("The queue is out of reach; connecting again.")
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 1.0)
            await self._drain(draining)
        finally:
            listening.cancel()

    async def _serve(self, stop: asyncio.Event) -> asyncio.Task[None]:
        """Run a queue manager until it fails or `stop` is set; return the task in which its jobs end."""
        pool = await db.create_pool(self.database.dsn, least=2, most=4)
        queries = FencedQueries(AsyncpgPoolDriver(pool))
        manager = QueueManager(queries)
        queries.holder = manager.queue_manager_id
        manager.min_dequeue_poll_interval = timedelta(seconds=LOOK_AGAIN_SECONDS)
        self._register(manager, SHARED_ENTRYPOINT, 0)
        self._manager = manager
        await self._read_limits()
        scheduler = self._scheduler(queries)
        scheduler.shutdown = manager.shutdown
        serving = asyncio.create_task(self._run_managers(manager, scheduler, pool))
        watched = [asyncio.create_task(event.wait()) for event in (stop, queries.lost_database, manager.shutdown)]
        await asyncio.wait([serving, *watched], return_when=asyncio.FIRST_COMPLETED)
        manager.shutdown.set()
        for task in watched:
            task.cancel()
        return serving

    async def _run_managers(self, manager: QueueManager, scheduler: SchedulerManager, pool: asyncpg.Pool) -> None:
        heartbeat = timedelta(seconds=self.limits.heartbeat)
        working = manager.run(
            dequeue_timeout=timedelta(seconds=min(5.0, self.limits.heartbeat)),
            batch_size=min(BATCH, self.limits.concurrency // 2),
            max_concurrent_tasks=self.limits.concurrency,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=heartbeat,
            log_aggregation_interval=timedelta(0),
        )
        results = await asyncio.gather(working, scheduler.run(), return_exceptions=True)
        for problem in results:
            if isinstance(problem, BaseException):
                log.warning("The queue ended with %s.", type(problem).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(pool.close(), timeout=5)
        pool.terminate()

    async def _drain(self, draining: set[asyncio.Task[None]]) -> None:
        """Let the runs in hand end; hand back those that have not after the grace period."""
        if not draining:
            return
        _, unfinished = await asyncio.wait(draining, timeout=self.limits.grace)
        if not unfinished:
            return
        self._stopping = True
        for _, task in list(self._active.values()):
            task.cancel()
        await asyncio.wait(unfinished, timeout=10)

    # --- what is registered with the queue

    def _register(self, manager: QueueManager, entrypoint: str, concurrency_limit: int) -> None:
        known = manager.entrypoint_registry.get(QueueEntrypoint(entrypoint))
        if known is not None:
            known.parameters.concurrency_limit = concurrency_limit
            return
        parameters = EntrypointExecutorParameters(concurrency_limit=concurrency_limit, func=self._deliver_job)
        manager.register_executor(entrypoint, EntrypointExecutor(parameters))

    def _refresh_limits(self, _payload: str) -> None:
        task = asyncio.ensure_future(self._read_limits())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _read_limits(self) -> None:
        async with self.database.transaction() as tx:
            rows = await tx.fetch(SQL["concurrency_limits"])
        if self._manager is not None:
            for row in rows:
                self._register(self._manager, row["entrypoint"], row["concurrency_limit"])

    def _scheduler(self, queries: FencedQueries) -> SchedulerManager:
        scheduler = SchedulerManager(queries)
        chores: dict[str, tuple[str, Chore]] = {"requeue_orphans": ("* * * * *", self._requeue_orphans), **self.chores}
        for name, (expression, chore) in chores.items():
            scheduler.schedule(name, expression)(_scheduled(chore))
        return scheduler

    async def _requeue_orphans(self) -> None:
        async with self.database.transaction() as tx:
            for row in await tx.fetch(SQL["orphans"]):
                log.warning("Run %s stood in no queue; queued again.", row["id"])
                await enqueue(tx, row["id"], row["entrypoint"])

    # --- cancellation

    def _cancel(self, run_id: str) -> None:
        if run_id in self._active:
            self._active[run_id][0].cancelled.set()

    async def _after_reconnect(self) -> None:
        await self._read_limits()
        if not self._active:
            return
        async with self.database.transaction() as tx:
            for row in await tx.fetch(SQL["cancelled_among"], list(self._active)):
                self._cancel(row["id"])

    # --- one delivery

    async def _deliver_job(self, job: Job) -> None:
        assert job.payload is not None
        run_id = job.payload.decode()
        row = await self.database.when_available(lambda tx: tx.fetch_one(SQL["claim"], run_id))
        if row is None:
            return
        claim = await self._claim_from(row)
        journal = Journal(self.database, claim)
        with contextlib.suppress(SupersededError):
            if row["was_alone"] and row["was_lost"]:
                await journal.finish(Failed("worker_lost", "The worker was lost while it ran nothing but this run."))
                return
            await self._execute(claim, journal, cancelled=row["cancel_requested_at"] is not None)

    async def _claim_from(self, row: Row) -> Claim:
        recorded: dict[str, StepRecord] = {}
        if row["delivery"] > 1:
            steps = await self.database.when_available(lambda tx: tx.fetch(SQL["recorded_steps"], row["id"]))
            recorded = {step["step_key"]: StepRecord(**dict(step)) for step in steps}
        if row["was_lost"]:
            await self._note(
                row, "run.redelivered", "The worker that had the run was lost; it goes on from its last step."
            )
        return Claim(
            run_id=row["id"],
            organization_id=row["organization_id"],
            automation_id=row["automation_id"],
            kind=row["kind"],
            version_id=row["version_id"],
            mode=row["mode"],
            created_at=row["created_at"],
            started_at=row["started_at"],
            delivery=row["delivery"],
            lost_deliveries=row["lost_deliveries"],
            input=jsontext.load(row["input"]),
            overrides=jsontext.load(row["overrides"]),
            metadata=jsontext.load(row["metadata"]),
            recorded=recorded,
        )

    async def _note(self, row: Row, event: str, message: str) -> None:
        detail = jsontext.dump({"delivery": row["delivery"], "lost": row["lost_deliveries"]})
        arguments = (row["id"], row["organization_id"], event, message, detail)
        await self.database.when_available(lambda tx: tx.execute(SQL["note_event"], *arguments))

    @asynccontextmanager
    async def _company(self, claim: Claim) -> AsyncGenerator[None]:
        if claim.lost_deliveries < LOSSES_BEFORE_ALONE:
            async with self._solitude.together():
                yield
            return
        async with self._solitude.alone():
            marked = await self.database.when_available(
                lambda tx: tx.fetch_one(SQL["mark_alone"], claim.run_id, claim.delivery)
            )
            if marked is None:
                raise SupersededError
            yield

    async def _execute(self, claim: Claim, journal: Journal, *, cancelled: bool) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._active[claim.run_id] = (claim, task)
        try:
            async with self._company(claim):
                outcome = Cancelled() if cancelled else await self._outcome_of(claim, journal)
                await journal.finish(outcome)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()
            await self._hand_back(claim, journal)
        finally:
            del self._active[claim.run_id]

    async def _outcome_of(self, claim: Claim, journal: Journal) -> Outcome:
        try:
            return await self.handler(claim, journal)
        except SupersededError:
            raise
        except Exception:
            log.exception("Run %s failed inside assay.", claim.run_id)
            return Failed("internal_error", "assay itself failed while it ran this; the server's log says more.")

    async def _hand_back(self, claim: Claim, journal: Journal) -> None:
        """Queue the run again, not as a loss: this worker was told to stop."""
        with contextlib.suppress(DatabaseUnavailableError, TimeoutError):
            async with asyncio.timeout(5):
                await journal.flush()
                async with self.database.transaction() as tx:
                    await tx.execute(SQL["hand_back"], claim.run_id, claim.delivery)
        raise RetryRequested(delay=timedelta(0), reason="the worker was told to stop")


def _scheduled(chore: Chore) -> Callable[[Schedule], Awaitable[None]]:
    async def run(_schedule: Schedule) -> None:
        await chore()

    return run
