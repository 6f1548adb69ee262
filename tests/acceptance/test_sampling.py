"""Sampling as a team meets it: over HTTP and on the command line, on runs that a worker really draws."""

import json
from collections.abc import Callable
from pathlib import Path
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
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60]
    number = {"name": "n", "type": "number", "required": False}
    serving.push(
        http,
        name,
        [serving.set_step(n="{{ input.n | default: 0 }}")],
        inputs=[number],
        output={"n": "{{ steps.set.output.n }}"},
    )
    return name


def put(http: httpx.Client, name: str, **policy: Any) -> dict[str, Any]:
    answer = http.put(f"/automations/{name}/sampling", json=policy)
    assert answer.status_code == 200, answer.text
    return answer.json()


def run(http: httpx.Client, name: str, **body: Any) -> dict[str, Any]:
    answer = http.post("/runs", json={"target": f"workflows.{name}", **body}, params={"wait_for_completion": 20})
    assert answer.status_code in {200, 201}, answer.text
    return http.get(f"/runs/{answer.json()['id']}").json()


def queued(http: httpx.Client, name: str) -> list[dict[str, Any]]:
    answer = http.get("/review-queue", params={"automation": name})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_a_run_is_drawn_when_it_completes_by_the_rate_of_its_stratum(http: httpx.Client, name: str) -> None:
    put(http, name, rate=0, strata=[{"name": "large", "when": "{{ output.n > 10 }}", "rate": 1}])
    _, large = run(http, name, input={"n": 1}), run(http, name, input={"n": 11})
    assert [(item["runId"], item["reason"]) for item in queued(http, name)] == [(large["id"], "stratum")]


def test_a_value_that_no_step_is_sure_of_is_seen_though_the_output_does_not_say_it(
    http: httpx.Client, name: str
) -> None:
    grounding = {"total": {"confidence": "high"}, "date": {"confidence": "{{ input.sure }}"}}
    sure = {"name": "sure", "type": "string"}
    steps = [serving.set_step(_grounding=grounding), {**serving.set_step(n=1), "name": "last"}]
    serving.push(http, f"{name[:50]}-b", steps, inputs=[sure], output={"n": "{{ steps.last.output.n }}"})
    put(http, f"{name[:50]}-b", rate=0, strata=[{"name": "unsure", "when": "{{ confidence == 'low' }}", "rate": 1}])
    low = [run(http, f"{name[:50]}-b", input={"sure": sure})["id"] for sure in ("medium", "low")][1]
    assert [item["runId"] for item in queued(http, f"{name[:50]}-b")] == [low]


def test_a_lower_rate_does_not_take_back_what_was_drawn(http: httpx.Client, name: str) -> None:
    put(http, name, rate=1)
    drawn = [run(http, name, mode=mode)["id"] for mode in ("live", "shadow")]
    put(http, name, rate=0)
    run(http, name)
    assert {item["runId"] for item in queued(http, name)} == set(drawn)


def test_a_run_that_another_run_started_is_not_drawn(http: httpx.Client, name: str) -> None:
    put(http, name, rate=1)
    called = {"workflow": name, "input": {"n": 1}, "execution": "child"}
    serving.push(http, f"{name}-outer", [{"name": "call", "type": "action.invoke-workflow", "with": called}])
    put(http, f"{name}-outer", rate=1)
    outer = run(http, f"{name}-outer")
    assert [item["runId"] for item in queued(http, f"{name}-outer")] == [outer["id"]]
    assert len(http.get("/runs", params={"source": name}).json()["runs"]) == 1
    assert queued(http, name) == []


def test_reviews_of_the_sample_become_advice(http: httpx.Client, name: str) -> None:
    put(http, name, rate=1, toleratedMissRate=0.5)
    ids = [run(http, name)["id"] for _ in range(6)]
    for run_id in ids:
        rating = "fail" if run_id == ids[-1] else "pass"
        answer = http.put(f"/runs/{run_id}/feedback", json={"rating": rating})
        assert answer.status_code == 200, answer.text
    advice = http.get(f"/automations/{name}/sampling/advice").json()
    assert 0 < advice["reviewed"] <= 6  # those that two people review wait for the other
    assert advice["missRate"]["upperAlways"] > advice["missRate"]["upperOnce"] > advice["missRate"]["estimate"]
    assert advice["strata"][0]["drawn"] == 6


def test_what_was_never_set_is_the_default(http: httpx.Client, name: str) -> None:
    found = http.get(f"/automations/{name}/sampling").json()
    assert found["isDefault"]
    assert (found["policy"]["rate"], found["policy"]["doubleReviewShare"], found["updatedAt"]) == (0.15, 0.1, None)
    advice = http.get(f"/automations/{name}/sampling/advice", params={"mode": "shadow"}).json()
    assert (advice["action"], advice["reviewed"], advice["measured"]) == ("keep", 0, True)


def test_a_bad_policy_is_refused_with_every_place(http: httpx.Client, name: str) -> None:
    body = {"rate": 2, "strata": [{"name": "a", "when": "{{ nobody.knows }}", "rate": 1}], "reason": "why not"}
    answer = http.put(f"/automations/{name}/sampling", json=body)
    assert answer.status_code == 400
    assert [issue["field"] for issue in answer.json()["issues"]] == ["rate"]
    answer = http.put(f"/automations/{name}/sampling", json={**body, "rate": 1})
    assert [issue["field"] for issue in answer.json()["issues"]] == ["strata.0.when"]
    assert http.get(f"/automations/{name}/sampling").json()["isDefault"]
    assert http.put(f"/automations/{name}/sampling", json={"reason": 1}).status_code == 400
    assert http.get(f"/automations/{name}/sampling/advice", params={"mode": "eval"}).status_code == 400


def test_the_command_line_changes_one_thing_and_leaves_the_rest(
    http: httpx.Client, name: str, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "sampling.yaml"
    file.write_text("rate: 0.5\nstrata:\n  - {name: unsure, when: \"{{ confidence == 'low' }}\", rate: 1.0}\n")
    assert command("sampling", "set", name, "--file", str(file))[0] == 0
    assert command("sampling", "set", name, "--rate", "0.25", "--auto", "--reason", "It went well.")[0] == 0
    code, out, _ = command("sampling", "get", name, "--json")
    policy = json.loads(out)["policy"]
    assert (code, policy["rate"], policy["auto"], policy["strata"][0]["name"]) == (0, 0.25, True, "unsure")
    code, out, _ = command("sampling", "history", name)
    assert code == 0
    assert [line.split("\t")[1:3] for line in out.splitlines()] == [["50 %", "25 %"], ["15 %", "50 %"]]
    assert "It went well." in out
    code, out, err = command("sampling", "advice", name)
    assert (code, dict(line.split("\t") for line in out.splitlines())["rate"]) == (0, "25 %")
    assert "No run of the random sample has been reviewed" in err
    code, out, _ = command("sampling", "get", name)
    assert "stratum unsure\t100 % when {{ confidence == 'low' }}" in out
    assert command("sampling", "set", name)[0] == 2
