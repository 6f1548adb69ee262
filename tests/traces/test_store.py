"""Step records and events as they are read back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from assay import access, db, traces

BEGAN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


async def insert_step(tx: db.Transaction, organization_id: str, run_id: str, key: str, order: int, **more: Any) -> None:
    values: dict[str, Any] = {
        "run_id": run_id,
        "organization_id": organization_id,
        "step_key": key,
        "execution_order": order,
        "name": key,
        "type": "transform.set",
        "status": "success",
        "started_at": BEGAN,
        "completed_at": BEGAN + timedelta(microseconds=1234),
        **more,
    }
    marks = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await tx.execute(f"INSERT INTO run_steps ({', '.join(values)}) VALUES ({marks})", *values.values())


async def test_steps_come_in_the_order_they_ran_with_their_payloads(
    database: db.Database, organization: access.Organization
) -> None:
    async with database.transaction() as tx:
        await insert_step(tx, organization.id, "exec_1", "second", 1, status="skipped", skipped_reason="condition")
        payloads = {"output": '{"b": 1, "a": [null]}', "config": "{}", "usage": '{"tokens": 2}', "scope": "[]"}
        await insert_step(tx, organization.id, "exec_1", "first", 0, **payloads)
        await insert_step(tx, organization.id, "exec_2", "other", 0)
        first, second = await traces.list_steps(tx, organization.id, "exec_1")
    assert (first.step_key, first.output, first.config, first.usage) == (
        "first",
        {"b": 1, "a": [None]},
        {},
        {"tokens": 2},
    )
    assert list(first.output) == ["b", "a"]  # type: ignore[arg-type]
    assert (first.input, first.error, first.scope) == (None, None, [])
    assert first.duration_ms == 1.234
    assert (second.status, second.skipped_reason, second.output) == ("skipped", "condition", None)


async def test_events_come_oldest_first(database: db.Database, organization: access.Organization) -> None:
    sql = """INSERT INTO run_events (run_id, organization_id, created_at, type, message, metadata)
             VALUES ('exec_3', $1, $2, $3, $4, $5)"""
    async with database.transaction() as tx:
        await tx.execute(sql, organization.id, BEGAN + timedelta(seconds=1), "later", None, None)
        await tx.execute(sql, organization.id, BEGAN, "run.redelivered", "lost", '{"delivery": 2}')
        found = await traces.list_events(tx, organization.id, "exec_3")
    assert found == [
        traces.NotedEvent("run.redelivered", BEGAN, "lost", {"delivery": 2}),
        traces.NotedEvent("later", BEGAN + timedelta(seconds=1), None, None),
    ]


async def test_another_organization_reads_nothing(database: db.Database, organization: access.Organization) -> None:
    async with database.transaction() as tx:
        await insert_step(tx, organization.id, "exec_4", "a", 0)
        sql = "INSERT INTO run_events (run_id, organization_id, type) VALUES ('exec_4', $1, 'x')"
        await tx.execute(sql, organization.id)
        assert await traces.list_steps(tx, "org_other", "exec_4") == []
        assert await traces.list_events(tx, "org_other", "exec_4") == []
        assert await traces.list_steps(tx, organization.id, "exec_none") == []
