"""Attempts of a step as a reader of its run sees them: how each was configured, and no secret."""

from collections.abc import Generator
from dataclasses import dataclass

import httpx
import pytest
from tests.acceptance import serving
from tests.fakes.scripted_server import Answer, Received, answering


@dataclass(frozen=True)
class Busy:
    """A server that always wants to be asked again."""

    host: str
    asked: list[Received]


@pytest.fixture
def busy(http: httpx.Client) -> Generator[Busy]:
    asked: list[Received] = []

    def refuse(received: Received) -> Answer:
        asked.append(received)
        return Answer(status=503, headers={"Retry-After": "0"})

    with answering(refuse) as url:
        host = url.removeprefix("http://")
        http.patch("/outgoing", json={"allow": [host]})
        yield Busy(host, asked)
        http.patch("/outgoing", json={"refuse": [host]})


def test_every_attempt_says_how_it_was_configured_and_keeps_the_secret(http: httpx.Client, busy: Busy) -> None:
    asking = {
        "name": "ask",
        "type": "action.http",
        "retry": {"mode": "automatic", "maxAttempts": 2},
        "with": {
            "url": f"http://{busy.host}/x?access_token={{{{ input.secret }}}}",
            "headers": {"Authorization": "Bearer {{ input.secret }}", "Accept": "text/plain"},
        },
    }
    serving.push(http, "attempts", [asking], inputs=[{"name": "secret", "type": "string"}])
    started = {"target": "workflows.attempts", "input": {"secret": "s3cret"}}
    run = http.post("/runs", json=started, params={"wait_for_completion": 20}).json()
    assert [one.headers["Authorization"] for one in busy.asked] == ["Bearer s3cret"] * 2
    steps = http.get(f"/runs/{run['id']}/steps")
    (step,) = steps.json()["steps"]
    assert [attempt["attemptNumber"] for attempt in step["attempts"]] == [1, 2]
    shown = {
        "url": f"http://{busy.host}/x?access_token=(hidden)",
        "headers": {"Authorization": "(hidden)", "Accept": "text/plain"},
    }
    assert step["resolvedConfig"] == shown
    assert [attempt["resolvedConfig"] for attempt in step["attempts"]] == [shown] * 2
    assert "s3cret" not in steps.text + http.get(f"/runs/{run['id']}/trace").text
