"""What pages do with datasets and evaluators, the API does too, by the same rules."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, gate, gate_step, push, set_step

SAME = "evaluators: [{name: same, type: exact-diff}]"
SCRIPT = """\
evaluators:
  - name: by-script
    type: custom-script
    config: {language: javascript, function: "function scoreScript(expected, actual) { return 1 }"}
"""


@pytest.fixture
def dataset(http: httpx.Client, world: Mapping[str, Any]) -> str:
    return f"/automations/{world['automation_id']}/examples"


def test_examples_are_found_by_a_part_of_name_or_annotation(http: httpx.Client, dataset: str):
    for name, note in (("needle-1", None), ("second", "a NEEDLE in here"), ("third", None)):
        http.post(dataset, json={"name": name, "annotation": note, "input": {"name": name}}).raise_for_status()
    found = http.get(dataset, params={"search": "needle", "limit": 1}).json()
    assert (found["total"], [one["name"] for one in found["data"]]) == (2, ["needle-1"])
    assert http.get(dataset, params={"search": "100%_"}).json()["total"] == 0
    envelope(http.get(dataset, params={"search": "\x00"}), 400)


def test_what_an_example_was_can_be_read_but_not_by_another_ones_name(http: httpx.Client, dataset: str):
    made = http.post(dataset, json={"name": "changing", "input": {"name": "before"}}).json()
    http.patch(f"{dataset}/changing", json={"input": {"name": "after"}}).raise_for_status()
    page = http.get(f"{dataset}/changing/versions").json()
    assert (page["total"], [one["action"] for one in page["data"]]) == (2, ["example.updated", "example.created"])
    assert {one["email"] for one in page["data"]} == {"owner@localhost"}
    first = page["data"][1]["id"]
    then = http.get(f"{dataset}/changing/versions/{first}").json()
    assert (then["id"], then["versionId"], then["input"]) == (made["id"], first, {"name": "before"})
    assert http.get(f"{dataset}/changing/versions", params={"limit": 1, "offset": 1}).json()["data"][0]["id"] == first
    envelope(http.get(f"{dataset}/first/versions/{first}"), 404)


def test_evaluators_are_checked_without_being_put_in_force(http: httpx.Client, world: Mapping[str, Any]):
    path = f"/automations/{world['automation_id']}/evaluators"
    before = http.get(path).json()["number"]
    assert http.post(f"{path}/validate", json={"yaml": SAME}).json() == {"valid": True, "issues": []}
    wrong = http.post(f"{path}/validate", json={"yaml": "evaluators:\n  - name: A b\n    type: nothing\n"}).json()
    assert (wrong["valid"], {issue["line"] for issue in wrong["issues"]}) == (False, {2, 3})
    assert http.get(path).json()["number"] == before


def test_evaluators_are_tried_on_an_example_and_nothing_is_kept(http: httpx.Client, world: Mapping[str, Any]):
    path = f"/automations/{world['automation_id']}/evaluators"
    for yaml, name in ((None, "same"), (SAME, "same"), (SCRIPT, "by-script")):
        tried = http.post(f"{path}/try", json={"example": "first", "yaml": yaml}).json()
        assert "results" in tried, tried
        (result,) = tried["results"]
        assert (tried["example"], result["evaluatorName"], result["error"]) == ("first", name, None), tried
    assert http.get(path).json()["config"]["evaluators"][0]["name"] == "same"
    http.post(f"/automations/{world['automation_id']}/examples", json={"name": "idle"}).raise_for_status()
    envelope(http.post(f"{path}/try", json={"example": "idle"}), 409, "example_never_ran")
    envelope(http.post(f"{path}/try", json={"example": "no-such"}), 404)
    envelope(http.post(f"{path}/try", json={"example": "first", "yaml": "evaluators: 1"}), 400)


def test_evaluators_do_not_replace_those_that_nobody_saw(http: httpx.Client, world: Mapping[str, Any]):
    path = f"/automations/{world['automation_id']}/evaluators"
    before = http.get(path).json()
    after = http.put(path, json={"yaml": SAME, "replacing": before["number"]}).json()
    assert after["number"] == before["number"] + 1
    envelope(http.put(path, json={"yaml": SCRIPT, "replacing": before["number"]}), 409, "evaluators_replaced")
    page = http.get(f"{path}/history", params={"limit": 1, "offset": 1}).json()
    assert (page["total"], page["data"][0]["number"]) == (after["number"], before["number"])
    assert http.get(f"{path}/history/{page['data'][0]['id']}").json()["yaml"] == before["yaml"]
    assert http.put(path, json={"yaml": before["yaml"]}).status_code == 200


def test_all_runs_of_a_filter_are_counted_then_deleted_and_those_under_review_kept(http: httpx.Client):
    push(http, "many", [set_step(given="{{ input }}")])
    http.put("/automations/workflows.many/sampling", json={"rate": 0}).raise_for_status()
    start = {"target": "workflows.many"}
    ids = [http.post("/runs", json=start, params={"wait_for_completion": 20}).json()["id"] for _ in range(3)]
    http.put(f"/runs/{ids[0]}/feedback", json={"rating": "fail", "status": "open"}).raise_for_status()
    of_many = {"source": "workflows.many", "status": "completed"}
    counted = http.post("/runs/bulk", params=of_many, json={"action": "delete", "dryRun": True}).json()
    assert counted == {"action": "delete", "dryRun": True, "count": 3, "kept": 0, "more": False}
    assert http.post("/runs/bulk", params=of_many, json={"action": "cancel", "dryRun": True}).json()["count"] == 0
    done = http.post("/runs/bulk", params=of_many, json={"action": "delete"}).json()
    assert (done["count"], done["kept"]) == (2, 1)
    assert [run["id"] for run in http.get("/runs", params=of_many).json()["runs"]] == ids[:1]
    envelope(http.post("/runs/bulk", json={"action": "delete"}), 400)
    envelope(http.post("/runs/bulk", params=of_many, json={"action": "forget"}), 400)
    envelope(http.post("/runs/bulk", params={"nonsense": "1"}, json={"action": "delete"}), 400, "unknown_parameter")


def test_whoever_cancels_runs_is_written_down(http: httpx.Client):
    push(http, "slow", [gate_step("closed")])
    with gate("closed"):
        ids = {http.post("/runs", json={"target": "workflows.slow"}).json()["id"] for _ in range(2)}
        done = http.post("/runs/bulk", params={"source": "workflows.slow"}, json={"action": "cancel"}).json()
    assert (done["count"], done["kept"]) == (2, 0)
    assert ids <= {entry["target"] for entry in http.get("/audit", params={"action": "run.cancelled"}).json()["data"]}


def test_whoever_has_full_access_sees_and_ends_their_sessions_and_changes_their_password(
    served: Served, http: httpx.Client
):
    password = "correct horse battery"
    before = http.get("/account/sessions").json()["total"]
    assert http.put("/account/password", json={"password": password}).json()["email"] == "owner@localhost"
    envelope(http.put("/account/password", json={"password": "short"}), 400)
    with httpx.Client(base_url=served.base_url, headers={"Origin": served.base_url}, timeout=60) as browser:
        form = {"email": "owner@localhost", "password": password}
        assert browser.post("/sign-in", data=form).status_code == 303
        found = http.get("/account/sessions").json()
        assert (found["total"], browser.get("/account").status_code) == (before + 1, 200)
        session = found["data"][0]["id"]
        assert http.delete(f"/account/sessions/{session}").json() == {"id": session, "ended": True}
        envelope(http.delete(f"/account/sessions/{session}"), 404)
        assert browser.get("/account").status_code == 303


def test_the_audit_log_is_asked_by_address(http: httpx.Client, world: Mapping[str, Any]):
    assert world
    mine = http.get("/audit", params={"email": "OWNER@localhost", "action": "evaluators"}).json()["data"]
    assert {(one["email"], one["action"]) for one in mine} == {("owner@localhost", "evaluators.replaced")}
    assert http.get("/audit", params={"email": "nobody@example.org"}).json()["data"] == []
