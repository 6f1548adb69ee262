"""What pages do with datasets and evaluators, the API does too, by the same rules."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from tests.acceptance.envelopes import envelope

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
