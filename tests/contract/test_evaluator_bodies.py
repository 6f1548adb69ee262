"""Evaluators over HTTP: what the published client sees of them, through its facade and its strict layer."""

import secrets
from collections.abc import Mapping
from typing import Any

import eigenpal
import httpx
import pytest
from eigenpal import EigenpalClient
from eigenpal._generated.api.evaluation import automations_evaluators_get, automations_evaluators_update
from eigenpal._generated.models import EvaluatorConfigResponse, EvaluatorConfigUpdate
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, push, set_step
from tests.contract.test_strict_bodies import parsed_from, strict_client

from assay import evaluators

TEXT = "".join(
    example if index == 0 else example.removeprefix("evaluators:\n")
    for index, example in enumerate(
        one.example for one in evaluators.catalogue().values() if one.example.startswith("evaluators:\n")
    )
)


@pytest.fixture
def judged(http: httpx.Client) -> str:
    """A workflow of the test's own."""
    return push(http, f"judged-{secrets.token_hex(8)}", [set_step(x=1)])["automation"]["id"]


@pytest.fixture
def facade(served: Served) -> EigenpalClient:
    return EigenpalClient(api_key=served.key(), base_url=served.base_url, timeout_seconds=30)


def test_the_facade_reads_and_replaces(facade: EigenpalClient, judged: str):
    assert facade.automations.evaluators.get(judged).yaml == ""
    updated = facade.automations.evaluators.update(judged, TEXT)
    assert updated == facade.automations.evaluators.get(judged)
    assert updated.yaml == TEXT
    with pytest.raises(eigenpal.EigenpalValidationError, match="line 1"):
        facade.automations.evaluators.update(judged, "evaluator: []")


def test_the_strict_layer_parses_every_type(served: Served, http: httpx.Client, judged: str):
    strict = strict_client(served, served.key())
    for body in (None, EvaluatorConfigUpdate(yaml=TEXT)):
        if body is not None:
            status, found = strict(automations_evaluators_update, judged, body=body)
            assert (status, type(found)) == (200, EvaluatorConfigResponse)
        status, found = strict(automations_evaluators_get, judged)
        assert (status, type(found)) == (200, EvaluatorConfigResponse)
        parsed_from(http.get(f"/automations/{judged}/evaluators").json(), EvaluatorConfigResponse)


def test_every_change_counts_and_a_repetition_does_not(http: httpx.Client, judged: str):
    path = f"/automations/{judged}/evaluators"
    nothing = http.get(path).json()
    assert (nothing["yaml"], nothing["number"]) == ("", None)
    assert nothing["config"] == {"evaluators": [], "passThreshold": 0.7, "require": "mean"}
    numbers = [http.put(path, json={"yaml": text}).json()["number"] for text in (TEXT, TEXT, "evaluators: []")]
    assert numbers == [1, 1, 2]


def test_everything_that_is_wrong_is_told_with_its_place(http: httpx.Client, judged: str):
    text = "evaluators:\n  - {name: a, type: exact-diff, config: {numericTolerence: 1}}\n  - {name: a, type: x}\n"
    body = envelope(http.put(f"/automations/{judged}/evaluators", json={"yaml": text}), 400)
    assert [(issue["field"], issue["line"]) for issue in body["issues"]] == [
        ("evaluators.0.config.numericTolerence", 2),
        ("evaluators.1.name", 3),
        ("evaluators.1.type", 3),
    ]
    assert http.get(f"/automations/{judged}/evaluators").json()["number"] is None


@pytest.mark.parametrize("body", [{}, {"yaml": ""}, {"yaml": 1}, {"yaml": "x" * (2**20 + 1)}, [], "x"])
def test_bodies_without_a_text_are_refused(http: httpx.Client, judged: str, body: Any):
    answer = http.put(f"/automations/{judged}/evaluators", json=body)
    envelope(answer, 413 if len(answer.request.content) > 1_000_000 else 400)


def test_changing_them_needs_the_scope_of_datasets(served: Served, world: Mapping[str, str], judged: str):
    path = f"/automations/{judged}/evaluators"
    with served.http("automations:write") as http:
        envelope(http.put(path, json={"yaml": "evaluators: []"}), 403, "insufficient_scope")
    with served.http("datasets:write") as http:
        assert http.put(path, json={"yaml": "evaluators: []"}).status_code == 200
        assert http.get(path).status_code == 200


def test_the_types_are_listed_with_their_schemas(http: httpx.Client):
    listed = http.get("/evaluators/types").json()
    assert [one["type"] for one in listed["data"]] == list(evaluators.catalogue())
    assert all(one["configSchema"]["type"] == "object" and one["summary"] for one in listed["data"])
