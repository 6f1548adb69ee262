"""What a trace shows of a run."""

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Assay
from tests.cli.test_commands import FAILED
from tests.fakes.scripted_server import Answer, Script

TEXT = "Invoice \x1b[31m12\n" + "line\n" * 30


def step(name: str, step_type: str, status: str, start: int, duration: float, **more: Any) -> dict[str, Any]:
    return {
        "stepName": name,
        "stepType": step_type,
        "status": status,
        "skippedReason": None,
        "input": None,
        "resolvedConfig": None,
        "output": None,
        "error": None,
        "durationMs": duration,
        "startedAt": f"2026-11-24T08:35:00.{start:03d}Z",
        "completedAt": f"2026-11-24T08:35:00.{start + 10:03d}Z",
        "attempts": [],
        "scopeStack": [{"type": "root", "step": None}],
        **more,
    }


STEPS = [
    step("parse", "ai.parse", "success", 10, 300, resolvedConfig={"input": {"$file": "a"}}, output={"text": TEXT}),
    step("fields", "transform.set", "success", 310, 2, resolvedConfig={"input": {"text": TEXT}}, output={"n": None}),
    step("branch", "transform.set", "skipped", 312, 0, skippedReason="if: false"),
    step("require-number", "control.fail", "failure", 313, 0.2, error="No number.", failure={"code": "control_fail"}),
]
EVENTS = [{"type": "run.created", "timestamp": "2026-11-24T08:35:00.000Z", "metadata": {"trigger": "cli"}}]


def answers() -> list[Answer]:
    run = {**FAILED, "input": {"args": {"document": {"$file": "input/a.pdf"}}}, "usage": None}
    return [
        Answer(body=run),
        Answer(body={"steps": STEPS, "total": len(STEPS)}),
        Answer(body={"events": EVENTS}),
        Answer(body={"artifacts": []}),
    ]


def test_it_tells_how_the_run_ended_and_what_each_step_did(assay: Assay, script: Script) -> None:
    script.will_answer(*answers())
    finished = assay("runs trace exec_1")
    assert finished.code == 0
    lines = finished.out.splitlines()
    assert lines[0] == "✘ failed  exec_1  412 ms"
    assert any("invoices@1.0.0" in line for line in lines)
    assert "  document: {$file: input/a.pdf}" in finished.out
    assert "✔ parse  ai.parse  300 ms" in lines
    assert "· branch  transform.set  skipped: if: false" in lines
    assert "✘ require-number  control.fail  0.2 ms" in lines
    assert "  No number.  [control_fail]" in lines


def test_long_values_are_shortened_and_named_when_they_come_again(assay: Assay, script: Script) -> None:
    script.will_answer(*answers())
    out = assay("runs trace exec_1").out
    assert "… 25 more lines" in out
    assert "input: = steps.parse.output" in out
    assert "\x1b" not in out
    assert "\\x1b[31m" in out


def test_a_saved_trace_leaves_nothing_out(assay: Assay, script: Script, tmp_path: Path) -> None:
    script.will_answer(*answers(), *answers())
    finished = assay(f"runs trace exec_1 --out {tmp_path}/t.txt")
    assert finished.out == ""
    text = (tmp_path / "t.txt").read_text()
    assert text.count("line\n") == 30
    assert "\x1b" not in text
    assay(f"runs trace exec_1 --out {tmp_path}/t.json")
    assert json.loads((tmp_path / "t.json").read_text())["steps"] == STEPS


def test_json_holds_run_steps_events_and_artifacts(assay: Assay, script: Script) -> None:
    script.will_answer(*answers())
    found = json.loads(assay("runs trace exec_1 --json").out)
    assert found["run"]["id"] == "exec_1"
    assert found["steps"] == STEPS
    assert found["events"] == EVENTS
    assert found["artifacts"] == []


def attempt(number: int, **more: Any) -> dict[str, Any]:
    return {"attemptNumber": number, "status": "failure" if more else "success", **more}


FAILURE = {"code": "http_status", "message": "503\nService unavailable"}
LOOP = [
    step("each", "control.foreach", "success", 10, 100, output={"count": 2}),
    *(
        step(
            *("fetch", "action.http", "success", 20 + index, 30),
            stepKey=f"each/foreach-iteration:{index}/fetch",
            scopeStack=[
                {"type": "root", "step": None},
                {"type": "foreach-iteration", "step": "each", "iterationIndex": index},
            ],
            attempts=[attempt(1, failure=FAILURE, retryDecision={"reason": "retry", "delayMs": 250}), attempt(2)],
        )
        for index in range(2)
    ),
    step(
        *("read", "ai.extract", "failure", 120, 40),
        error="No answer.",
        failure={"code": "rate_limited"},
        attempts=[attempt(1, failure=FAILURE, retryDecision={"reason": "attempts_exhausted", "delayMs": None})],
        usage={"llmCallCount": 2, "inputTokens": 1200.0, "outputTokens": 30, "costUsd": 0.00125},
        scopeStack=[{"type": "root", "step": None}, {"type": "if-else", "step": "route"}],
    ),
    step("given", "ai.parse", "success", 160, 1, overrideMode="skipped"),
    step("pause", "control.wait", "waiting", 170, 0),
]


def traced(assay: Assay, script: Script, steps: list[dict[str, Any]], usage: Any = None, line: str = "") -> str:
    body = {**FAILED, "usage": usage}
    script.will_answer(
        Answer(body=body),
        Answer(body={"steps": steps, "total": len(steps)}),
        Answer(body={"events": EVENTS}),
        Answer(body={"artifacts": []}),
    )
    finished = assay(f"runs trace exec_1 {line}")
    assert finished.code == 0, finished.err
    return finished.out


def test_nested_steps_say_where_they_ran_and_how_often(assay: Assay, script: Script) -> None:
    lines = traced(assay, script, LOOP).splitlines()
    assert "✔ fetch  action.http  30 ms  in each[1]  2 attempts" in lines
    assert "  attempt 1: failure  [http_status] 503 Service unavailable  again after 250 ms" in lines
    assert "  attempt 2: success" in lines
    assert "  attempt 1: failure  [http_status] 503 Service unavailable  not again: attempts exhausted" in lines
    assert "✘ read  ai.extract  40 ms  in route:else" in lines
    assert "✔ given  ai.parse  1.0 ms  output was given" in lines
    assert "… pause  control.wait  waiting" in lines
    (overview,) = (line for line in lines if line.strip().startswith("3 "))
    assert "    ✔ fetch  each[1]" in overview


def test_what_was_used_stands_with_its_step_and_with_the_run(assay: Assay, script: Script) -> None:
    usage = {
        "tokens": {"input": 1200, "output": 30},
        "llmCallCount": 2,
        "visionPagesProcessed": 3,
        "costUsd": 0.00125,
        "unpricedCallCount": 1,
    }
    out = traced(assay, script, LOOP, usage)
    assert "  used 2 model calls, 1,200 tokens in, 30 tokens out, 0.00125 USD" in out.splitlines()
    assert "2 model calls, 1,200 tokens in, 30 tokens out, 3 pages looked at, 0.00125 USD, 1 calls of" in out


def test_of_many_steps_those_that_did_not_succeed_are_shown(assay: Assay, script: Script) -> None:
    many = [step(f"s{number}", "transform.set", "success", 10, 1) for number in range(300)]
    many[250] = step("bad", "transform.set", "failure", 10, 1, error="No.")
    out = traced(assay, script, many)
    assert "✔ s99  " in out
    assert "✘ bad  " in out
    assert "s100" not in out
    assert "199 more steps succeeded" in out
    assert "✔ s299  " in traced(assay, script, many, line="--full")
