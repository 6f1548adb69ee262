"""Runs are found by what was said of them, in the words of both generations of clients, and each run tells its chip."""

from typing import Any

import httpx
import pytest
from eigenpal import EigenpalClient
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import push, set_step

Runs = dict[str, str]


@pytest.fixture(scope="module")
def automation(http: httpx.Client) -> str:
    made = push(http, "found", [set_step(total=12)], output={"total": 12})["automation"]["id"]
    assert http.put(f"/automations/{made}/sampling", json={"rate": 0}).status_code == 200
    return made


@pytest.fixture(scope="module")
def said(http: httpx.Client, automation: str) -> Runs:
    """Runs by what was said of them, the oldest first."""
    feedback: dict[str, dict[str, Any]] = {
        "passed": {"rating": "pass"},
        "failed": {"rating": "fail", "status": "open", "body": "The VAT is missing", "expected": {"total": 14}},
        "corrected": {
            "rating": "partial",
            "status": "open",
            "corrections": [{"kind": "field", "path": "/total", "correctedValue": 13}],
        },
        "noted": {"body": "Looks odd"},
        "ignored": {"rating": "fail", "status": "ignored", "reason": "A test document"},
        "unreviewed": {},
    }
    made: Runs = {}
    for name, body in feedback.items():
        answer = http.post("/runs", json={"target": automation}, params={"wait_for_completion": 20})
        made[name] = answer.json()["id"]
        if body:
            assert http.patch(f"/runs/{made[name]}/feedback", json=body).status_code == 200
    return made


QUERIES = [
    ("hasFeedback=true", "passed failed corrected noted ignored"),
    ("noFeedback=true", "unreviewed"),
    ("hasReview=false", "unreviewed"),
    ("noReview=true&status=completed&hasExpected=false", "unreviewed"),
    ("feedbackStatus=open", "failed corrected"),
    ("feedbackStatus=open,ignored", "failed corrected ignored"),
    ("feedbackRating=fail", "failed ignored"),
    ("feedbackRating=none", "noted"),
    ("feedbackRating=partial,pass", "passed corrected"),
    ("hasExpected=true", "failed corrected"),
    ("hasExpectedFiles=true", ""),
    ("promotedToExample=true", ""),
    ("feedbackBodyContains=vat", "failed"),
    ("reviewNoteContains=odd", "noted"),
    ("feedbackCreatedAfter=1d&feedbackUpdatedAfter=1d", "passed failed corrected noted ignored"),
    ("feedbackCreatedBefore=1d", ""),
    ("reviewClosedAfter=1d", "ignored"),
    ("reviewState=unreviewed", "noted unreviewed"),
    ("reviewState=passed,ignored", "passed ignored"),
    ("reviewState=unreviewed&sampled=true", ""),
    ("reviewStatus=closed", "passed"),
    ("reviewStatus=wont_fix", "ignored"),
    ("reviewStatus=open&reviewVerdict=incorrect", "failed"),
    ("reviewVerdict=correct", "passed"),
    ("reviewVerdict=null", "corrected noted"),
    ("hasCorrections=true", "corrected"),
    ("sampleRate=1", "passed failed corrected noted ignored unreviewed"),
    ("sampleRate=0", ""),
    ("sampleRate=1e-05&sort=completedAt", ""),
    ("sinceLastResolved=true&hasFeedback=true", "passed failed corrected noted ignored"),
    ("tag=urgent", ""),
    ("hasExample=true", ""),
]


@pytest.mark.parametrize(("query", "names"), QUERIES)
def test_a_filter_finds_what_was_said(http: httpx.Client, automation: str, said: Runs, query: str, names: str):
    answer = http.get(f"/runs?source={automation}&{query}")
    assert answer.status_code == 200, answer.text
    assert [run["id"] for run in answer.json()["runs"]] == [said[name] for name in reversed(names.split())]


@pytest.mark.parametrize("sort", ["createdAt", "completedAt"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_filtered_pages_are_full_and_have_cursors(
    http: httpx.Client, automation: str, said: Runs, sort: str, order: str
):
    query = {"source": automation, "hasFeedback": "true", "sort": sort, "order": order, "limit": 2}
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = http.get("/runs", params=query if cursor is None else {**query, "cursor": cursor}).json()
        pages.append([run["id"] for run in page["runs"]])
        cursor = page["nextCursor"]
        if cursor is None:
            break
    reviewed = [run for name, run in said.items() if name != "unreviewed"]
    found = [run for page in pages for run in page]
    assert found == (reviewed if order == "asc" else reviewed[::-1])
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [run["id"] for run in http.get("/runs", params={**query, "offset": 3}).json()["runs"]] == found[3:5]


def test_a_cursor_of_the_other_order_is_refused(http: httpx.Client, automation: str, said: Runs):
    query = {"source": automation, "limit": 1}
    cursor = http.get("/runs", params=query).json()["nextCursor"]
    answer = http.get("/runs", params={**query, "sort": "completedAt", "cursor": cursor})
    envelope(answer, 400, "invalid_cursor")


BAD = [
    "reviewState=odd",
    "feedbackRating=good",
    "sampleRate=2",
    "sampleRate=nan",
    "sampleRate=x",
    "sampled=maybe",
    "sort=status",
    "order=asc,desc",
    "hasFeedback=true&noReview=true",
    "feedbackBodyContains=a&reviewNoteContains=b",
    "feedbackCreatedAfter=soon",
]


@pytest.mark.parametrize("query", BAD)
def test_what_is_no_filter_is_named(http: httpx.Client, query: str):
    issues = envelope(http.get(f"/runs?{query}"), 400)["issues"]
    assert issues[0]["field"] in query or issues[0]["field"] == "noFeedback"


def test_a_run_tells_its_chip_and_sums_up_its_review(http: httpx.Client, client: EigenpalClient, said: Runs):
    chips = {"passed": "passed", "failed": "open", "noted": "unreviewed", "ignored": "ignored"}
    for name, chip in chips.items():
        run = http.get(f"/runs/{said[name]}").json()
        assert (run["reviewState"], run["sampled"], run["tags"]) == (chip, False, [])
        assert 0 <= run["sampleRank"] < 1
    corrected = http.get(f"/runs/{said['corrected']}").json()["execution"]["review"]
    assert corrected == {"verdict": None, "status": "open", "hasNote": False, "correctionCount": 1}
    assert "review" not in http.get(f"/runs/{said['unreviewed']}").json()["execution"]
    assert client.runs.get(said["failed"]).id == said["failed"]


def test_the_execution_expanded_holds_all_that_was_said(http: httpx.Client, client: EigenpalClient, said: Runs):
    execution = http.get(f"/runs/{said['failed']}", params={"expand": "execution"}).json()["execution"]
    assert execution["feedback"]["body"] == execution["review"]["note"] == "The VAT is missing"
    assert execution["expected"]["output"] == {"total": 14}
    nothing = http.get(f"/runs/{said['unreviewed']}", params={"expand": "execution"}).json()["execution"]
    assert nothing["feedback"] is None
    assert client.runs.get(said["failed"], expand=["execution"]).id == said["failed"]
