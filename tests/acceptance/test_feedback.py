"""What people say of a run: verdict, correction and files, through the published client and over HTTP."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import eigenpal
import httpx
import pytest
from eigenpal import EigenpalClient
from eigenpal._generated.api.runs import (
    runs_feedback_clear,
    runs_feedback_expected_create,
    runs_feedback_expected_file_delete,
    runs_feedback_expected_file_get,
    runs_feedback_expected_file_update,
    runs_feedback_expected_get,
    runs_feedback_get,
    runs_feedback_update,
)
from eigenpal._generated.client import AuthenticatedClient
from eigenpal._generated.models import (
    RunExpectedArtifacts,
    RunExpectedFileCopyRequest,
    RunExpectedFileMutationResponse,
    RunExpectedFileUpdateRequest,
    RunExpectedFileUpdateResponse,
    RunFeedbackDetail,
    RunFeedbackRequest,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served, gate, gate_step, push, set_step

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CORRECTION = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["field", "file"]) | ANY,
        "path": st.sampled_from(["", "/total", "/lines/-", "/x/y"]) | ANY,
    },
    optional={"correctedValue": ANY, "originalValue": ANY, "note": ANY, "id": ANY, "correctedArtifactPath": ANY},
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "rating": st.sampled_from(["pass", "fail", "partial", None]) | ANY,
        "verdict": st.sampled_from(["correct", "incorrect", None]) | ANY,
        "status": st.sampled_from(["open", "resolved", "ignored", "closed", "wont_fix", None]) | ANY,
        "body": ANY,
        "note": ANY,
        "expected": ANY,
        "correctedOutput": ANY,
        "corrections": st.lists(CORRECTION, max_size=3) | ANY,
        "tags": st.lists(st.text(max_size=5), max_size=3) | ANY,
        "reason": ANY,
        "closedNote": ANY,
        "override": st.fixed_dictionaries({"reason": ANY}) | ANY,
    },
)

OUTPUT = {"total": 12, "lines": [{"amount": 5}, {"amount": 7}], "vendor": "ACME"}
NOTHING = {"feedback": None, "expected": None, "expectedFiles": []}


@pytest.fixture(scope="module")
def automation(http: httpx.Client) -> str:
    steps = [set_step(nothing=1), {"name": "note", "type": "test.file", "with": {"content": "as it came"}}]
    return push(http, "invoices", steps, output=OUTPUT)["automation"]["id"]


@pytest.fixture
def run(http: httpx.Client, automation: str) -> str:
    """A run that is over and that nobody has looked at."""
    answer = http.post("/runs", json={"target": automation}, params={"wait_for_completion": 20})
    assert answer.json()["execution"]["status"] == "completed"
    return answer.json()["id"]


def _known(body: Any) -> dict[str, Any]:
    return {name: body[name] for name in NOTHING}


def test_a_run_nobody_looked_at_has_none(client: EigenpalClient, run: str):
    assert _known(client.runs.feedback.get(run)) == NOTHING
    assert client.runs.feedback.list_expected(run) == {"expected": None, "files": []}
    assert _known(client.runs.feedback.clear(run)) == NOTHING


def test_what_is_left_out_stays_and_null_clears(client: EigenpalClient, run: str):
    update = client.runs.feedback.update
    first = update(run, {"rating": "fail", "status": "open", "body": "VAT missing", "expected": {"total": 14}})
    assert (first.feedback.rating, first.feedback.status, first.expected) == ("fail", "open", {"total": 14})
    assert (first.feedback.createdByEmail, first.feedback.resolvedAt) == ("owner@localhost", None)
    second = update(run, {"rating": "partial"})
    assert (second.feedback.rating, second.feedback.body, second.expected) == ("partial", "VAT missing", {"total": 14})
    third = update(run, {"rating": None, "expected": None, "body": None, "status": None})
    assert (third.feedback.rating, third.feedback.body, third.expected) == (None, "", None)
    assert third.feedback.createdAt == first.feedback.createdAt
    assert client.runs.feedback.get(run) == third


def test_any_json_is_an_expected_output(client: EigenpalClient, run: str):
    for value in ([1, None], "text", 0, False, {"deep": {"ü": [{}]}}):
        assert client.runs.feedback.update(run, {"expected": value}).expected == value
    assert client.runs.feedback.list_expected(run).expected == {"deep": {"ü": [{}]}}


def test_ignored_is_stamped_and_wants_a_reason(client: EigenpalClient, http: httpx.Client, run: str):
    envelope(http.put(f"/runs/{run}/feedback", json={"status": "ignored"}), 400, "reason_required")
    ignored = http.patch(f"/runs/{run}/feedback", json={"status": "ignored", "reason": "A test document"}).json()
    assert ignored["feedback"]["reason"] == "A test document"
    assert (ignored["feedback"]["resolvedByEmail"], ignored["feedback"]["resolvedAt"]) == (
        "owner@localhost",
        ignored["feedback"]["updatedAt"],
    )


def test_expected_files_come_go_and_change_names(client: EigenpalClient, run: str):
    feedback = client.runs.feedback
    document = {"filename": "bericht.txt", "content": "prüfen".encode(), "mime_type": "text/plain"}
    assert feedback.upload_expected(run, document) == {"name": "bericht.txt"}
    assert feedback.upload_expected(run, document, name="März/re\u0301sume\u0301.txt") == {"name": "März/résumé.txt"}
    assert feedback.copy_output_to_expected(run, "note.txt") == {"name": "note.txt"}
    assert feedback.copy_output_to_expected(run, "output/note/note.txt", expected_name="b/c.txt") == {"name": "b/c.txt"}
    names = ["bericht.txt", "März/résumé.txt", "note.txt", "b/c.txt"]
    assert [file.name for file in feedback.list_expected(run).files] == names
    assert feedback.download_expected(run, "März/résumé.txt") == "prüfen".encode()
    assert feedback.download_expected(run, "b/c.txt") == b"as it came"
    assert feedback.rename_expected(run, "b/c.txt", "d ü.txt") == {"name": "d ü.txt"}
    with pytest.raises(eigenpal.EigenpalError, match="409"):
        feedback.rename_expected(run, "d ü.txt", "note.txt")
    feedback.delete_expected(run, "note.txt")
    for gone in ("note.txt", "b/c.txt"):
        with pytest.raises(eigenpal.EigenpalNotFoundError):
            feedback.download_expected(run, gone)
    assert [file.name for file in feedback.get(run).expectedFiles] == ["bericht.txt", "März/résumé.txt", "d ü.txt"]
    feedback.clear(run)
    assert feedback.list_expected(run).files == []


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", "a\\b", "x" * 1025, "a/../../b", "tab\there"])
def test_a_name_that_leaves_its_place_is_refused(http: httpx.Client, run: str, name: str):
    answer = http.post(f"/runs/{run}/feedback/expected", data={"name": name}, files={"file": ("a", b"x")})
    envelope(answer, 400)
    assert http.get(f"/runs/{run}/feedback").json()["expectedFiles"] == []


def test_an_output_file_that_does_not_exist_is_named(http: httpx.Client, run: str):
    answer = http.post(f"/runs/{run}/feedback/expected", json={"outputFileName": "nothing.pdf"})
    assert "nothing.pdf" in envelope(answer, 404, "output_file_not_found")["issues"][0]["message"]


def test_a_file_of_a_hundred_megabytes_arrives_and_a_larger_one_is_refused(
    served: Served, http: httpx.Client, run: str
):
    largest = 100 * 1024**2
    path = f"/runs/{run}/feedback/expected"
    assert http.post(path, files={"file": ("large.bin", bytes(largest))}).status_code == 201
    assert http.get(f"/runs/{run}/feedback").json()["expectedFiles"][0]["size"] == largest
    envelope(http.post(path, files={"file": ("larger.bin", bytes(largest + 1))}), 413)
    assert http.delete(f"{path}/large.bin").status_code == 204


def test_a_run_takes_a_hundred_files(http: httpx.Client, run: str):
    path = f"/runs/{run}/feedback/expected"
    for number in range(100):
        assert http.post(path, json={"outputFileName": "note.txt", "expectedName": f"{number}"}).status_code == 201
    envelope(http.post(path, json={"outputFileName": "note.txt", "expectedName": "one"}), 400, "too_many_files")
    assert http.post(path, json={"outputFileName": "note.txt", "expectedName": "7"}).status_code == 201


def test_the_strict_layer_understands_every_answer(served: Served, run: str):
    client = AuthenticatedClient(base_url=served.base_url, token=served.key(), verify_ssl=False)

    def ask(module: Any, *arguments: Any, **named: Any) -> tuple[int, Any]:
        answer = module.sync_detailed(run, *arguments, client=client, **named)
        return int(answer.status_code), answer.parsed

    body = RunFeedbackRequest.from_dict({"rating": "fail", "status": "open", "body": "x", "expected": {"a": 1}})
    for module, named in (
        (runs_feedback_get, {}),
        (runs_feedback_update, {"body": body}),
        (runs_feedback_get, {}),
    ):
        status, found = ask(module, **named)
        assert (status, type(found)) == (200, RunFeedbackDetail)
    assert found.feedback.created_by_email == "owner@localhost"
    copy = RunExpectedFileCopyRequest.from_dict({"outputFileName": "note.txt", "expectedName": "a/b.txt"})
    status, made = ask(runs_feedback_expected_create, body=copy)
    assert (status, type(made)) == (201, RunExpectedFileMutationResponse)
    assert ask(runs_feedback_expected_file_get, "a/b.txt")[0] == 200
    renamed = RunExpectedFileUpdateRequest.from_dict({"name": "c.txt"})
    status, found = ask(runs_feedback_expected_file_update, "a/b.txt", body=renamed)
    assert (status, type(found)) == (200, RunExpectedFileUpdateResponse)
    assert (ask(runs_feedback_expected_get)[0], type(ask(runs_feedback_expected_get)[1])) == (200, RunExpectedArtifacts)
    assert ask(runs_feedback_expected_file_delete, "c.txt")[0] == 204
    status, found = ask(runs_feedback_clear)
    assert (status, found.feedback) == (200, None)


def test_feedback_waits_until_the_run_has_ended(served: Served, http: httpx.Client):
    with gate("feedback") as waiting:
        push(http, "slow", [gate_step("feedback")])
        run = http.post("/runs", json={"target": "workflows.slow"}).json()["id"]
        served.wait_until_reached(waiting)
        envelope(http.put(f"/runs/{run}/feedback", json={"rating": "pass"}), 409, "run_not_finished")
        file = {"file": ("a.txt", b"x")}
        envelope(http.post(f"/runs/{run}/feedback/expected", files=file), 409, "run_not_finished")
        assert _known(http.get(f"/runs/{run}/feedback").json()) == NOTHING
        served.open_gate(waiting)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rating": "none"}, "rating"),
        ({"rating": 1}, "rating"),
        ({"status": "closed"}, "status"),
        ({"ratings": "pass"}, "ratings"),
        ({"body": 7}, "body"),
        ({"tags": ["x" * 65]}, "tags"),
        ({"tags": [" "]}, "tags"),
        ({"tags": [str(number) for number in range(21)]}, "tags"),
        ({"corrections": [{"kind": "field"}]}, "corrections[0].path"),
        ({"corrections": [{"kind": "field", "path": "total"}]}, "corrections[0].path"),
        ({"corrections": [{"kind": "field", "path": "/lines/9/amount", "correctedValue": 1}]}, "corrections[0].path"),
        ({"corrections": [{"kind": "field", "path": "/total/x", "correctedValue": 1}]}, "corrections[0].path"),
        ({"override": {}}, "override.reason"),
        ([], "<root>"),
    ],
)
def test_a_change_that_is_none_names_the_field_and_changes_nothing(http: httpx.Client, run: str, body: Any, field: str):
    assert envelope(http.put(f"/runs/{run}/feedback", json=body), 400)["issues"][0]["field"] == field
    assert _known(http.get(f"/runs/{run}/feedback").json()) == NOTHING


def test_what_is_no_json_or_too_large_is_refused(http: httpx.Client, run: str):
    path, head = f"/runs/{run}/feedback", {"content-type": "application/json"}
    for broken in (b'{"expected": ', b'{"expected": NaN}', b'{"expected": "\xff"}'):
        envelope(http.put(path, content=broken, headers=head), 400, "invalid_json")
    envelope(http.put(path, json={"body": "ü" * 50_001}), 413, "feedback_too_large")
    assert http.put(path, json={"body": "ü" * 50_000}).status_code == 200
    envelope(http.put(path, json={"expected": "x" * 11_000_000}), 413)


def test_corrections_of_fields_give_the_expected_output(http: httpx.Client, run: str):
    path = f"/runs/{run}/feedback"
    given = [
        {"kind": "field", "path": "/lines/1/amount", "correctedValue": 9, "label": "Second line", "note": "misread"},
        {"kind": "field", "path": "/currency", "correctedValue": "EUR"},
        {"kind": "field", "path": "/vendor", "note": "only a remark"},
        {"kind": "file", "path": "output/note/note.txt", "correctedArtifactPath": "note.txt"},
    ]
    body = http.put(path, json={"rating": "fail", "corrections": given}).json()
    wanted = {"total": 12, "lines": [{"amount": 5}, {"amount": 9}], "vendor": "ACME", "currency": "EUR"}
    assert body["expected"] == wanted
    kept = body["feedback"]["corrections"]
    assert [one.get("originalValue", "none") for one in kept] == [7, "none", "ACME", "none"]
    again = http.put(path, json={"corrections": kept}).json()
    assert again["feedback"]["corrections"] == kept
    assert again["feedback"]["revision"] == body["feedback"]["revision"]
    own = http.put(path, json={"corrections": kept[:1], "expected": {"mine": True}}).json()
    assert own["expected"] == {"mine": True}
    assert http.put(path, json={"corrections": None}).json()["expected"] == {"mine": True}
    http.put(path, json={"corrections": given})
    assert http.put(path, json={"corrections": []}).json()["expected"] is None


def test_the_ways_to_fail_are_counted_per_automation(http: httpx.Client, automation: str):
    def one() -> str:
        return http.post("/runs", json={"target": automation}, params={"wait_for_completion": 20}).json()["id"]

    first, second = one(), one()
    http.put(f"/runs/{first}/feedback", json={"rating": "fail", "tags": ["handwriting", "wrong vendor", "handwriting"]})
    http.put(f"/runs/{second}/feedback", json={"rating": "partial", "tags": ["handwriting"]})
    found = http.get(f"/automations/{automation}/failure-tags").json()["tags"]
    assert [(tag["tag"], tag["count"]) for tag in found] == [("handwriting", 2), ("wrong vendor", 1)]
    http.delete(f"/runs/{second}/feedback")
    assert http.get("/automations/workflows.invoices/failure-tags").json()["tags"][0]["count"] == 1


def test_history_tells_who_changed_what_and_outlives_clearing(http: httpx.Client, run: str):
    path = f"/runs/{run}/feedback"
    http.put(path, json={"rating": "fail", "body": "one"})
    http.put(path, json={"body": "two"})
    http.put(path, json={"body": "two"})
    http.delete(path)
    http.delete(path)
    found = http.get(f"{path}/history").json()
    assert [entry["action"] for entry in found["data"]] == ["feedback.cleared", "feedback.updated", "feedback.created"]
    assert found["data"][1]["changes"] == {"body": {"before": "one", "after": "two"}}
    assert {entry["by"]["email"] for entry in found["data"]} == {"owner@localhost"}
    page = http.get(f"{path}/history", params={"limit": 1, "offset": 1}).json()
    assert (page["data"], page["total"]) == (found["data"][1:2], 3)
    assert http.get(f"{path}/history", params={"offset": 9}).json() == {
        "data": [],
        "total": 3,
        "limit": 100,
        "offset": 9,
    }


def test_a_lost_update_is_refused_where_somebody_asks_for_that(http: httpx.Client, run: str):
    path = f"/runs/{run}/feedback"
    nothing = http.get(path).headers["etag"]
    envelope(http.put(path, json={"rating": "fail"}, headers={"If-Match": "*"}), 412, "feedback_changed")
    first = http.put(path, json={"rating": "fail"}, headers={"If-Match": nothing})
    assert first.status_code == 200
    for stale in (nothing, '"x"'):
        envelope(http.put(path, json={"rating": "pass"}, headers={"If-Match": stale}), 412, "feedback_changed")
        envelope(http.delete(path, headers={"If-Match": stale}), 412, "feedback_changed")
        file = {"outputFileName": "note.txt"}
        envelope(http.post(f"{path}/expected", json=file, headers={"If-Match": stale}), 412, "feedback_changed")
    current = f'"x", W/{first.headers["etag"]}'
    assert http.put(path, json={"body": "x"}, headers={"If-Match": current}).status_code == 200
    assert http.put(path, json={"rating": "pass"}).json()["feedback"]["body"] == "x"


def test_of_fifty_concurrent_updates_none_is_lost_to_history(served: Served, http: httpx.Client, run: str):
    path = f"/runs/{run}/feedback"
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda number: http.put(path, json={"body": f"{number}"}), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    entries = http.get(f"{path}/history").json()["data"]
    assert [entry["revision"] for entry in entries] == list(range(50, 0, -1))
    assert {entry["changes"]["body"]["after"] for entry in entries} == {f"{number}" for number in range(50)}
    for later, earlier in pairwise(entries):
        assert later["changes"]["body"]["before"] == earlier["changes"]["body"]["after"]
    assert http.get(path).json()["feedback"]["body"] == entries[0]["changes"]["body"]["after"]


def test_of_concurrent_updates_that_name_what_they_saw_one_wins(http: httpx.Client, run: str):
    path = f"/runs/{run}/feedback"
    etag = http.get(path).headers["etag"]

    def update(number: int) -> int:
        return http.put(path, json={"body": f"{number}"}, headers={"If-Match": etag}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(update, range(8))) == [200, *[412] * 7]


@pytest.mark.parametrize("kind", ["missing", "foreign"])
def test_a_run_that_is_not_there_has_no_feedback(served: Served, http: httpx.Client, run: str, kind: str):
    asking, run_id = (http, "exec_nothing") if kind == "missing" else (served.http(organization="others"), run)
    path = f"/runs/{run_id}/feedback"
    calls: list[Callable[[], httpx.Response]] = [
        lambda: asking.get(path),
        lambda: asking.put(path, json={"rating": "pass"}),
        lambda: asking.patch(path, json={"rating": "pass"}),
        lambda: asking.delete(path),
        lambda: asking.get(f"{path}/history"),
        lambda: asking.get(f"{path}/expected"),
        lambda: asking.post(f"{path}/expected", files={"file": ("a", b"x")}),
        lambda: asking.post(f"{path}/expected", json={"outputFileName": "note.txt"}),
        lambda: asking.get(f"{path}/expected/x"),
        lambda: asking.patch(f"{path}/expected/x", json={"name": "y"}),
        lambda: asking.delete(f"{path}/expected/x"),
    ]
    for call in calls:
        envelope(call(), 404, "not_found")
    assert _known(http.get(f"/runs/{run}/feedback").json()) == NOTHING


def test_what_is_deleted_with_its_run_takes_its_bytes_along(served: Served, http: httpx.Client, run: str):
    assert http.post(f"/runs/{run}/feedback/expected", files={"file": ("a", b"only here")}).status_code == 201
    assert http.put(f"/runs/{run}/feedback", json={"rating": "pass"}).status_code == 200
    assert http.delete(f"/runs/{run}").status_code == 204
    envelope(http.get(f"/runs/{run}/feedback"), 404)


def test_both_prefixes_and_both_vocabularies_tell_of_one_record(served: Served, http: httpx.Client, run: str):
    later = f"{served.base_url}/v1/runs/{run}/reviews"
    note = {"verdict": "incorrect", "note": "no VAT", "correctedOutput": {"total": 14}}
    review = http.put(later, json=note).json()["review"]
    assert (review["verdict"], review["status"], review["note"]) == ("incorrect", "open", "no VAT")
    found = http.get(f"/runs/{run}/feedback").json()
    assert (found["feedback"]["rating"], found["feedback"]["status"], found["expected"]) == (
        "fail",
        "open",
        {"total": 14},
    )
    http.put(f"/runs/{run}/feedback", json={"rating": "partial"})
    read = http.get(later).json()["review"]
    assert read["verdict"] is None
    http.put(later, json=read)
    assert http.get(f"/runs/{run}/feedback").json()["feedback"]["rating"] == "partial"
    json.dumps(read)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # the server's thread does
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODY, door=st.sampled_from([("PUT", "feedback"), ("PUT", "reviews"), ("PATCH", "reviews")]))
def test_whatever_is_sent_is_taken_or_refused(http: httpx.Client, run: str, body: Any, door: tuple[str, str]):
    named = {"feedback": {"verdict", "note", "correctedOutput"}, "reviews": {"rating", "body", "expected", "tags"}}
    sent = {name: value for name, value in body.items() if name not in named[door[1]]}
    raw = json.dumps(sent).encode()
    head = {"content-type": "application/json"}
    answer = http.request(door[0], f"/runs/{run}/{door[1]}", content=raw, headers=head)
    if answer.status_code != 200:
        envelope(answer)
    assert http.get(f"/runs/{run}/feedback").status_code == 200


def test_who_listens_is_told_of_it_without_what_it_says(served: Served, http: httpx.Client, run: str):
    http.patch("/outgoing", json={"allow": ["127.0.0.1:9"]})
    listening = http.post("/webhooks", json={"url": "http://127.0.0.1:9/", "events": ["feedback.*"]}).json()["id"]
    path = f"/runs/{run}/feedback"
    http.put(path, json={"rating": "fail", "body": "zebra", "expected": {"zebra": 1}})
    http.put(path, json={"status": "open"})
    http.delete(path)

    async def told(server: Any) -> list[tuple[str, Any]]:
        async with server.database.transaction() as tx:
            rows = await tx.fetch("SELECT type, payload FROM webhook_events ORDER BY created_at, id")
        return [(row["type"], json.loads(row["payload"])) for row in rows]

    events = [(kind, payload) for kind, payload in served.do(told) if payload.get("runId") == run]
    http.delete(f"/webhooks/{listening}")
    assert [(kind, payload["rating"], payload["status"], payload["revision"]) for kind, payload in events] == [
        ("feedback.created", "fail", None, 1),
        ("feedback.updated", "fail", "open", 2),
        ("feedback.cleared", None, None, 3),
    ]
    assert "zebra" not in json.dumps(events)
