"""`assay workflow experiment` against a served API: what is printed, and which exit code a pipeline gets."""

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.acceptance.serving import Served, gate_step, push, set_step
from tests.runs.step_types import Gate

from assay.cli.commands import run
from assay.cli.preferences import preferences

NUMBER = {"name": "n", "type": "number"}
EVALUATORS = "evaluators:\n  - {name: same, type: exact-diff, config: {}}\n"


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


Assay = Callable[[str], Finished]


@pytest.fixture
def assay(served: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Assay:
    monkeypatch.setenv("ASSAY_BASE_URL", served.base_url)
    monkeypatch.setenv("ASSAY_API_KEY", served.key())

    def call(command: str) -> Finished:
        preferences.quiet = preferences.no_color = False
        code = run(shlex.split(command))
        out, err = capfd.readouterr()
        return Finished(code, out, err)

    return call


@pytest.fixture(scope="module")
def doubles(http: httpx.Client) -> str:
    """A workflow that doubles a number; 13 it refuses."""
    refuse = {"name": "refuse", "type": "control.fail", "condition": "{{ input.n == 13 }}", "message": "Unlucky."}
    double = {
        "name": "double",
        "type": "transform.set",
        "with": {"fields": {"lines": [{"n": "{{ input.n | times: 2 }}"}]}},
    }
    push(http, "doubles", [refuse, double], inputs=[NUMBER], output="{{ steps.double.output }}")
    judge_by(http, "doubles")
    add(http, "doubles", right={"n": 1}, wrong={"n": 2}, wrong_too={"n": 3}, unlucky={"n": 13}, misfit={"n": "much"})
    return "doubles"


def judge_by(http: httpx.Client, name: str) -> None:
    assert http.put(f"/automations/workflows.{name}/evaluators", json={"yaml": EVALUATORS}).status_code == 200


def add(http: httpx.Client, name: str, **inputs: Any) -> None:
    """Add examples; one that is called wrong expects something else than what comes."""
    for example, given in inputs.items():
        double = -1 if example.startswith("wrong") or given["n"] == "much" else 2 * given["n"]
        body = {"name": example, "input": given, "expected": {"lines": [{"n": double}]}}
        assert http.post(f"/automations/workflows.{name}/examples", json=body).status_code == 201


@pytest.mark.parametrize(
    ("examples", "code"), [("right", 0), ("right,wrong", 1), ("right,misfit", 3), ("wrong,misfit", 1), ("misfit", 3)]
)
def test_a_pipeline_learns_whether_all_passed(assay: Assay, doubles: str, examples: str, code: int) -> None:
    done = assay(f"workflow experiment run {doubles} --examples {examples} --wait")
    assert done.code == code
    assert re.fullmatch(r"evb_\w+\n", done.out)
    assert "passed" in done.err or "no pass rate" in done.err


def test_where_nothing_is_graded_nothing_has_failed(assay: Assay, http: httpx.Client) -> None:
    push(http, "ungraded", [set_step(x=1)], inputs=[NUMBER])
    add(http, "ungraded", one={"n": 1})
    done = assay("workflow experiment run ungraded --wait --json")
    assert (done.code, done.json["ungradedCount"], done.json["summary"]["passRate"]) == (0, 1, None)


def test_an_experiment_is_started_watched_and_looked_at(assay: Assay, doubles: str) -> None:
    started = assay(f"workflow exp run {doubles} --example-id right --example-id unlucky --repeats 2 --json")
    assert (started.code, started.json["total"]) == (0, 4)
    experiment = started.json["id"]
    watched = assay(f"workflow experiment watch {experiment} --interval 1")
    assert watched.code == 0  # what was graded and found wrong is no error
    assert ["status", "completed"] in watched.rows
    assert ["ended", "4 of 4 runs"] in watched.rows
    assert ["pass rate", "0.5"] in watched.rows
    assert "1 of 2 graded examples passed: 50.0%; 95% confidence puts it between 9.5% and 90.5%." in watched.err
    shown = assay(f"workflow experiment status {experiment} --json")
    assert (shown.code, shown.json["id"], len(shown.json["runs"])) == (0, experiment, 4)
    assert assay(f"workflow experiment status {experiment} --watch").out == watched.out
    (row, *_) = assay(f"workflow experiment list {doubles} --limit 1").rows
    assert row[:6] == [experiment, "1.0.0", "completed", "4", "4", "0.5"]


def test_errors_of_runs_make_status_fail(assay: Assay, doubles: str) -> None:
    experiment = assay(f"workflow experiment run {doubles} --examples right,misfit --wait").out.strip()
    assert assay(f"workflow experiment status {experiment}").code == 1
    assert assay(f"workflow experiment watch {experiment}").code == 1


def test_results_say_where_outputs_are_wrong(assay: Assay, doubles: str) -> None:
    experiment = assay(f"workflow experiment run {doubles} --wait").out.strip()
    shown = assay(f"workflow experiment results {experiment}")
    assert shown.out.startswith("1 of 4 graded examples passed: 25.0%;")
    assert "Not counted in the rate: 1 with an error." in shown.out
    assert ["same", "exact-diff", "0.3333333333333333", "1", "2", "0"] in shown.rows
    places = [(row[0], *row[2:]) for row in shown.rows if "lines[0].n" in row]
    assert places == [("wrong", "same", "lines[0].n", "-1", "4"), ("wrong_too", "same", "lines[0].n", "-1", "6")]

    failed = assay(f"workflow experiment results {experiment} --failed --json").json
    assert {run["exampleName"]: run["verdict"] for run in failed["runs"]} == {
        "wrong": "fail",
        "wrong_too": "fail",
        "unlucky": "fail",
        "misfit": "error",
    }
    assert [one["path"] for one in failed["mismatches"]] == ["lines[0].n"] * 2
    run_id = failed["mismatches"][0]["run"]
    assert assay(f"runs scores {run_id}").rows == [["same", "exact-diff", "0.0", "false", "", "1.0", ""]]
    assert assay(f"runs scores {run_id} --json").json[0]["details"]["mismatches"][0]["actual"] == 4


def test_scores_are_exported_as_a_table_or_as_json(assay: Assay, doubles: str, tmp_path: Any) -> None:
    experiment = assay(f"workflow experiment run {doubles} --examples right,wrong --wait").out.strip()
    rows = list(csv.DictReader(io.StringIO(assay(f"workflow experiment export {experiment}").out)))
    assert [(row["exampleName"], row["passed"]) for row in rows] == [("right", "true"), ("wrong", "false")]
    saved = tmp_path / "scores.json"
    assert assay(f"workflow experiment results {experiment} --format json --out {saved}").out == ""
    assert len(json.loads(saved.read_text())["results"]) == 2
    assert len(json.loads(assay(f"workflow experiment export {doubles} --format json").out)["results"]) > 2
    assert assay(f"workflow experiment export {experiment} --format xml").code == 2


def test_waiting_ends_in_time_and_the_experiment_goes_on(
    assay: Assay, http: httpx.Client, served: Served, gate: tuple[str, Gate]
) -> None:
    push(http, "slow", [gate_step(gate[0]), set_step(x=1)], inputs=[NUMBER])
    add(http, "slow", one={"n": 1}, two={"n": 2})
    waited = assay("workflow experiment run slow --wait --max-wait 0.2")
    assert waited.code == 2
    (experiment,) = set(re.findall(r"evb_\w+", waited.err))
    assert assay(f"workflow experiment watch {experiment} --max-wait 0").code == 2
    served.wait_until_reached(gate[1])
    assert "The experiment goes on: 0 of 2 runs" in assay(f"workflow experiment results {experiment}").out
    assert assay(f"workflow experiment cancel {experiment}").code == 2  # nobody can be asked
    assert assay(f"workflow experiment cancel {experiment} --yes").code == 0
    watched = assay(f"workflow experiment watch {experiment}")
    assert watched.code == 1
    assert ["status", "cancelled"] in watched.rows
    assert "It was cancelled before its end." in watched.err


def test_what_does_not_exist_is_said(assay: Assay, doubles: str) -> None:
    unknown = assay(f"workflow experiment run {doubles} --examples right,nobody,nothing")
    assert unknown.code == 1
    assert "nobody" in unknown.err
    assert "nothing" in unknown.err
    for command in ("status", "watch", "results", "export", "cancel --yes"):
        assert assay(f"workflow experiment {command} evb_unknown").code == 1
    assert assay("workflow experiment list nowhere").code == 1
    assert assay("runs scores exec_unknown").code == 1


def test_example_names_do_not_begin_a_formula(assay: Assay, http: httpx.Client) -> None:
    """What a workflow writes into a score's error reaches a spreadsheet as text."""
    push(http, "formula", [set_step(x=1)], inputs=[{"name": "=1+1", "type": "number"}])
    body = {"name": "one", "input": {"=1+1": "x"}, "expected": {"x": 1}}
    assert http.post("/automations/workflows.formula/examples", json=body).status_code == 201
    experiment = assay("workflow experiment run formula --wait").out.strip()
    (row,) = csv.DictReader(io.StringIO(assay(f"workflow experiment export {experiment}").out))
    assert row["error"].startswith("'=1+1")
