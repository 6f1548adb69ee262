"""Gates and comparisons as a team meets them: over HTTP and on the command line, with real experiments."""

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance import serving
from tests.acceptance.envelopes import envelope

from assay.cli.commands import run as run_command
from assay.cli.preferences import preferences

EVALUATORS = "evaluators:\n  - {name: same, type: exact-diff}\n"
BROKEN_EVALUATORS = "evaluators:\n  - {name: judge, type: llm-judge, config: {promptExtension: Is it really right?}}\n"
DOUBLED = "{{ input.n | times: 2 }}"
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
    """A workflow that doubles a number, 1.0.0 current, with evaluators and the examples one, two and three."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60]
    push(http, name, None)
    put_evaluators(http, name)
    for word, number in {"one": 1, "two": 2, "three": 3}.items():
        example = {"name": word, "input": {"n": number}, "expected": {"answer": number * 2}}
        assert http.post(f"/automations/{name}/examples", json=example).status_code == 201
    return name


def push(http: httpx.Client, name: str, version: str | None, answer: str = DOUBLED, **more: Any) -> httpx.Response:
    document = {
        "name": name,
        "version": version or "1.0.0",
        "triggerMethods": [{"type": "api"}],
        "inputs": [{"name": "n", "type": "number"}],
        "steps": [serving.set_step(answer=answer)],
        "output": {"answer": "{{ steps.set.output.answer }}"},
    }
    path = "/automations" if version is None else f"/automations/{name}/versions"
    return http.post(path, json={"yaml": json.dumps(document), **more})


def put_evaluators(http: httpx.Client, name: str, text: str = EVALUATORS) -> None:
    answer = http.put(f"/automations/{name}/evaluators", json={"yaml": text})
    assert answer.status_code == 200, answer.text


def set_gate(http: httpx.Client, name: str, **policy: Any) -> None:
    answer = http.put(f"/automations/{name}/gate", json=policy)
    assert answer.status_code == 200, answer.text


def experiment(http: httpx.Client, name: str, version: str, *examples: str) -> Mapping[str, Any]:
    """Run an experiment to its end."""
    body = {"sourceRef": version, **({"examples": examples} if examples else {})}
    with http.stream("POST", f"/automations/workflows.{name}/experiments/stream", json=body) as events:
        lines = [json.loads(line) for line in events.iter_lines() if line.strip()]
    assert events.status_code == 200, lines
    assert lines[-1]["type"] == "experiment_completed"
    return lines[-1]["experiment"]


def promote(http: httpx.Client, name: str, version: str, **body: Any) -> httpx.Response:
    path = f"/automations/{name}/versions/{version}/promote"
    return http.post(path, json=body) if body else http.post(path)


def decision(http: httpx.Client, name: str, version: str) -> Mapping[str, Any]:
    answer = http.get(f"/automations/{name}/gate/{version}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(examples: Any) -> list[str]:
    return [example["name"] for example in examples]


def test_a_policy_stages_what_is_pushed_until_an_experiment_has_passed(http: httpx.Client, name: str) -> None:
    set_gate(http, name, mustPass="all", minExamples=3)
    pushed = push(http, name, "1.1.0").json()
    assert (pushed["staged"], pushed["stagedBecause"]) == (True, "gate_policy")
    assert not pushed["version"]["isCurrent"]
    refused = envelope(promote(http, name, "1.1.0"), 409, "gate_not_passed")
    assert {issue["code"] for issue in refused["issues"]} >= {"gate_not_passed", "examples_not_run"}
    assert "one, three, two" in refused["issues"][0]["message"]
    assert names(refused["gate"]["examplesToRun"]) == ["one", "three", "two"]
    experiment(http, name, "1.1.0")
    promoted = promote(http, name, "1.1.0")
    assert promoted.status_code == 200, promoted.text
    assert (promoted.json()["reason"], promoted.json()["overridden"]) == ("promote", False)
    assert promoted.json()["gate"]["status"] == "passed"
    assert http.get(f"/automations/{name}").json()["version"] == "1.1.0"


def test_an_explicit_activation_is_refused_and_stores_nothing(http: httpx.Client, name: str) -> None:
    set_gate(http, name)
    envelope(push(http, name, "1.1.0", activate=True), 409, "gate_not_passed")
    envelope(http.get(f"/automations/{name}/versions/1.1.0"), 404)
    staged = push(http, name, "1.1.0", activate=False).json()
    assert (staged["staged"], staged["stagedBecause"]) == (True, "requested")


def test_without_a_policy_a_push_is_current_at_once(http: httpx.Client, name: str) -> None:
    pushed = push(http, name, "1.1.0", activate=True).json()
    assert (pushed["staged"], pushed["stagedBecause"], pushed["version"]["isCurrent"]) == (False, None, True)
    assert http.get(f"/automations/{name}/gate").json()["policy"] is None
    assert (decision(http, name, "1.1.0")["status"], decision(http, name, "1.1.0")["noPolicy"]) == ("passed", True)
    set_gate(http, name)
    assert http.delete(f"/automations/{name}/gate").json()["policy"] is None
    assert push(http, name, "1.2.0").json()["version"]["isCurrent"]


def test_an_example_that_must_pass_and_does_not_stops_a_version(http: httpx.Client, name: str) -> None:
    set_gate(http, name, mustPass=["two"])
    push(http, name, "1.1.0", answer="{{ input.n | times: input.n }}")
    experiment(http, name, "1.1.0")
    assert promote(http, name, "1.1.0").status_code == 200, "two times two is two squared"
    set_gate(http, name, mustPass=["three"])
    push(http, name, "1.2.0", answer="{{ input.n | times: input.n }}")
    experiment(http, name, "1.2.0")
    refused = envelope(promote(http, name, "1.2.0"), 409, "gate_not_passed")
    assert refused["gate"]["status"] == "failed"
    assert "three" in refused["issues"][0]["message"]


def test_a_changed_expectation_asks_for_that_example_again_and_a_new_annotation_does_not(
    http: httpx.Client, name: str
) -> None:
    set_gate(http, name, mustPass="all")
    push(http, name, "1.1.0")
    experiment(http, name, "1.1.0")
    assert decision(http, name, "1.1.0")["status"] == "passed"
    assert http.patch(f"/automations/{name}/examples/one", json={"annotation": "the smallest"}).status_code == 200
    assert decision(http, name, "1.1.0")["status"] == "passed"
    changed = {"input": {"n": 4}, "expected": {"answer": 8}}
    assert http.patch(f"/automations/{name}/examples/two", json=changed).status_code == 200
    refused = envelope(promote(http, name, "1.1.0"), 409, "gate_not_passed")
    assert names(refused["gate"]["examplesToRun"]) == ["two"]
    assert "two" in refused["issues"][0]["message"]
    experiment(http, name, "1.1.0", "two")
    assert promote(http, name, "1.1.0").status_code == 200


def test_results_of_other_evaluators_do_not_count(http: httpx.Client, name: str) -> None:
    set_gate(http, name, mustPass="all")
    push(http, name, "1.1.0")
    experiment(http, name, "1.1.0")
    put_evaluators(http, name, "evaluators:\n  - {name: same, type: exact-diff, config: {numericTolerance: 0.5}}\n")
    assert len(decision(http, name, "1.1.0")["examplesToRun"]) == 3


def test_an_override_is_kept_with_its_reason(http: httpx.Client, name: str) -> None:
    set_gate(http, name, mustPass="all")
    push(http, name, "1.1.0")
    envelope(promote(http, name, "1.1.0", override={"reason": "  "}), 400, "override_reason_missing")
    promoted = promote(http, name, "1.1.0", override={"reason": "the old one loses money"}).json()
    assert (promoted["overridden"], promoted["gate"]["status"], promoted["isCurrent"]) == (True, "cannot_tell", True)
    listed = http.get(f"/automations/{name}/versions").json()["data"]
    assert [(one["version"], one["overrideReason"]) for one in listed] == [
        ("1.1.0", "the old one loses money"),
        ("1.0.0", None),
    ]
    audit = http.get("/audit").json()
    entries = [entry for entry in audit["data"] if entry["target"] == promoted["id"]]
    assert [entry["detail"]["overrideReason"] for entry in entries if entry["action"] == "version.promoted"] == [
        "the old one loses money"
    ]
    pushed = push(http, name, "1.2.0", activate=True, override={"reason": "again"}).json()
    assert (pushed["staged"], pushed["version"]["isCurrent"]) == (False, True)
    assert pushed["version"]["overrideReason"] == "again"


def test_going_back_to_what_was_current_is_never_gated(http: httpx.Client, name: str) -> None:
    push(http, name, "1.1.0")
    set_gate(http, name, mustPass="all", minExamples=50)
    back = promote(http, name, "1.0.0").json()
    assert (back["reason"], back["gate"], back["overridden"]) == ("rollback", None, False)
    assert promote(http, name, "1.1.0").json()["reason"] == "rollback"
    assert promote(http, name, "1.1.0").json()["reason"] is None


def test_a_margin_asks_for_results_of_the_current_version_too(http: httpx.Client, name: str) -> None:
    set_gate(http, name, nonInferiorityMargin=0.5)
    push(http, name, "1.1.0")
    experiment(http, name, "1.1.0")
    found = decision(http, name, "1.1.0")
    assert (found["status"], names(found["currentVersionToRun"])) == ("cannot_tell", ["one", "three", "two"])
    experiment(http, name, "1.0.0")
    assert decision(http, name, "1.1.0")["currentVersionToRun"] == []


def test_a_policy_that_is_wrong_is_refused_with_everything_that_is_wrong(http: httpx.Client, name: str) -> None:
    wrong = {"minPassRate": 1, "mustPas": "all", "minExamples": 0}
    refused = envelope(http.put(f"/automations/{name}/gate", json=wrong), 400)
    assert {issue["field"] for issue in refused["issues"]} == {"minPassRate", "mustPas", "minExamples"}


def test_the_command_runs_what_is_missing_and_writes_reports(
    http: httpx.Client, name: str, command: Command, tmp_path: Path
) -> None:
    policy = tmp_path / "gate.yaml"
    policy.write_text("mustPass: all\nminExamples: 2\n")
    code, out, _ = command("gate", "policy", "set", name, "--file", str(policy), "--min-examples", "3")
    assert (code, out.splitlines()[0]) == (0, "mustPass\tall")
    assert json.loads(command("gate", "policy", "get", name, "--json")[1])["policy"]["minExamples"] == 3
    push(http, name, "1.1.0", answer="{{ input.n | plus: 2 }}")
    experiment(http, name, "1.1.0", "one")
    code, out, err = command("gate", name, "--version", "1.1.0")
    assert (code, "must_pass_failed" in out, "--run runs the 2 examples" in err) == (1, True, True)
    push(http, name, "1.2.0")
    experiment(http, name, "1.2.0", "one")
    code, out, err = command("gate", name, "--version", "1.2.0")
    assert (code, "examples_not_run" in out) == (3, True)
    junit, markdown = tmp_path / "gate.xml", tmp_path / "gate.md"
    reports = ("--junit", str(junit), "--markdown", str(markdown))
    code, out, err = command("gate", name, "--version", "1.2.0", "--run", *reports)
    assert (code, out) == (0, "passed\n"), err
    assert "2 examples with this version" in err
    cases = ET.parse(junit).iter("testcase")
    assert {case.get("name") for case in cases} == {"one", "two", "three", "gate"}
    assert ": passed" in markdown.read_text()
    runs = http.get(f"/automations/{name}/experiments").json()["data"]
    assert [one["runCount"] for one in runs] == [2, 1, 1]
    code, _, err = command("workflow", "promote", name, "1.2.0")
    assert code == 0, err


def test_a_failed_example_says_why_in_the_reports(
    http: httpx.Client, name: str, command: Command, tmp_path: Path
) -> None:
    set_gate(http, name, mustPass="all")
    push(http, name, "1.1.0", answer="{{ input.n | plus: 2 }}")
    junit = tmp_path / "gate.xml"
    code, _, _ = command("gate", name, "--version", "1.1.0", "--run", "--junit", str(junit))
    assert code == 1
    failures = {case.get("name"): case.find("failure") for case in ET.parse(junit).iter("testcase")}
    assert failures["two"] is None
    assert failures["three"] is not None
    assert "expected 6, got 5" in (failures["three"].text or "")


def test_errors_are_no_failure_and_the_command_cannot_tell(http: httpx.Client, name: str, command: Command) -> None:
    put_evaluators(http, name, BROKEN_EVALUATORS)
    set_gate(http, name, mustPass="all")
    push(http, name, "1.1.0")
    code, out, _ = command("gate", name, "--version", "1.1.0", "--run")
    assert (code, "examples_with_errors" in out) == (3, True)


def test_the_command_says_when_there_is_no_gate_and_misuse_is_told_apart(name: str, command: Command) -> None:
    code, out, err = command("gate", name)
    assert (code, out) == (0, "passed\n")
    assert "no gate policy" in err
    assert command("gate", name, "--nothing")[0] == 2
    assert command("gate", "policy", "remove", name)[0] == 0


def test_a_push_on_the_command_line_says_that_a_gate_staged_it(
    http: httpx.Client, name: str, command: Command, tmp_path: Path
) -> None:
    set_gate(http, name)
    file = tmp_path / "workflow.yaml"
    file.write_text(
        f"name: {name}\nversion: 1.1.0\nsteps: [{{name: a, type: transform.set, with: {{fields: {{x: 1}}}}}}]\n"
    )
    code, _, err = command("workflow", "push", "--file", str(file))
    assert (code, f"assay gate {name} --version 1.1.0 --run" in err) == (0, True)
    code, _, err = command("workflow", "promote", name, "1.1.0")
    assert (code, "has not passed the gate yet" in err) == (1, True)
    code, _, err = command("workflow", "promote", name, "1.1.0", "--override", "it is an emergency")
    assert (code, "are kept" in err) == (0, True)


def test_the_policy_and_its_changes_are_audited(http: httpx.Client, name: str) -> None:
    automation = http.get(f"/automations/{name}").json()["id"]
    set_gate(http, name, minExamples=2)
    set_gate(http, name, minExamples=2)
    http.delete(f"/automations/{name}/gate")
    audit = http.get("/audit").json()["data"]
    actions = [entry["action"] for entry in audit if entry["target"] == automation]
    assert [action for action in actions if action.startswith("gate.")] == ["gate.removed", "gate.set"]


def test_an_experiment_is_compared_with_its_baseline_on_the_command_line(
    http: httpx.Client, name: str, command: Command
) -> None:
    a = experiment(http, name, "1.0.0")["id"]
    push(http, name, "1.1.0", answer="{{ input.n | plus: 2 }}")
    b = experiment(http, name, "1.1.0")["id"]
    assert http.get(f"/experiments/{a}/compare/{b}").json()["conclusion"] == "too_few_to_tell"
    code, out, err = command("workflow", "experiment", "compare", a, b)
    assert (code, [line.split("\t")[0] for line in out.splitlines()]) == (0, ["one", "three"])
    assert f"A, the baseline: {a}, version 1.0.0." in err
    assert "Too few to tell" in err
    assert command("workflow", "experiment", "compare", a, b, "--fail-on-regression")[0] == 1
    assert command("workflow", "experiment", "compare", b, a, "--fail-on-regression")[0] == 0
    code, out, _ = command("workflow", "experiment", "compare", a, b, "--threshold", "1", "--sort", "name", "--json")
    found = json.loads(out)
    assert (code, found["summary"]["regressions"]) == (0, 0)
    assert [row["example"] for row in found["rows"]] == ["one", "three", "two"]
    assert command("workflow", "experiment", "compare", a, b, "--sort", "luck")[0] == 2


def test_one_experiment_alone_is_compared_with_what_it_was_held_against(
    http: httpx.Client, name: str, command: Command
) -> None:
    a, b = experiment(http, name, "1.0.0")["id"], experiment(http, name, "1.0.0")["id"]
    code, _, err = command("workflow", "experiment", "compare", a)
    assert (code, "has no baseline" in err) == (1, True)
    deadline = time.monotonic() + 30
    while "baseline" not in http.get(f"/automations/{name}/experiments/{b}").json()["summary"]:
        assert time.monotonic() < deadline, "it was held against nothing"
    code, out, _ = command("workflow", "experiment", "compare", b, "--json")
    assert (code, json.loads(out)["batchA"], json.loads(out)["batchB"]) == (0, a, b)


def test_what_cannot_be_compared_is_refused(served: serving.Served, http: httpx.Client, name: str) -> None:
    a = experiment(http, name, "1.0.0")["id"]
    envelope(http.get(f"/experiments/{a}/compare/evb_nothing"), 404)
    for wrong in ({"threshold": "2"}, {"threshold": "nan"}, {"sort": "luck"}, {"order": "name"}):
        envelope(http.get(f"/experiments/{a}/compare/{a}", params=wrong), 400)
    with serving.gate(name) as gate:
        push(http, f"{name}-2"[-60:], None)
        other = f"{name}-2"[-60:]
        example = {"name": "one", "input": {"n": 1}, "expected": {"answer": 2}}
        http.post(f"/automations/{other}/examples", json=example)
        b = experiment(http, other, "1.0.0")["id"]
        envelope(http.get(f"/experiments/{a}/compare/{b}"), 400, "different_automations")
        document = {"name": name, "version": "1.1.0", "steps": [serving.gate_step(name)]}
        waiting = http.post(f"/automations/{name}/versions", json={"yaml": json.dumps(document)})
        assert waiting.status_code == 201, waiting.text
        started = http.post(f"/automations/workflows.{name}/experiments", json={"examples": ["one"]}).json()["id"]
        envelope(http.get(f"/experiments/{a}/compare/{started}"), 409, "experiment_not_finished")
        served.open_gate(gate)
