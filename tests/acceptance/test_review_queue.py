"""Reviewing as a team does it: over HTTP, on the command line and at a terminal, with keys that only review."""

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, push, set_step

from assay import access
from assay.cli.commands import run as run_command
from assay.cli.preferences import preferences

OUTPUT = {"total": 12, "vendor": "ACME"}


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Finished]


@pytest.fixture(scope="module")
def automation(http: httpx.Client) -> str:
    steps = [set_step(nothing=1), {"name": "note", "type": "test.file", "with": {"content": "kept"}}]
    automation = push(http, "invoices", steps, output=OUTPUT)["automation"]["id"]
    # Nothing gets into the queue but by hand.
    assert http.put(f"/automations/{automation}/sampling", json={"rate": 0}).status_code == 200
    return automation


@pytest.fixture
def runs(http: httpx.Client, automation: str) -> Sequence[str]:
    """Three runs that are over; what was queued before is done."""
    for item in http.get("/review-queue", params={"limit": 100}).json()["items"]:
        assert http.put(f"/runs/{item['runId']}/feedback", json={"rating": "pass"}).status_code == 200
    started = [http.post("/runs", json={"target": automation}, params={"wait_for_completion": 20}) for _ in range(3)]
    return [answer.json()["id"] for answer in started]


def _new_key(served: Served, email: str, *scopes: str) -> str:
    async def make(server: Any) -> str:
        async with server.database.transaction() as tx:
            owned, _ = await access.ensure_default_organization(tx)
            user = await access.ensure_user(tx, organization_id=owned.id, email=email, role="reviewer")
            made = await access.create_key(
                tx, organization_id=owned.id, user_id=user.id, name=email, scopes=scopes or ("reviews:write",)
            )
        return made.secret

    return served.do(make)


@pytest.fixture
def reviewer(served: Served, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Somebody who may only review, and whom nobody knew before."""
    key = _new_key(served, f"{request.node.name}@example.org")
    with httpx.Client(
        base_url=f"{served.base_url}/api/v1",
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
        trust_env=False,
        verify=False,
    ) as client:
        yield client


@pytest.fixture
def assay(
    served: Served, reviewer: httpx.Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Runs a command as a shell would, with the reviewer's key, or the owner's."""
    monkeypatch.setenv("ASSAY_BASE_URL", served.base_url)

    def call(command: str, *, owner: bool = False) -> Finished:
        key = served.key() if owner else reviewer.headers["Authorization"].removeprefix("Bearer ")
        monkeypatch.setenv("ASSAY_API_KEY", key)
        preferences.quiet = preferences.no_color = False
        code = run_command(shlex.split(command))
        out, err = capfd.readouterr()
        return Finished(code, out, err)

    return call


def test_from_the_queue_to_a_verdict_with_a_key_that_only_reviews(
    http: httpx.Client, reviewer: httpx.Client, automation: str, runs: Sequence[str]
):
    counts = http.post("/review-queue", json={"runIds": runs, "dryRun": True}).json()
    assert (counts["matched"], counts["dryRun"]) == (3, True)
    http.post("/review-queue", json={"runIds": runs})
    assert http.post("/review-queue", json={"runIds": runs}).json()["added"] == 0
    item = reviewer.post("/review-queue/claim", json={"automation": automation}).json()["item"]
    assert (item["runId"], item["state"], item["claims"]) == (runs[0], "open", 1)
    assert item["lease"]["expiresAt"] > item["lease"]["claimedAt"]
    run = reviewer.get(f"/runs/{runs[0]}").json()
    assert run["output"] == OUTPUT
    files = reviewer.get(f"/runs/{runs[0]}/artifacts").json()["artifacts"]
    assert reviewer.get(f"/runs/{runs[0]}/artifacts/{files[0]['path']}").text == "kept"
    said = {
        "rating": "fail",
        "status": "open",
        "corrections": [{"kind": "field", "path": "/total", "correctedValue": 9}],
    }
    assert reviewer.patch(f"/runs/{runs[0]}/feedback", json=said).json()["expected"] == {**OUTPUT, "total": 9}
    upload = {"file": ("right.txt", b"right")}
    assert reviewer.post(f"/runs/{runs[0]}/feedback/expected", files=upload).status_code == 201
    done = reviewer.get(f"/review-queue/{item['id']}").json()
    assert (done["state"], done["judged"], done["lease"]) == ("done", True, None)
    mine = reviewer.get("/review-queue/stats", params={"automation": automation}).json()
    assert [(one["done"], one["open"]) for one in mine["reviewers"]] == [(1, 0)]
    assert "agreement" not in mine
    everybody = http.get("/review-queue/stats").json()
    assert everybody["agreement"]["unknown"] == "too_few"
    assert http.put(f"/runs/{runs[1]}/feedback", json={"rating": "pass"}).status_code == 200
    assert "owner@localhost" in {one["email"] for one in http.get("/review-queue/stats").json()["reviewers"]}
    again = reviewer.get("/review-queue/stats", params={"automation": automation}).json()
    assert (again["reviewers"], again["verdicts"]) == (mine["reviewers"], 2)


def test_a_key_that_only_reviews_gives_verdicts_and_settles_no_miss(
    http: httpx.Client, reviewer: httpx.Client, runs: Sequence[str]
):
    http.post("/review-queue", json={"runIds": runs})
    run, right, later = runs
    assert reviewer.put(f"/runs/{run}/feedback", json={"rating": "fail", "status": "open"}).status_code == 200
    for body in (
        {"status": "resolved"},
        {"rating": "pass", "status": "resolved"},
        {"status": "resolved", "override": {"reason": "It is fine"}},
        {"status": "ignored", "reason": "Who cares"},
    ):
        envelope(reviewer.put(f"/runs/{run}/feedback", json=body), 403, "insufficient_scope")
    assert reviewer.get(f"/runs/{run}/feedback").json()["feedback"]["status"] == "open"
    assert reviewer.put(f"/runs/{right}/feedback", json={"rating": "pass", "status": "resolved"}).status_code == 200
    assert reviewer.put(f"/runs/{later}/reviews", json={"verdict": "correct"}).status_code == 200


def test_whoever_only_reviews_sees_no_lists_and_nothing_that_was_never_queued(
    http: httpx.Client, reviewer: httpx.Client, automation: str, runs: Sequence[str]
):
    for run in runs:
        envelope(reviewer.get(f"/runs/{run}"), 404, "not_found")
        envelope(reviewer.put(f"/runs/{run}/feedback", json={"rating": "pass"}), 404, "not_found")
    for path in ("/runs", "/automations", f"/automations/{automation}/examples", f"/runs/{runs[0]}/steps", "/audit"):
        envelope(reviewer.get(path), 403, "insufficient_scope")
    envelope(reviewer.post("/review-queue", json={"runIds": list(runs)}), 403, "insufficient_scope")
    http.post("/review-queue", json={"runIds": list(runs)})
    assert reviewer.get(f"/runs/{runs[0]}", params={"expand": "input,usage"}).status_code == 200
    envelope(reviewer.get(f"/runs/{runs[0]}", params={"expand": "execution"}), 403, "insufficient_scope")
    assert reviewer.get(f"/automations/{automation}/failure-tags").status_code == 200


def test_runs_are_found_by_the_filters_of_their_list(
    assay: Command, http: httpx.Client, automation: str, runs: Sequence[str]
):
    query = {"source": automation, "ids": ",".join(runs), "noFeedback": "true"}
    counted = http.post("/review-queue", params=query, json={"dryRun": True}).json()
    assert (counted["matched"], counted["added"], counted["more"]) == (3, 3, False)
    http.put(f"/runs/{runs[0]}/feedback", json={"rating": "pass"})
    assert http.post("/review-queue", params=query).json()["added"] == 2
    assert http.post("/review-queue", params=query).json()["alreadyWaiting"] == 2
    found = assay(f"review add --automation invoices --filter ids={runs[0]} --reported --json", owner=True).json
    assert (found["matched"], found["added"]) == (1, 1)
    envelope(http.post("/review-queue", params={"nonsense": 1}), 400, "unknown_parameter")
    envelope(http.post("/review-queue", params=query, json={"runIds": list(runs)}), 400)
    assert assay("review add", owner=True).code == 2


def test_bad_requests_are_told_by_field(http: httpx.Client, reviewer: httpx.Client, runs: Sequence[str]):
    for body, field in (
        ({"runIds": []}, "runIds"),
        ({}, "runIds"),
        ({"runIds": [runs[0], "exec_nothing"]}, "runIds[1]"),
        ({"runIds": runs, "reason": "random"}, "reason"),
        ({"runIds": runs, "slots": 2}, "slots"),
    ):
        answer = http.post("/review-queue", json=body)
        assert answer.json()["issues"][0]["field"] == field
        assert answer.status_code in {400, 404}
    for body in ({"leaseSeconds": 1}, {"leaseSeconds": 10**9}, {"lease": 60}):
        envelope(reviewer.post("/review-queue/claim", json=body), 400)
    envelope(reviewer.post("/review-queue/claim", json={"itemId": "rvi_nothing"}), 404, "not_found")
    envelope(reviewer.post("/review-queue/claim", json={"automation": "workflows.none"}), 404)
    envelope(reviewer.get("/review-queue", params={"cursor": "nonsense"}), 400)
    envelope(reviewer.get("/review-queue", params={"state": "open,disagreement"}), 400)
    http.post("/review-queue", json={"runIds": runs})
    item = reviewer.post("/review-queue/claim").json()["item"]
    envelope(reviewer.post(f"/review-queue/{item['id']}/skip", json={}), 400, "reason_required")
    assert reviewer.post(f"/review-queue/{item['id']}/skip", json={"reason": "Hungarian"}).json()["lease"] is None


def test_a_reviewer_works_on_the_command_line(assay: Command, http: httpx.Client, runs: Sequence[str]):
    one, two, three = runs
    assert assay(f"review add {one} {two} {three}").code == 1
    dry = assay(f"review add {one} {two} {three} --dry-run", owner=True)
    assert (dry.code, dry.out.splitlines()[0]) == (0, "runs\t3")
    added = assay(f"review add {one} {two} {three} --reported --json", owner=True).json
    assert added["added"] + added["reopened"] + added["alreadyWaiting"] == 3
    waiting = {item["runId"] for item in assay("review list --available --json").json}
    assert set(runs) <= waiting
    shown = assay("review next")
    assert "ACME" in shown.out
    mine = assay("review list --mine --json").json
    assert len(mine) == 1
    # The same run until there is a verdict.
    assert assay("review next --json").json["item"]["id"] == mine[0]["id"]
    assert assay("review pass -m 'As it should be'").code == 0
    assert http.get(f"/runs/{mine[0]['runId']}/feedback").json()["feedback"]["body"] == "As it should be"
    claimed = assay("review claim --json").json["item"]
    failed = assay(f"review fail {claimed['runId']} -m wrong --correct /total=9 --tag amount --json").json
    assert (failed["feedback"]["rating"], failed["feedback"]["status"], failed["expected"]["total"]) == (
        "fail",
        "open",
        9,
    )
    assert assay("review claim").code == 0
    assert assay("review release --reason lunch").code == 0
    misuse = assay("review release")
    assert (misuse.code, "You have no item." in misuse.err) == (2, True)
    assay("review claim")
    assert assay("review skip --reason 'In Hungarian'").code == 0
    stats = assay("review stats --json").json
    assert [one["done"] for one in stats["reviewers"]] == [2]
    assert "waiting" in assay("review stats", owner=True).out


def test_figures_of_agreement_are_shown_by_pair(
    served: Served, assay: Command, http: httpx.Client, reviewer: httpx.Client, runs: Sequence[str]
):
    http.post("/review-queue", json={"runIds": list(runs), "doubleReview": True})
    for run in runs:
        assert reviewer.put(f"/runs/{run}/feedback", json={"rating": "pass"}).status_code == 200
        assert http.put(f"/runs/{run}/feedback", json={"rating": "pass"}).status_code == 200
    agreement = http.get("/review-queue/stats").json()["agreement"]
    assert (agreement["runs"], agreement["agreed"], agreement["kappa"]) == (3, 3, None)
    assert "owner@localhost" in {one["email"] for one in agreement["pairs"][0]["reviewers"]}
    lines = assay("review stats", owner=True).out.splitlines()
    assert "agreed\t3 of 3 judged by two" in lines
    assert [line for line in lines if "owner@localhost" in line and line.endswith("3 of 3 judged by two\t\t")]


def test_at_a_terminal_the_verdict_is_asked_for(
    served: Served, http: httpx.Client, reviewer: httpx.Client, runs: Sequence[str]
):
    http.post("/review-queue", json={"runIds": runs, "reason": "reported"})
    key = reviewer.headers["Authorization"].removeprefix("Bearer ")
    environment = {**os.environ, "ASSAY_BASE_URL": served.base_url, "ASSAY_API_KEY": key, "TERM": "xterm"}
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "assay.cli", "review", "next"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
    )
    os.close(follower)
    # Two verdicts and a skip; then it stops.
    answers = ["n", "all fine", "p", "f", "VAT is missing", "nonsense", "/total=9", "", "s", "Hungarian", "q"]
    os.write(leader, "".join(f"{answer}\n" for answer in answers).encode())
    text = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(leader)
    assert process.wait(30) == 0
    assert b"ACME" in text
    found = [http.get(f"/runs/{run}/feedback").json() for run in runs]
    given = {one["feedback"]["body"]: one for one in found if one["feedback"]}
    assert given["all fine"]["feedback"]["rating"] == "pass"
    assert given["VAT is missing"]["feedback"]["rating"] == "fail"
    assert given["VAT is missing"]["expected"] == {**OUTPUT, "total": 9}
    assert reviewer.get("/review-queue", params={"mine": "true"}).json()["items"] == []
