"""From a miss to its proof over HTTP, by the published client where it speaks, and on the command line."""

import json
from collections.abc import Callable
from typing import Any

import eigenpal
import httpx
import pytest
from eigenpal import EigenpalClient
from eigenpal._generated.api.runs import runs_promote
from eigenpal._generated.client import AuthenticatedClient
from eigenpal._generated.models import PromoteRunRequest, PromoteRunResponse
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, push, set_step
from tests.datasets.conftest import packed

from assay.cli.commands import run as run_command

EVALUATORS = "evaluators:\n  - {name: same, type: exact-diff}\n"
WRONG, RIGHT = "{{ input.n | plus: 1 }}", "{{ input.n | times: 2 }}"
CORRECTED = {"answer": 10}


class Desk:
    """One workflow whose first version is wrong, and what is done to it."""

    def __init__(self, http: httpx.Client, client: EigenpalClient, name: str) -> None:
        self.http = http
        self.client = client
        self.name = name
        self.id = self.push("1.0.0", WRONG)
        answer = http.put(f"/automations/{self.id}/evaluators", json={"yaml": EVALUATORS})
        assert answer.status_code == 200, answer.text

    def push(self, version: str, formula: str) -> str:
        more: dict[str, Any] = {} if version == "1.0.0" else {"version": version}
        steps = [set_step(answer=formula)]
        output = {"answer": "{{ steps.set.output.answer }}"}
        inputs = [{"name": "n", "type": "number"}]
        return push(self.http, self.name, steps, inputs=inputs, output=output, **more)["automation"]["id"]

    def run(self) -> str:
        body = {"target": self.id, "input": {"n": 5}}
        answer = self.http.post("/runs", json=body, params={"wait_for_completion": 20}).json()
        assert answer["execution"]["status"] == "completed"
        return answer["id"]

    def miss(self, name: str = "five") -> str:
        run = self.run()
        self.client.runs.feedback.update(run, {"rating": "fail", "status": "open", "body": "no", "expected": CORRECTED})
        self.client.runs.promote(run, {"name": name})
        return run

    def experiment(self, version: str) -> str:
        started = self.http.post(f"/automations/{self.id}/experiments", json={"version": version})
        assert started.status_code in {200, 201, 202}, started.text
        experiment = started.json()["id"]
        assert self.http.get(f"/automations/{self.id}/experiments/{experiment}/stream").status_code == 200
        return experiment

    def feedback(self, run: str) -> Any:
        return self.http.get(f"/runs/{run}/feedback").json()["feedback"]

    def state(self, run: str) -> str:
        return self.http.get(f"/runs/{run}").json()["reviewState"]


@pytest.fixture
def desk(http: httpx.Client, client: EigenpalClient, request: pytest.FixtureRequest) -> Desk:
    return Desk(http, client, request.node.name.replace("_", "-")[:60].rstrip("-"))


@pytest.fixture
def command(served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("ASSAY_BASE_URL", served.base_url)
    monkeypatch.setenv("ASSAY_API_KEY", served.key())
    return lambda *arguments: run_command([str(one) for one in arguments])


def test_a_miss_is_promoted_fixed_proven_and_live(desk: Desk):
    run = desk.miss()
    feedback = desk.feedback(run)
    assert (feedback["promotedExampleName"], feedback["status"]) == ("five", "open")
    assert feedback["resolution"] == {
        "proven": False,
        "live": False,
        "evidence": None,
        "override": None,
        "regressed": None,
    }
    missing = envelope(
        desk.http.patch(f"/runs/{run}/feedback", json={"status": "resolved"}), 409, "resolution_unproven"
    )
    assert [issue["code"] for issue in missing["issues"]] == ["resolution_unproven", "no_experiment"]
    assert f"assay runs feedback resolve {run} --override" in missing["hint"]
    desk.experiment("1.0.0")
    missing = envelope(desk.http.patch(f"/runs/{run}/feedback", json={"status": "resolved"}), 409)
    assert {issue["code"] for issue in missing["issues"]} >= {"version_not_later", "example_failed"}
    desk.push("1.1.0", RIGHT)
    experiment = desk.experiment("1.1.0")
    feedback = desk.feedback(run)
    assert (feedback["status"], feedback["resolvedBy"], desk.state(run)) == ("resolved", None, "passed")
    found = feedback["resolution"]
    assert (found["proven"], found["live"], found["evidence"]["experimentId"]) == (True, True, experiment)
    assert (found["evidence"]["version"], found["evidence"]["scores"]) == ("1.1.0", {"same": 1})
    desk.push("1.2.0", WRONG)
    broken = desk.experiment("1.2.0")
    feedback = desk.feedback(run)
    assert (feedback["status"], desk.state(run)) == ("open", "regressed")
    back = feedback["resolution"]["regressed"]
    assert (back["fixedBy"]["version"], back["brokenBy"]["version"], back["experimentId"]) == ("1.1.0", "1.2.0", broken)


def test_the_published_client_parses_what_promoting_answers(desk: Desk, served: Served):
    run = desk.run()
    strict = AuthenticatedClient(base_url=f"{served.base_url}", token=served.key())
    answer = runs_promote.sync_detailed(run, client=strict, body=PromoteRunRequest(name="strict"))
    assert answer.status_code == 200
    assert isinstance(answer.parsed, PromoteRunResponse)
    assert (answer.parsed.name, answer.parsed.automation_id) == ("strict", desk.id)
    body = desk.client.runs.promote(run)
    assert body.name == "strict"


def test_promoting_without_a_correction_warns_or_is_refused(desk: Desk):
    run = desk.run()
    envelope(desk.http.post(f"/runs/{run}/promote", json={"requireExpected": True}), 409, "expected_required")
    body = desk.http.post(f"/runs/{run}/promote").json()
    assert [issue["code"] for issue in body["issues"]] == ["no_ground_truth"]
    assert desk.http.get(f"/automations/{desk.id}/examples/{body['name']}").json()["promotedRunId"] == run
    envelope(desk.http.post(f"/runs/{run}/promote", json={"name": "Not a name"}), 400)
    envelope(desk.http.post(f"/runs/{run}/promote", json={"name": "x" * 129}), 400)
    envelope(desk.http.post("/runs/exec_none/promote", json={}), 404)


def test_files_of_the_run_and_of_the_correction_go_along(desk: Desk):
    run = desk.run()
    desk.client.runs.feedback.update(run, {"rating": "fail"})
    document = {"filename": "right.txt", "content": b"as it should be", "mime_type": "text/plain"}
    desk.client.runs.feedback.upload_expected(run, document)
    promoted = desk.http.post(f"/runs/{run}/promote", json={"name": "with-file"}).json()
    assert promoted["issues"] == []
    found = desk.http.get(f"/automations/{desk.id}/examples/with-file/expected/right.txt")
    assert found.content == b"as it should be"


def test_every_door_to_the_example_asks_first(desk: Desk, command: Callable[..., int]):
    run = desk.miss()
    example = f"/automations/{desk.id}/examples/five"
    doors = [
        desk.http.delete(example),
        desk.http.patch(example, json={"expected": {"answer": 6}}),
        desk.http.post(f"{example}/expected", files={"file": ("a.txt", b"x")}),
        desk.http.post(f"{example}/input", files={"file": ("a.txt", b"x")}),
        desk.http.post(
            f"/automations/{desk.id}/dataset/import", data={"mode": "replace"}, files={"file": ("a.zip", _archive({}))}
        ),
        desk.http.post(
            f"/automations/{desk.id}/dataset/import",
            data={"mode": "replace"},
            files={"file": ("a.zip", _archive({"five": {"answer": 6}}))},
        ),
    ]
    for door in doors:
        assert "miss" in envelope(door, 409, "example_unresolved")["issues"][0]["message"]
    assert desk.http.get(example).json()["expected"] == CORRECTED
    reason = {"overrideReason": "the rule changed"}
    assert desk.http.patch(example, json={"expected": {"answer": 6}}, params=reason).status_code == 200
    assert desk.feedback(run)["resolution"]["override"] == "the rule changed"
    envelope(desk.http.delete(example, params=reason), 409, "example_unresolved")
    assert command("runs", "feedback", "ignore", run, "--reason", "not any more") == 0
    assert desk.http.delete(example).status_code == 200


def test_promoting_while_an_experiment_runs_leaves_it_as_it_began(desk: Desk):
    desk.miss("early")
    started = desk.http.post(f"/automations/{desk.id}/experiments", json={"version": "1.0.0"}).json()
    desk.miss("late")
    found = desk.http.get(f"/automations/{desk.id}/experiments/{started['id']}").json()
    assert found["examples"] == 1


def test_the_command_line_promotes_and_says_what_is_missing(
    desk: Desk, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    run = desk.run()
    assert command("runs", "feedback", "update", run, "--rating", "fail") == 0
    assert command("runs", "promote", run) == 1
    assert "--no-require-expected" in capsys.readouterr().err
    assert command("runs", "feedback", "update", run, "--correct", "/answer=10") == 0
    capsys.readouterr()
    assert command("runs", "promote", run, "--name", "from-here", "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "from-here"
    assert command("runs", "feedback", "resolve", run) == 1
    told = capsys.readouterr().err
    assert "Nothing proves" in told
    assert "No experiment with the example 'from-here' has ended" in told
    assert command("runs", "feedback", "resolve", run, "--override", "seen by hand") == 0
    assert desk.feedback(run)["resolution"]["override"] == "seen by hand"
    capsys.readouterr()
    assert command("runs", "feedback", "get", run) == 0
    assert "seen by hand" in capsys.readouterr().out


def test_the_command_line_names_what_fixed_a_miss_and_what_broke_it_again(
    desk: Desk, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    run = desk.miss()
    desk.push("1.1.0", RIGHT)
    desk.experiment("1.1.0")
    capsys.readouterr()
    assert command("runs", "feedback", "get", run) == 0
    assert "fixed by\t1.1.0\nbroken by\t\n" in capsys.readouterr().out
    desk.push("1.2.0", WRONG)
    experiment = desk.experiment("1.2.0")
    assert command("runs", "feedback", "get", run) == 0
    assert f"fixed by\t1.1.0\nbroken by\t1.2.0\nexperiment\t{experiment}\n" in capsys.readouterr().out


def test_a_foreign_run_is_not_promoted(desk: Desk, served: Served):
    run = desk.run()
    with served.http(organization="elsewhere") as foreign:
        envelope(foreign.post(f"/runs/{run}/promote", json={}), 404)
    with served.http("runs:read") as reader:
        envelope(reader.post(f"/runs/{run}/promote", json={}), 403)


def test_the_published_client_is_told_that_a_miss_is_not_proven(desk: Desk):
    run = desk.miss()
    with pytest.raises(eigenpal.EigenpalError, match="409"):
        desk.client.runs.feedback.update(run, {"status": "resolved"})


def _archive(expected: dict[str, Any]) -> bytes:
    fives = {
        f"examples/{name}/{part}.json": content
        for name, value in expected.items()
        for part, content in (("input", {"n": 5}), ("expected", value))
    }
    return packed({"examples/other/input.json": {"n": 1}, **fives})


def test_how_often_an_example_must_pass_is_set_and_noted(
    desk: Desk, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    path = f"/automations/{desk.id}/proof"
    usual = desk.http.get(path).json()
    assert (usual["repeats"], usual["repeatsWithModel"], usual["isDefault"]) == (1, 3, True)
    assert command("automations", "proof", desk.id, "--repeats", 2, "--json") == 0
    changed = json.loads(capsys.readouterr().out)
    assert (changed["repeats"], changed["repeatsWithModel"], changed["isDefault"]) == (2, 3, False)
    assert desk.http.get(path).json() == changed
    assert desk.http.put(path, json={"repeats": 0}).status_code == 400
    noted = [one for one in desk.http.get("/audit").json()["data"] if one["action"] == "resolution.repeats_set"]
    assert noted[0]["detail"]["before"] == {"repeats": 1, "repeatsWithModel": 3}


def test_a_name_that_is_taken_is_said_when_promoting(
    desk: Desk, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    run = desk.run()
    assert command("runs", "feedback", "update", run, "--rating", "pass") == 0
    assert desk.http.post(f"/runs/{run}/promote", json={"name": "five"}).json()["created"]
    other = desk.run()
    assert command("runs", "feedback", "update", other, "--rating", "pass") == 0
    capsys.readouterr()
    assert command("runs", "promote", other, "--name", "five") == 0
    said = capsys.readouterr()
    assert "changed: there was one of this name" in said.out
    assert "There was an example 'five' already" in said.err
