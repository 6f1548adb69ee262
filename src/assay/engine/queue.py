"""The queue is PgQueuer, with the two things it lacks.

Enqueueing takes part in the caller's transaction, and a worker that lost a job to another one can
neither remove it, nor return it, nor keep it alive.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import JOB_STATUS, JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries
from typing_extensions import override

from assay import jsontext
from assay.db import Database, DatabaseUnavailableError, Transaction
from assay.engine.statements import SQL

SHARED_ENTRYPOINT = "runs"
BACKGROUND_PRIORITY = -1
"""Of runs that nobody waits for: they are taken when no other one is due."""
_WAKE_UP = jsontext.dump(
    {
        "channel": "ch_pgqueuer",
        "operation": "insert",
        "sent_at": "2026-01-01T00:00:00Z",
        "table": "pgqueuer",
        "type": "table_changed_event",
    }
)
"""What PgQueuer's own trigger would send; nothing reads when."""
_NEVER = timedelta(days=10_000)

_SETTINGS = DBSettings(durability=Durability.balanced)
_ENVIRONMENT = QueryBuilderEnvironment(_SETTINGS)
_QUEUE = QueryQueueBuilder(_SETTINGS)
_SCHEDULES = QuerySchedulerBuilder(_SETTINGS)


def entrypoint_for(automation_id: str, concurrency_limit: int | None) -> str:
    """Name the entrypoint a run is queued under: a limited automation has its own, the rest share one."""
    return SHARED_ENTRYPOINT if concurrency_limit is None else f"{SHARED_ENTRYPOINT}.{automation_id}"


async def enqueue(tx: Transaction, run_id: str, entrypoint: str) -> None:
    """Queue a run within the caller's transaction: it is seen by workers when, and only when, that commits.

    Raises:
        DuplicateJobError: the run stands in the queue already.
    """
    queries = Queries(AsyncpgDriver(cast("Any", tx.connection)), _ENVIRONMENT, _QUEUE, _SCHEDULES)
    await queries.enqueue(entrypoint, run_id.encode(), dedupe_key=run_id)
    wake_workers_after_commit(tx)


def wake_workers_after_commit(tx: Transaction) -> None:
    """Have all workers look what is due once the transaction has committed."""
    tx.notify_after_commit(_SETTINGS.channel, _WAKE_UP)


async def wake_workers(database: Database) -> None:
    """Have all workers look what is due; if the database is away they will look by themselves."""
    with contextlib.suppress(DatabaseUnavailableError):
        async with database.single_statement() as tx:
            await tx.execute("SELECT pg_notify($1, $2)", _SETTINGS.channel, _WAKE_UP)


async def admit(tx: Transaction, run_ids: Sequence[str]) -> None:
    """Queue runs that were created, behind those that somebody waits for; what left that state stays as it is."""
    rows = await tx.fetch(SQL["admit"], list(run_ids))
    if not rows:
        return
    queries = Queries(AsyncpgDriver(cast("Any", tx.connection)), _ENVIRONMENT, _QUEUE, _SCHEDULES)
    await queries.enqueue(
        [row["entrypoint"] for row in rows],
        [row["id"].encode() for row in rows],
        [BACKGROUND_PRIORITY] * len(rows),
        dedupe_key=[row["id"] for row in rows],
    )
    wake_workers_after_commit(tx)


class FencedQueries(Queries):
    """PgQueuer's statements for one worker, which touch only jobs that the worker still holds.

    The library's own match by job id alone: a worker that was paused past its heartbeat and
    resumed would delete, requeue or keep alive a job that another one works on by then. Finished
    jobs are not copied to the library's log either: the run's own rows tell more.
    """

    def __init__(self, driver: Driver) -> None:
        """Build the statements on a driver; `holder` is set once the worker's id is known."""
        super().__init__(driver, _ENVIRONMENT, _QUEUE, _SCHEDULES)
        self.holder: QueueManagerId | None = None
        self._next_due: timedelta | None = None
        self._trusting_until = 0.0
        self.lost_database = asyncio.Event()
        """Set when a dequeue found the database away; the queue manager ends only after its jobs did."""

    def trust_others_for(self, seconds: float) -> None:
        """Take no job from a silent worker for so long: after an outage of the database all have been silent."""
        self._trusting_until = time.monotonic() + seconds

    @override
    async def dequeue(self, *arguments: Any, **named: Any) -> list[Job]:
        if time.monotonic() < self._trusting_until:
            named["heartbeat_timeout"] = _NEVER
        try:
            return await super().dequeue(*arguments, **named)
        except Exception:
            self.lost_database.set()
            raise

    @override
    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Count what is due; what comes later is read in the same round trip, for the two questions asked next."""
        (row,) = await self.driver.fetch(SQL["due"], entrypoints)
        self._next_due = cast("timedelta | None", row["next_due"])
        return cast("int", row["due"])

    @override
    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        return self._next_due

    @override
    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return 0 if self._next_due is None else 1

    @override
    async def log_jobs(self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]) -> None:
        ids = [job.id for job, _, _ in job_status]
        await self.driver.execute(SQL["drop_jobs"], ids, self.holder)

    @override
    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        await self.driver.execute(SQL["requeue_job"], job.id, self.holder, delay, _SETTINGS.channel, _WAKE_UP)

    @override
    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        await self.driver.execute(SQL["beat"], job_ids, self.holder)
