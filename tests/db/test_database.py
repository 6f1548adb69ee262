"""The unit of work: all of it or nothing, and a server that is away is said so."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import column, select, table
from tests.fakes.database_relay import database_relay

from assay import db, engine, ids


async def count(database: db.Database, run_id: str) -> int:
    async with database.single_statement() as tx:
        return await tx.fetch_value("SELECT count(*) FROM pgqueuer WHERE dedupe_key = $1", run_id)


async def test_what_was_enqueued_first_is_rolled_back_with_the_rest(database: db.Database) -> None:
    run_id = ids.new_id("exec")

    async def enqueue_and_fail() -> None:
        async with database.transaction() as tx:
            await engine.enqueue(tx, run_id, "runs")
            await tx.fetch(select(column("id")).select_from(table("runs")))
            assert await tx.fetch_value("SELECT count(*) FROM pgqueuer WHERE dedupe_key = $1", run_id) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await enqueue_and_fail()
    assert await count(database, run_id) == 0


async def test_a_cancelled_request_leaves_nothing(database: db.Database) -> None:
    run_id, written = ids.new_id("exec"), asyncio.Event()

    async def enqueue_and_wait() -> None:
        async with database.transaction() as tx:
            await engine.enqueue(tx, run_id, "runs")
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(enqueue_and_wait())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database, run_id) == 0


async def test_others_see_what_was_done_once_it_is_committed(database: db.Database) -> None:
    run_id = ids.new_id("exec")
    async with database.transaction() as tx:
        await engine.enqueue(tx, run_id, "runs")
        assert await count(database, run_id) == 0
    assert await count(database, run_id) == 1


async def test_a_snapshot_does_not_see_what_others_commit_meanwhile(database: db.Database) -> None:
    run_id = ids.new_id("exec")
    sql = "SELECT count(*) FROM pgqueuer WHERE dedupe_key = $1"
    async with database.transaction("repeatable_read") as tx:
        assert await tx.fetch_value(sql, run_id) == 0
        async with database.transaction() as other:
            await engine.enqueue(other, run_id, "runs")
        assert await tx.fetch_value(sql, run_id) == 0


async def test_statements_say_how_many_rows_they_touched(database: db.Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("CREATE TEMPORARY TABLE counted (n int) ON COMMIT DROP")
        assert await tx.execute("INSERT INTO counted SELECT generate_series(1, 5)") == 5
        assert await tx.execute("UPDATE counted SET n = n + 1 WHERE n > $1", 3) == 2
        assert await tx.execute("DELETE FROM counted WHERE n = 99") == 0
        assert await tx.fetch_one("SELECT n FROM counted WHERE n = 99") is None


async def test_nobody_at_the_address_is_unavailable() -> None:
    with pytest.raises(db.DatabaseUnavailableError):
        await db.Database.connect("postgresql://nobody@127.0.0.1:1/none")


async def test_a_connection_that_is_cut_is_unavailable_and_the_next_one_works(database: db.Database) -> None:
    async def ask_while_it_is_cut() -> None:
        async with database.transaction() as tx:
            await _cut(database, await tx.fetch_value("SELECT pg_backend_pid()"))
            await tx.fetch("SELECT 1")

    with pytest.raises(db.DatabaseUnavailableError):
        await ask_while_it_is_cut()
    async with database.transaction() as tx:
        assert await tx.fetch_value("SELECT 1") == 1


async def _cut(database: db.Database, backend: int) -> None:
    async with database.single_statement() as tx:
        assert await tx.fetch_value("SELECT pg_terminate_backend($1, 5000)", backend)


async def test_work_that_waits_for_the_server_is_done_when_it_is_back(database: db.Database) -> None:
    tries: list[int] = []

    async def work(tx: db.Transaction) -> Any:
        tries.append(await tx.fetch_value("SELECT pg_backend_pid()"))
        if len(tries) == 1:
            await _cut(database, tries[0])
        return await tx.fetch_value("SELECT 'done'")

    assert await database.when_available(work) == "done"
    assert len(set(tries)) == 2


async def test_a_server_that_says_goodbye_and_is_not_gone_yet_is_away(database: db.Database) -> None:
    async with database_relay(database.dsn) as relay:
        relayed = await db.Database.connect(relay.dsn, size=1)
        try:
            await relay.warn()
            with pytest.raises(db.DatabaseUnavailableError):
                async with relayed.single_statement() as tx:
                    await tx.fetch_value("SELECT 1")
            async with relayed.transaction() as tx:
                assert await tx.fetch_value("SELECT 'connected again'") == "connected again"
        finally:
            await relayed.close()


async def test_an_error_of_the_statement_is_not_an_absent_server(database: db.Database) -> None:
    async def ask(sql: str, *arguments: object) -> None:
        async with database.transaction() as tx:
            await tx.fetch(sql, *arguments)

    with pytest.raises(asyncpg.UndefinedTableError):
        await ask("SELECT 1 FROM no_such_table")
    with pytest.raises(asyncpg.DataError):
        await ask("SELECT $1::int", "no number")
    with pytest.raises(asyncpg.InterfaceError):
        await ask("SELECT $1::int")


async def test_the_same_store_and_key_are_remembered_and_others_refused(database: db.Database) -> None:
    async def check(storage: str, key: str) -> None:
        async with database.transaction() as tx:
            await db.check_installation(tx, storage_id=storage, secret_key=key)

    await check("store-1", "key-1")
    await check("store-1", "key-1")
    with pytest.raises(db.WrongStorageError) as storage:
        await check("store-2", "key-1")
    assert "ASSAY_STORAGE_URL" in str(storage.value.hint)
    with pytest.raises(db.WrongSecretKeyError) as key:
        await check("store-1", "key-2")
    assert "ASSAY_SECRET_KEY" in str(key.value.hint)
    async with database.transaction() as tx:
        kept = await tx.fetch("SELECT * FROM installation")
    assert len(kept) == 1
    assert "key-1" not in str(dict(kept[0]))
