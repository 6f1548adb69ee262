"""Loops, branches, pauses, repetitions and calls of other workflows, through a real worker."""

import asyncio
import time
from typing import Any

import pytest
from tests.runs.conftest import Desk
from tests.runs.step_types import Flaky, Gate

from assay import automations, runs

SET = "transform.set"


async def test_switch_runs_the_first_case_that_matches_as_text(desk: Desk) -> None:
    flow = await desk.push(
        [
            {
                "name": "route",
                "type": "control.switch",
                "on": "{{ input.kind }}",
                "cases": [
                    {"when": 1, "steps": [{"name": "one", "type": SET, "with": {"fields": {"v": "number"}}}]},
                    {"when": "b", "steps": [{"name": "two", "type": SET, "with": {"fields": {"v": "letter"}}}]},
                ],
                "default": [{"name": "other", "type": SET, "with": {"fields": {"v": "other"}}}],
            }
        ],
        inputs=[{"name": "kind", "type": "any"}],
        output="{{ steps.route.output }}",
    )
    for kind, branch, value in (("1", "case", "number"), ("b", "case", "letter"), ("z", "default", "other")):
        output = (await desk.run(flow, {"kind": kind})).output
        assert isinstance(output, dict)
        assert output["branch"] == branch
        assert output["result"] == {"v": value}


def loop(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "each",
        "type": kind,
        "items": "{{ input.items }}",
        "as": "n",
        "steps": [
            {"name": "first", "type": SET, "with": {"fields": {"twice": "{{ n | times: 2 }}"}}},
            {
                "name": "second",
                "type": SET,
                "with": {"fields": {"sum": "{{ steps.first.output.twice | plus: index }}", "same": "{{ item }}"}},
            },
        ],
        **more,
    }


ITEMS = [{"name": "items", "type": "array"}]


@pytest.mark.parametrize("kind", ["control.foreach", "control.parallel_map"])
async def test_a_loop_keeps_the_last_output_of_each_item_in_order(desk: Desk, kind: str) -> None:
    flow = await desk.push([loop(kind)], inputs=ITEMS, output="{{ steps.each.output }}")
    run = await desk.run(flow, {"items": [5, 6, 7]})
    assert run.output == {
        "items": [{"second": {"sum": 10 + i + 2 * i, "same": 5 + i}} for i in range(3)],
        "count": 3,
        "totalIterations": 3,
    }
    rows = await desk.steps(run)
    assert {row.step_key for row in rows} >= {f"each/{kind.split('.')[1].replace('_', '-')}-iteration:2/second"}
    inner: Any = next(row for row in rows if row.name == "second").scope
    assert [entry["type"] for entry in inner] == ["root", f"{kind.split('.')[1].replace('_', '-')}-iteration"]


async def test_an_empty_loop_is_skipped_and_has_no_items(desk: Desk) -> None:
    flow = await desk.push([loop("control.foreach")], inputs=ITEMS, output="{{ steps.each.output.count }}")
    run = await desk.run(flow, {"items": []})
    assert run.output == 0
    (row,) = await desk.steps(run)
    assert (row.status, row.skipped_reason) == ("skipped", "empty")


async def test_a_failing_item_names_the_inner_step(desk: Desk) -> None:
    fail = {"name": "guard", "type": "control.fail", "condition": "{{ n == 2 }}", "message": "two"}
    flow = await desk.push([{**loop("control.parallel_map"), "steps": [fail]}], inputs=ITEMS)
    run = await desk.run(flow, {"items": [1, 2, 3]})
    assert run.failure is not None
    assert (run.failure.step, run.failure.message) == ("guard", "two")


def failing(name: str) -> dict[str, Any]:
    return {"name": name, "type": "control.fail", "message": "No."}


@pytest.mark.parametrize(
    ("outer", "within"),
    [
        (
            {
                "type": "control.parallel",
                "branches": [
                    {"name": "left", "steps": [{"name": "fine", "type": SET, "with": {"fields": {"v": 1}}}]},
                    {"name": "right", "steps": [failing("guard")]},
                ],
            },
            "parallel-branch:right",
        ),
        ({"type": "control.foreach", "items": [1], "as": "n", "steps": [failing("guard")]}, "foreach-iteration:0"),
        ({"type": "control.if", "condition": True, "then": [failing("guard")]}, "if-then"),
    ],
)
async def test_a_failed_branch_names_itself(desk: Desk, outer: dict[str, Any], within: str) -> None:
    run = await desk.run(await desk.push([{"name": "outer", **outer}]))
    assert run.failure is not None
    assert (run.failure.step, run.failure.message) == ("guard", "No.")
    row: Any = next(row for row in await desk.steps(run) if row.name == "outer")
    assert row.error == {
        "code": "control_fail",
        "message": f"In {within}, the step guard failed: No.",
        "category": "business",
    }
    guard: Any = next(row for row in await desk.steps(run) if row.name == "guard")
    assert [scope["step"] for scope in guard.scope] == [None, "outer"]


async def test_branches_see_what_came_before_and_nothing_of_each_other(desk: Desk) -> None:
    branches = [
        {"name": name, "steps": [{"name": f"in-{name}", "type": SET, "with": {"fields": {"v": "{{ input.v }}"}}}]}
        for name in ("a", "b")
    ]
    flow = await desk.push(
        [{"name": "both", "type": "control.parallel", "branches": branches}],
        inputs=[{"name": "v", "type": "string"}],
        output="{{ steps.both.output }}",
    )
    run = await desk.run(flow, {"v": "x"})
    assert run.output == {"a": {"in-a": {"v": "x"}}, "b": {"in-b": {"v": "x"}}}


async def test_a_long_wait_holds_no_worker_and_goes_on_by_itself(desk: Desk) -> None:
    flow = await desk.push(
        [
            {"name": "before", "type": SET, "with": {"fields": {"v": 1}}},
            {"name": "pause", "type": "control.wait", "duration": 1500},
            {"name": "after", "type": SET, "with": {"fields": {"v": "{{ steps.before.output.v }}"}}},
        ],
        output="{{ steps.after.output.v }}",
    )
    run_id = runs.new_run_id()
    with desk.waiting_room.place(run_id) as waiter:
        await desk.start(flow, run_id=run_id)
        seen: set[str] = set()
        deadline = time.monotonic() + 60
        while not await waiter.wait(0.05) and time.monotonic() < deadline:
            seen.add((await desk.read(run_id)).summary.status.value)
    run = await desk.read(run_id)
    assert run.output == 1
    assert "waiting" in seen
    rows = await desk.steps(run)
    assert [row.name for row in rows] == ["before", "pause", "after"]
    assert rows[1].duration_ms >= 1500


async def test_a_waiting_run_can_be_cancelled_at_once(desk: Desk) -> None:
    flow = await desk.push([{"name": "pause", "type": "control.wait", "duration": 3_600_000}])
    run_id = await desk.start(flow)
    while (await desk.read(run_id)).summary.status is not runs.RunStatus.WAITING:
        await asyncio.sleep(0.02)
    assert (await desk.cancel(run_id)).status is runs.RunStatus.CANCELLED


async def test_pauses_beside_each_other_are_waited_for_together(desk: Desk) -> None:
    branches = [
        {"name": f"b{i}", "steps": [{"name": f"p{i}", "type": "control.wait", "duration": 1100 + 100 * i}]}
        for i in range(3)
    ]
    flow = await desk.push(
        [{"name": "both", "type": "control.parallel", "branches": branches}], output="{{ steps.both.output }}"
    )
    run = await desk.run(flow)
    assert run.summary.status is runs.RunStatus.COMPLETED
    assert [row.status for row in await desk.steps(run)] == ["success"] * 4


@pytest.mark.parametrize(
    ("retry", "failures", "category", "safe", "tries", "reason"),
    [
        ({"mode": "automatic", "maxAttempts": 3}, 2, "temporarily_unavailable", True, 3, None),
        ("automatic", 9, "timeout", True, 3, "attempts_exhausted"),
        ("automatic", 9, "rate_limited", False, 1, "unsafe_to_replay"),
        ("automatic", 9, "validation", True, 1, "non_retryable"),
        (None, 9, "timeout", True, 1, "non_retryable"),
        ("never", 9, "timeout", True, 1, "attempts_exhausted"),
    ],
)
async def test_only_passing_failures_of_safe_steps_are_tried_again(
    desk: Desk, retry: Any, failures: int, category: str, *, safe: bool, tries: int, reason: str | None
) -> None:
    name = runs.new_run_id()
    Flaky.left[name] = failures
    step = {"name": "try", "type": "test.flaky", "with": {"name": name, "category": category, "safe": safe}}
    flow = await desk.push([step if retry is None else {**step, "retry": retry}])
    run = await desk.run(flow)
    (row,) = await desk.steps(run)
    assert isinstance(row.attempts, list)
    assert len(row.attempts) == tries
    last: Any = row.attempts[-1]
    if reason is None:
        assert run.summary.status is runs.RunStatus.COMPLETED
        assert last["status"] == "success"
    else:
        assert run.failure is not None
        assert run.failure.category == category
        assert last["retryDecision"]["reason"] == reason
        assert last["failure"]["httpStatus"] == 503


async def test_another_workflow_runs_inside_this_one(desk: Desk) -> None:
    inner = await desk.push(
        [{"name": "double", "type": SET, "with": {"fields": {"v": "{{ input.n | times: 2 }}"}}}],
        inputs=[{"name": "n", "type": "number"}],
        output={"v": "{{ steps.double.output.v }}"},
    )
    call = {"name": "call", "type": "action.invoke-workflow", "with": {"workflow": inner.slug, "input": {"n": 4}}}
    flow = await desk.push([call], output="{{ steps.call.output.v }}")
    run = await desk.run(flow)
    assert run.output == 8
    rows = await desk.steps(run)
    assert [row.step_key for row in rows] == ["call", f"call/inline-invoke:{inner.slug}/double"]


async def test_a_child_is_a_run_of_its_own_that_is_waited_for(desk: Desk) -> None:
    inner = await desk.push(
        [{"name": "pause", "type": "control.wait", "duration": 1200}],
        inputs=[{"name": "n", "type": "number"}],
        output={"n": "{{ input.n }}"},
    )
    call = {
        "name": "call",
        "type": "action.invoke-workflow",
        "with": {"workflow": inner.slug, "execution": "child", "input": {"n": 4}},
    }
    flow = await desk.push([call], output="{{ steps.call.output.n }}")
    run = await desk.run(flow)
    assert run.output == 4
    async with desk.database.transaction() as tx:
        children = await tx.fetch("SELECT id, root_run_id FROM runs WHERE parent_run_id = $1", run.summary.id)
    assert [child["root_run_id"] for child in children] == [run.summary.id]


async def test_a_run_that_waits_for_its_child_goes_on_when_that_ends(desk: Desk, gate: tuple[str, Gate]) -> None:
    inner = await desk.push([{"name": "hold", "type": "test.gate", "with": {"gate": gate[0]}}])
    hour = 3_600_000
    call = {"workflow": inner.slug, "execution": "child", "timeout": hour, "pollInterval": hour}
    flow = await desk.push([{"name": "call", "type": "action.invoke-workflow", "with": call}])
    run_id = runs.new_run_id()
    with desk.waiting_room.place(run_id) as waiter:
        await desk.start(flow, run_id=run_id)
        await until_it_waits(desk, run_id)
        gate[1].opened.set()
        assert await waiter.wait(60)
    assert (await desk.read(run_id)).summary.status == "completed"


ENDLESS = {"execution": "child", "timeout": 3_600_000, "pollInterval": 3_600_000}


def calling(name: str, workflow: automations.Automation, **settings: Any) -> dict[str, Any]:
    return {"name": name, "type": "action.invoke-workflow", "with": {"workflow": workflow.slug, **ENDLESS, **settings}}


async def children_of(desk: Desk, run_id: str) -> list[str]:
    async with desk.database.transaction() as tx:
        rows = await tx.fetch("SELECT id FROM runs WHERE parent_run_id = $1 ORDER BY id", run_id)
    return [row["id"] for row in rows]


async def ended(desk: Desk, run_id: str) -> str:
    """Wait until the run has ended, asked for or not; return how."""
    with desk.waiting_room.place(run_id) as waiter:
        async with desk.database.transaction() as tx:
            over = await desk.waiting_room.ask_for(tx, desk.organization_id, run_id)
        assert over or await waiter.wait(60)
    return (await desk.read(run_id)).summary.status


async def test_cancelling_a_run_cancels_the_children_that_it_waits_for_and_theirs(
    desk: Desk, gate: tuple[str, Gate]
) -> None:
    innermost = await desk.push([{"name": "hold", "type": "test.gate", "with": {"gate": gate[0]}}])
    inner = await desk.push([calling("call", innermost)])
    flow = await desk.push([calling("call", inner)])
    run_id = await desk.start(flow)
    await until_it_waits(desk, run_id)
    await gate[1].reached.wait()
    (child,) = await children_of(desk, run_id)
    (grandchild,) = await children_of(desk, child)
    await until_it_waits(desk, child)
    assert (await desk.cancel(run_id)).status == "cancelled"
    assert [await ended(desk, below) for below in (child, grandchild)] == ["cancelled", "cancelled"]
    async with desk.database.transaction() as tx:
        assert await tx.fetch("SELECT FROM pgqueuer WHERE dedupe_key = ANY($1)", [run_id, child]) == []


async def test_a_child_that_nobody_waits_for_survives_the_run_that_started_it(
    desk: Desk, gate: tuple[str, Gate]
) -> None:
    inner = await desk.push([{"name": "hold", "type": "test.gate", "with": {"gate": gate[0]}}])
    pause = {"name": "pause", "type": "control.wait", "duration": 3_600_000}
    flow = await desk.push([calling("call", inner, wait=False), pause])
    run_id = await desk.start(flow)
    await until_it_waits(desk, run_id)
    (child,) = await children_of(desk, run_id)
    await desk.cancel(run_id)
    gate[1].opened.set()
    assert await ended(desk, child) == "completed"


async def test_a_run_that_works_while_it_waits_is_cancelled_and_so_are_its_children(
    desk: Desk, gate: tuple[str, Gate]
) -> None:
    inner = await desk.push([{"name": "pause", "type": "control.wait", "duration": 3_600_000}])
    branches = [
        {"name": "work", "steps": [{"name": "hold", "type": "test.paid-gate", "with": {"gate": gate[0]}}]},
        {"name": "one", "steps": [calling("first", inner)]},
        {"name": "two", "steps": [calling("second", inner)]},
    ]
    flow = await desk.push([{"name": "both", "type": "control.parallel", "branches": branches}])
    run_id = await desk.start(flow)
    await gate[1].reached.wait()
    while len(found := await children_of(desk, run_id)) < len(branches) - 1:
        await asyncio.sleep(0.02)
    for child in found:
        await until_it_waits(desk, child)
    assert (await desk.cancel(run_id)).status == "running"
    assert [await ended(desk, child) for child in found] == ["cancelled"] * len(found)
    gate[1].opened.set()
    assert await ended(desk, run_id) == "cancelled"


async def test_a_run_that_fails_takes_the_children_that_it_waits_for_with_it(desk: Desk) -> None:
    inner = await desk.push([{"name": "pause", "type": "control.wait", "duration": 3_600_000}])
    pause = {"name": "pause", "type": "control.wait", "duration": 1_100}
    branches = [
        {"name": "fails", "steps": [pause, {"name": "end", "type": "control.fail", "message": "no"}]},
        {"name": "waits", "steps": [calling("call", inner)]},
    ]
    flow = await desk.push([{"name": "both", "type": "control.parallel", "branches": branches}])
    run = await desk.run(flow)
    assert run.summary.status == "failed"
    (child,) = await children_of(desk, run.summary.id)
    assert await ended(desk, child) == "cancelled"


async def test_a_child_that_took_too_long_is_cancelled(desk: Desk) -> None:
    inner = await desk.push([{"name": "pause", "type": "control.wait", "duration": 3_600_000}])
    run = await desk.run(await desk.push([calling("call", inner, timeout=100)]))
    assert run.failure is not None
    assert run.failure.code == "child_timeout"
    (child,) = await children_of(desk, run.summary.id)
    assert await ended(desk, child) == "cancelled"


async def test_a_run_hears_at_once_that_somebody_cancelled_its_child(desk: Desk) -> None:
    inner = await desk.push([{"name": "pause", "type": "control.wait", "duration": 3_600_000}])
    run_id = await desk.start(await desk.push([calling("call", inner)]))
    await until_it_waits(desk, run_id)
    (child,) = await children_of(desk, run_id)
    await until_it_waits(desk, child)
    await desk.cancel(child)
    assert await ended(desk, run_id) == "failed"


async def until_it_waits(desk: Desk, run_id: str) -> None:
    async with asyncio.timeout(30), desk.database.single_statement() as tx:
        while not await tx.fetch_one(
            "SELECT id FROM pgqueuer WHERE dedupe_key = $1 AND status = 'queued' AND execute_after > now()", run_id
        ):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("execution", ["inline", "child"])
@pytest.mark.parametrize("put_away", ["archived", "switched off"])
async def test_a_workflow_that_was_put_away_is_not_called(desk: Desk, execution: str, put_away: str) -> None:
    made = [{"name": "a", "type": SET, "with": {"fields": {"v": 1}}}]
    inner = await desk.push(made)
    call = {"name": "call", "type": "action.invoke-workflow", "with": {"workflow": inner.slug, "execution": execution}}
    flow = await desk.push([call])
    if put_away == "archived":
        async with desk.database.transaction() as tx:
            await automations.set_archived(tx, desk.caller, automation=inner.id, archived=True)
    else:
        await desk.push(made, name=inner.slug, version="1.1.0", enabled=False)
    run = await desk.run(flow)
    assert run.failure is not None
    assert (run.failure.code, run.failure.step) == ("automation_disabled", "call")


async def test_a_workflow_that_calls_itself_fails(desk: Desk) -> None:
    flow = await desk.push(
        [
            {
                "name": "call",
                "type": "action.invoke-workflow",
                "with": {"workflow": "{{ input.me }}", "input": {"me": "{{ input.me }}"}},
            }
        ],
        inputs=[{"name": "me", "type": "string"}],
    )
    run = await desk.run(flow, {"me": flow.slug})
    assert run.failure is not None
    assert run.failure.code == "recursive_invoke"


async def test_calls_are_checked_when_a_workflow_is_pushed(desk: Desk) -> None:
    inputs = [{"name": "n", "type": "number"}]
    inner = await desk.push([{"name": "a", "type": SET, "with": {"fields": {"v": 1}}}], inputs=inputs)

    def call(workflow: str, **given: Any) -> dict[str, Any]:
        return {"name": "call", "type": "action.invoke-workflow", "with": {"workflow": workflow, "input": given}}

    for step, field, code in (
        (call("nobody"), "steps.call.with.workflow", "unknown_workflow"),
        (call(inner.slug, n=1, x=4), "steps.call.with.input.x", "unknown_key"),
        (call(inner.slug, n="four"), "steps.call.with.input.n", "type_mismatch"),
        (call(inner.slug), "steps.call.with.input.n", "missing_required"),
    ):
        with pytest.raises(automations.InvalidWorkflowError) as refused:
            await desk.push([step])
        assert [(issue.field, issue.code) for issue in refused.value.issues] == [(field, code)]
    outer = await desk.push([call(inner.slug, n="{{ input.n }}")], inputs=inputs)
    circle = [{**call(outer.slug, n=1), "name": "back"}]
    with pytest.raises(automations.InvalidWorkflowError) as refused:
        await desk.push(circle, inputs=inputs, name=inner.slug, version="1.1.0")
    assert [issue.code for issue in refused.value.issues] == ["circular_call"]


MAKING = [{"name": "note", "type": "test.file", "with": {"content": "{{ input.text }}"}}]
TEXT_INPUT = [{"name": "text", "type": "string"}]
READING: dict[str, Any] = {
    "name": "read",
    "type": "test.file",
    "with": {"content": "after", "input": "{{ steps.call.output.note }}"},
}


@pytest.mark.parametrize("execution", ["inline", "child"])
async def test_files_of_a_called_workflow_are_files_of_the_caller(desk: Desk, execution: str) -> None:
    inner = await desk.push(MAKING, inputs=TEXT_INPUT, output={"note": "{{ steps.note.output.file }}"})
    call = {"workflow": inner.slug, "execution": execution, "input": {"text": "made inside"}}
    flow = await desk.push(
        [{"name": "call", "type": "action.invoke-workflow", "with": call}, READING],
        output={"read": "{{ steps.read.output.read }}", "call": "{{ steps.call.output }}"},
    )
    run = await desk.run(flow)
    assert run.failure is None
    output: Any = run.output
    assert output["read"] == "made inside"
    assert output["call"]["files"] == [output["call"]["note"]]
    path = output["call"]["note"]["$file"]
    assert path.startswith("output/call/")
    assert await desk.artifact(run, path) == b"made inside"


async def test_a_loop_of_calls_tells_the_files_of_each_call_apart(desk: Desk) -> None:
    inner = await desk.push(MAKING, inputs=TEXT_INPUT, output={"files": "own", "v": 1})
    plain = await desk.push(MAKING, inputs=TEXT_INPUT, output={"v": 1})
    each = [
        {"name": name, "type": "action.invoke-workflow", "with": {"workflow": slug, "input": {"text": "{{ t }}"}}}
        for name, slug in (("own", inner.slug), ("added", plain.slug))
    ]
    flow = await desk.push(
        [{"name": "each", "type": "control.foreach", "items": ["a", "b"], "as": "t", "steps": each}],
        output="{{ steps.each.output.items }}",
    )
    run = await desk.run(flow)
    found: Any = run.output
    assert [len(item["added"]["files"]) for item in found] == [1, 1]
    paths = [item["added"]["files"][0]["$file"] for item in found]
    assert [await desk.artifact(run, path) for path in paths] == [b"a", b"b"]


async def test_the_name_of_older_files_for_a_called_workflow_is_understood(desk: Desk) -> None:
    inner = await desk.push([{"name": "a", "type": SET, "with": {"fields": {"v": 1}}}], output={"v": 1})
    call = {"name": "call", "type": "action.invoke-workflow", "with": {"workflowId": inner.id}}
    run = await desk.run(await desk.push([call], output="{{ steps.call.output.v }}"))
    assert run.output == 1
    unknown = {"name": "call", "type": "action.invoke-workflow", "with": {"workflowId": "nowhere"}}
    with pytest.raises(automations.InvalidWorkflowError, match="nowhere"):
        await desk.push([unknown])
