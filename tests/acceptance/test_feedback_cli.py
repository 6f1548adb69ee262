"""Feedback from a terminal: what the commands print, what they change, and with what they exit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance.serving import Served, push, set_step

from assay.cli.commands import run as run_command

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Run a command as its own process would, in an empty folder; returns its exit code, stdout and stderr."""
    monkeypatch.setenv("ASSAY_BASE_URL", served.base_url)
    monkeypatch.setenv("ASSAY_API_KEY", served.key())
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run_command(["runs", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def run(http: httpx.Client) -> str:
    steps = [set_step(nothing=1), {"name": "note", "type": "test.file", "with": {"content": "as it came"}}]
    if http.get("/automations/workflows.invoices").status_code == 404:
        push(http, "invoices", steps, output={"total": 12, "lines": [{"amount": 5}]})
    answer = http.post("/runs", json={"target": "workflows.invoices"}, params={"wait_for_completion": 20})
    return answer.json()["id"]


def _json(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == 0, answer[2]
    return json.loads(answer[1])


def test_a_verdict_is_given_read_changed_and_taken_back(command: Command, run: str, tmp_path: Path):
    code, out, err = command("feedback", "get", run)
    assert (code, out) == (0, "")
    assert "Nobody has said anything" in err
    (tmp_path / "why.txt").write_text("two lines\nof it", encoding="utf-8")
    given = command("feedback", "update", run, "--rating", "fail", "--status", "open", "--message-file", "why.txt")
    assert "rating\tfail\nstatus\topen\nsays\ttwo lines" in given[1]
    found = _json(command("feedback", "update", run, "--rating", "none", "--clear-message", "--json"))
    assert (found["feedback"]["rating"], found["feedback"]["status"], found["feedback"]["body"]) == (None, "open", "")
    cleared = command("feedback", "clear", run)
    assert (cleared[0], "--yes" in cleared[2]) == (2, True)
    assert _json(command("feedback", "clear", run, "--yes", "--json"))["feedback"] is None
    rows = [line.split("\t") for line in command("feedback", "history", run)[1].splitlines()]
    assert [row[:3] for row in rows] == [
        ["3", "feedback.cleared", "owner@localhost"],
        ["2", "feedback.updated", "owner@localhost"],
        ["1", "feedback.created", "owner@localhost"],
    ]


def test_an_output_is_corrected_as_a_whole_or_field_by_field(command: Command, run: str, tmp_path: Path):
    (tmp_path / "right.json").write_text('{"total": 14}')
    found = _json(command("feedback", "update", run, "--expected-json-file", "right.json", "--json"))
    assert found["expected"] == {"total": 14}
    fields = ("--correct", "/total=12.5", "--correct", "/lines/0/amount=7", "--correct", "/vendor=ACME GmbH")
    found = _json(command("feedback", "update", run, *fields, "--tag", "vat", "--tag", "vendor", "--json"))
    assert found["expected"] == {"total": 12.5, "lines": [{"amount": 7}], "vendor": "ACME GmbH"}
    assert found["feedback"]["tags"] == ["vat", "vendor"]
    found = _json(command("feedback", "update", run, "--clear-expected-json", "--json"))
    assert found["expected"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--rating", "good"),
        ("--status", "closed"),
        ("--expected-json", "{"),
        ("--correct", "total=1"),
        ("--message", "a", "--message-file", "b"),
    ],
)
def test_what_makes_no_sense_is_a_misuse(command: Command, run: str, arguments: tuple[str, ...]):
    code, out, err = command("feedback", "update", run, *arguments)
    assert (code, out) == (2, "")
    assert err


def test_corrected_files_come_go_and_come_back(command: Command, run: str, tmp_path: Path):
    (tmp_path / "März.txt").write_text("prüfen", encoding="utf-8")
    assert command("expected", "upload", run, "März.txt") == (0, "März.txt\n", "")
    assert command("expected", "upload", run, "März.txt", "--name", "a/b.txt")[1] == "a/b.txt\n"
    assert command("expected", "copy", run, "note.txt")[1] == "note.txt\n"
    assert command("expected", "rename", run, "note.txt", "c.txt")[1] == "c.txt\n"
    assert command("expected", "copy-output", run, "nothing.pdf")[0] == 1
    listed = [line.split("\t") for line in command("expected", "list", run)[1].splitlines()]
    assert [line[0] for line in listed] == ["März.txt", "a/b.txt", "c.txt"]
    assert command("expected", "download", run, "--out", "here")[1].splitlines() == [
        "here/März.txt",
        "here/a/b.txt",
        "here/c.txt",
    ]
    assert (tmp_path / "here" / "a" / "b.txt").read_text(encoding="utf-8") == "prüfen"
    assert (tmp_path / "here" / "c.txt").read_text() == "as it came"
    assert command("expected", "delete", run, "c.txt", "--yes")[0] == 0
    assert command("expected", "pull", run, "c.txt")[0] == 1
