"""What administrators ask for from a terminal: the audit log, room, and their own account."""

import io

import pytest
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

ENTRY = {
    "id": "aud_1",
    "createdAt": "2026-01-02T03:04:05Z",
    "userId": "user_1",
    "email": "ada@example.org",
    "keyId": None,
    "action": "key.revoked",
    "target": "key_1",
    "detail": {"name": "ci"},
}


def test_the_audit_log_is_fetched_page_by_page(assay: Assay, script: Script):
    full = [{**ENTRY, "id": f"aud_{number}"} for number in range(100)]
    script.will_answer(Answer(200, {"data": full}), Answer(200, {"data": [{**ENTRY, "email": None, "userId": None}]}))
    done = assay("audit --action key --user ada@example.org --limit 150")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert (done.code, len(rows)) == (0, 101)
    assert rows[0][1:] == ["ada@example.org", "key.revoked", "key_1", '{"name": "ci"}']
    assert rows[-1][1] == "the operator"
    assert [one.path.partition("?")[2] for one in script.received] == [
        "action=key&email=ada%40example.org&limit=100",
        "action=key&email=ada%40example.org&before=aud_99&limit=50",
    ]


def test_storage_tells_sizes_in_bytes_on_a_pipe(assay: Assay, script: Script):
    tables = [{"name": "runs", "size": 2048, "rows": 12}]
    files = {"folder": "/data/files", "free": 4096, "total": None}
    script.will_answer(Answer(200, {"database": {"version": "18.1", "size": 4096, "tables": tables}, "files": files}))
    done = assay("storage")
    assert done.out.splitlines() == [
        "database\t4096",
        "version\t18.1",
        "files\t/data/files",
        "free\t4096",
        "of\t",
        "runs\t2048\t12",
    ]


def test_a_password_is_read_from_standard_input_and_never_an_argument(
    assay: Assay, script: Script, monkeypatch: pytest.MonkeyPatch
):
    script.will_answer(Answer(200, {"userId": "user_1", "email": "ada@example.org"}))
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    done = assay("account password")
    assert (done.code, done.out, script.received[0].json) == (0, "", {"password": "correct horse battery"})
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert assay("account password").code == 2


def test_a_session_is_ended_once_it_is_confirmed(assay: Assay, script: Script):
    assert assay("account end-session sess_1").code == 2
    script.will_answer(Answer(200, {"id": "sess_1", "ended": True}))
    assert assay("account end-session sess_1 --yes").code == 0
    assert [(one.method, one.path) for one in script.received] == [("DELETE", "/api/v1/account/sessions/sess_1")]


def test_how_an_automation_runs_is_told_with_runs_to_look_at(assay: Assay, script: Script):
    pace = {"lookedAt": 10, "failed": 2, "latencyMs": {"p50": 100, "p95": 900}}
    group = {"name": "script_timeout", "count": 2, "lastAt": "2026-01-02T03:04:05Z", "runIds": ["exec_1", "exec_2"]}
    bucket = {"start": "2026-01-02T00:00:00Z", "end": "2026-01-03T00:00:00Z", **pace, "cost": {"usd": 0.25}}
    failures = {"total": 2, "lookedAt": 2, "byCode": [group], "byStep": []}
    script.will_answer(Answer(200, {"overall": pace, "failures": failures, "buckets": [bucket]}))
    done = assay("automations operations contracts --from 7d")
    assert "script_timeout\t2\t2026-01-02T03:04:05Z\texec_1" in done.out
    assert "2026-01-02\t10\t2\t100\t900\t0.25" in done.out
    assert script.received[0].path == "/api/v1/automations/workflows.contracts/operations?from=7d&bucket=day"
