from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

from assay import evaluators

TEXT = "evaluators: [{name: a, type: exact-diff}]\n"
WRONG = "passThreshold: 2\nevaluators:\n  - {name: a, type: exact-dif}\n"
FOUND: dict[str, Any] = {
    "automationId": "wf_1",
    "automationType": "workflow",
    "yaml": TEXT,
    "config": {"evaluators": [{"name": "a"}], "passThreshold": 0.7},
    "number": 3,
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "evaluators.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_validate_needs_no_server_and_tells_everything_with_its_place(assay: Assay, written: Path) -> None:
    assert assay(f"workflow evaluators validate {written}").code == 0
    written.write_text(WRONG, encoding="utf-8")
    done = assay(f"workflow evaluators validate {written}")
    assert done.code == 1
    first, second = done.out.splitlines()
    assert first.startswith(f"{written}:1:16: invalid_value passThreshold")
    assert second.startswith(f"{written}:3:21: evaluator_type_unknown")
    assert "exact-diff" in second


def test_a_file_that_cannot_be_tried_shows_the_places(assay: Assay, script: Script, written: Path) -> None:
    issue = {"field": "x", "message": "line 1: No.", "code": "unknown_key", "severity": "error", "line": 1, "column": 2}
    script.will_answer(Answer(400, {"issues": [issue], "requestId": "req_1"}))
    done = assay(f"workflow evaluators try invoices first --file {written}")
    assert (done.code, done.out) == (1, f"{written}:1:2: unknown_key No.\n")


def test_push_sends_the_text_and_prints_its_number(assay: Assay, script: Script, written: Path) -> None:
    script.will_answer(Answer(200, FOUND))
    done = assay(f"workflow evaluators push invoices --file {written}")
    assert (done.code, done.out) == (0, "wf_1\t3\n")
    (request,) = script.received
    assert (request.method, request.path) == ("PUT", "/api/v1/automations/workflows.invoices/evaluators")
    assert request.json == {"yaml": TEXT}


def test_a_push_that_is_refused_shows_the_places(assay: Assay, script: Script, written: Path) -> None:
    issue = {"field": "x", "message": "line 1: No.", "code": "unknown_key", "severity": "error", "line": 1, "column": 2}
    script.will_answer(Answer(400, {"issues": [issue], "requestId": "req_1"}))
    done = assay(f"workflow evaluators push invoices --file {written}")
    assert (done.code, done.out) == (1, f"{written}:1:2: unknown_key No.\n")


def test_pull_gives_back_what_was_pushed(assay: Assay, script: Script, tmp_path: Path) -> None:
    script.will_answer(Answer(200, FOUND), Answer(200, FOUND))
    assert assay("workflow evaluators pull wf_1").out == TEXT
    assert assay(f"workflow evaluators pull wf_1 --out {tmp_path / 'e.yaml'}").code == 0
    assert (tmp_path / "e.yaml").read_text(encoding="utf-8") == TEXT


def test_the_types_can_be_looked_up(assay: Assay) -> None:
    listed = assay("evaluators list").out.splitlines()
    assert [line.split("\t")[0] for line in listed] == list(evaluators.catalogue())
    for name, kind in evaluators.catalogue().items():
        assert kind.example.splitlines()[-1] in assay(f"evaluators show {name}").out
    assert assay("evaluators show nothing").code == 1
