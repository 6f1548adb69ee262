"""Who waits for a run is woken by its end, whatever happened to the connection meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.engine.stage import Stage, claim, eventually

from assay import db, engine
from assay.engine.statements import SQL


@asynccontextmanager
async def open_room(database: db.Database) -> AsyncGenerator[engine.WaitingRoom]:
    room = engine.WaitingRoom(database)
    task = asyncio.create_task(room.run())
    try:
        yield room
        assert not task.done(), "the waiting room stopped listening"
    finally:
        task.cancel()


async def complete(stage: Stage, run_id: str) -> None:
    held = await claim(stage.database, run_id)
    await engine.Journal(stage.database, held).finish(engine.Completed("{}"))


async def listeners(stage: Stage) -> int:
    async with stage.database.transaction() as tx:
        sql = """SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE 'LISTEN%assay_run_finished%'"""
        return await tx.fetch_value(sql)


async def listening(stage: Stage) -> None:
    await eventually(lambda: listeners(stage))


async def fail_run(stage: Stage, run_id: str) -> None:
    held = await claim(stage.database, run_id)
    await engine.Journal(stage.database, held).finish(engine.Failed("broken", "It broke."))


async def cancel_run(stage: Stage, run_id: str) -> None:
    await stage.cancel(run_id)


@pytest.mark.parametrize("end", [complete, fail_run, cancel_run])
async def test_every_end_wakes_all_who_wait_and_nobody_else(
    stage: Stage, end: Callable[..., asyncio.Future[None]]
) -> None:
    run_id, other = await stage.start(), await stage.start()
    async with open_room(stage.database) as room:
        with room.place(run_id) as first, room.place(run_id) as second, room.place(other) as third:
            await listening(stage)
            await end(stage, run_id)
            assert await first.wait(30)
            assert await second.wait(30)
            assert not await third.wait(0)


async def test_a_run_that_ended_while_nobody_listened_is_read_once(stage: Stage) -> None:
    run_id = await stage.start()
    room = engine.WaitingRoom(stage.database)
    with room.place(run_id) as waiter:
        await complete(stage, run_id)
        task = asyncio.create_task(room.run())
        assert await waiter.wait(30)
        task.cancel()


async def test_a_lost_connection_is_made_again_and_what_was_missed_is_read(stage: Stage) -> None:
    run_id, later = await stage.start(), await stage.start()
    async with open_room(stage.database) as room:
        with room.place(run_id) as waiter, room.place(later) as later_waiter:
            await listening(stage)
            held = await claim(stage.database, run_id)
            finish = SQL["finish"].rpartition("SELECT id,")[0] + "SELECT id FROM fence"
            async with stage.database.transaction() as tx:  # nobody is told
                nothing = (None,) * 5
                await tx.fetch_one(finish, run_id, held.delivery, "[]", "completed", None, None, "{}", *nothing)
            assert not await waiter.wait(0)
            await stage.cut_connections()
            assert await waiter.wait(30)
            await listening(stage)
            await complete(stage, later)
            assert await later_waiter.wait(30)


async def test_a_database_that_is_away_again_while_waiters_are_read_does_not_end_the_listening(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = await stage.start()
    unusable = await db.Database.connect(stage.database.dsn, size=1)
    await unusable.close()
    database = db.Database(unusable.pool, stage.database.dsn)
    room = engine.WaitingRoom(database)
    with room.place(run_id) as waiter:
        task = asyncio.create_task(room.run())

        async def read_in_vain() -> bool:
            return "DatabaseUnavailableError" in caplog.text

        await eventually(read_in_vain)
        await complete(stage, run_id)
        database.pool = stage.database.pool
        assert await waiter.wait(30)
        task.cancel()
