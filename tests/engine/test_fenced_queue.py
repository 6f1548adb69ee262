"""A worker that lost its job to another one cannot touch it any more."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import asyncpg
import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.repository import EntrypointExecutionParameter
from tests.engine.stage import Hold, Stage, pick

from assay import db
from assay.engine.queue import FencedQueries

ENTRYPOINTS = {QueueEntrypoint("runs"): EntrypointExecutionParameter(concurrency_limit=0)}


def queries_of(database: db.Database, hold: Hold) -> FencedQueries:
    queries = FencedQueries(AsyncpgPoolDriver(database.pool))
    queries.holder = QueueManagerId(hold.holder)
    return queries


async def job_of(stage: Stage, run_id: str) -> Job:
    row = await stage.job(run_id)
    assert row is not None
    return Job.model_validate(dict(row))


@pytest.fixture
async def run_id(stage: Stage) -> AsyncGenerator[str]:
    """A run that alone stands in the queue."""
    yield await stage.start()
    async with stage.database.transaction() as tx:
        await tx.execute("DELETE FROM pgqueuer")


async def test_a_worker_that_lost_its_job_cannot_remove_return_or_keep_it(stage: Stage, run_id: str) -> None:
    slow = await pick(stage.database, run_id)
    stale = await job_of(stage, run_id)
    await pick(stage.database, run_id)
    held = await job_of(stage, run_id)
    queries = queries_of(stage.database, slow)
    await queries.log_jobs([(stale, "successful", None)])
    await queries.retry_job(stale, timedelta(0), None)
    await queries.update_heartbeat([stale.id])
    assert await job_of(stage, run_id) == held


async def test_workers_that_have_nothing_to_do_hear_of_a_job_that_is_returned(stage: Stage, run_id: str) -> None:
    queries = queries_of(stage.database, await pick(stage.database, run_id))
    heard = asyncio.Event()
    connection = await asyncpg.connect(stage.database.dsn)
    try:
        await connection.add_listener("ch_pgqueuer", lambda *_: heard.set())
        await queries.retry_job(await job_of(stage, run_id), timedelta(seconds=1), None)
        await asyncio.wait_for(heard.wait(), timeout=30)
    finally:
        await connection.close()


async def test_the_holder_keeps_its_job_alive_returns_it_and_removes_it(stage: Stage, run_id: str) -> None:
    hold = await pick(stage.database, run_id)
    picked = await job_of(stage, run_id)
    queries = queries_of(stage.database, hold)
    await queries.update_heartbeat([JobId(hold.job_id)])
    assert (await job_of(stage, run_id)).heartbeat > picked.heartbeat
    await queries.retry_job(picked, timedelta(0), None)
    returned = await job_of(stage, run_id)
    assert (returned.status, returned.queue_manager_id) == ("queued", None)
    again = await pick(stage.database, run_id)
    await queries_of(stage.database, again).log_jobs([(returned, "successful", None)])
    assert await stage.job(run_id) is None


async def dequeue(queries: FencedQueries) -> list[Job]:
    assert queries.holder is not None
    return await queries.dequeue(
        batch_size=10,
        entrypoints=ENTRYPOINTS,
        queue_manager_id=queries.holder,
        global_concurrency_limit=20,
        heartbeat_timeout=timedelta(seconds=1),
    )


async def test_after_an_outage_a_silent_worker_keeps_its_jobs_for_a_while(stage: Stage, run_id: str) -> None:
    hold = await pick(stage.database, run_id)
    async with stage.database.transaction() as tx:
        await tx.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
    new = await stage.start()
    other = queries_of(stage.database, Hold(0, QueueManagerId(hold.holder.__class__(int=7))))
    other.trust_others_for(3600)
    assert [job.payload for job in await dequeue(other)] == [new.encode()]
    other.trust_others_for(0)
    assert [job.payload for job in await dequeue(other)] == [run_id.encode()]
