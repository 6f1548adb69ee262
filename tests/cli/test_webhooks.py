from typing import Any

from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

ENDPOINT: dict[str, Any] = {
    "id": "whep_1",
    "url": "http://receiver.example/",
    "description": None,
    "events": ["run.*"],
    "automationId": None,
    "enabled": False,
    "disabledReason": "20 attempts in a row have failed",
    "failures": 20,
}
DELIVERY: dict[str, Any] = {
    "id": "whdl_1",
    "eventId": "whev_1",
    "type": "run.created",
    "state": "pending",
    "attemptCount": 1,
    "lastStatus": None,
    "lastError": None,
    "createdAt": "2026-01-02T03:04:05.000Z",
    "nextAttemptAt": "2026-01-02T03:04:10.000Z",
}


def test_the_secret_of_a_new_endpoint_stands_alone_on_stdout(assay: Assay, script: Script) -> None:
    script.will_answer(Answer(201, {**ENDPOINT, "secret": "whsec_x"}))
    done = assay("webhooks add http://receiver.example/ --event run.* --automation workflows.a")
    assert (done.code, done.out) == (0, "whsec_x\n")
    assert script.received[0].json == {
        "url": "http://receiver.example/",
        "events": ["run.*"],
        "automationId": "workflows.a",
        "description": None,
    }


def test_a_list_says_why_an_endpoint_is_disabled(assay: Assay, script: Script) -> None:
    script.will_answer(Answer(200, {"data": [ENDPOINT], "total": 1}), Answer(200, {"data": [], "total": 0}))
    assert "disabled: 20 attempts in a row have failed" in assay("webhooks list").out
    assert "assay webhooks add" in assay("webhooks list").err


def test_a_test_waits_for_what_the_endpoint_answers(assay: Assay, script: Script) -> None:
    arrived = {**DELIVERY, "state": "delivered", "lastStatus": 204}
    failed = {**DELIVERY, "state": "failed", "lastError": "host_unreachable: nobody"}
    script.will_answer(Answer(202, DELIVERY), Answer(200, DELIVERY), Answer(200, arrived))
    done = assay("webhooks test whep_1")
    assert (done.code, "204" in done.err) == (0, True)
    script.will_answer(Answer(202, DELIVERY), Answer(200, failed))
    done = assay("webhooks test whep_1")
    assert (done.code, "host_unreachable: nobody" in done.err) == (1, True)


def test_deliveries_are_listed_shown_and_sent_again(assay: Assay, script: Script) -> None:
    attempt = {"number": 1, "startedAt": DELIVERY["createdAt"], "durationMs": 12, "status": 500, "error": "It broke."}
    script.will_answer(
        Answer(200, {"data": [DELIVERY], "nextCursor": None}),
        Answer(200, {**DELIVERY, "attempts": [attempt], "data": {}}),
        Answer(202, DELIVERY),
    )
    assert assay("webhooks deliveries whep_1 --state pending").out.startswith("whdl_1\trun.created\tpending")
    assert "It broke." in assay("webhooks deliveries whep_1 whdl_1").out
    assert assay("webhooks redeliver whep_1 whdl_1").code == 0
    assert [(asked.method, asked.path.partition("?")[0]) for asked in script.received] == [
        ("GET", "/api/v1/webhooks/whep_1/deliveries"),
        ("GET", "/api/v1/webhooks/whep_1/deliveries/whdl_1"),
        ("POST", "/api/v1/webhooks/whep_1/deliveries/whdl_1/redeliver"),
    ]


def test_an_endpoint_is_switched_rotated_and_removed(assay: Assay, script: Script) -> None:
    script.will_answer(
        Answer(200, {**ENDPOINT, "enabled": True}),
        Answer(200, {**ENDPOINT, "disabledReason": None}),
        Answer(200, {**ENDPOINT, "secret": "whsec_new"}),
        Answer(200, {**ENDPOINT, "deleted": True}),
    )
    assert "enabled" in assay("webhooks enable whep_1").err
    assert "disabled" in assay("webhooks disable whep_1").err
    assert assay("webhooks rotate whep_1 --overlap 60").out == "whsec_new\n"
    assert assay("webhooks remove whep_1 --yes").code == 0
    assert [asked.json for asked in script.received[:-1]] == [
        {"enabled": True},
        {"enabled": False},
        {"overlapSeconds": 60},
    ]
    assert script.received[-1].method == "DELETE"


def test_what_is_not_named_of_an_endpoint_stays(assay: Assay, script: Script) -> None:
    script.will_answer(Answer(200, {**ENDPOINT, "enabled": True, "disabledReason": None}))
    assert assay("webhooks change whep_1").code == 2
    done = assay("webhooks change whep_1 --event run.* --event alert.* --automation none")
    assert (done.code, done.out) == (0, "")
    assert "whep_1 is enabled." in done.err
    assert [(one.method, one.json) for one in script.received] == [
        ("PATCH", {"events": ["run.*", "alert.*"], "automationId": None})
    ]
