from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

FOUND = {"action": "delete", "dryRun": True, "count": 3, "kept": 0, "more": False}


def _asked(script: Script) -> list[tuple[str, Mapping[str, Any], Any]]:
    split = [(urlsplit(one.path), one) for one in script.received]
    return [(url.path, parse_qs(url.query), one.json if one.body else None) for url, one in split]


def test_runs_are_counted_before_any_is_deleted(assay: Assay, script: Script):
    script.will_answer(Answer(200, FOUND), Answer(200, {**FOUND, "dryRun": False, "count": 2, "kept": 1}))
    done = assay("runs bulk delete contracts --status failed --created-before 30d --yes")
    assert (done.code, done.out) == (0, "deleted\t2\nkept\t1\n")
    query = {"source": ["workflows.contracts"], "status": ["failed"], "createdBefore": ["30d"]}
    assert _asked(script) == [
        ("/api/v1/runs/bulk", query, {"action": "delete", "dryRun": True}),
        ("/api/v1/runs/bulk", query, {"action": "delete", "dryRun": False}),
    ]


def test_nothing_is_done_unasked_and_the_question_says_how_many(assay: Assay, script: Script):
    script.will_answer(Answer(200, {**FOUND, "action": "cancel", "more": True}))
    done = assay("runs bulk cancel contracts")
    assert done.code == 2
    assert "Cancel 3 runs; more match" in done.err
    assert len(script.received) == 1


@pytest.mark.parametrize("command", ["cancel", "delete", "rerun"])
def test_all_runs_there_are_must_be_asked_for(assay: Assay, script: Script, command: str):
    done = assay(f"runs bulk {command} --yes")
    assert (done.code, script.received) == (2, [])
    assert "--created-before 0m" in done.err


def test_runs_are_started_again_and_those_that_cannot_be_are_named(assay: Assay, script: Script):
    runs = [{"id": "exec_1", "finished": True}, {"id": "exec_2", "finished": False}, {"id": "exec_3", "finished": True}]
    issue = {"field": "<root>", "message": "This automation is switched off.", "code": "automation_disabled"}
    script.will_answer(
        Answer(200, {"runs": runs, "nextCursor": None}),
        Answer(202, {"id": "exec_4", "finished": False}),
        Answer(409, {"issues": [issue], "requestId": "req_1"}),
    )
    done = assay("runs bulk rerun contracts --status failed --version original --yes")
    assert (done.code, done.out) == (1, "exec_1\texec_4\n")
    assert "exec_3: This automation is switched off." in done.err
