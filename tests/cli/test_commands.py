"""What every command keeps to: names, exit codes, and what goes to stdout and to stderr."""

import base64
import json
import re
import socket
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.cli.conftest import Assay
from tests.fakes.scripted_server import Answer, Script

from assay.cli.commands import COMMANDS

RUN: dict[str, Any] = {
    "id": "exec_1",
    "type": "workflow",
    "finished": True,
    "timing": {
        "createdAt": "2026-11-24T08:35:00.000Z",
        "startedAt": "2026-11-24T08:35:00.010Z",
        "completedAt": "2026-11-24T08:35:00.412Z",
        "durationMs": 412,
        "cancelRequestedAt": None,
    },
    "source": {"id": "wf_1", "name": "invoices", "slug": "invoices", "version": "1.0.0"},
    "trigger": {"type": "cli", "by": {"id": "user_1", "name": "Owner", "email": "owner@localhost"}},
    "execution": {
        "status": "completed",
        "schemaValid": True,
        "batchId": None,
        "retry": {"number": 0, "previousRunId": None, "nextRun": None},
    },
    "output": {"total": 5},
    "error": None,
    "files": [],
}
FAILED = {
    **RUN,
    "output": None,
    "error": "No \x1b[31mnumber.",
    "execution": {
        **RUN["execution"],
        "status": "failed",
        "failure": {"code": "control_fail", "step": "require-number", "message": "No number."},
    },
}
LETTERS = """\
name: x
version: 1.0.0
steps:
  - {name: letter, type: transform.template, with: {data: {}, template: templates/letter.docx}}
"""
ACCEPTED = Answer(201, {"id": "exec_1", "type": "workflow", "finished": False})


def refusal(status: int, code: str, message: str, field: str = "<root>", **more: Any) -> Answer:
    issue = {"field": field, "message": message, "code": code, "severity": "error"}
    return Answer(status, {"issues": [issue], "requestId": "req_1", **more})


class TestTheTable:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_help_in_the_table_is_that_of_the_command(self, name: str) -> None:
        place = COMMANDS[name]
        found = getattr(import_module(f"assay.cli.{place.module}"), place.attribute)
        text = found.info.help if isinstance(found, typer.Typer) else found.__doc__.split("\n")[0]
        assert text == place.help

    def test_help_imports_no_command(self, assay: Assay) -> None:
        finished = assay("--help")
        assert finished.code == 0
        assert all(name in finished.out for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_has_help(self, assay: Assay, name: str) -> None:
        finished = assay(name, "--help")
        assert finished.code == 0
        assert "completion" not in finished.out


class TestMisuse:
    @pytest.mark.parametrize(
        "line",
        [
            "rusn",
            "run",
            "runs",
            "runs get",
            "run workflows.x --nonsense",
            "run workflows.x --input-json 5",
            "run workflows.x --input-file doc=/nowhere",
            "run workflows.x@1.0.0 --version 2.0.0",
            "automations triggers x --enable email",
            "automations triggers x --enable api --disable api",
            "automations limits x --concurrency 0",
            "workflow validate /nowhere.yaml",
            "automations health x --bucket year",
            "automations alerts add x --metric nonsense",
            "automations alerts add x --metric drift --above nan",
            "gate policy set x",
            "sampling set x",
            "workflow dataset example get x ..",
            "workflow experiment compare evb_1 --sort nonsense",
            "runs expected delete exec_1 ../../evil --yes",
            "runs incumbent agreement x --mode eval",
            "users role --email a@b --role boss",
            "keys list --data-dir /nowhere",
        ],
    )
    def test_it_is_told_in_one_line_and_exits_with_2(self, assay: Assay, script: Script, line: str) -> None:
        finished = assay(line)
        assert script.received == []
        assert finished.code == 2
        assert finished.out == ""
        first, *others = finished.err.splitlines()
        assert first.startswith("error: ")
        assert "Value error" not in first
        assert all(other.startswith("hint: ") for other in others)

    def test_a_missing_key_says_how_to_make_one(self, assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("ASSAY_API_KEY", "EIGENPAL_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        finished = assay("status")
        assert finished.code == 2
        assert "assay keys create" in finished.err

    def test_nobody_is_asked_where_nobody_is(self, assay: Assay, script: Script) -> None:
        assert assay("runs delete exec_1").code == 2
        assert assay("runs cancel exec_1").code == 2
        assert script.received == []


class TestFailures:
    def test_a_server_that_is_not_there_is_named(self, assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
            monkeypatch.setenv("ASSAY_API_KEY", "k")
            finished = assay("status", "--base-url", address)
        assert finished.code == 1
        assert address in finished.err
        assert "assay serve" in finished.err

    def test_every_field_that_is_wrong_is_told(self, assay: Assay, script: Script) -> None:
        answer = refusal(400, "missing_required", "document is required.", "document", hint="Send it.")
        answer.body["issues"].append({"field": "note", "message": "note is no text.", "code": "x", "severity": "error"})
        script.will_answer(answer)
        finished = assay("run workflows.x")
        assert finished.code == 1
        assert finished.err == (
            "error: document: document is required.\n       note: note is no text.\nhint: Send it.\n"
        )

    def test_what_the_server_says_cannot_move_the_cursor(self, assay: Assay, script: Script) -> None:
        script.will_answer(refusal(404, "not_found", "No \x1b[2J."))
        assert "\x1b" not in assay("runs get exec_1").err

    def test_a_key_that_may_not_do_this_says_how_to_find_out_what_it_may(self, assay: Assay, script: Script) -> None:
        script.will_answer(refusal(403, "insufficient_scope", "This needs the scope runs:read."))
        finished = assay("runs list")
        assert finished.code == 1
        assert "assay status" in finished.err
        caller = {"tenantSlug": "default", "email": "a@b", "keyId": "key_1", "scope": ["reviews:write"]}
        script.will_answer(Answer(body=caller), refusal(403, "insufficient_scope", "This needs a scope."))
        finished = assay("status")
        assert finished.code == 0
        assert "scopes\treviews:write\n" in finished.out

    def test_a_traceback_is_shown_to_who_asks_for_it(
        self, assay: Assay, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script.will_answer(Answer(body={"surprise": 1}), Answer(body={"surprise": 1}))
        plain = assay("runs cancel exec_1 --yes")
        assert plain.code == 1
        assert "Traceback" not in plain.err
        monkeypatch.setenv("ASSAY_DEBUG", "1")
        assert "Traceback" in assay("runs cancel exec_1 --yes").err


class TestRun:
    def test_the_id_alone_goes_to_stdout(self, assay: Assay, script: Script) -> None:
        script.will_answer(ACCEPTED)
        finished = assay("run workflows.x@1.0.0 --input-json", '{"a": 1}', "--metadata", '{"k": 2}')
        assert (finished.code, finished.out) == (0, "exec_1\n")
        request = script.received[0]
        assert request.path == "/api/v1/runs?version=1.0.0"
        assert request.json == {"target": "workflows.x", "input": {"a": 1}, "metadata": {"k": 2}}
        assert request.headers["X-Eigenpal-Trigger"] == "cli"

    def test_files_are_sent_under_their_fields(self, assay: Assay, script: Script, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("a")
        (tmp_path / "b=c.txt").write_text("b")
        script.will_answer(ACCEPTED)
        options = [f"doc={tmp_path}/a.txt", f"doc={tmp_path}/b=c.txt", f"{tmp_path}/b=c.txt"]
        assay("run workflows.x", *[f"--input-file {option}" for option in options])
        names = re.findall(rb'; name="([^"]*)"', script.received[0].body)
        assert names == [b"target", b"files.doc", b"files.doc", b"files.file", b"input"]

    def test_waiting_prints_the_output(self, assay: Assay, script: Script) -> None:
        script.will_answer(ACCEPTED, Answer(body=RUN))
        finished = assay("run workflows.x --wait")
        assert finished.code == 0
        assert json.loads(finished.out) == {"total": 5}
        assert "completed" in finished.err

    def test_a_failed_run_exits_with_1_and_says_where(self, assay: Assay, script: Script) -> None:
        script.will_answer(ACCEPTED, Answer(body=FAILED), ACCEPTED, Answer(body=FAILED))
        finished = assay("run workflows.x --wait")
        assert (finished.code, finished.out) == (1, "")
        assert "require-number" in finished.err
        assert "assay runs trace exec_1" in finished.err
        assert "\x1b" not in finished.err
        as_json = assay("run workflows.x --wait --json")
        assert as_json.code == 1
        assert json.loads(as_json.out)["execution"]["status"] == "failed"

    def test_a_run_that_takes_too_long_exits_with_2(self, assay: Assay, script: Script) -> None:
        script.will_answer(ACCEPTED, Answer(body={**RUN, "finished": False}))
        finished = assay("run workflows.x --wait --max-wait 0")
        assert finished.code == 2
        assert "assay runs watch exec_1" in finished.err

    def test_a_server_that_is_lost_meanwhile_exits_with_3(
        self, assay: Assay, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("assay_client.transport.time.sleep", lambda _: None)
        script.will_answer(ACCEPTED, *[Answer(broken=True)] * 4)
        finished = assay("run workflows.x --wait")
        assert finished.code == 3
        assert "assay runs watch exec_1" in finished.err

    def test_warnings_of_the_server_go_to_stderr(self, assay: Assay, script: Script) -> None:
        warning = {"field": "input.x", "message": "No input 'x'.", "code": "input_ignored", "severity": "warning"}
        script.will_answer(Answer(201, {**ACCEPTED.body, "issues": [warning]}))
        finished = assay("run workflows.x --input-json", '{"x": 1}')
        assert (finished.code, finished.out) == (0, "exec_1\n")
        assert "Warning: No input 'x'." in finished.err


class TestLists:
    def test_on_a_pipe_rows_are_lines_with_tabs(self, assay: Assay, script: Script) -> None:
        script.will_answer(Answer(body={"runs": [RUN, FAILED], "nextCursor": None}))
        finished = assay("runs list invoices --status completed,failed --from 7d")
        assert script.received[0].path == (
            "/api/v1/runs?source=workflows.invoices&status=completed%2Cfailed&createdAfter=7d&limit=50"
        )
        rows = [line.split("\t") for line in finished.out.splitlines()]
        assert rows[0] == ["exec_1", "invoices", "1.0.0", "completed", "", "cli", "2026-11-24T08:35:00.000Z", "412", ""]
        assert rows[1][3] == "failed"
        assert "\x1b" not in finished.out

    def test_json_is_what_the_server_said(self, assay: Assay, script: Script) -> None:
        script.will_answer(Answer(body={"runs": [FAILED], "nextCursor": None}))
        finished = assay("runs list --json")
        assert json.loads(finished.out) == [FAILED]
        assert "\x1b" not in finished.out

    def test_how_many_are_left_is_said(self, assay: Assay, script: Script) -> None:
        version = {"id": "wfv_1", "version": "1.0.0", "isCurrent": True, "createdAt": None, "contentHash": "abc"}
        page = {"data": [version], "total": 4, "limit": 1, "offset": 1}
        script.will_answer(*[Answer(body=page)] * 3)
        first = assay("workflow versions x --limit 1 --offset 1")
        assert first.out == "1.0.0\ttrue\t\tabc\twfv_1\n"
        assert first.err == "2 more: --offset and --limit show them.\n"
        assert assay("workflow versions x --limit 1 --offset 3").err == ""
        assert json.loads(assay("workflow versions x --limit 1 --offset 1 --json").out) == page

    def test_that_there_is_none_is_said_beside_the_data(self, assay: Assay, script: Script) -> None:
        script.will_answer(Answer(body={"runs": [], "nextCursor": None}))
        finished = assay("runs list invoices")
        assert (finished.code, finished.out) == (0, "")
        assert finished.err == "No run is like that.\n"


class TestGet:
    def test_a_step_that_was_not_done_is_said(self, assay: Assay, script: Script) -> None:
        script.will_answer(Answer(body={"steps": [{"stepName": "parse"}]}))
        finished = assay("runs get exec_1 --step parse,prase")
        assert json.loads(finished.out) == [{"stepName": "parse"}]
        assert finished.err == "The run has done no step 'prase': assay runs trace exec_1\n"


class TestCompare:
    @pytest.mark.parametrize(("status", "code"), [("pass", 0), ("fail", 1), ("inconclusive", 3)])
    def test_a_gate_can_stand_on_it(self, assay: Assay, script: Script, status: str, code: int) -> None:
        side = {"id": "exec_1", "status": "completed", "version": "1.0.0"}
        body = {"status": status, "before": side, "after": side, "durationDeltaMs": -5, "output": [], "steps": []}
        script.will_answer(Answer(body=body), Answer(body=body))
        assert assay("runs compare exec_1 exec_2 --fail-on-diff").code == code
        assert assay("runs compare exec_1 exec_2").code == 0


class TestPush:
    def test_a_name_that_is_taken_gets_a_version(self, assay: Assay, script: Script, tmp_path: Path) -> None:
        file = tmp_path / "w.yaml"
        file.write_text("name: x\nversion: 1.0.0\n")
        script.will_answer(
            refusal(409, "workflow_name_conflict", "Taken.", conflictingWorkflowId="wf_1"),
            Answer(body={"data": [{"version": "1.4.0"}], "total": 1, "limit": 1, "offset": 0}),
            Answer(201, {"automation": automation(), "version": {"version": "1.4.1", "isCurrent": False}}),
        )
        finished = assay(f"workflow push --file {file} --bump patch --no-activate")
        assert (finished.code, finished.out) == (0, "wf_1\t1.4.1\n")
        assert script.received[2].path == "/api/v1/automations/wf_1/versions"
        assert script.received[2].json == {"yaml": "name: x\nversion: 1.4.1\n", "activate": False}
        assert file.read_text() == "name: x\nversion: 1.4.1\n"

    def test_a_file_that_is_refused_stays_as_it_is(self, assay: Assay, script: Script, tmp_path: Path) -> None:
        file = tmp_path / "w.yaml"
        file.write_text("name: x\n")
        answer = refusal(400, "unknown_key", "No foo.", "foo")
        answer.body["issues"][0] |= {"line": 7, "column": 1, "hint": "Did you mean 'for'?"}
        script.will_answer(answer)
        finished = assay(f"workflow push --file {file} --set-version 3.0.0")
        assert finished.code == 1
        assert finished.out == f"{file}:7:1: unknown_key No foo. (Did you mean 'for'?)\n"
        assert file.read_text() == "name: x\n"

    def test_files_that_it_names_are_sent_and_no_others(self, assay: Assay, script: Script, tmp_path: Path) -> None:
        (tmp_path / "templates").mkdir()
        for name in ("templates/letter.docx", "templates/other.docx", "notes.txt"):
            (tmp_path / name).write_bytes(name.encode())
        file = tmp_path / "w.yaml"
        file.write_text(LETTERS)
        created = Answer(201, {"automation": automation(), "version": {"version": "1.0.0", "isCurrent": True}})
        script.will_answer(refusal(400, "file_missing", "Not sent."), created)
        assert assay(f"workflow push --file {file}").code == 0
        sent = {"templates/letter.docx": base64.b64encode(b"templates/letter.docx").decode()}
        assert [request.json for request in script.received] == [
            {"yaml": LETTERS},
            {"yaml": LETTERS, "files": sent},
        ]

    def test_a_file_that_is_not_there_is_said_with_its_place(
        self, assay: Assay, script: Script, tmp_path: Path
    ) -> None:
        file = tmp_path / "w.yaml"
        file.write_text(LETTERS)
        script.will_answer(refusal(400, "file_missing", "Not sent."))
        for command in (f"workflow push --file {file}", f"workflow validate {file}"):
            finished = assay(command)
            assert finished.code == 1
            assert finished.out.startswith(f"{file}:4:73: file_missing There is no file 'templates/letter.docx'")
        assert len(script.received) == 1


PULLED = {"id": "wfv_1", "automationId": "wf_1", "version": "1.0.0", "yaml": "name: x\n"}


class TestPull:
    def test_files_are_written_beside_it(self, assay: Assay, script: Script, tmp_path: Path) -> None:
        script.will_answer(Answer(body={**PULLED, "files": [{"path": "templates/ü.docx"}]}), Answer(body=b"Ada"))
        finished = assay(f"workflow pull x --out {tmp_path}/w.yaml")
        assert finished.code == 0
        assert script.received[1].path == "/api/v1/automations/wf_1/versions/wfv_1/files/templates/%C3%BC.docx"
        assert (tmp_path / "w.yaml").read_text() == "name: x\n"
        assert (tmp_path / "templates" / "ü.docx").read_bytes() == b"Ada"

    @pytest.mark.parametrize("path", ["../evil.docx", "/etc/evil", ".git/config", "w.yaml"])
    def test_a_server_writes_nothing_elsewhere(self, assay: Assay, script: Script, tmp_path: Path, path: str) -> None:
        script.will_answer(Answer(body={**PULLED, "files": [{"path": path}]}), Answer(body=b"evil"))
        (tmp_path / "here").mkdir()
        assert assay(f"workflow pull x --out {tmp_path}/here/w.yaml").code == 1
        assert [found for found in tmp_path.rglob("*") if found.is_file()] == []

    def test_two_versions_differ_by_lines(self, assay: Assay, script: Script) -> None:
        versions = [{"version": label, "yaml": f"name: a\nversion: {label}\n"} for label in ("1.0.0", "1.1.0")]
        script.will_answer(*(Answer(200, one) for one in versions))
        lines = assay("workflow diff a 1.0.0 1.1.0").out.splitlines()
        assert lines[:2] == ["--- 1.0.0", "+++ 1.1.0"]
        assert lines[-2:] == ["-version: 1.0.0", "+version: 1.1.0"]
        script.will_answer(*(Answer(200, one) for one in versions))
        assert json.loads(assay("workflow diff a 1.0.0 1.1.0 --json").out) == {
            "before": "1.0.0",
            "after": "1.1.0",
            "diff": lines,
        }

    def test_what_is_printed_says_what_is_missing(self, assay: Assay, script: Script) -> None:
        script.will_answer(Answer(body={**PULLED, "files": [{"path": "a.docx"}]}))
        finished = assay("workflow pull x")
        assert finished.out == "name: x\n"
        assert "--out" in finished.err


class TestValidate:
    def test_every_issue_has_its_place(self, assay: Assay, tmp_path: Path) -> None:
        file = tmp_path / "w.yaml"
        file.write_text("name: x\nversion: 1.0.0\nfoo: 1\nsteps:\n  - {name: a, type: transform.sett}\n")
        finished = assay(f"workflow validate {file}")
        assert finished.code == 1
        assert [line.split(" ")[:2] for line in finished.out.splitlines()] == [
            [f"{file}:3:1:", "unknown_key"],
            [f"{file}:5:21:", "step_type_unknown"],
        ]
        found = json.loads(assay(f"workflow validate {file} --json").out)
        assert found["valid"] is False
        assert found["issues"][0]["line"] == 3

    def test_the_server_is_asked_only_on_request_and_adds_what_it_alone_knows(
        self, assay: Assay, script: Script, tmp_path: Path
    ) -> None:
        file = tmp_path / "w.yaml"
        file.write_text(
            "name: x\nversion: 1.0.0\nfoo: 1\nsteps: [{name: a, type: transform.set, with: {fields: {a: 1}}}]\n"
        )
        assert assay(f"workflow validate {file}").out.count("\n") == 1
        assert script.received == []
        ours = json.loads(assay(f"workflow validate {file} --json").out)["issues"]
        theirs = {"field": "steps.a.with.workflow", "message": "No.", "code": "unknown_workflow", "severity": "error"}
        script.will_answer(Answer(body={"valid": False, "issues": [*ours, theirs]}))
        finished = assay(f"workflow validate {file} --online")
        assert finished.code == 1
        assert finished.out == f"{file}:3:1: unknown_key There is no key 'foo' here.\n{file}: unknown_workflow No.\n"
        assert script.received[0].path == "/api/v1/automations/validate"


class TestArtifacts:
    def test_a_path_that_leads_out_of_the_folder_is_refused(self, assay: Assay, script: Script, tmp_path: Path) -> None:
        evil = {"artifacts": [{"path": "../../evil", "role": "output", "name": "evil"}]}
        script.will_answer(Answer(body=evil))
        finished = assay(f"runs artifacts fetch exec_1 --out {tmp_path}/out")
        assert finished.code == 1
        assert len(script.received) == 1


class TestSteps:
    def test_each_type_is_listed_and_shown(self, assay: Assay) -> None:
        names = [line.split("\t")[0] for line in assay("steps list").out.splitlines()]
        assert "transform.set" in names
        for name in names:
            assert "Configuration" in assay(f"steps show {name}").out
            assert json.loads(assay(f"steps show {name} --json").out)["configSchema"]

    def test_an_unknown_type_points_to_the_list(self, assay: Assay) -> None:
        finished = assay("steps show nonsense")
        assert finished.code == 1
        assert "assay steps list" in finished.err


def automation() -> dict[str, Any]:
    return {"id": "wf_1", "slug": "x", "triggers": {"api": False, "manual": True}}
