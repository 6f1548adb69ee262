"""The schema: brought up to date once, refused when it is newer, and what holds for all its tables."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.queries import Queries
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from assay import access, automations, db, runs, traces
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
    for table in ("audit_entries", "automation_versions", "automation_activations", "automation_version_files"):
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


# --- what older programs left behind

LEFT_AT_0002 = """
INSERT INTO organizations (id, slug, name) VALUES ('org_1', 'acme', 'Acme');
INSERT INTO users (id, organization_id, email, role) VALUES ('user_1', 'org_1', 'ada@example.org', 'owner');
INSERT INTO api_keys (id, organization_id, user_id, name, key_hash, scopes)
    VALUES ('key_1', 'org_1', 'user_1', 'ci', 'hash', '{full_access}');
INSERT INTO automations (id, organization_id, kind, slug, api_enabled, manual_enabled)
    VALUES ('wf_1', 'org_1', 'workflow', 'invoices', true, true);
INSERT INTO automation_versions (id, organization_id, automation_id, kind, label, source, definition, content_hash)
    VALUES ('ver_1', 'org_1', 'wf_1', 'workflow', '1.0.0', 'name: invoices', '{}', 'hash');
UPDATE automations SET current_version_id = 'ver_1';
INSERT INTO runs (id, organization_id, automation_id, kind, version_id, version_label, version_reason, mode,
        root_run_id, trigger_type, triggered_by, sample_rank, status, started_at, completed_at, entrypoint, delivery)
    SELECT 'exec_' || status, 'org_1', 'wf_1', 'workflow', 'ver_1', '1.0.0', 'current', 'live', 'exec_' || status,
        'api', 'user_1', 0.5, status, now(), CASE WHEN status <> 'running' THEN now() END, 'runs', 1
    FROM unnest(ARRAY['completed', 'failed', 'running']) AS status;
INSERT INTO run_inputs (run_id, organization_id, input) SELECT id, 'org_1', '{"z": 1, "a": 2}' FROM runs;
INSERT INTO run_results (run_id, organization_id, output) VALUES ('exec_completed', 'org_1', '{"z": 1, "a": 2}');
INSERT INTO run_steps (run_id, organization_id, step_key, execution_order, name, type, status, output, error,
        started_at, completed_at)
    SELECT id, 'org_1', 's', 0, 's', 'transform.set', CASE status WHEN 'failed' THEN 'failure' ELSE 'success' END,
        '{"v": 1}', CASE status WHEN 'failed' THEN '{"code": "bad", "message": "No."}'::json END, now(), now()
    FROM runs;
INSERT INTO run_artifacts (run_id, organization_id, path, name, role, content_type, size, sha256)
    VALUES ('exec_completed', 'org_1', 'output/s/a.txt', 'a.txt', 'output', 'text/plain', 3, 'abc');
INSERT INTO audit_entries (id, organization_id, action, target, detail) VALUES ('a', 'org_1', 'push', 'wf_1', '{}');
"""


async def _upgrade_to(dsn: str, revision: str) -> None:
    """Leave the database as the program of that time left it."""

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(db.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


async def test_what_an_older_program_left_is_read_after_the_upgrade(empty: str) -> None:
    await _upgrade_to(empty, "0002")
    await _execute(empty, LEFT_AT_0002)
    assert (await db.status(empty)).current == "0002"
    assert (await db.upgrade(empty)).up_to_date
    database = await db.Database.connect(empty)
    async with database.transaction() as tx:
        found = {status: await runs.get(tx, "org_1", f"exec_{status}") for status in ("completed", "failed", "running")}
        given = await runs.get_input(tx, "org_1", "exec_completed")
        steps = {status: await traces.list_steps(tx, "org_1", f"exec_{status}") for status in found}
        automation = await automations.get(tx, "org_1", "workflows.invoices")
        version = await automations.read_version(tx, "org_1", "workflows.invoices", None)
        keys = await tx.fetch_value("SELECT count(*) FROM api_keys WHERE organization_id = 'org_1'")
    await database.close()
    assert {status: run and run.summary.status.value for status, run in found.items()} == {s: s for s in found}
    completed = found["completed"]
    assert completed is not None
    assert json.dumps(completed.output) == '{"z": 1, "a": 2}'
    assert [file.path for file in completed.output_files] == ["output/s/a.txt"]
    assert completed.summary.triggered_by is not None
    assert given is not None
    assert list(given.input) == ["z", "a"]
    assert [(step.status, step.output, step.attempts) for step in steps["completed"]] == [("success", {"v": 1}, None)]
    assert [step.error for step in steps["failed"]] == [{"code": "bad", "message": "No."}]
    assert (automation.slug, keys) == ("invoices", 1)
    assert (version.source, version.files) == ("name: invoices", ())


async def test_after_the_upgrade_an_old_organization_allows_private_hosts(empty: str) -> None:
    await _upgrade_to(empty, "0002")
    await _execute(empty, LEFT_AT_0002)
    await db.upgrade(empty)
    database = await db.Database.connect(empty)
    scopes = frozenset({"full_access"})
    caller = access.Caller("org_1", "acme", "Acme", "user_1", "key_1", "ada@example.org", None, scopes)
    async with database.transaction() as tx:
        assert await access.list_allowed_hosts(tx, "org_1") == []
        (allowed,) = await access.change_allowed_hosts(tx, caller, allow=["erp.lan:8080"])
    await database.close()
    assert (allowed.host, allowed.created_by) == ("erp.lan:8080", "user_1")


async def test_after_the_upgrade_old_runs_take_what_is_new(empty: str) -> None:
    await _upgrade_to(empty, "0002")
    await _execute(empty, LEFT_AT_0002)
    await db.upgrade(empty)
    waiting = """
        INSERT INTO run_steps (run_id, organization_id, step_key, execution_order, name, type, status, attempts,
            started_at, completed_at)
        VALUES ('exec_running', 'org_1', 'w', 1, 'w', 'control.wait', 'waiting', '[{"attemptNumber": 1}]', now(), now())
    """
    await _execute(empty, waiting)
    await _execute(empty, "UPDATE runs SET status = 'waiting' WHERE id = 'exec_running'")
    values = "('org_1', 'ver_1', 'a.docx', 'abc', 3, 'text/plain')"
    await _execute(empty, f"INSERT INTO automation_version_files VALUES {values}")
    database = await db.Database.connect(empty)
    async with database.transaction() as tx:
        steps = await traces.list_steps(tx, "org_1", "exec_running")
        file = await automations.version_file(tx, "org_1", "ver_1", "a.docx")
    await database.close()
    assert file == automations.VersionFile("a.docx", "abc", 3, "text/plain")
    assert [(step.name, step.status, step.attempts) for step in steps] == [
        ("s", "success", None),
        ("w", "waiting", [{"attemptNumber": 1}]),
    ]


async def test_after_the_upgrade_old_runs_are_found_by_why_they_failed(empty: str) -> None:
    await _upgrade_to(empty, "0010")
    left = """
        INSERT INTO run_results (run_id, organization_id, failure)
        VALUES ('exec_failed', 'org_1', '{"code": "bad", "message": "No.", "step": "s"}')
    """
    await _execute(empty, LEFT_AT_0002 + left)
    await db.upgrade(empty)
    database = await db.Database.connect(empty)
    async with database.transaction() as tx:
        filters = runs.RunFilters(error_codes=["bad"], error_steps=["s"])
        page = await runs.list_runs(tx, "org_1", filters, timeout_seconds=30)
    await database.close()
    assert [run.id for run in page.runs] == ["exec_failed"]
