"""Health and alerts as a team meets them: over HTTP and on the command line."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.acceptance import serving

from assay.cli.commands import run as run_command
from assay.cli.preferences import preferences

Command = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def command(served: serving.Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command as a shell would; returns exit code, stdout, stderr."""
    monkeypatch.setenv("ASSAY_BASE_URL", served.base_url)
    monkeypatch.setenv("ASSAY_API_KEY", served.key())

    def call(*arguments: str) -> tuple[int, str, str]:
        preferences.quiet = preferences.no_color = False
        code = run_command(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def name(http: httpx.Client, request: pytest.FixtureRequest) -> str:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60].strip("-")
    serving.push(http, name, [serving.set_step(n=1)])
    return name


def reviewed(http: httpx.Client, name: str, rating: str) -> str:
    body = {"target": f"workflows.{name}"}
    run = http.post("/runs", json=body, params={"wait_for_completion": 20}).json()
    said = {"rating": rating} if rating == "pass" else {"rating": rating, "status": "open"}
    answer = http.put(f"/runs/{run['id']}/feedback", json=said)
    assert answer.status_code == 200, answer.text
    return run["id"]


def health(http: httpx.Client, name: str, **query: Any) -> dict[str, Any]:
    answer = http.get(f"/automations/{name}/reviews/health", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_health_tells_reviews_quality_and_what_waits(http: httpx.Client, name: str) -> None:
    assert http.put(f"/automations/{name}/sampling", json={"rate": 1}).status_code == 200
    for rating in ("pass", "pass", "fail"):
        reviewed(http, name, rating)
    found = health(http, name, bucket="week", rollingWindow=2)
    assert found["granularity"] == {"bucket": "week", "rollingWindow": 2, "minRollingReviews": 1}
    summary = found["summary"]
    assert (summary["totalRuns"], summary["reviewedRuns"], summary["correctReviews"]) == (3, 3, 2)
    assert (summary["confidence"]["method"], summary["reviewCoverage"]) == ("wilson", 1.0)
    assert [point["correctReviews"] for point in found["rolling"]] == [1, 2, 1]
    live = found["quality"]["live"]
    assert (live["state"], live["method"], live["reviewedRuns"]) == ("measured", "hajek_wilson", 3)
    assert live["estimate"] == pytest.approx(2 / 3)
    assert live["interval"]["lower"] < 2 / 3 < live["interval"]["upper"]
    assert live["naive"]["share"] == pytest.approx(2 / 3)
    assert (found["debt"]["count"], found["drift"]["state"]) == (1, "no_data")
    assert found["debt"]["oldestAgeSeconds"] < 60


def test_without_reviews_figures_are_null_and_the_shape_is_the_same(http: httpx.Client, name: str) -> None:
    found = health(http, name)
    assert found["summary"] == {
        "totalRuns": 0,
        "reviewedRuns": 0,
        "reviewCoverage": None,
        "correctReviews": 0,
        "incorrectReviews": 0,
        "nitReviews": 0,
        "reviewedCorrectness": None,
        "confidence": {"lower": None, "upper": None, "method": "wilson"},
    }
    assert found["rolling"] == []
    assert len(found["buckets"]) in {31, 32}


def test_what_cannot_be_asked_is_named(http: httpx.Client, name: str) -> None:
    for query in (
        {"bucket": "year"},
        {"rollingWindow": "0"},
        {"from": "2d", "to": "9d"},
        {"from": "999d"},
        {"colour": "red"},
    ):
        answer = http.get(f"/automations/{name}/reviews/health", params=query)
        assert answer.status_code == 400
        assert next(iter(query)) in answer.text


def test_the_command_fits_one_screen_and_says_what_is_no_estimate(
    http: httpx.Client, name: str, command: Command
) -> None:
    assert http.put(f"/automations/{name}/sampling", json={"rate": 1}).status_code == 200
    reviewed(http, name, "pass")
    reviewed(http, name, "fail")
    code, out, err = command("automations", "health", name)
    assert (code, err) == (0, "")
    assert "live\t50.0 % (9.5 % to 90.5 %)" in out
    assert "however picked: no estimate" in out
    assert "open reviews\t1, the oldest for" in out
    assert len(out.splitlines()) < 24
    code, out, _ = command("automations", "health", name, "--json")
    assert (code, json.loads(out)["summary"]["totalRuns"]) == (0, 2)


def test_unmeasured_is_said_in_words(http: httpx.Client, name: str, command: Command) -> None:
    assert http.put(f"/automations/{name}/sampling", json={"rate": 0}).status_code == 200
    reviewed(http, name, "pass")
    assert health(http, name)["quality"]["live"]["state"] == "unmeasured"
    assert "live\tunmeasured: runs complete, and none is drawn for review" in command("automations", "health", name)[1]


def test_alerts_are_added_tried_out_listed_and_removed(http: httpx.Client, name: str, command: Command) -> None:
    path = f"/automations/{name}/alerts"
    wrong = http.post(path, json={"metric": "mood", "threshold": -1})
    assert wrong.status_code == 400
    assert {issue["field"] for issue in wrong.json()["issues"]} >= {"metric", "threshold"}
    reviewed(http, name, "fail")
    rule = {"metric": "open_debt_age", "threshold": 0}
    tried = http.post(f"{path}/preview", json={**rule, "days": 1}).json()
    assert (tried["fired"], tried["firingNow"], len(tried["points"])) == (1, True, 200)
    assert http.get(path).json() == {"data": [], "total": 0}
    code, out, _ = command("automations", "alerts", "add", name, "--metric", "open_debt_age", "--above", "48", "--json")
    added = json.loads(out)
    assert (code, added["state"], added["threshold"]) == (0, "ok", 48.0)
    assert added["id"] in command("automations", "alerts", "list", name)[1]
    assert http.delete(f"{path}/{added['id']}").json()["deleted"] is True
    again = http.delete(f"{path}/{added['id']}")
    assert (again.status_code, again.json()["issues"][0]["code"]) == (404, "alert_not_found")


def test_operators_see_debt_and_queue(http: httpx.Client, name: str, served: serving.Served) -> None:
    reviewed(http, name, "fail")
    text = http.get(f"{served.base_url}/metrics").text
    assert "assay_review_debt 0.0" not in text
    assert "assay_review_queue_depth" in text
