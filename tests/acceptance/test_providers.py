"""A model provider as its owner meets it: over HTTP and the command line, up to the answer of a real worker."""

from collections.abc import Generator
from typing import Any

import httpx
import pytest
from tests.acceptance import serving
from tests.acceptance.envelopes import envelope
from tests.fakes.openai_server import OpenAiServer, failing, openai_server, said

EXTRACT: dict[str, Any] = {
    "name": "extract",
    "type": "ai.extract",
    "with": {
        "input": "{{ input.text }}",
        "schema": {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]},
        "grounded": False,
    },
}


@pytest.fixture(scope="module")
def models() -> Generator[OpenAiServer]:
    with openai_server() as script:
        yield script


@pytest.fixture
def provider(http: httpx.Client, models: OpenAiServer) -> Generator[dict[str, Any]]:
    models.forget()
    answer = http.post("/providers", json=body(models))
    assert answer.status_code == 201, answer.text
    yield answer.json()
    http.delete("/providers/local")


def body(models: OpenAiServer, **more: Any) -> dict[str, Any]:
    price = {"tiny": {"input": 10, "output": 100}}
    return {
        "name": "local",
        "baseUrl": models.base_url,
        "models": ["tiny"],
        "prices": price,
        "key": "sk-secret",
        **more,
    }


def run(http: httpx.Client, name: str) -> dict[str, Any]:
    serving.push(
        http, name, [EXTRACT], inputs=[{"name": "text", "type": "string"}], output="{{ steps.extract.output }}"
    )
    asked = {"target": f"workflows.{name}", "input": {"text": "Total 5"}}
    return http.post("/runs", json=asked, params={"wait_for_completion": 20}).json()


def test_a_provider_is_listed_without_its_key(http: httpx.Client, provider: dict[str, Any]) -> None:
    listed = http.get("/providers")
    assert listed.json() == {"data": [provider], "total": 1}
    assert (provider["keySource"], provider["isDefault"]) == ("stored", True)
    assert "sk-secret" not in listed.text


def test_a_trial_says_what_is_wrong(http: httpx.Client, provider: dict[str, Any], models: OpenAiServer) -> None:
    models.will_answer(said({"ready": True}), failing(401, "bad key"))
    works, fails = (http.post(f"/providers/{provider['id']}/test").json() for _ in range(2))
    assert (works["ok"], works["model"], works["error"]) == (True, "tiny", None)
    assert (fails["ok"], fails["error"]["code"]) == (False, "provider_authentication_failed")
    assert models.headers[0]["authorization"] == "Bearer sk-secret"


def test_a_run_asks_the_model_and_counts_what_it_cost(
    http: httpx.Client, provider: dict[str, Any], models: OpenAiServer
) -> None:
    del provider
    models.will_answer(said({"total": 5}, prompt_tokens=1000, completion_tokens=100))
    done = run(http, "counted")
    assert (done["error"], done["output"]) == (None, {"total": 5})
    usage = http.get(f"/runs/{done['id']}/usage").json()["usage"]
    assert (usage["tokens"]["input"], usage["tokens"]["output"], usage["llmCallCount"]) == (1000, 100, 1)
    assert usage["costUsd"] == pytest.approx(0.02)
    (step,) = http.get(f"/runs/{done['id']}/steps").json()["steps"]
    assert step["usage"]["costUsd"] == pytest.approx(0.02)


def test_without_a_provider_a_run_fails_and_names_the_command(http: httpx.Client) -> None:
    done = run(http, "unconfigured")
    failure = done["execution"]["failure"]
    assert (failure["code"], failure["step"]) == ("provider_not_configured", "extract")


def test_pushing_warns_of_models_that_are_not_there(http: httpx.Client, models: OpenAiServer) -> None:
    def warnings(name: str, **config: Any) -> list[tuple[str, str, str]]:
        step = {**EXTRACT, "with": {**EXTRACT["with"], **config}}
        inner = {"name": "outer", "type": "control.if", "condition": True, "then": [step]}
        pushed = serving.push(http, name, [inner], inputs=[{"name": "text", "type": "string"}])
        return [(issue["field"], issue["code"], issue["severity"]) for issue in pushed["issues"]]

    place = "steps.extract.with.model"
    assert warnings("warned-1") == [(place, "provider_not_configured", "warning")]
    http.post("/providers", json=body(models))
    assert warnings("warned-2") == warnings("warned-3", model="tiny") == []
    assert warnings("warned-4", model="huge") == [(place, "model_unknown", "warning")]
    assert warnings("warned-5", model="{{ input.text }}") == []
    http.delete("/providers/local")


def test_a_removed_provider_is_gone(http: httpx.Client, models: OpenAiServer) -> None:
    http.post("/providers", json=body(models))
    assert http.delete("/providers/local").json()["deleted"] is True
    envelope(http.delete("/providers/local"), 404)
    assert http.get("/providers").json() == {"data": [], "total": 0}


@pytest.mark.parametrize(
    "wrong",
    [{"name": "A B"}, {"models": []}, {"baseUrl": "ftp://x"}, {"keyVariable": "PATH"}, {"extra": 1}, {"models": 3}],
)
def test_what_does_not_fit_is_refused(http: httpx.Client, models: OpenAiServer, wrong: dict[str, Any]) -> None:
    given = {**body(models), **wrong}
    given.pop("key" if "keyVariable" in wrong else "", None)
    envelope(http.post("/providers", json=given), 400)


def test_who_may_only_read_cannot_configure(served: serving.Served, models: OpenAiServer) -> None:
    with served.http("automations:write") as http:
        envelope(http.post("/providers", json=body(models)), 403, "insufficient_scope")
        assert http.get("/providers").status_code == 200
