"""The schema: brought up to date once, refused when it is newer, and what holds for all its tables."""

import asyncio
import secrets
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.queries import Queries

from assay import db
from assay.db import embedded
from assay.engine import queue

# What belongs to the whole installation, and what the libraries bring along.
GLOBAL_TABLES = {
    "alembic_version",
    "installation",
    "organizations",
    "pgqueuer",
    "pgqueuer_log",
    "pgqueuer_schedules",
    "pgqueuer_statistics",
}


@pytest.fixture
async def empty(server: embedded.Lease) -> AsyncGenerator[str]:
    """The address of a database that has nothing yet."""
    name = f"empty_{secrets.token_hex(8)}"
    await _administer(server, f"CREATE DATABASE {name}")
    yield urlsplit(server.dsn)._replace(path=f"/{name}").geturl()
    await _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(server: embedded.Lease, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_an_empty_database_is_brought_up_to_date_once(empty: str) -> None:
    before = await db.status(empty)
    assert (before.current, before.up_to_date) == (None, False)
    after = await db.upgrade(empty)
    assert after.up_to_date
    assert after == await db.upgrade(empty) == await db.status(empty)


async def test_of_upgrades_at_the_same_time_one_does_the_work(empty: str) -> None:
    found = await asyncio.gather(*(db.upgrade(empty) for _ in range(4)))
    assert all(status.up_to_date for status in found)
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == 0
    await connection.close()


async def test_an_upgrade_that_fails_leaves_nothing_and_can_be_repeated(empty: str) -> None:
    # Something in the way of the second migration.
    await _execute(empty, "CREATE TABLE pgqueuer_statistics (a int)")
    with pytest.raises(Exception, match="pgqueuer_statistics"):
        await db.upgrade(empty)
    assert (await db.status(empty)).current == "0001"
    await _execute(empty, "DROP TABLE pgqueuer_statistics")
    assert (await db.upgrade(empty)).up_to_date


async def test_a_newer_schema_is_refused_with_both_numbers(empty: str) -> None:
    newest = (await db.upgrade(empty)).newest
    await _execute(empty, "UPDATE alembic_version SET version_num = '9999'")
    for ask in (db.status, db.upgrade):
        with pytest.raises(db.SchemaTooNewError) as refused:
            await ask(empty)
        assert "9999" in refused.value.message
        assert newest in refused.value.message
        assert refused.value.hint


async def test_every_row_belongs_to_an_organization(database: db.Database) -> None:
    async with database.transaction() as tx:
        tables = {
            row["relname"]
            for row in await tx.fetch(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
            )
        }
        scoped = {
            row["table_name"]
            for row in await tx.fetch(
                """SELECT table_name FROM information_schema.columns
               WHERE table_schema = 'public' AND column_name = 'organization_id' AND is_nullable = 'NO'"""
            )
        }
    assert tables - scoped == GLOBAL_TABLES


async def test_payloads_keep_the_order_of_their_keys(database: db.Database) -> None:
    async with database.transaction() as tx:
        found = await tx.fetch(
            """SELECT table_name, column_name FROM information_schema.columns
               WHERE table_schema = 'public' AND data_type = 'jsonb' AND table_name NOT LIKE 'pgqueuer%'"""
        )
    assert found == []


async def test_what_was_recorded_is_never_changed(database: db.Database) -> None:
    for table in ("audit_entries", "automation_versions", "automation_activations"):
        sql = (
            "SELECT tgenabled FROM pg_trigger WHERE tgrelid = $1::text::regclass AND tgfoid = 'refuse_change'::regproc"
        )
        async with database.transaction() as tx:
            assert await tx.fetch_value(sql, table) == b"O", table


async def test_the_queue_finds_its_tables_as_it_wants_them(database: db.Database) -> None:
    async with database.pool.acquire() as connection:
        queries = Queries(AsyncpgDriver(cast("Any", connection)), queue._ENVIRONMENT, queue._QUEUE, queue._SCHEDULES)
        plan = await queries.plan_upgrade()
    assert (list(plan.statements), list(plan.notes)) == ([], [])


@pytest.mark.parametrize("command", [["serve", "--no-worker"], ["worker"], ["db", "status"], ["db", "upgrade"]])
async def test_a_command_on_a_newer_schema_says_so_in_one_line(empty: str, command: list[str], tmp_path: Path) -> None:
    await db.upgrade(empty)
    await _execute(empty, "UPDATE alembic_version SET version_num = '9999'")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "assay.cli", *command, "--data-dir", str(tmp_path)),
        env={"PATH": "", "ASSAY_DATABASE_URL": empty},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    data, words = await asyncio.wait_for(process.communicate(), timeout=60)
    assert process.returncode == 1
    assert data == b""
    lines = words.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], words.decode()
    assert "9999" in lines[0]
