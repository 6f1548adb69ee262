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
from pydantic import JsonValue

from assay import clock, db
from assay.db import CONNECTION_ERRORS, Database, DatabaseUnavailableError
from assay.engine.claiming import read_recorded, take
from assay.engine.journal import Journal
from assay.engine.listening import Listener
from assay.engine.model import Cancelled, Claim, Failed, Outcome, SupersededError, Suspended
from assay.engine.noting import note_event
from assay.engine.progress import Progress
from assay.engine.queue import SHARED_ENTRYPOINT, FencedQueries, enqueue
from assay.engine.solitude import Solitude
from assay.engine.statements import SQL

log = logging.getLogger(__name__)

Handler = Callable[[Claim, Journal], Awaitable[Outcome]]
"""Executes a claimed run from where its recorded steps end, and says how it ended."""

Chore = Callable[[], Awaitable[None]]

_DATABASE_AWAY = (*CONNECTION_ERRORS, DatabaseUnavailableError, OSError, TimeoutError, asyncpg.PostgresError)

LOSSES_BEFORE_ALONE = 2
_INTERNAL_ERROR = Failed("internal_error", "assay itself failed while it ran this; the server's log says more.")
BATCH = 10
LOOK_AGAIN_SECONDS = 0.05
"""How soon a worker that could take no more looks whether it can: finished jobs wake nobody."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How much a worker does at once and how patient it is; times in seconds."""

    concurrency: int = 32
    heartbeat: float = 10.0
    grace: float = 20.0


@dataclass(slots=True, eq=False)
class _Delivery:
    """A job in this worker's hands: known before the run is claimed, so that a cancellation finds it at any time."""

    task: "asyncio.Task[object]"
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    held: tuple[Claim, Journal] | None = None


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
    _active: dict[str, _Delivery] = field(default_factory=dict[str, _Delivery])
    _manager: QueueManager | None = None
    _listened: bool = False
    _reconnecting: bool = False
    _stopping: bool = False
    _progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self._progress = Progress(self.database)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish or hand back what is in hand within the grace period.

        A lost database ends nothing: the worker backs off, opens a new pool and goes on.
        """
        channels = {"assay_run_cancel": self._cancel, "assay_limits": self._refresh_limits}
        listening = asyncio.create_task(Listener(self.database.dsn, channels, self._after_reconnect).run())
        draining: set[asyncio.Task[None]] = set()
        delay, told = 0.05, False
        try:
            while not stop.is_set():
                with contextlib.suppress(*_DATABASE_AWAY):
                    draining.add(await self._serve(stop))
                    delay, told = 0.05, False
                self._reconnecting = True
                if not stop.is_set():
                    if not told:
                        log.warning("The queue is out of reach; connecting again.")
                    told = True
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 1.0)
            await self._drain(draining)
            await self._progress.told()
        finally:
            listening.cancel()

    async def _serve(self, stop: asyncio.Event) -> asyncio.Task[None]:
        """Run a queue manager until it fails or `stop` is set; return the task in which its jobs end."""
        pool = await db.create_pool(self.database.dsn, least=2, most=4)
        queries = FencedQueries(AsyncpgPoolDriver(pool))
        if self._reconnecting:
            log.info("The queue is in reach again.")
            queries.trust_others_for(self.limits.heartbeat)
        manager = QueueManager(queries)
        queries.holder = manager.queue_manager_id
        manager.min_dequeue_poll_interval = timedelta(seconds=LOOK_AGAIN_SECONDS)
        self._register(manager, SHARED_ENTRYPOINT, 0)
        self._manager = manager
        try:
            await self._read_limits()
        except BaseException:
            pool.terminate()
            raise
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
        for delivery in list(self._active.values()):
            delivery.task.cancel()
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
            self._active[run_id].cancelled.set()

    async def _after_reconnect(self) -> None:
        # The queue's own listening connection is most likely lost as well, and it would take 20 seconds to notice.
        if self._listened and self._manager is not None:
            self._manager.shutdown.set()
        self._listened = True
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
        while run_id in self._active:  # the queue took it for lost, but it is here
            await self._active[run_id].ended.wait()
        if self._stopping:
            raise _handed_back()
        task = asyncio.current_task()
        assert task is not None
        delivery = self._active[run_id] = _Delivery(task)
        try:
            await self._deliver(job, run_id, delivery)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()
            await self._hand_back(delivery)
            raise _handed_back() from None
        except RetryRequested:
            raise
        except Exception:
            log.exception("The delivery of run %s broke off; the run is queued again in some minutes.", run_id)
            raise
        finally:
            del self._active[run_id]
            delivery.ended.set()

    async def _deliver(self, job: Job, run_id: str, delivery: _Delivery) -> None:
        taken = await take(self.database, run_id, job.id, job.queue_manager_id, delivery.cancelled)
        if taken is None:
            return
        claim, journal = delivery.held = taken.claim, Journal(self.database, taken.claim)
        self._progress.moved()
        await read_recorded(self.database, claim)
        if taken.was_lost:
            message = "The worker that had the run was lost; it goes on from its last step."
            await self._note(claim, "run.redelivered", message)
        with contextlib.suppress(SupersededError):
            if taken.was_lost and taken.was_alone:
                await journal.finish(Failed("worker_lost", "The worker was lost while it ran nothing but this run."))
                self._tell_end(claim)
                return
            await self._execute(claim, journal, cancelled=taken.cancel_requested)

    async def _note(self, claim: Claim, event: str, message: str) -> None:
        detail: dict[str, JsonValue] = {"delivery": claim.delivery, "lost": claim.lost_deliveries}
        await self.database.when_available(
            lambda tx: note_event(tx, claim.organization_id, claim.run_id, event, message, detail)
        )

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
        async with self._company(claim):
            outcome = Cancelled() if cancelled else await self._outcome_of(claim, journal)
            try:
                await journal.finish(outcome)
            except SupersededError:
                raise
            except Exception:
                log.exception("The end of run %s cannot be written as it is.", claim.run_id)
                journal.abandon()
                await journal.finish(_INTERNAL_ERROR)
        self._tell_end(claim)
        if isinstance(outcome, Suspended):
            # Asked to stop while it worked, it does not wait: its next delivery ends it.
            remaining = timedelta(0) if claim.cancelled.is_set() else outcome.until - clock.now()
            raise RetryRequested(delay=max(remaining, timedelta(0)), reason="the run waits")

    def _tell_end(self, claim: Claim) -> None:
        self._progress.moved()
        if claim.batch_id is not None:
            self._progress.ended(claim.batch_id)

    async def _outcome_of(self, claim: Claim, journal: Journal) -> Outcome:
        try:
            return await self.handler(claim, journal)
        except SupersededError:
            raise
        except Exception:
            log.exception("Run %s failed inside assay.", claim.run_id)
            return _INTERNAL_ERROR

    async def _hand_back(self, delivery: _Delivery) -> None:
        """Make the run pending again, so that its next claim is not taken for the end of a loss."""
        if delivery.held is None:
            return
        claim, journal = delivery.held
        with contextlib.suppress(DatabaseUnavailableError, SupersededError, TimeoutError):
            async with asyncio.timeout(5):
                await journal.flush()
                async with self.database.transaction() as tx:
                    await tx.execute(SQL["hand_back"], claim.run_id, claim.delivery)


def _handed_back() -> RetryRequested:
    return RetryRequested(delay=timedelta(0), reason="the worker was told to stop")


def _scheduled(chore: Chore) -> Callable[[Schedule], Awaitable[None]]:
    async def run(_schedule: Schedule) -> None:
        try:
            await chore()
        except Exception:
            log.exception("A scheduled job failed; it is done again at its next time.")
            raise

    return run
