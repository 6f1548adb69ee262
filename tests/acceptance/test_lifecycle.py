"""How far an automation has come, and archiving it, as a team meets them: over HTTP and on the command line."""

import json

import httpx
import pytest
from tests.acceptance import serving

from assay.cli.commands import run as run_command
from assay.cli.preferences import preferences


@pytest.fixture
def name(http: httpx.Client, request: pytest.FixtureRequest) -> str:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60].strip("-")
    serving.push(http, name, [serving.set_step(n=1)])
    return name


def test_the_lifecycle_follows_what_happens(http: httpx.Client, name: str) -> None:
    found = http.get(f"/automations/{name}/lifecycle").json()
    assert found["nextStage"] == "passing_experiment"
    assert [stage["done"] for stage in found["stages"]] == [False, True, False, False, False]
    http.put(f"/automations/{name}/sampling", json={"rate": 1}).raise_for_status()
    run = http.post("/runs", json={"target": f"workflows.{name}"}, params={"wait_for_completion": 20}).json()
    found = http.get(f"/automations/{name}/lifecycle").json()
    stages = {stage["key"]: stage for stage in found["stages"]}
    assert stages["traffic"]["done"] is True
    assert stages["sample_reviewed"]["action"] == "review"
    said = http.put(f"/runs/{run['id']}/feedback", json={"rating": "fail", "status": "open"})
    assert said.status_code == 200, said.text
    found = http.get(f"/automations/{name}/lifecycle").json()
    stages = {stage["key"]: stage for stage in found["stages"]}
    assert stages["sample_reviewed"]["done"] is True
    assert stages["reviews_closed"]["action"] == "close_reviews"
    assert found["mayShip"] is False


def test_the_command_line_says_what_to_do_next(
    served: serving.Served, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_BASE_URL", served.base_url)
    monkeypatch.setenv("ASSAY_API_KEY", served.key())
    preferences.quiet = preferences.no_color = False
    assert run_command(("automations", "lifecycle", name)) == 0
    out = capfd.readouterr().out
    assert "[ ] Pass the evaluation: The dataset has no examples" in out
    assert f"assay workflow dataset push {name}" in out
    assert run_command(("automations", "archive", name, "--json")) == 0
    assert json.loads(capfd.readouterr().out)["status"] == "archived"
    assert run_command(("automations", "archive", name, "--undo", "--json")) == 0
    assert json.loads(capfd.readouterr().out)["status"] == "active"


def test_an_archived_automation_refuses_runs(http: httpx.Client, name: str) -> None:
    assert http.patch(f"/automations/{name}", json={"archived": True}).json()["status"] == "archived"
    refused = http.post("/runs", json={"target": f"workflows.{name}"})
    assert refused.json()["issues"][0]["code"] == "automation_disabled"
    example = http.post(f"/automations/{name}/examples", json={"name": "one"}).json()["id"]
    for path in ("experiments", f"examples/{example}/run"):
        refused = http.post(f"/automations/{name}/{path}", json={})
        assert refused.json()["issues"][0]["code"] == "automation_disabled", path
    assert http.patch(f"/automations/{name}", json={"archived": False}).json()["status"] == "active"
    assert http.post("/runs", json={"target": f"workflows.{name}"}).status_code < 300
