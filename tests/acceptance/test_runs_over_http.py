"""The life of runs as their callers see it: held, listed, limited, repeated, removed."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.acceptance import serving
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, gate_step, push, set_step
from tests.runs.step_types import Gate

from assay import api, db
from assay.settings import Settings

INPUTS: list[dict[str, Any]] = [{"name": "document", "type": "file", "required": False}]
WAIT = {"wait_for_completion": 20}


@pytest.fixture(scope="module", autouse=True)
def echo(http: httpx.Client) -> str:
    steps = [set_step(x=1), {"name": "note", "type": "test.file", "with": {"content": "a note of this module"}}]
    push(http, "echo", steps, inputs=INPUTS)
    return "workflows.echo"


@pytest.fixture(scope="module")
def idle(database: db.Database, served: Served) -> Generator[Served]:
    """Another server of the database: it holds requests for a second, lets a key ask five times, and has no worker."""
    values = Settings(
        data_dir=served.server.settings.data_dir,
        database_url=database.dsn,
        max_wait_seconds=1,
        rate_limit_per_minute=5,
    )
    with serving.serving(values, with_worker=False) as running:
        yield running


def run(http: httpx.Client, target: str = "workflows.echo", **body: Any) -> Any:
    answer = http.post("/runs", json={"target": target, **body}, params=WAIT)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_input_that_nobody_declared_is_said_at_once_and_kept_in_the_events(http: httpx.Client):
    started = http.post("/runs", json={"target": "workflows.echo", "input": {"documnet": 1, "y": 2}})
    held = run(http, input={"documnet": 1})
    again = http.post(f"/runs/{held['id']}/rerun", params=WAIT).json()
    assert [issue["field"] for issue in started.json()["issues"]] == ["input.documnet", "input.y"]
    (issue,) = held["issues"]
    assert (issue["code"], issue["severity"], issue["hint"]) == ("input_ignored", "warning", "It declares document.")
    for run_id in (held["id"], again["id"]):
        events = http.get(f"/runs/{run_id}/events").json()["events"]
        assert [event["metadata"] for event in events if event["type"] == "run.input_ignored"] == [
            {"inputs": ["documnet"]}
        ]
    assert "issues" not in run(http)


def test_a_held_request_is_answered_before_its_client_gives_up(
    idle: Served, http: httpx.Client, gate: tuple[str, Gate]
):
    push(http, "held", [gate_step(gate[0])])
    with idle.http("runs:write") as short:
        answer = short.post("/runs", json={"target": "workflows.held"}, params={"wait_for_completion": 600})
    assert (answer.status_code, answer.json()["finished"]) == (202, False)
    assert http.post(f"/runs/{answer.json()['id']}/cancel").status_code == 200


def test_a_key_that_asks_too_often_is_told_when_to_come_back(idle: Served):
    with idle.http("runs:read") as http, idle.http("automations:write") as other:
        answers = [http.get("/runs") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        envelope(answers[-1], 429, "rate_limited")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert other.get("/automations").status_code == 200


def test_a_run_that_waits_in_the_queue_is_cancelled_at_once(http: httpx.Client, served: Served, gate: tuple[str, Gate]):
    push(http, "one-at-a-time", [gate_step(gate[0])])
    limits = http.patch("/automations/workflows.one-at-a-time/limits", json={"concurrencyLimit": 1})
    assert limits.json()["concurrencyLimit"] == 1
    first, second = (http.post("/runs", json={"target": "workflows.one-at-a-time"}).json()["id"] for _ in range(2))
    served.wait_until_reached(gate[1])
    waiting = second if http.get(f"/runs/{second}").json()["execution"]["status"] == "pending" else first
    answer = http.post(f"/runs/{waiting}/cancel").json()
    assert answer["cancellation"] == {"state": "cancelled", "wasStatus": "pending"}
    assert (answer["finished"], answer["execution"]["status"]) == (True, "cancelled")
    assert http.get(f"/runs/{waiting}").json()["timing"]["startedAt"] is None
    served.open_gate(gate[1])


def test_a_run_in_flight_is_neither_repeated_nor_removed(http: httpx.Client, served: Served, gate: tuple[str, Gate]):
    push(http, "in-flight", [gate_step(gate[0])])
    run_id = http.post("/runs", json={"target": "workflows.in-flight"}).json()["id"]
    served.wait_until_reached(gate[1])
    envelope(http.delete(f"/runs/{run_id}"), 409, "run_not_finished")
    envelope(http.post(f"/runs/{run_id}/rerun"), 409, "run_not_finished")
    served.open_gate(gate[1])


def test_a_trigger_that_is_off_lets_nobody_start(http: httpx.Client):
    push(http, "off", [set_step(x=1)], api_trigger=False)
    for headers in (
        {},
        {"X-Eigenpal-Trigger": "cli"},
        {"X-Eigenpal-Trigger": "manual"},
        {"X-Eigenpal-Trigger": "eval"},
    ):
        answer = http.post("/runs", json={"target": "workflows.off"}, headers=headers)
        envelope(answer, 403, "api_trigger_disabled")
    assert http.get("/runs", params={"source": "workflows.off"}).json()["runs"] == []
    http.patch("/automations/workflows.off/triggers", json={"api": True})
    done = run(http, "workflows.off")
    http.patch("/automations/workflows.off/triggers", json={"api": False})
    envelope(http.post(f"/runs/{done['id']}/rerun"), 403, "api_trigger_disabled")


def test_the_command_line_is_a_trigger_of_its_own(http: httpx.Client):
    answer = http.post(
        "/runs", json={"target": "workflows.echo"}, params=WAIT, headers={"X-Eigenpal-Trigger": "cli"}
    ).json()
    assert answer["trigger"]["type"] == "cli"
    listed = http.get("/runs", params={"trigger": "cli"}).json()["runs"]
    assert [one["id"] for one in listed] == [answer["id"]]


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        ({}, "live"),
        ({"mode": "shadow"}, "shadow"),
        ({"metadata": {"mode": "eval"}}, "eval"),
        ({"mode": "live", "metadata": {"mode": "eval"}}, "live"),
        ({"metadata": {"mode": "my own word"}}, "live"),
        ({"metadata": {"mode": 7}}, "live"),
        ({"metadata": {"mode": ["eval"]}}, "live"),
    ],
    ids=str,
)
def test_the_mode_is_the_bodys_else_the_metadatas_else_live(http: httpx.Client, body: dict[str, Any], mode: str):
    done = run(http, **body)
    assert done["mode"] == mode
    listed = http.get("/runs", params={"mode": mode, "ids": done["id"]}).json()["runs"]
    assert [one["id"] for one in listed] == [done["id"]]


def test_a_removed_run_leaves_its_audit_and_nothing_else(http: httpx.Client, served: Served):
    body = {"document": {"$inline": {"filename": "a", "mimeType": "text/plain", "base64": "b25seSBoZXJl"}}}
    first = run(http, input=body)
    again = http.post(f"/runs/{first['id']}/rerun", params=WAIT).json()
    hashes = served.do(_hashes)
    assert http.delete(f"/runs/{again['id']}").status_code == 204
    assert served.do(_hashes) == hashes
    assert http.get(f"/runs/{first['id']}/artifacts/input/document/a").content == b"only here"
    assert http.get(f"/runs/{first['id']}").json()["execution"]["retry"]["nextRun"] is None

    assert http.delete(f"/runs/{first['id']}").status_code == 204
    assert len(hashes - served.do(_hashes)) == 1
    for path in ("", "/steps", "/events", "/trace", "/usage", "/artifacts", "/artifacts/input/document/a"):
        envelope(http.get(f"/runs/{first['id']}{path}"), 404)
    envelope(http.delete(f"/runs/{first['id']}"), 404)
    envelope(http.post(f"/runs/{first['id']}/rerun"), 404)
    removed = [entry for entry in http.get("/audit").json()["data"] if entry["action"] == "run.deleted"]
    assert [entry["target"] for entry in removed[:2]] == [first["id"], again["id"]]
    assert removed[0]["userId"]
    assert removed[0]["keyId"]
    assert served.do(lambda server: _rows_of(server, first["id"])) == {}


# The server's thread draws random numbers too, and hypothesis cannot tell.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
def test_pages_hold_each_run_once_while_others_start(http: httpx.Client):
    for _ in range(12):
        run(http)

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(limit=st.integers(1, 20), descending=st.booleans(), status=st.sampled_from([None, "completed"]))
    def check(limit: int, descending: bool, status: str | None) -> None:
        asked = {"limit": limit, "order": "desc" if descending else "asc"} | ({"status": status} if status else {})
        existing = _all_pages(http, {**asked, "limit": 100})
        with ThreadPoolExecutor(2) as pool:
            others = [pool.submit(http.post, "/runs", json={"target": "workflows.echo"}) for _ in range(3)]
            found = _all_pages(http, asked)
            new = {other.result().json()["id"] for other in others}
        assert len(found) == len(set(found))
        assert [run_id for run_id in found if run_id in set(existing)] == existing
        # Runs that were started before may only have become complete meanwhile.
        if status is None:
            assert set(found) - set(existing) <= new

    check()


def _all_pages(http: httpx.Client, asked: dict[str, Any]) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = http.get("/runs", params={**asked, **({"cursor": cursor} if cursor else {})}).json()
        found += [one["id"] for one in page["runs"]]
        cursor = page["nextCursor"]
        if cursor is None:
            return found
        assert len(page["runs"]) == asked["limit"]


async def _hashes(server: api.Server) -> set[str]:
    return {blob.sha256 async for blob in server.blobs.all()}


async def _rows_of(server: api.Server, run_id: str) -> dict[str, int]:
    tables = ("run_inputs", "run_results", "run_steps", "run_events", "run_artifacts")
    async with server.database.transaction() as tx:
        counts = {
            table: await tx.fetch_value(f"SELECT count(*) FROM {table} WHERE run_id = $1", run_id) for table in tables
        }
    return {table: count for table, count in counts.items() if count}
