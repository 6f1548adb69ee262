"""A run's life as events."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.runs.conftest import Desk
from tests.runs.test_redelivery import deliver

from assay import engine, runs, traces

SET = {"name": "a", "type": "transform.set", "with": {"fields": {"v": 1}}}


async def told(desk: Desk, run: runs.RunDetail) -> list[runs.Event]:
    async with desk.database.transaction() as tx:
        steps = await traces.list_steps(tx, desk.organization_id, run.summary.id)
        noted = await traces.list_events(tx, desk.organization_id, run.summary.id)
    return runs.timeline(run, steps, noted)


def kinds(events: list[runs.Event]) -> list[tuple[str, str | None]]:
    return [(event.type, event.status) for event in events]


async def test_the_life_of_a_run_is_told_in_order(idle_desk: Desk) -> None:
    skipped = {**SET, "name": "no", "if": False}
    failing: dict[str, Any] = {"name": "guard", "type": "control.fail", "message": "enough"}
    run = await deliver(idle_desk, await idle_desk.start(await idle_desk.push([SET, skipped, failing])))
    events = await told(idle_desk, run)
    assert kinds(events) == [
        ("run.created", "pending"),
        ("run.started", "running"),
        ("step.completed", "success"),
        ("step.skipped", "skipped"),
        ("step.failed", "failure"),
        ("run.failed", "failed"),
    ]
    assert events[0].metadata == {"trigger": "api"}
    assert events[1].metadata == {"version": "1.0.0", "reason": "current"}
    assert (events[4].message, events[4].metadata["step"]) == ("enough", "guard")
    assert (events[5].message, events[5].metadata) == ("enough", {"code": "control_fail", "step": "guard"})


async def test_a_run_that_was_cancelled_before_it_began_never_started(idle_desk: Desk) -> None:
    run_id = await idle_desk.start(await idle_desk.push([SET]))
    answers = [await idle_desk.cancel(run_id), await idle_desk.cancel(run_id)]
    assert [(answer.was_status, answer.status) for answer in answers] == [
        (engine.RunStatus.PENDING, engine.RunStatus.CANCELLED),
        (engine.RunStatus.CANCELLED, engine.RunStatus.CANCELLED),
    ]
    events = await told(idle_desk, await idle_desk.read(run_id))
    assert kinds(events) == [("run.created", "pending"), ("run.cancel_requested", None), ("run.cancelled", "cancelled")]


async def test_what_the_engine_noted_stands_in_its_place(idle_desk: Desk) -> None:
    run_id = await idle_desk.run_and_cancel(await idle_desk.push([SET]))
    async with idle_desk.database.transaction() as tx:
        sql = """INSERT INTO run_events (run_id, organization_id, type, message, metadata, created_at)
                 SELECT $1, $2, 'run.redelivered', 'lost', '{"delivery": 2}', created_at FROM runs WHERE id = $1"""
        await tx.execute(sql, run_id, idle_desk.organization_id)
        assert await traces.list_events(tx, "org_other", run_id) == []
    events = await told(idle_desk, await idle_desk.read(run_id))
    noted = events[1]
    assert (noted.type, noted.status, noted.message, noted.metadata) == (
        "run.redelivered",
        None,
        "lost",
        {"delivery": 2},
    )


async def test_a_worker_whose_clock_is_ahead_does_not_turn_the_story_round(idle_desk: Desk) -> None:
    run = await deliver(idle_desk, await idle_desk.start(await idle_desk.push([SET])))
    hour = timedelta(hours=1)
    steps = [
        replace(step, started_at=step.started_at + hour, completed_at=step.completed_at + hour)
        for step in await idle_desk.steps(run)
    ]
    told = runs.timeline(run, steps, [])
    assert [event.type for event in told] == ["run.created", "run.started", "step.completed", "run.completed"]
