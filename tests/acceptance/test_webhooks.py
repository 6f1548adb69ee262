"""Webhooks over HTTP and the command line, with a server whose runs tell of themselves."""

import json
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import httpx
import pytest
from standardwebhooks import Webhook
from tests.acceptance import serving
from tests.acceptance.envelopes import envelope
from tests.fakes.webhook_receiver import Receiver, receiving
from tests.runs.step_types import Gate

Found = TypeVar("Found")


@pytest.fixture
def receiver(http: httpx.Client) -> Generator[Receiver]:
    with receiving() as received:
        http.patch("/outgoing", json={"allow": [received.host]})
        yield received


@pytest.fixture
def webhook(http: httpx.Client, receiver: Receiver) -> Generator[Any]:
    added = http.post("/webhooks", json={"url": f"http://{receiver.host}/hook", "events": ["run.*", "experiment.*"]})
    assert added.status_code == 201, added.text
    yield added.json()
    http.delete(f"/webhooks/{added.json()['id']}")


def eventually(look: Callable[[], Found]) -> Found:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.03)
    message = "waited in vain"
    raise AssertionError(message)


def test_a_run_tells_of_its_start_and_its_end(http: httpx.Client, receiver: Receiver, webhook: Any):
    pushed = serving.push(http, "told", [serving.set_step(secret="of the output")])
    run = http.post("/runs", json={"target": "workflows.told"}, params={"wait_for_completion": 20}).json()
    receiver.until(lambda: len(receiver.sent) == 2)
    [created], [changed] = receiver.events("run.created"), receiver.events("run.status_changed")
    for headers, body in receiver.sent:
        assert Webhook(webhook["secret"]).verify(body, headers)
        assert b"of the output" not in body
    assert created["data"]["currentStatus"] == "pending"
    assert (changed["data"]["previousStatus"], changed["data"]["currentStatus"]) == ("running", "completed")
    told = changed["data"]["run"]
    assert (told["id"], told["automationId"], told["version"]) == (run["id"], pushed["automation"]["id"], "1.0.0")
    assert (told["type"], told["status"], told["mode"]) == ("workflow", "completed", "live")
    answer = http.get(f"/runs/{run['id']}").json()
    assert told["createdAt"] == answer["timing"]["createdAt"]


def test_a_failed_run_tells_its_code_and_not_its_message(http: httpx.Client, receiver: Receiver, webhook: Any):
    assert webhook["enabled"]
    fail = {"name": "no", "type": "control.fail", "message": "hush"}
    serving.push(http, "failing", [fail])
    http.post("/runs", json={"target": "workflows.failing"}, params={"wait_for_completion": 20})
    [changed] = receiver.until(lambda: receiver.events("run.status_changed"))
    assert changed["data"]["run"]["status"] == "failed"
    assert changed["data"]["run"]["errorCode"]
    assert not any(b"hush" in body for _, body in receiver.sent)


def test_a_cancelled_run_tells_so_once(
    http: httpx.Client, served: serving.Served, receiver: Receiver, webhook: Any, gate: tuple[str, Gate]
):
    assert webhook["enabled"]
    name, made = gate
    serving.push(http, "gated", [serving.gate_step(name)])
    run = http.post("/runs", json={"target": "workflows.gated"}).json()
    served.wait_until_reached(made)
    for _ in range(2):
        http.post(f"/runs/{run['id']}/cancel")
    [changed] = receiver.until(lambda: receiver.events("run.status_changed"))
    assert changed["data"]["currentStatus"] == "cancelled"


def test_an_experiment_tells_of_itself_and_not_of_each_run(http: httpx.Client, receiver: Receiver, webhook: Any):
    assert webhook["enabled"]
    inputs = [{"name": "n", "type": "number", "required": False}]
    serving.push(http, "measured", [serving.set_step(n="{{ input.n }}")], inputs=inputs)
    for number in range(3):
        example = {"name": f"n{number}", "input": {"n": number}, "expected": {"n": number}}
        assert http.post("/automations/workflows.measured/examples", json=example).status_code == 201
    started = http.post("/automations/workflows.measured/experiments").json()
    [completed] = receiver.until(lambda: receiver.events("experiment.completed"))
    assert completed["data"]["experiment"]["id"] == started["id"]
    assert completed["data"]["experiment"]["runs"]["total"] == 3
    assert receiver.events("run.created") == receiver.events("run.status_changed") == []


def test_only_the_automation_that_was_asked_for_tells(http: httpx.Client, receiver: Receiver):
    serving.push(http, "loud", [serving.set_step(x=1)])
    serving.push(http, "silent", [serving.set_step(x=1)])
    body = {"url": f"http://{receiver.host}/", "events": ["run.created"], "automationId": "workflows.loud"}
    added = http.post("/webhooks", json=body).json()
    assert added["automationId"] == http.get("/automations/workflows.loud").json()["id"]
    runs = [http.post("/runs", json={"target": f"workflows.{name}"}).json() for name in ("silent", "loud")]
    [created] = receiver.until(lambda: receiver.events("run.created"))
    assert created["data"]["run"]["id"] == runs[1]["id"]
    http.delete(f"/webhooks/{added['id']}")


def test_an_endpoint_through_its_whole_life(http: httpx.Client, receiver: Receiver):
    added = http.post("/webhooks", json={"url": f"http://{receiver.host}/a", "description": "ours"}).json()
    path = f"/webhooks/{added['id']}"
    secret = added.pop("secret")
    assert secret.startswith("whsec_")
    assert http.get(path).json() == added
    assert added in http.get("/webhooks").json()["data"]
    changed = http.patch(path, json={"events": ["alert.*"], "description": None}).json()
    assert (changed["events"], changed["description"], changed["url"]) == (["alert.*"], None, added["url"])
    tested = http.post(f"{path}/test")
    assert tested.status_code == 202
    [headers, body] = receiver.until(lambda: receiver.sent)[0]
    assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
    detail = f"{path}/deliveries/{tested.json()['id']}"
    delivered = eventually(lambda: (found := http.get(detail).json())["state"] == "delivered" and found)
    assert [attempt["status"] for attempt in delivered["attempts"]] == [204]
    assert http.get(f"{path}/deliveries", params={"state": "failed"}).json() == {"data": [], "nextCursor": None}
    assert http.post(f"{detail}/redeliver").status_code == 202
    receiver.until(lambda: len(receiver.sent) == 2)
    assert receiver.sent[1][0]["webhook-id"] == headers["webhook-id"]
    rotated = http.post(f"{path}/rotate", json={"overlapSeconds": 60}).json()
    assert rotated["secret"] != secret
    assert rotated["oldSecretUntil"]
    http.patch(path, json={"enabled": False})
    envelope(http.post(f"{path}/test"), 409, "webhook_disabled")
    everything = json.dumps([http.get(path).json(), http.get("/webhooks").json(), http.get("/audit").json()])
    assert secret not in everything
    assert rotated["secret"] not in everything
    assert http.delete(path).json()["deleted"]
    envelope(http.get(detail), 404)


def test_bodies_that_say_nothing_sensible_are_refused(http: httpx.Client, receiver: Receiver):
    envelope(http.post("/webhooks", json={"url": "ftp://x"}), 400, "webhook_url_invalid")
    envelope(http.post("/webhooks", json={"url": "http://x.example/", "events": ["run.ended"]}), 400, "event_unknown")
    envelope(http.post("/webhooks", json={"url": "http://x.example/", "events": []}), 400, "event_unknown")
    envelope(http.post("/webhooks", json={"url": "http://x.example/", "secret": "mine"}), 400)
    envelope(http.post("/webhooks", json={"url": "http://x.example/", "automationId": "workflows.none"}), 404)
    added = http.post("/webhooks", json={"url": f"http://{receiver.host}/"}).json()
    for body in ({"url": None}, {"events": None}, {"enabled": None}, {"overlapSeconds": 1}):
        envelope(http.patch(f"/webhooks/{added['id']}", json=body), 400)
    envelope(http.post(f"/webhooks/{added['id']}/rotate", json={"overlapSeconds": -1}), 400)
    envelope(http.get(f"/webhooks/{added['id']}/deliveries", params={"state": "lost"}), 400)
    http.delete(f"/webhooks/{added['id']}")
