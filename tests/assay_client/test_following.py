"""An experiment's stream that breaks is taken up again, and nothing is told twice."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.fakes.scripted_server import Answer, Script

from assay_client import Client, ConnectionFailedError, NotFoundError, WaitTimeoutError, experiments

STREAM = "/api/v1/automations/workflows.x/experiments/evb_1/stream"
OVER: Mapping[str, Any] = {"type": "experiment_completed", "experiment": {"id": "evb_1"}}


def ended(number: int) -> Mapping[str, Any]:
    return {"type": "example_completed", "run": {"id": f"exec_{number}"}, "scores": [], "experiment": {}}


def streamed(*events: Mapping[str, Any] | None, more: int = 0) -> Answer:
    """Answer with these lines; with `more` the connection breaks although so many bytes are to come."""
    content = "".join("\n" if event is None else f"{json.dumps(event)}\n" for event in events).encode()
    headers = {"Content-Length": str(len(content) + more)}
    if more:
        headers["Connection"] = "close"
    return Answer(body=content, headers=headers)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "RECONNECT_SECONDS", 0.001)


def told(client: Client, **more: Any) -> list[Any]:
    return [event and (event["run"]["id"] if "run" in event else event["type"]) for event in _follow(client, **more)]


def _follow(client: Client, **more: Any) -> Any:
    return client.experiments.follow("workflows.x", "evb_1", **more)


def test_a_broken_stream_is_taken_up_again_and_tells_nothing_twice(client: Client, script: Script) -> None:
    script.will_answer(
        streamed(ended(1), None, ended(2), more=10),
        streamed(ended(1), ended(2)),
        Answer(503, {}, {"Retry-After": "0"}),
        streamed(ended(1), ended(2), ended(3), OVER),
    )
    assert told(client) == ["exec_1", None, "exec_2", "exec_3", "experiment_completed"]
    assert {request.path for request in script.received} == {STREAM}


def test_half_a_line_is_no_event(client: Client, script: Script) -> None:
    whole = streamed(ended(1), OVER)
    script.will_answer(Answer(body=whole.body[:-20]), whole)
    assert told(client) == ["exec_1", "experiment_completed"]


def test_a_stream_that_breaks_again_and_again_is_given_up(client: Client, script: Script) -> None:
    script.will_answer(*[streamed(ended(1))] * 10)
    with pytest.raises(ConnectionFailedError):
        told(client)


def test_an_experiment_that_is_not_there_is_said_at_once(client: Client, script: Script) -> None:
    script.will_answer(Answer(404, {"issues": [{"field": "<root>", "message": "No.", "code": "not_found"}]}))
    with pytest.raises(NotFoundError):
        told(client)


def test_a_deadline_ends_the_wait(client: Client, script: Script) -> None:
    script.will_answer(streamed(ended(1), None))
    with pytest.raises(WaitTimeoutError):
        told(client, timeout=0)
