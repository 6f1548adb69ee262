"""What `assay automations lifecycle` says to type next."""

from pathlib import Path
from typing import get_args

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

from assay.monitoring.lifecycle import Action

REFUSED = Answer(404, {"issues": [], "requestId": "req_1"})


def answer(action: str, title: str = "Go on") -> Answer:
    line = {"key": "k", "title": title, "done": False, "evidence": "None.", "action": action}
    return Answer(body={"stages": [line], "nextStage": "k", "beforeYouShip": [], "mayShip": False})


@pytest.mark.parametrize("name", ["invoices", "workflows.invoices", "wf_1"])
def test_it_can_be_typed(
    assay: Assay, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("workflow.yaml").write_text("name: invoices\n")
    for action in get_args(Action):
        script.will_answer(answer(action))
        told = assay(f"automations lifecycle {name}").out.splitlines()
        (command,) = (line.removeprefix("    assay ") for line in told if line.startswith("    assay "))
        script.will_answer(REFUSED)
        typed = assay(command)
        assert (typed.code, "--help" in command) in {(1, False), (0, True)}, (command, typed.err)
        assert "workflows.workflows" not in script.received[-1].path
        script.answers.clear()


def test_what_it_tells_cannot_move_the_cursor(assay: Assay, script: Script) -> None:
    script.will_answer(answer("review", "\x1b[2J"))
    assert "\x1b" not in assay("automations lifecycle invoices").out
