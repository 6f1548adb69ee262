"""The list of private hosts over HTTP, up to a run that reaches one."""

from collections.abc import Generator

import httpx
import pytest
from tests.acceptance import serving
from tests.acceptance.envelopes import envelope
from tests.fakes.scripted_server import Answer, answering


@pytest.fixture
def host() -> Generator[str]:
    with answering(lambda _: Answer(body=b"hi")) as url:
        yield url.removeprefix("http://")


def outcome_of_asking(http: httpx.Client) -> object:
    body = {"target": "workflows.asks"}
    answer = http.post("/runs", json=body, params={"wait_for_completion": 20}).json()
    failure = answer["execution"].get("failure")
    return failure and failure["code"]


def test_a_host_is_allowed_reached_and_refused_again(http: httpx.Client, host: str) -> None:
    serving.push(http, "asks", [{"name": "ask", "type": "action.http", "with": {"url": f"http://{host}/"}}])
    assert http.get("/outgoing").json() == {"data": [], "total": 0}
    assert outcome_of_asking(http) == "address_forbidden"
    allowed = http.patch("/outgoing", json={"allow": [host.upper(), "ERP.lan."]})
    assert [one["host"] for one in allowed.json()["data"]] == [host, "erp.lan"]
    assert http.get("/outgoing").json() == allowed.json()
    assert outcome_of_asking(http) is None
    assert http.patch("/outgoing", json={"refuse": [host, "erp.lan"]}).json()["total"] == 0
    assert outcome_of_asking(http) == "address_forbidden"
    entry = http.get("/audit").json()["data"][0]
    assert (entry["action"], entry["detail"]) == ("outgoing.changed", {"allowed": [], "refused": [host, "erp.lan"]})


def test_all_that_is_wrong_is_said_at_once(http: httpx.Client) -> None:
    answer = http.patch("/outgoing", json={"allow": ["a b", "fine.lan", "*"], "refuse": ["http://x"]})
    assert answer.status_code == 400
    assert [issue["field"] for issue in envelope(answer)["issues"]] == ["allow.0", "allow.2", "refuse.0"]
    assert http.get("/outgoing").json()["total"] == 0
