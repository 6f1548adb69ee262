"""Experiments from outside: the published client 0.9.1, the API, our client and the command line."""

import csv
import io
import itertools
import json
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import eigenpal
import httpx
import pytest
from eigenpal import EigenpalClient
from eigenpal._generated.api.evaluation import (
    automations_examples_run,
    automations_experiments_cancel,
    automations_experiments_create,
    automations_experiments_create_stream,
    automations_experiments_export,
    automations_experiments_export_all,
    automations_experiments_get,
    automations_experiments_list,
    experiments_resolve,
    runs_scores_list,
)
from eigenpal._generated.client import AuthenticatedClient
from eigenpal._generated.models import (
    AutomationsExperimentsExportAllFormat,
    AutomationsExperimentsExportFormat,
    ExperimentCreate,
)
from pydantic import Field, JsonValue
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, gate_step, push, set_step
from tests.runs.step_types import Gate
from typing_extensions import override

from assay import bootstrap, steps
from assay.steps import Effect, Step, StepContext
from assay_client import Client

COLUMNS = [
    *("executionId", "exampleId", "exampleName", "batchId", "evaluatorName", "evaluatorType"),
    *("score", "passed", "label", "weight", "createdAt", "error"),
]
NUMBER = {"name": "n", "type": "number"}
EVALUATORS = """
evaluators:
  - {name: same, type: exact-diff, weight: 2, config: {}}
  - {name: form, type: json-schema, config: {schema: {type: object, required: [double]}}}
"""
SCRIPTED = """
evaluators:
  - name: opinion
    type: custom-script
    config:
      language: python
      function: |
        def score_script(expected, actual):
            return 7 if actual["double"] == 4 else 1
"""


class TakesTurns(Step):
    """Count how often it was run."""

    type_name = "test.turns"
    effect = Effect.READ
    example: ClassVar[str] = ""
    counters: ClassVar[dict[str, Iterator[int]]] = {}

    counter: str = Field(description="Which counter.")

    @override
    async def run(self, context: StepContext) -> JsonValue:
        return next(self.counters.setdefault(self.counter, itertools.count()))


@pytest.fixture(scope="module", autouse=True)
def turns() -> Generator[None]:
    known = steps.catalogue()
    known[TakesTurns.type_name] = TakesTurns
    yield
    del known[TakesTurns.type_name]


@pytest.fixture(scope="module")
def strict(served: Served) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=served.base_url, token=served.key(), verify_ssl=False)


@pytest.fixture(scope="module")
def ours(served: Served) -> Generator[Client]:
    with Client(served.base_url, served.key()) as client:
        yield client


def add(client: EigenpalClient, name: str, examples: Mapping[str, Any]) -> dict[str, str]:
    """Add examples (by name: their other keys); return their ids by name."""
    made = {
        key: client.automations.examples.create(f"workflows.{name}", {"name": key, **values})
        for key, values in examples.items()
    }
    return {key: example.id for key, example in made.items()}


def doubling(http: httpx.Client, name: str, evaluators: str | None = EVALUATORS, **more: Any) -> str:
    """Push a workflow that doubles a number; 13 it refuses, and one that is no number it does not take."""
    refuse = {"name": "refuse", "type": "control.fail", "condition": "{{ input.n == 13 }}", "message": "Unlucky."}
    double = {"name": "double", "type": "transform.set", "with": {"fields": {"double": "{{ input.n | times: 2 }}"}}}
    push(http, name, [refuse, double], inputs=[NUMBER], output="{{ steps.double.output }}", **more)
    if evaluators is not None:
        judge_by(http, name, evaluators)
    return f"workflows.{name}"


def judge_by(http: httpx.Client, name: str, evaluators: str) -> None:
    answer = http.put(f"/automations/workflows.{name}/evaluators", json={"yaml": evaluators})
    assert answer.status_code == 200, answer.text


def numbers(count: int, *, wrong: Sequence[int] = ()) -> dict[str, Any]:
    return {f"n-{n}": {"input": {"n": n}, "expected": {"double": -1 if n in wrong else 2 * n}} for n in range(count)}


def run_to_its_end(http: httpx.Client, target: str, **body: Any) -> Any:
    """Run an experiment and return its detail."""
    followed = http.post(f"/automations/{target}/experiments/stream", json=body)
    assert followed.status_code == 200, followed.text
    return detail_of(http, target, json.loads(followed.text.splitlines()[-1])["experiment"]["id"])


def detail_of(http: httpx.Client, target: str, experiment_id: str) -> Any:
    return http.get(f"/automations/{target}/experiments/{experiment_id}").json()


def until_over(http: httpx.Client, target: str, experiment_id: str) -> Any:
    assert http.get(f"/automations/{target}/experiments/{experiment_id}/stream").status_code == 200
    return detail_of(http, target, experiment_id)


def counts(experiment: Any) -> dict[str, int]:
    names = ("passed", "failed", "error", "ungraded", "cancelled")
    return {name: experiment[f"{name}Count"] for name in names if experiment[f"{name}Count"]}


def verdicts(experiment: Any) -> dict[str, str | None]:
    return {run["exampleName"]: run["verdict"] for run in experiment["runs"]}


def test_the_published_client_runs_follows_and_reads_an_experiment(
    client: EigenpalClient, http: httpx.Client, strict: AuthenticatedClient
) -> None:
    target = doubling(http, "published")
    ids = add(client, "published", numbers(3, wrong=[2]))
    experiments = client.automations.experiments

    started = experiments.create(target, {"batchConcurrency": 2})
    assert (started.total, {run["exampleId"] for run in started.runs}) == (3, set(ids.values()))
    until_over(http, target, started.id)
    events = [json.loads(line) for line in experiments.create_stream(target, {"examples": [ids["n-0"], ids["n-2"]]})]
    assert [event["type"] for event in events] == ["example_completed", "example_completed", "experiment_completed"]
    assert [event["experiment"]["completedCount"] for event in events] == [1, 2, 2]
    assert {score["evaluatorName"] for event in events[:2] for score in event["scores"]} == {"same", "form"}
    second = events[-1]["experiment"]

    listed = experiments.list(target, limit=10, offset=0)
    assert [one.id for one in listed.data] == [second["id"], started.id]
    found = experiments.get(target, started.id)
    assert (found.status, found.runCount, found.completedCount, found.passedCount, found.failedCount) == (
        "completed",
        3,
        3,
        2,
        1,
    )
    assert found.avgScore == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert set(found.resultsByRun) == {run.id for run in found.runs}
    wrong = next(run for run in found.runs if run.exampleName == "n-2")
    scores = client.runs.scores.list(wrong.id).scores
    assert [(one.evaluatorName, one.score, one.passed, one.weight) for one in scores] == [
        ("same", 0, False, 2),
        ("form", 1, True, 1),
    ]
    assert scores[0].details["mismatches"] == [{"path": "double", "expected": -1, "actual": 4}]

    rows = list(csv.DictReader(io.StringIO(experiments.export(target, started.id))))
    assert list(rows[0]) == COLUMNS
    assert Counter((row["evaluatorName"], row["passed"]) for row in rows) == {
        ("same", "true"): 2,
        ("same", "false"): 1,
        ("form", "true"): 3,
    }
    everything = json.loads(experiments.export_all(target, format="json"))
    assert Counter(row["batchId"] for row in everything["results"]) == {started.id: 6, second["id"]: 4}
    assert experiments.cancel(target, started.id).status == "completed"

    for module, arguments, named in (
        (automations_experiments_create, (target,), {"body": ExperimentCreate(examples=[ids["n-0"]])}),
        (automations_experiments_create_stream, (target,), {"body": ExperimentCreate()}),
        (automations_experiments_list, (target,), {"limit": 1}),
        (automations_experiments_get, (target, started.id), {}),
        (automations_experiments_cancel, (target, started.id), {}),
        (automations_experiments_export, (target, started.id), {"format_": AutomationsExperimentsExportFormat.CSV}),
        (automations_experiments_export_all, (target,), {"format_": AutomationsExperimentsExportAllFormat.JSON}),
        (automations_examples_run, (target, ids["n-0"]), {}),
        (experiments_resolve, (started.id,), {}),
        (runs_scores_list, (wrong.id,), {}),
    ):
        answer = module.sync_detailed(*arguments, client=strict, **named)
        assert 200 <= answer.status_code < 300, module
        assert type(answer.parsed).__name__ != "ApiErrorEnvelope", module


def test_an_example_that_cannot_run_is_an_error_and_the_others_go_on(
    client: EigenpalClient, http: httpx.Client
) -> None:
    target = doubling(http, "misfits")
    add(
        client,
        "misfits",
        {
            "good": {"input": {"n": 1}, "expected": {"double": 2}},
            "no-number": {"input": {"n": "much"}, "expected": {"double": 2}},
            "fails": {"input": {"n": 13}, "expected": {"double": 26}},
            "fails-as-expected": {
                "input": {"n": 13},
                "expected": {"$error": {"messageContains": "Unlucky", "step": "refuse"}},
            },
            "fails-differently": {"input": {"n": 13}, "expected": {"$error": {"messageContains": "Lucky day"}}},
            "should-fail": {"input": {"n": 1}, "expected": {"$error": {"messageContains": "Unlucky"}}},
        },
    )
    found = run_to_its_end(http, target)
    assert verdicts(found) == {
        "good": "pass",
        "no-number": "error",
        "fails": "fail",
        "fails-as-expected": "pass",
        "fails-differently": "fail",
        "should-fail": "fail",
    }
    assert counts(found) == {"passed": 2, "failed": 3, "error": 1}
    by_name = {run["exampleName"]: run for run in found["runs"]}
    assert by_name["no-number"]["status"] == "rejected"
    assert "n: " in by_name["no-number"]["error"]
    summary = found["summary"]
    assert (summary["passRate"], summary["passRateInterval"]["examples"]) == (0.4, 5)
    exported = http.get(f"/automations/{target}/experiments/{found['id']}/export", params={"format": "json"}).json()
    rejected = [row for row in exported["results"] if row["exampleName"] == "no-number"]
    assert [(row["evaluatorName"], row["passed"]) for row in rejected] == [(None, None)]
    assert "n: " in rejected[0]["error"]


def test_an_evaluator_that_fails_is_a_result_with_an_error(client: EigenpalClient, http: httpx.Client) -> None:
    target = doubling(http, "opinions", SCRIPTED)
    add(client, "opinions", numbers(4))
    found = run_to_its_end(http, target)
    assert verdicts(found) == {"n-0": "pass", "n-1": "pass", "n-2": "error", "n-3": "pass"}
    (failing,) = [run for run in found["runs"] if run["exampleName"] == "n-2"]
    (score,) = found["resultsByRun"][failing["id"]]
    assert (score["score"], score["passed"]) == (None, None)
    assert score["error"]
    assert failing["status"] == "completed"
    assert found["summary"]["passRate"] == 1


@pytest.mark.parametrize(("required", "verdict"), [(None, "failed"), (3, "failed"), (2, "passed")])
def test_so_many_of_the_repeats_must_pass(
    client: EigenpalClient, http: httpx.Client, required: int | None, verdict: str
) -> None:
    """A step that is right every other time, four times: two repeats pass."""
    name = f"flaky-{required or 'all'}"
    push(
        http,
        name,
        [
            {"name": "turn", "type": "test.turns", "with": {"counter": name}},
            {
                "name": "decide",
                "type": "transform.script",
                "with": {
                    "language": "python",
                    "function": "def script(turn):\n    return {'double': 2 if turn % 2 else -2}\n",
                    "inputs": {"turn": "{{ steps.turn.output }}"},
                },
            },
        ],
        inputs=[NUMBER],
        output="{{ steps.decide.output }}",
    )
    judge_by(http, name, EVALUATORS)
    add(client, name, {"one": {"input": {"n": 1}, "expected": {"double": 2}}})
    found = run_to_its_end(http, f"workflows.{name}", repeats=4, requiredPasses=required)
    assert counts(found) == {"passed": 2, "failed": 2}, [run["error"] for run in found["runs"]]
    assert [run["repeat"] for run in found["runs"]] == [1, 2, 3, 4]
    summary = found["summary"]
    assert summary["examples"][verdict] == 1
    assert (summary["examples"]["flaky"], summary["flakeRate"]) == (1, 1)
    assert summary["passRate"] == (verdict == "passed")


def test_everything_that_is_wrong_with_a_plan_is_said_at_once(client: EigenpalClient, http: httpx.Client) -> None:
    target = doubling(http, "plans")
    assert envelope(http.post(f"/automations/{target}/experiments"), 409, "dataset_empty")
    add(client, "plans", numbers(2))

    def issues(**body: Any) -> list[tuple[str, str]]:
        answer = envelope(http.post(f"/automations/{target}/experiments", json=body), 400)
        return [(issue["field"], issue["code"]) for issue in answer["issues"]]

    assert issues(examples=["n-0", "nobody", "ex_unknown"]) == [
        ("examples.1", "example_unknown"),
        ("examples.2", "example_unknown"),
    ]
    wrong = {"repeats": 0, "requiredPasses": 5, "batchConcurrency": 0, "examples": []}
    assert {field for field, _ in issues(**wrong)} == {"repeats", "requiredPasses", "batchConcurrency", "examples"}
    assert envelope(http.post(f"/automations/{target}/experiments", json={"sourceRef": "9.9.9"}), 404)
    with pytest.raises(eigenpal.EigenpalValidationError):
        client.automations.experiments.create(target, {"examples": ["nobody"]})
    assert client.automations.experiments.list(target).total == 0


def test_an_experiment_keeps_to_the_dataset_it_began_with(
    client: EigenpalClient, http: httpx.Client, served: Served, gate: tuple[str, Gate]
) -> None:
    push(
        http,
        "pinned",
        [gate_step(gate[0]), set_step(double="{{ input.n | times: 2 }}")],
        inputs=[NUMBER],
        output="{{ steps.set.output }}",
    )
    judge_by(http, "pinned", EVALUATORS)
    ids = add(client, "pinned", numbers(2))
    started = client.automations.experiments.create("workflows.pinned", {"batchConcurrency": 1})
    served.wait_until_reached(gate[1])
    client.automations.examples.update("workflows.pinned", ids["n-1"], {"expected": {"double": 99}})
    client.automations.examples.delete("workflows.pinned", ids["n-0"])
    judge_by(http, "pinned", "evaluators:\n  - {name: later, type: exact-diff, config: {}}\n")
    add(client, "pinned", {"later": {"input": {"n": 7}}})
    served.open_gate(gate[1])
    found = until_over(http, "workflows.pinned", started.id)
    assert verdicts(found) == {"n-0": "pass", "n-1": "pass"}
    assert {score["evaluatorName"] for scores in found["resultsByRun"].values() for score in scores} == {"same", "form"}
    again = run_to_its_end(http, "workflows.pinned")
    assert verdicts(again) == {"n-1": "fail", "later": "ungraded"}
    assert again["datasetRevision"] > found["datasetRevision"]


def test_without_evaluators_nothing_is_graded_and_a_failed_run_is_an_error(
    client: EigenpalClient, http: httpx.Client
) -> None:
    target = doubling(http, "unjudged", None)
    add(
        client,
        "unjudged",
        {
            "one": {"input": {"n": 1}},
            "unlucky": {"input": {"n": 13}},
            "expected": {"input": {"n": 13}, "expected": {"$error": {"messageContains": "Unlucky"}}},
        },
    )
    found = run_to_its_end(http, target)
    assert verdicts(found) == {"one": "ungraded", "unlucky": "error", "expected": "ungraded"}
    assert (found["avgScore"], found["summary"]["passRate"], found["resultsByRun"]) == (None, None, {})


def test_cancelling_before_between_and_after_runs(
    client: EigenpalClient, http: httpx.Client, served: Served, gate: tuple[str, Gate]
) -> None:
    push(http, "halting", [gate_step(gate[0]), set_step(double=2)], inputs=[NUMBER], output="{{ steps.set.output }}")
    judge_by(http, "halting", EVALUATORS)
    add(client, "halting", numbers(6))
    experiments = client.automations.experiments
    served.open_gate(gate[1])
    complete = run_to_its_end(http, "workflows.halting", examples=["n-0"])
    served.do(lambda _: _close(gate[1]))

    started = experiments.create("workflows.halting", {"batchConcurrency": 2})
    served.wait_until_reached(gate[1])
    behind = experiments.create("workflows.halting", {"batchConcurrency": 1})
    for _ in range(2):
        assert experiments.cancel("workflows.halting", started.id).id == started.id
        assert experiments.cancel("workflows.halting", behind.id).cancelled is True
    found = until_over(http, "workflows.halting", started.id)
    assert (found["status"], found["cancelled"]) == ("completed", True)
    assert counts(found) == {"cancelled": 6}
    assert found["summary"]["examples"]["cancelled"] == 6
    assert counts(until_over(http, "workflows.halting", behind.id)) == {"cancelled": 6}
    unbegun = [run for run in found["runs"] if http.get(f"/runs/{run['id']}").json()["timing"]["startedAt"] is None]
    assert len(unbegun) == 4

    after = experiments.cancel("workflows.halting", complete["id"])
    assert (after.cancelled, after.completedCount, after.summary) == (False, 1, complete["summary"])


async def _close(gate: Gate) -> None:
    gate.opened.clear()
    gate.reached.clear()


def test_what_ended_before_a_cancellation_stays(
    client: EigenpalClient, http: httpx.Client, served: Served, gate: tuple[str, Gate]
) -> None:
    wait = {"name": "late", "type": "control.if", "condition": "{{ input.n > 1 }}", "then": [gate_step(gate[0])]}
    double = set_step(double="{{ input.n | times: 2 }}")
    push(http, "halfway", [wait, double], inputs=[NUMBER], output="{{ steps.set.output }}")
    judge_by(http, "halfway", EVALUATORS)
    add(client, "halfway", numbers(4))
    started = client.automations.experiments.create("workflows.halfway", {"batchConcurrency": 1})
    served.wait_until_reached(gate[1])
    client.automations.experiments.cancel("workflows.halfway", started.id)
    found = until_over(http, "workflows.halfway", started.id)
    assert verdicts(found) == {"n-0": "pass", "n-1": "pass", "n-2": "cancelled", "n-3": "cancelled"}
    assert found["summary"]["passRate"] == 1
    assert len(found["resultsByRun"]) == 2


def test_runs_of_experiments_are_told_apart_and_can_be_left_out(client: EigenpalClient, http: httpx.Client) -> None:
    target = doubling(http, "apart")
    ids = add(client, "apart", numbers(2))
    found = run_to_its_end(http, target)
    live = client.run(target, {"n": 1}, wait_for_completion=20)
    single = client.automations.examples.run(target, ids["n-0"])
    assert [run.id for run in client.runs.list(source=target, experiments=False, trigger="api").runs] == [live.id]
    listed = client.runs.list(source=target, batchId=found["id"]).runs
    assert {run.id for run in listed} == {run["id"] for run in found["runs"]}
    assert {run.trigger.type for run in listed} == {"eval"}
    run = client.runs.get(single.id)
    while not run.finished:
        run = client.runs.get(single.id)
    assert [score.passed for score in client.runs.scores.list(single.id).scores] == [True, True]
    assert client.runs.scores.list(live.id).scores == []


def test_a_live_run_overtakes_what_an_experiment_has_queued(
    client: EigenpalClient, http: httpx.Client, served: Served, gate: tuple[str, Gate]
) -> None:
    push(http, "crowd", [gate_step(gate[0]), set_step(double=2)], inputs=[NUMBER], output="{{ steps.set.output }}")
    add(client, "crowd", numbers(80))
    started = client.automations.experiments.create("workflows.crowd")
    served.wait_until_reached(gate[1])
    accepted = client.run("workflows.crowd", {"n": 1})
    served.open_gate(gate[1])
    until_over(http, "workflows.crowd", started.id)
    live = client.runs.get(accepted.id)
    assert live.finished
    begun = sorted(run["startedAt"] for run in _timings(http, started.id))
    assert sum(moment < live.timing.startedAt for moment in begun) < 70


def _timings(http: httpx.Client, experiment_id: str) -> list[Any]:
    page = http.get("/runs", params={"batchId": experiment_id, "limit": 100}).json()
    return [run["timing"] for run in page["runs"]]


def test_two_workers_share_an_experiment_and_each_run_is_judged_once(
    client: EigenpalClient, http: httpx.Client, served: Served
) -> None:
    target = doubling(http, "shared")
    add(client, "shared", numbers(12))
    over, ready = threading.Event(), threading.Event()
    worker = threading.Thread(target=_work, args=(served, ready, over))
    worker.start()
    try:
        assert ready.wait(30)
        found = run_to_its_end(http, target, repeats=10)
    finally:
        over.set()
        worker.join(30)
    assert counts(found) == {"passed": 120}
    assert [run["repeat"] for run in found["runs"]] == [repeat for repeat in range(1, 11) for _ in range(12)]
    assert {len(scores) for scores in found["resultsByRun"].values()} == {2}


def _work(served: Served, ready: threading.Event, over: threading.Event) -> None:
    import asyncio

    async def work() -> None:
        async with bootstrap.open_worker(served.server.settings) as worker:
            stop = asyncio.Event()
            working = asyncio.create_task(worker.run(stop))
            ready.set()
            await asyncio.to_thread(over.wait)
            stop.set()
            await working

    asyncio.run(work())


def test_another_organization_sees_nothing_of_it(client: EigenpalClient, http: httpx.Client, served: Served) -> None:
    target = doubling(http, "secret")
    ids = add(client, "secret", numbers(1))
    found = run_to_its_end(http, target)
    place = f"/automations/{found['automationId']}/experiments"
    with served.http(organization="strangers") as strangers:
        doubling(strangers, "theirs")
        for path in (
            place,
            f"{place}/export",
            *(f"{place}/{found['id']}{more}" for more in ("", "/export", "/stream")),
        ):
            envelope(strangers.get(path), 404)
        envelope(strangers.get(f"/automations/workflows.theirs/experiments/{found['id']}"), 404)
        envelope(strangers.get(f"/experiments/{found['id']}"), 404)
        envelope(strangers.get(f"/runs/{found['runs'][0]['id']}/scores"), 404)
        for path in (place, f"{place}/stream", f"{place}/{found['id']}/cancel"):
            envelope(strangers.post(path), 404)
        envelope(strangers.post(f"/automations/{found['automationId']}/examples/{ids['n-0']}/run"), 404)
    with served.http("runs:read") as reader:
        envelope(reader.post(place), 403)


def test_our_client_tells_each_end_once(client: EigenpalClient, http: httpx.Client, ours: Client) -> None:
    target = doubling(http, "followed")
    add(client, "followed", numbers(5))
    started = ours.experiments.start(target, repeats=2)
    events = [event for event in ours.experiments.follow(target, started["id"]) if event is not None]
    assert [event["type"] for event in events] == ["example_completed"] * 10 + ["experiment_completed"]
    assert len({event["run"]["id"] for event in events[:-1]}) == 10
    again = [event for event in ours.experiments.follow(target, started["id"], timeout=20) if event is not None]
    assert [event.get("run") for event in again] == [event.get("run") for event in events]
    assert ours.experiments.automation_of(started["id"]) == ours.automations.get(target)["id"]
