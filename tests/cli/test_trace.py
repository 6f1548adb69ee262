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
        "attempts": 1,
        "scopeStack": [{"kind": "root", "step": ""}],
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
