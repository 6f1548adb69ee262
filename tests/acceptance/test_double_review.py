"""Two people judge one run without knowing of each other: through no door does one see what the other said."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, push, set_step

from assay import access, reviews

SECRET = "zebra"
Person = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def automation(http: httpx.Client) -> str:
    steps = [set_step(nothing=1), {"name": "note", "type": "test.file", "with": {"content": "x"}}]
    made = push(http, "twice", steps, output={"total": 1})["automation"]["id"]
    # Nothing is in the queue but what a test puts there.
    assert http.put(f"/automations/{made}/sampling", json={"rate": 0}).status_code == 200
    return made


@pytest.fixture(scope="module")
def person(served: Served) -> Any:
    """Make a person of this name, once, and return a client with a key of hers."""
    known: dict[str, httpx.Client] = {}

    async def new_key(server: Any, name: str, scopes: tuple[str, ...]) -> str:
        async with server.database.transaction() as tx:
            owned, _ = await access.ensure_default_organization(tx)
            user = await access.create_user(tx, organization_id=owned.id, email=f"{name}@example.org", role="member")
            made = await access.create_key(tx, organization_id=owned.id, user_id=user.id, name=name, scopes=scopes)
        return made.secret

    with ExitStack() as stack:

        def client(name: str, *scopes: str) -> httpx.Client:
            if name not in known:
                key = served.do(lambda server: new_key(server, name, scopes or ("runs:read", "reviews:write")))
                headers = {"Authorization": f"Bearer {key}"}
                opened = httpx.Client(
                    base_url=f"{served.base_url}/api/v1", headers=headers, timeout=60, trust_env=False, verify=False
                )
                known[name] = stack.enter_context(opened)
            return known[name]

        yield client


@pytest.fixture
def run(served: Served, http: httpx.Client, person: Person, automation: str) -> str:
    """A finished run that two people are asked about."""
    person("ada")
    return _queued(served, http, automation)


@pytest.fixture
def queued(served: Served, http: httpx.Client, automation: str) -> str:
    """A finished run that two people are asked about, while there is only one."""
    return _queued(served, http, automation)


def _queued(served: Served, http: httpx.Client, automation: str) -> str:
    run_id = http.post("/runs", json={"target": automation}, params={"wait_for_completion": 20}).json()["id"]

    async def queue(server: Any) -> int:
        async with server.database.transaction() as tx:
            caller = await access.authenticate(tx, served.key())
            return (await reviews.add_runs(tx, caller, [run_id], reason="picked", double=True)).added

    assert served.do(queue) == 1
    return run_id


def _feedback(client: httpx.Client, run: str) -> Any:
    return client.get(f"/runs/{run}/feedback").json()["feedback"]


def _everything(client: httpx.Client, ids: dict[str, str]) -> str:
    """Return all that a client can read about a run, by every route there is."""
    found: list[str] = []
    for method, template in sorted(access.POLICY):
        names = re.findall(r"\{(\w+)", template)
        if method != "GET" or not set(names) <= ids.keys() or template == "/metrics":
            continue
        path = re.sub(r"\{(\w+)(?::path)?\}", lambda match: ids[match[1]], template)
        found.append(client.get(path).text)
    found.append(client.get(f"/runs/{ids['run_id']}", params={"expand": "input,usage,execution,debug"}).text)
    for name, value in {
        "hasFeedback": "true",
        "feedbackRating": "fail",
        "feedbackStatus": "open",
        "feedbackBodyContains": SECRET,
        "hasExpected": "true",
        "hasCorrections": "true",
        "reviewState": "open,failed,passed",
    }.items():
        answer = client.get("/runs", params={name: value})
        if answer.status_code == 200:
            found.append(f"{name}: {[one['id'] for one in answer.json()['runs']]}")
    return "\n".join(found)


def test_where_there_is_one_person_his_verdict_is_enough(http: httpx.Client, queued: str):
    given = http.put(f"/runs/{queued}/feedback", json={"rating": "fail", "body": "x"}).json()
    assert (given["feedback"]["rating"], given["awaits"]) == ("fail", None)
    assert [entry["action"] for entry in http.get(f"/runs/{queued}/feedback/history").json()["data"]] == [
        "feedback.created"
    ]


def test_until_both_have_spoken_neither_sees_what_the_other_said(
    http: httpx.Client, person: Person, automation: str, run: str
):
    ada, ben = person("ada"), person("ben")
    said = {
        "rating": "fail",
        "body": f"{SECRET} body",
        "tags": [f"{SECRET} tag"],
        "corrections": [{"kind": "field", "path": "/total", "correctedValue": f"{SECRET} value"}],
    }
    mine = ada.put(f"/runs/{run}/feedback", json=said)
    assert (mine.status_code, mine.json()["feedback"]["rating"], mine.json()["awaits"]) == (200, "fail", "verdicts")
    assert mine.json()["expected"] == {"total": f"{SECRET} value"}
    upload = {"file": (f"{SECRET}.txt", SECRET.encode())}
    assert ada.post(f"/runs/{run}/feedback/expected", files=upload).status_code == 201
    assert ada.get(f"/runs/{run}/feedback/expected/{SECRET}.txt").content == SECRET.encode()
    assert [entry["action"] for entry in ada.get(f"/runs/{run}/feedback/history").json()["data"]] == ["verdict.updated"]
    ids = {"run_id": run, "automation_id": automation, "other_id": run, "path": f"{SECRET}.txt"}
    assert f"{SECRET} body" in _everything(ada, ids)
    for other in (ben, http):
        assert _feedback(other, run) is None
        text = _everything(other, ids)
        assert SECRET not in text.replace(f"{SECRET}.txt", "")
        assert not [
            line for line in text.splitlines() if line.startswith(("has", "feedback", "review")) and run in line
        ]
        envelope(other.get(f"/runs/{run}/feedback/expected/{SECRET}.txt"), 404)
        envelope(other.delete(f"/runs/{run}/feedback/expected/{SECRET}.txt"), 404)
        assert other.get(f"/runs/{run}/reviews").json() == {"review": None}
        assert other.get(f"/runs/{run}/feedback/history").json()["total"] == 0
        assert other.get(f"/runs/{run}/feedback").headers["etag"] == '"0"'
    assert http.get(f"/runs/{run}").json().get("reviewState", "unreviewed") == "unreviewed"


def test_equal_verdicts_become_the_feedback(person: Person, run: str):
    ada, ben = person("ada"), person("ben")
    ada.put(f"/runs/{run}/feedback", json={"rating": "fail", "body": "no VAT", "tags": ["vat"], "status": "open"})
    ben.post(f"/runs/{run}/feedback/expected", json={"outputFileName": "note.txt"})
    answer = ben.put(f"/runs/{run}/feedback", json={"rating": "fail", "expected": {"total": 2}}).json()
    assert (answer["feedback"]["rating"], answer["feedback"]["status"], answer["expected"]) == (
        "fail",
        "open",
        {"total": 2},
    )
    assert (answer["feedback"]["body"], answer["feedback"]["tags"], answer["awaits"]) == ("no VAT", ["vat"], None)
    assert [file["name"] for file in answer["expectedFiles"]] == ["note.txt"]
    assert {one["reviewerEmail"]: one["rating"] for one in answer["verdicts"]} == {
        "ada@example.org": "fail",
        "ben@example.org": "fail",
    }
    assert ada.get(f"/runs/{run}/feedback").json() == answer
    actions = [entry["action"] for entry in ada.get(f"/runs/{run}/feedback/history").json()["data"]]
    assert actions[0] == "feedback.agreed"
    assert actions.count("verdict.updated") == 2


def test_unequal_verdicts_stay_open_without_a_rating_until_a_third_decides(person: Person, run: str):
    ada, ben, eve, boss = (
        person("ada"),
        person("ben"),
        person("eve"),
        person("boss", "runs:write", "runs:read", "reviews:write"),
    )
    ada.put(f"/runs/{run}/feedback", json={"rating": "pass"})
    ben.put(f"/runs/{run}/feedback", json={"rating": "fail", "expected": {"total": 3}, "body": "wrong total"})
    for one in (ada, ben, eve, boss):
        body = one.get(f"/runs/{run}/feedback").json()
        assert (body["feedback"]["rating"], body["feedback"]["status"], body["awaits"]) == (
            None,
            "open",
            "adjudication",
        )
        assert len(body["verdicts"]) == 2
    envelope(eve.put(f"/runs/{run}/feedback", json={"rating": "pass"}), 403, "adjudication_forbidden")
    decided = boss.put(f"/runs/{run}/feedback", json={"rating": "fail", "status": "open"}).json()
    assert (decided["feedback"]["rating"], decided["expected"], decided["awaits"]) == ("fail", {"total": 3}, None)
    assert decided["feedback"]["body"] == "wrong total"
    actions = [entry["action"] for entry in boss.get(f"/runs/{run}/feedback/history").json()["data"]]
    assert actions[:2] == ["feedback.adjudicated", "feedback.disagreed"]


def test_a_decision_for_pass_leaves_nothing_open(person: Person, run: str):
    ada, ben, boss = person("ada"), person("ben"), person("boss", "runs:write", "runs:read", "reviews:write")
    ada.put(f"/runs/{run}/feedback", json={"rating": "pass"})
    ben.put(f"/runs/{run}/feedback", json={"rating": "partial"})
    decided = boss.put(f"/runs/{run}/feedback", json={"rating": "pass"}).json()
    assert (decided["feedback"]["rating"], decided["feedback"]["status"]) == ("pass", None)


def test_one_of_two_may_change_his_mind(person: Person, run: str):
    ada, ben = person("ada"), person("ben")
    ada.put(f"/runs/{run}/feedback", json={"rating": "pass"})
    ben.put(f"/runs/{run}/feedback", json={"rating": "fail"})
    etag = ada.get(f"/runs/{run}/feedback").headers["etag"]
    agreed = ben.put(f"/runs/{run}/feedback", json={"rating": "pass"}, headers={"If-Match": etag}).json()
    assert (agreed["feedback"]["rating"], agreed["feedback"]["status"], agreed["awaits"]) == ("pass", None, None)


def test_a_blind_verdict_can_be_taken_back_and_leaves_no_trace_for_others(person: Person, run: str):
    ada, ben = person("ada"), person("ben")
    ada.put(f"/runs/{run}/feedback", json={"rating": "fail", "body": "hasty"})
    assert ada.delete(f"/runs/{run}/feedback").json()["feedback"] is None
    ben.put(f"/runs/{run}/feedback", json={"rating": "pass"})
    assert ben.get(f"/runs/{run}/feedback").json()["awaits"] == "verdicts"
    ada.put(f"/runs/{run}/reviews", json={"verdict": "correct"})
    assert _feedback(ben, run)["rating"] == "pass"
    assert ben.get(f"/runs/{run}/feedback").json()["awaits"] is None


def test_what_two_are_asked_one_cannot_close(person: Person, run: str):
    ada = person("ada")
    for body in ({"status": "ignored", "reason": "x"}, {"status": "resolved", "rating": "fail"}):
        envelope(ada.put(f"/runs/{run}/feedback", json=body), 409, "double_review_pending")
    assert _feedback(ada, run) is None


def test_a_draft_without_a_rating_is_nobody_elses(person: Person, run: str):
    ada, ben = person("ada"), person("ben")
    ada.put(f"/runs/{run}/feedback", json={"body": "not sure yet"})
    assert _feedback(ada, run)["body"] == "not sure yet"
    ben.put(f"/runs/{run}/feedback", json={"rating": "pass"})
    assert ben.get(f"/runs/{run}/feedback").json()["awaits"] == "verdicts"
    ada.put(f"/runs/{run}/feedback", json={"rating": "pass"})
    assert _feedback(ben, run)["body"] == "not sure yet"


def test_with_one_reviewer_the_verdict_is_the_feedback(
    served: Served, http: httpx.Client, person: Person, automation: str
):
    run = http.post("/runs", json={"target": automation}, params={"wait_for_completion": 20}).json()["id"]
    person("ada").put(f"/runs/{run}/feedback", json={"rating": "fail", "body": "x"})
    assert _feedback(person("ben"), run)["body"] == "x"

    async def verdicts(server: Any) -> list[tuple[str, str]]:
        async with server.database.transaction() as tx:
            rows = await tx.fetch("SELECT reviewer, rating FROM verdicts WHERE run_id = $1", run)
        return [(row["reviewer"], row["rating"]) for row in rows]

    assert [rating for _, rating in served.do(verdicts)] == ["fail"]
    person("ben").put(f"/runs/{run}/feedback", json={"rating": "partial"})
    assert sorted(rating for _, rating in served.do(verdicts)) == ["fail", "partial"]
    person("ben").put(f"/runs/{run}/feedback", json={"rating": None})
    assert served.do(verdicts) == []


def test_a_remark_on_a_disagreement_decides_nothing(person: Person, run: str):
    ada, ben, boss = person("ada"), person("ben"), person("boss", "runs:write", "runs:read", "reviews:write")
    ada.put(f"/runs/{run}/reviews", json={"verdict": "correct"})
    assert ada.put(f"/runs/{run}/feedback", json={"rating": "fail"}).json()["feedback"]["status"] is None
    ben.put(f"/runs/{run}/reviews", json={"verdict": "correct"})
    body = boss.put(f"/runs/{run}/feedback", json={"body": "looking at it"}).json()
    assert (body["feedback"]["rating"], body["feedback"]["body"], body["awaits"]) == (
        None,
        "looking at it",
        "adjudication",
    )
