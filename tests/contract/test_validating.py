"""A workflow file is checked over HTTP as a push would check it, all at once, and nothing is stored."""

import json
from typing import Any

import httpx
import pytest
from tests.acceptance.envelopes import envelope

EXTRACT = {
    "name": "read",
    "type": "ai.extract",
    "with": {"input": "x", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
}
CALL = {"name": "call", "type": "action.invoke-workflow", "with": {"workflow": "nobody"}}
SET = {"name": "set", "type": "transform.set", "with": {"fields": {"a": 1}}}


def workflow(*steps: dict[str, Any], **more: Any) -> dict[str, str]:
    return {"yaml": json.dumps({"name": "not-pushed", "version": "1.0.0", "steps": steps, **more})}


def answer_to(http: httpx.Client, body: dict[str, str]) -> tuple[bool, dict[str, str]]:
    answer = http.post("/automations/validate", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found["valid"], {issue["field"]: issue["code"] for issue in found["issues"]}


def test_what_only_the_server_knows_is_said(http: httpx.Client) -> None:
    assert answer_to(http, workflow(SET)) == (True, {})
    assert answer_to(http, workflow(CALL)) == (False, {"steps.call.with.workflow": "unknown_workflow"})
    assert answer_to(http, workflow(EXTRACT)) == (True, {"steps.read.with.model": "provider_not_configured"})


@pytest.mark.parametrize("path", ["/automations/validate", "/automations"])
def test_a_call_that_leads_nowhere_is_said_beside_all_other_issues(http: httpx.Client, path: str) -> None:
    broken = {**SET, "with": {"fields": {"a": "{{ input.nope }}"}}}
    answer = http.post(path, json=workflow(CALL, broken, foo=1)).json()
    issues = answer.get("issues") or answer["error"]["issues"]
    assert {issue["code"] for issue in issues} == {"unknown_workflow", "unknown_reference", "unknown_key"}


def test_files_beside_it_are_taken_to_be_there(http: httpx.Client) -> None:
    step = {"name": "t", "type": "transform.template", "with": {"data": {}, "template": "letter.docx"}}
    assert answer_to(http, workflow(step)) == (True, {})


def test_nothing_is_stored(http: httpx.Client) -> None:
    assert answer_to(http, workflow(SET))[0]
    envelope(http.get("/automations/workflows.not-pushed"), 404, "not_found")


def test_a_body_of_another_form_is_refused(http: httpx.Client) -> None:
    envelope(http.post("/automations/validate", json={"text": "x"}), 400)
