"""What a second delivery of a run takes over from the first, and what a superseded one may no longer do."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.runs.conftest import Desk
from tests.runs.step_types import Flaky, Gate
from typing_extensions import override

from assay import automations, db, engine, files, runs

Named = tuple[str, Gate]


class KilledError(BaseException):
    """The worker is gone, just after a step was recorded."""


class DyingJournal(engine.Journal):
    """Commits each step's row, and dies with the worker after that of the step named `last`, or with `last_key`."""

    last = last_key = ""

    @override
    async def record(self, record: engine.StepRecord, **named: Any) -> None:
        await super().record(record, commit=True, attachment=named.get("attachment"))
        if self.last == record.name or self.last_key == record.step_key:
            raise KilledError


async def claimed(desk: Desk, run_id: str) -> engine.Claim:
    """Take the run as the engine does, with what earlier deliveries recorded, and without its queue."""
    async with desk.database.transaction() as tx:
        run = await tx.fetch_one(
            """UPDATE runs SET status = 'running', delivery = delivery + 1, started_at = coalesce(started_at, now())
               WHERE id = $1 RETURNING *""",
            run_id,
        )
        given = await runs.get_input(tx, desk.organization_id, run_id)
        columns = ", ".join(engine.StepRecord.__dataclass_fields__)
        steps = await tx.fetch(f"SELECT {columns} FROM run_steps WHERE run_id = $1", run_id)
    assert run is not None
    assert given is not None
    return engine.Claim(
        run_id=run_id,
        organization_id=desk.organization_id,
        automation_id=run["automation_id"],
        kind=run["kind"],
        version_id=run["version_id"],
        mode=run["mode"],
        created_at=run["created_at"],
        started_at=run["started_at"],
        delivery=run["delivery"],
        lost_deliveries=0,
        input=dict(given.input),
        overrides=given.overrides,
        metadata=given.metadata,
        recorded={step["step_key"]: engine.StepRecord(**dict(step)) for step in steps},
    )


async def deliver(desk: Desk, run_id: str, executor: runs.Executor | None = None) -> runs.RunDetail:
    claim = await claimed(desk, run_id)
    journal = engine.Journal(desk.database, claim)
    await journal.finish(await (executor or desk.executor)(claim, journal))
    return await desk.read(run_id)


async def die_after(desk: Desk, run_id: str, step: str) -> None:
    claim = await claimed(desk, run_id)
    journal = DyingJournal(desk.database, claim)
    journal.last = step
    with pytest.raises(KilledError):
        await desk.executor(claim, journal)


def set_step(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "transform.set", "with": {"fields": fields}}


async def mark(database: db.Database, run_id: str, step: str, output: str) -> None:
    """Change what was recorded: whoever runs the step again instead of reading its row will not see it."""
    async with database.transaction() as tx:
        sql = "UPDATE run_steps SET output = $3 WHERE run_id = $1 AND name = $2"
        assert await tx.execute(sql, run_id, step, output) == 1


async def test_a_redelivered_run_goes_on_after_its_last_recorded_step(idle_desk: Desk) -> None:
    flow = await idle_desk.push(
        [
            set_step("a", v=1),
            {"name": "f", "type": "test.file", "with": {"content": "x"}},
            set_step("b", v="{{ steps.a.output.v }}"),
        ],
        output={"a": "{{ steps.a.output.v }}", "b": "{{ steps.b.output.v }}"},
    )
    run_id = await idle_desk.start(flow)
    await die_after(idle_desk, run_id, "f")
    await mark(idle_desk.database, run_id, "a", '{"v": "recorded"}')
    run = await deliver(idle_desk, run_id)
    assert run.output == {"a": "recorded", "b": "recorded"}
    found = await idle_desk.steps(run)
    assert [(step.name, step.execution_order) for step in found] == [("a", 0), ("f", 1), ("b", 2)]
    assert run.usage == {"tokensInput": 3}


async def test_a_branch_goes_on_inside_where_it_was_left(idle_desk: Desk) -> None:
    inner = [set_step("a", v=1), {**set_step("no", v=1), "if": False}, set_step("b", v="{{ steps.a.output.v }}")]
    flow = await idle_desk.push(
        [
            {"name": "outer", "type": "control.if", "condition": True, "then": inner},
            set_step("c", v="{{ steps.b.output.v }}"),
        ],
        output="{{ steps.c.output.v }}",
    )
    run_id = await idle_desk.start(flow)
    await die_after(idle_desk, run_id, "no")
    await mark(idle_desk.database, run_id, "a", '{"v": "recorded"}')
    run = await deliver(idle_desk, run_id)
    assert run.output == "recorded"
    found = [(step.name, step.status, step.execution_order) for step in await idle_desk.steps(run)]
    assert found == [
        ("outer", "success", 0),
        ("a", "success", 1),
        ("no", "skipped", 2),
        ("b", "success", 3),
        ("c", "success", 4),
    ]


async def test_a_recorded_failure_is_the_same_failure_again(idle_desk: Desk) -> None:
    step = {"name": "bad", "type": "test.return", "with": {"way": "hard"}}
    flow = await idle_desk.push([step])
    run_id = await idle_desk.start(flow)
    await die_after(idle_desk, run_id, "bad")
    run = await deliver(idle_desk, run_id)
    assert run.failure == runs.Failure("told_to_fail", "It was told to: hard.", "bad", "business", 418)
    assert run.usage == {"llmCallCount": 1}


async def test_a_repeated_step_has_the_same_idempotency_key(idle_desk: Desk, gate: Named) -> None:
    gate[1].opened.set()
    flow = await idle_desk.push(
        [{"name": "p", "type": "test.paid-gate", "with": {"gate": gate[0]}}], output="{{ steps.p.output.key }}"
    )
    run_id = await idle_desk.start(flow)
    claim = await claimed(idle_desk, run_id)
    first = await idle_desk.executor(claim, LostJournal(idle_desk.database, claim))
    assert isinstance(first, engine.Completed)
    run = await deliver(idle_desk, run_id)
    assert gate[1].passed == 2
    assert first.output == f'"{run.output}"'


class LostJournal(engine.Journal):
    """Its worker is killed before anything is written."""

    @override
    async def record(self, record: engine.StepRecord, **named: Any) -> None:
        return


async def test_a_superseded_worker_writes_nothing_more(idle_desk: Desk) -> None:
    flow = await idle_desk.push([{"name": "f", "type": "test.file", "with": {"content": "x"}}, set_step("b", v=1)])
    run_id = await idle_desk.start(flow)
    slow = await claimed(idle_desk, run_id)
    await claimed(idle_desk, run_id)
    with pytest.raises(engine.SupersededError):
        await idle_desk.executor(slow, engine.Journal(idle_desk.database, slow))
    run = await idle_desk.read(run_id)
    assert run.summary.status is runs.RunStatus.RUNNING
    assert await idle_desk.steps(run) == []
    async with idle_desk.database.transaction() as tx:
        assert await files.list_artifacts(tx, idle_desk.organization_id, run_id) == []


async def test_a_run_that_takes_too_long_fails_and_names_the_step_it_was_in(idle_desk: Desk, gate: Named) -> None:
    slow = {"name": "slow", "type": "test.gate", "with": {"gate": gate[0]}}
    flow = await idle_desk.push([set_step("a", v=1), slow])
    run_id = await idle_desk.start(flow)
    run = await deliver(
        idle_desk, run_id, runs.Executor(idle_desk.executor.services, runs.TimeLimits(run=0.3, step=60))
    )
    assert run.failure == runs.Failure("run_timeout", "The run took longer than 0.3 seconds.", "slow", "timeout", None)
    assert [(step.name, step.status) for step in await idle_desk.steps(run)] == [("a", "success"), ("slow", "failure")]


async def test_a_run_that_cannot_be_drawn_for_review_keeps_what_it_made(idle_desk: Desk) -> None:
    async def broken(*_: object) -> engine.Draw | None:
        raise ZeroDivisionError

    run_id = await idle_desk.start(await idle_desk.push([set_step("a", v=1)], output={"v": "{{ steps.a.output.v }}"}))
    services = replace(idle_desk.executor.services, sampler=broken)
    run = await deliver(idle_desk, run_id, runs.Executor(services, idle_desk.executor.limits))
    assert (run.summary.status, run.output, run.summary.sampled) == (runs.RunStatus.COMPLETED, {"v": 1}, False)


async def test_a_run_waits_for_a_database_that_is_away(idle_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = await idle_desk.push(
        [{"name": "parse", "type": "ai.parse", "with": {"input": "{{ input.document }}"}}],
        inputs=[{"name": "document", "type": "file"}],
        output={"text": "{{ steps.parse.output.text }}"},
    )
    given = {"$inline": {"filename": "letter.txt", "mimeType": "text/plain", "base64": "RGVhciBBZGEK"}}
    run_id = await idle_desk.start(flow, {"document": given})
    claim = await claimed(idle_desk, run_id)
    journal = engine.Journal(idle_desk.database, claim)
    refused = asyncio.Event()
    acquire = idle_desk.database.pool.acquire

    async def away(**named: Any) -> Any:
        if refused.is_set():
            return await acquire(**named)
        refused.set()
        raise ConnectionRefusedError

    get_artifact = files.get_artifact

    async def found(*arguments: Any) -> files.Artifact:
        refused.clear()
        monkeypatch.setattr(files, "get_artifact", get_artifact)
        raise db.DatabaseUnavailableError

    monkeypatch.setattr(idle_desk.database, "pool", _Pool(idle_desk.database.pool, away))
    monkeypatch.setattr(files, "get_artifact", found)
    await journal.finish(await idle_desk.executor(claim, journal))
    run = await idle_desk.read(run_id)
    assert (run.failure, run.output) == (None, {"text": "Dear Ada\n"})
    assert refused.is_set()


class _Pool:
    """A pool that sometimes finds nobody."""

    def __init__(self, pool: Any, acquire: Any) -> None:
        self._pool = pool
        self.acquire = acquire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


async def test_a_version_that_is_not_accepted_any_more_fails_the_run_with_its_reason(
    idle_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await idle_desk.start(await idle_desk.push([set_step("a", v=1)]))

    async def outdated(*_: object) -> automations.WorkflowDefinition:
        raise automations.StoredVersionError

    monkeypatch.setattr(automations, "definition_of", outdated)
    run = await deliver(idle_desk, run_id)
    assert run.failure is not None
    assert run.failure.code == automations.StoredVersionError.code
    assert run.failure.step is None


# --- inside of loops and branches


def numbered(kind: str) -> dict[str, Any]:
    inner = [set_step("first", v="{{ n }}"), set_step("last", v="{{ steps.first.output.v }}")]
    return {"name": "each", "type": kind, "items": [1, 2, 3], "as": "n", "steps": inner}


async def mark_key(database: db.Database, run_id: str, step_key: str, output: str) -> None:
    async with database.transaction() as tx:
        sql = "UPDATE run_steps SET output = $3 WHERE run_id = $1 AND step_key = $2"
        assert await tx.execute(sql, run_id, step_key, output) == 1


@pytest.mark.parametrize("kind", ["control.foreach", "control.parallel_map"])
async def test_a_loop_repeats_no_recorded_step_of_any_item(idle_desk: Desk, kind: str) -> None:
    flow = await idle_desk.push([numbered(kind), set_step("after", v=1)], output="{{ steps.each.output }}")
    run_id = await idle_desk.start(flow)
    # The first item is done and the second half done, when the worker dies.
    claim = await claimed(idle_desk, run_id)
    journal = DyingJournal(idle_desk.database, claim)
    scope = kind.split(".")[1].replace("_", "-") + "-iteration"
    journal.last_key = f"each/{scope}:1/first"
    with pytest.raises(KilledError):
        await idle_desk.executor(claim, journal)
    async with idle_desk.database.transaction() as tx:
        done = [row["step_key"] for row in await tx.fetch("SELECT step_key FROM run_steps WHERE run_id = $1", run_id)]
    assert journal.last_key in done
    for key in done:
        await mark_key(idle_desk.database, run_id, key, '{"v": "recorded"}')
    run = await deliver(idle_desk, run_id)
    assert isinstance(run.output, dict)
    results: Any = run.output["items"]
    assert results[1] == {"last": {"v": "recorded"}}
    assert run.output["count"] == 3
    found = await idle_desk.steps(run)
    orders = [step.execution_order for step in found]
    assert len(set(orders)) == len(orders)
    assert sorted(step.step_key for step in found) == sorted(
        ["after", "each", *(f"each/{scope}:{index}/{name}" for index in range(3) for name in ("first", "last"))]
    )


async def test_parallel_branches_repeat_no_recorded_step(idle_desk: Desk) -> None:
    branches = [
        {
            "name": name,
            "steps": [set_step(f"{name}1", v=1), set_step(f"{name}2", v=f"{{{{ steps.{name}1.output.v }}}}")],
        }
        for name in ("a", "b")
    ]
    flow = await idle_desk.push(
        [{"name": "both", "type": "control.parallel", "branches": branches}], output="{{ steps.both.output }}"
    )
    run_id = await idle_desk.start(flow)
    await die_after(idle_desk, run_id, "a1")
    await mark(idle_desk.database, run_id, "a1", '{"v": "recorded"}')
    run = await deliver(idle_desk, run_id)
    assert run.failure is None
    output: Any = run.output
    assert output["a"]["a2"] == {"v": "recorded"}
    assert output["b"]["b2"] == {"v": 1}


async def test_after_a_crash_too_a_failed_loop_fails_by_its_inner_step(idle_desk: Desk) -> None:
    inner = {"name": "guard", "type": "control.fail", "message": "No."}
    flow = await idle_desk.push(
        [{"name": "each", "type": "control.foreach", "items": [1], "as": "n", "steps": [inner]}]
    )
    run_id = await idle_desk.start(flow)
    await die_after(idle_desk, run_id, "each")
    run = await deliver(idle_desk, run_id)
    assert run.failure is not None
    assert (run.failure.step, run.failure.message) == ("guard", "No.")
    assert [(step.name, step.execution_order) for step in await idle_desk.steps(run)] == [("each", 0), ("guard", 1)]


async def test_a_finished_loop_is_not_entered_again(idle_desk: Desk) -> None:
    flow = await idle_desk.push([numbered("control.foreach"), set_step("after", v=1)], output="{{ steps.each.output }}")
    run_id = await idle_desk.start(flow)
    await die_after(idle_desk, run_id, "each")
    await mark_key(idle_desk.database, run_id, "each", '{"items": "recorded"}')
    assert (await deliver(idle_desk, run_id)).output == {"items": "recorded"}


async def test_another_workflow_goes_on_inside_where_it_was_left(idle_desk: Desk) -> None:
    inner = await idle_desk.push(
        [set_step("one", v=1), set_step("two", v="{{ steps.one.output.v }}")], output="{{ steps.two.output.v }}"
    )
    call = {"name": "call", "type": "action.invoke-workflow", "with": {"workflow": inner.slug, "input": {}}}
    flow = await idle_desk.push([call], output="{{ steps.call.output }}")
    run_id = await idle_desk.start(flow)
    await die_after(idle_desk, run_id, "one")
    await mark(idle_desk.database, run_id, "one", '{"v": "recorded"}')
    assert (await deliver(idle_desk, run_id)).output == "recorded"


# --- waits and workers that come and go


async def until_waiting(desk: Desk, run_id: str) -> None:
    while (await desk.read(run_id)).summary.status is not runs.RunStatus.WAITING:
        await asyncio.sleep(0.02)


async def work(desk: Desk, stop: asyncio.Event) -> "asyncio.Task[None]":
    return asyncio.create_task(engine.Worker(desk.database, desk.executor).run(stop))


@pytest.mark.parametrize("nested", [False, True])
async def test_a_wait_outlives_the_worker_it_began_in(idle_desk: Desk, *, nested: bool) -> None:
    pause = {"name": "pause", "type": "control.wait", "duration": 2500}
    steps = [set_step("before", v=1), pause]
    if nested:
        steps = [{"name": "each", "type": "control.foreach", "items": ["a", "b"], "as": "n", "steps": steps}]
    flow = await idle_desk.push(steps, output="done")
    run_id = runs.new_run_id()
    stop = asyncio.Event()
    first = await work(idle_desk, stop)
    await idle_desk.start(flow, run_id=run_id)
    await asyncio.wait_for(until_waiting(idle_desk, run_id), 30)
    stop.set()
    await first
    before = [(step.step_key, step.started_at) for step in await idle_desk.steps(await idle_desk.read(run_id))]
    stop = asyncio.Event()
    with idle_desk.waiting_room.place(run_id) as waiter:
        second = await work(idle_desk, stop)
        assert await waiter.wait(60)
    stop.set()
    await second
    run = await idle_desk.read(run_id)
    assert (run.failure, run.output) == (None, "done")
    after = await idle_desk.steps(run)
    assert {step.status for step in after} == {"success"}
    assert before == [(step.step_key, step.started_at) for step in after if (step.step_key, step.started_at) in before]
    assert all(step.duration_ms >= 2500 for step in after if step.name == "pause")


# --- attempts


def flaky(name: str, **more: Any) -> dict[str, Any]:
    config = {"name": name, "category": "timeout", "safe": True}
    return {
        "name": "try",
        "type": "test.flaky",
        "retry": {"mode": "automatic", "maxAttempts": 3},
        "with": config,
        **more,
    }


async def test_attempts_before_a_crash_are_kept_and_count(idle_desk: Desk) -> None:
    run_id = runs.new_run_id()
    Flaky.left[run_id] = 99
    flow = await idle_desk.push([flaky(run_id)])
    await idle_desk.start(flow, run_id=run_id)
    await die_after(idle_desk, run_id, "try")
    (kept,) = await idle_desk.steps(await idle_desk.read(run_id))
    assert (kept.status, kept.config) == ("waiting", {"name": run_id, "category": "timeout", "safe": True})
    run = await deliver(idle_desk, run_id)
    assert run.failure is not None
    (row,) = await idle_desk.steps(run)
    tries: Any = row.attempts
    assert [one["attemptNumber"] for one in tries] == [1, 2, 3]
    assert [one["retryDecision"]["reason"] for one in tries] == ["retry", "retry", "attempts_exhausted"]
    assert (row.status, row.started_at, tries[0]) == ("failure", kept.started_at, cast("Any", kept.attempts)[0])
    assert 99 - Flaky.left[run_id] == 3


async def test_after_a_crash_a_further_attempt_may_succeed(idle_desk: Desk) -> None:
    run_id = runs.new_run_id()
    Flaky.left[run_id] = 1
    flow = await idle_desk.push([set_step("a", v=1), flaky(run_id)])
    await idle_desk.start(flow, run_id=run_id)
    await die_after(idle_desk, run_id, "try")
    run = await deliver(idle_desk, run_id)
    assert run.failure is None
    row = (await idle_desk.steps(run))[1]
    tries: Any = row.attempts
    assert [(one["attemptNumber"], one["status"]) for one in tries] == [(1, "failure"), (2, "success")]
    assert (row.status, row.execution_order) == ("success", 1)


class CountingJournal(engine.Journal):
    """Counts what is committed before the run's end: a statement each."""

    commits = 0

    @override
    async def _commit(self, rows: Any, attachment: Any) -> None:
        self.commits += 1
        await super()._commit(rows, attachment)


@pytest.mark.parametrize(("failures", "commits"), [(0, 1), (1, 2), (2, 3)])
async def test_only_what_is_tried_again_is_written_more_than_once(idle_desk: Desk, failures: int, commits: int) -> None:
    run_id = runs.new_run_id()
    Flaky.left[run_id] = failures
    await idle_desk.start(await idle_desk.push([flaky(run_id)]), run_id=run_id)
    claim = await claimed(idle_desk, run_id)
    journal = CountingJournal(idle_desk.database, claim)
    await journal.finish(await idle_desk.executor(claim, journal))
    assert journal.commits == commits


async def test_steps_that_only_compute_are_written_with_the_end(idle_desk: Desk) -> None:
    run_id = await idle_desk.start(await idle_desk.push([set_step(name, v=1) for name in ("a", "b", "c")]))
    claim = await claimed(idle_desk, run_id)
    journal = CountingJournal(idle_desk.database, claim)
    await journal.finish(await idle_desk.executor(claim, journal))
    assert journal.commits == 0
    assert len(await idle_desk.steps(await idle_desk.read(run_id))) == 3


async def test_a_step_that_was_to_be_tried_again_does_not_wait_in_a_run_that_ended(idle_desk: Desk) -> None:
    run_id = runs.new_run_id()
    Flaky.left[run_id] = 99
    config = {"name": run_id, "category": "rate_limited", "safe": True, "retry_after_ms": 30_000}
    branches = [
        {"name": "slow", "steps": [{**flaky(run_id), "with": config}]},
        {"name": "other", "steps": [{"name": "p", "type": "control.wait", "duration": 900}]},
    ]
    flow = await idle_desk.push([{"name": "both", "type": "control.parallel", "branches": branches}])
    await idle_desk.start(flow, run_id=run_id)
    executor = runs.Executor(idle_desk.executor.services, runs.TimeLimits(run=0.5, step=60))
    run = await deliver(idle_desk, run_id, executor)
    assert run.failure is not None
    assert run.failure.code == "run_timeout"
    found = {step.name: step.status for step in await idle_desk.steps(run)}
    assert "waiting" not in found.values()
    assert found["try"] in {"cancelled", "failure"}


async def test_runs_that_wait_for_their_children_leave_them_the_worker(idle_desk: Desk) -> None:
    inner = await idle_desk.push([set_step("made", v=1)], output="{{ steps.made.output.v }}")
    call = {"workflow": inner.slug, "execution": "child", "timeout": 15_000}
    flow = await idle_desk.push(
        [{"name": "call", "type": "action.invoke-workflow", "with": call}], output="{{ steps.call.output }}"
    )
    places = 2
    stop = asyncio.Event()
    worker = engine.Worker(idle_desk.database, idle_desk.executor, engine.WorkerLimits(concurrency=places))
    working = asyncio.create_task(worker.run(stop))
    try:
        ended = await asyncio.gather(*(idle_desk.run(flow) for _ in range(2 * places)))
    finally:
        stop.set()
        await working
    assert [run.output for run in ended] == [1] * len(ended)
