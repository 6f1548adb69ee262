"""`Idempotency-Key`: a start that is sent again starts nothing again."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, gate_step, push, set_step
from tests.runs.step_types import Gate

from assay import api, runs

INPUTS: list[dict[str, Any]] = [
    {"name": "n", "type": "number", "required": False},
    {"name": "document", "type": "file", "required": False},
]
WAIT = {"wait_for_completion": 20}


@pytest.fixture(scope="module", autouse=True)
def echo(http: httpx.Client) -> str:
    push(http, "echo", [set_step(given="{{ input.n }}")], inputs=INPUTS)
    return "workflows.echo"


def start(http: httpx.Client, key: str, body: Any = None, **more: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    if "files" in more:
        return http.post("/runs", data=body, headers=headers, **more)
    return http.post("/runs", json=body or {"target": "workflows.echo"}, headers=headers, **more)


def started(http: httpx.Client) -> int:
    return len(http.get("/runs", params={"limit": 100}).json()["runs"])


def test_the_same_start_is_answered_with_the_same_run(http: httpx.Client):
    body = {"target": "workflows.echo", "input": {"n": 1}, "metadata": {"a": 1, "b": 2}}
    first = start(http, "same", body, params=WAIT)
    assert "idempotency-replayed" not in first.headers
    reordered = {"metadata": {"b": 2, "a": 1}, "input": {"n": 1}, "target": "workflows.echo"}
    for again in (start(http, "same", body), start(http, "same", reordered, params=WAIT)):
        assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
        assert again.json() == first.json()


@pytest.mark.parametrize(
    "other",
    [
        {"input": {"n": 2}},
        {"input": {"n": 1.0}},
        {"input": {"n": True}},
        {"input": {}},
        {"metadata": {"a": 1}},
        {"mode": "shadow"},
        {"version": "1.0.0"},
    ],
    ids=str,
)
def test_another_start_under_the_same_key_is_a_conflict(http: httpx.Client, other: dict[str, Any]):
    body = {"target": "workflows.echo", "input": {"n": 1}}
    start(http, "taken", body)
    before = started(http)
    envelope(start(http, "taken", body | other), 409, "idempotency_key_reused")
    assert started(http) == before


def test_a_version_in_the_query_is_part_of_the_start(http: httpx.Client):
    assert start(http, "versions").status_code == 201
    envelope(start(http, "versions", params={"version": "1.0.0"}), 409, "idempotency_key_reused")


def test_files_are_compared_by_their_content(http: httpx.Client):
    def send(content: bytes, name: str = "a.txt", kind: str = "text/plain") -> httpx.Response:
        form = {"target": "workflows.echo", "input": "{}"}
        return start(http, "files", form, files={"files.document": (name, content, kind)})

    first = send(b"content")
    again = send(b"content")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    for other in (send(b"other"), send(b"content", name="b.txt"), send(b"content", kind="text/csv")):
        envelope(other, 409, "idempotency_key_reused")


def test_many_at_once_start_one_run(served: Served):
    with served.http() as http, ThreadPoolExecutor(12) as pool:
        before = started(http)
        answers = list(pool.map(lambda _: start(http, "at once", params=WAIT), range(24)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        assert started(http) == before + 1


def test_a_replay_waits_like_the_first(http: httpx.Client, served: Served, gate: tuple[str, Gate]):
    push(http, "waits", [gate_step(gate[0])])
    body = {"target": "workflows.waits"}
    first = start(http, "waiting", body)
    served.wait_until_reached(gate[1])
    assert start(http, "waiting", body).status_code == 201
    assert start(http, "waiting", body, params={"wait_for_completion": 1}).status_code == 202
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(start, http, "waiting", body, params=WAIT)
        served.open_gate(gate[1])
        answer = held.result()
    assert (answer.status_code, answer.json()["id"]) == (200, first.json()["id"])


def test_a_failed_start_does_not_use_up_its_key(http: httpx.Client):
    envelope(start(http, "spared", {"target": "workflows.echo", "input": {"n": "x"}}), 400)
    envelope(start(http, "spared", {"target": "workflows.nothing"}), 404)
    assert "idempotency-replayed" not in start(http, "spared").headers


def test_a_failure_with_a_status_is_replayed_as_such(http: httpx.Client):
    push(http, "no", [{"name": "no", "type": "control.fail", "message": "No.", "statusCode": 422}])
    first = start(http, "no", {"target": "workflows.no"}, params=WAIT)
    again = start(http, "no", {"target": "workflows.no"}, params=WAIT)
    assert (first.status_code, again.status_code) == (422, 422)
    assert again.json()["run"] == first.json()["run"]


def test_a_replay_is_answered_though_the_trigger_was_switched_off(http: httpx.Client):
    push(http, "switched", [set_step(x=1)])
    body = {"target": "workflows.switched"}
    first = start(http, "switched", body, params=WAIT)
    http.patch("/automations/workflows.switched/triggers", json={"api": False})
    assert start(http, "switched", body).json() == first.json()
    envelope(start(http, "switched anew", body), 403, "api_trigger_disabled")


def test_a_replay_of_a_deleted_run_is_not_found(http: httpx.Client):
    run_id = start(http, "deleted", params=WAIT).json()["id"]
    assert http.delete(f"/runs/{run_id}").status_code == 204
    envelope(start(http, "deleted", params=WAIT), 404)


def test_another_organization_has_keys_of_its_own(http: httpx.Client, served: Served):
    first = start(http, "shared")
    with served.http(organization="others") as others:
        push(others, "echo", [set_step(x=1)])
        theirs = start(others, "shared")
    assert theirs.status_code == 201
    assert theirs.json()["id"] != first.json()["id"]


def test_a_key_is_free_again_after_a_day(http: httpx.Client, served: Served):
    first = start(http, "daily")
    start(http, "older")

    async def a_day_passes(server: api.Server) -> None:
        async with server.database.transaction() as tx:
            sql = "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours' WHERE key = ANY($1)"
            await tx.execute(sql, ["daily", "older"])

    async def keys(server: api.Server) -> set[str]:
        async with server.database.transaction() as tx:
            await runs.forget_old_idempotency_keys(tx)
            return {row["key"] for row in await tx.fetch("SELECT key FROM idempotency_keys")}

    served.do(a_day_passes)
    second = start(http, "daily", {"target": "workflows.echo", "input": {"n": 5}})
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    left = served.do(keys)
    assert "daily" in left
    assert "older" not in left
