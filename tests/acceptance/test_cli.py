"""A person at a terminal: from an empty folder to runs that were read, compared and cancelled."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest
from tests.documents.samples import workbook

EXAMPLE = Path(__file__).parents[2] / "examples" / "invoice-fields"
PROGRAM = (sys.executable, "-m", "assay.cli")
READY = re.compile(r"ready at (http://\S+)")
ESCAPE = "\x1b"

VERSIONED = """\
# ours
name: versions
version: 1.0.0  # first
steps: [{name: a, type: transform.set, with: {fields: {x: 1}}}]
"""

LETTERS = """\
name: letters
version: 1.0.0
triggerMethods: [api]
steps:
  - name: fill
    type: transform.template
    with: {template: templates/letter.xlsx, data: {name: Ada}}
"""

SLOW = """\
name: slow
version: 1.0.0
triggerMethods: [api]
inputs:
  - {name: document, type: file}
steps:
  - name: parse
    type: ai.parse
    with: {input: '{{ input.document }}'}
output: '{{ steps.parse.output.text }}'
"""


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Calls the program as a shell does."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str | Path, check: int | None = 0) -> Finished:
        done = subprocess.run(
            [*PROGRAM, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert check is None or done.returncode == check, f"{arguments} exited with {done.returncode}: {done.stderr}"
        return Finished(done.returncode, done.stdout, done.stderr)

    def on_a_terminal(self, *arguments: str, **environment: str) -> str:
        """Return what a terminal of 140 columns is sent."""
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            cwd=self.folder,
            env={**self.environment, "TERM": "xterm-256color", "COLUMNS": "140", **environment},
        )
        os.close(follower)
        sent = b"".join(iter(lambda: _read(leader), b""))
        os.close(leader)
        assert process.wait(60) == 0
        return sent.decode()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shell]:
    """A served data folder, a key for it, and the example workflow, pushed and switched on."""
    folder = tmp_path_factory.mktemp("cli")
    folder.chmod(0o711)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "EIGENPAL_"))}
    log = folder / "serve.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [*PROGRAM, "serve", "--port", "0", "--data-dir", str(folder / "data")],
            stdout=file,
            stderr=file,
            cwd=folder,
            env=environment,
        )
    try:
        url = _wait_for(log, server)
        key = Shell(folder, environment)("keys", "create", "--name", "me", "--data-dir", folder / "data").out.strip()
        shell = Shell(folder, {**environment, "ASSAY_BASE_URL": url, "ASSAY_API_KEY": key})
        shell("workflow", "push", "--file", EXAMPLE / "workflow.yaml")
        yield shell
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


@pytest.fixture(scope="module")
def runs(shell: Shell) -> tuple[str, str]:
    """A run that completed and one that failed."""
    shell("automations", "triggers", "invoice-fields", "--enable", "api")
    letter = EXAMPLE / "documents" / "09-letter-en.pdf"
    good = shell("run", "workflows.invoice-fields", "--input-file", f"document={letter}", "--wait", "--json")
    (shell.folder / "no-invoice.txt").write_text("Dear Sir or Madam,")
    bad = shell(
        "run", "workflows.invoice-fields", "--input-file", "document=no-invoice.txt", "--wait", "--json", check=1
    )
    return json.loads(good.out)["id"], json.loads(bad.out)["id"]


def test_status_says_where_and_who(shell: Shell) -> None:
    found = json.loads(shell("status", "--json").out)
    assert found["baseUrl"] == shell.environment["ASSAY_BASE_URL"]
    assert found["tenantSlug"] == "default"


def test_a_wrong_key_is_refused(shell: Shell) -> None:
    stranger = Shell(shell.folder, {**shell.environment, "ASSAY_API_KEY": "asy_wrong"})
    refused = stranger("status", check=1)
    assert "assay keys create" in refused.err


def test_runs_are_off_until_somebody_switches_them_on(shell: Shell) -> None:
    (shell.folder / "off.yaml").write_text(
        "name: off\nsteps: [{name: a, type: transform.set, with: {fields: {x: 1}}}]\n"
    )
    shell("workflow", "push", "--file", "off.yaml")
    refused = shell("run", "workflows.off", check=1)
    assert "assay automations triggers" in refused.err
    shell("automations", "triggers", "off", "--enable", "api")
    assert shell("run", "workflows.off").out.startswith("exec_")


def test_the_output_of_a_document_is_the_truth_about_it(shell: Shell, runs: tuple[str, str]) -> None:
    expected = json.loads((EXAMPLE / "expected" / "09-letter-en.json").read_text())
    output = json.loads(shell("runs", "get", runs[0], "--json").out)["output"]
    assert {name: output[name] for name in expected} == expected


def test_a_trace_is_readable_and_can_be_saved(shell: Shell, runs: tuple[str, str]) -> None:
    good, bad = runs
    text = shell("runs", "trace", good).out
    for name in ("parse", "fields", "require-number", "derived"):
        assert name in text
    assert "Marrowfield Catering Limited" in text
    assert "there is no invoice number" in shell("runs", "trace", bad).out
    shell("runs", "trace", good, "--out", "trace.json")
    saved = json.loads((shell.folder / "trace.json").read_text())
    assert [step["stepName"] for step in saved["steps"]] == ["parse", "fields", "require-number", "derived"]
    assert {event["type"] for event in saved["events"]} >= {"run.created", "run.started", "run.completed"}


def test_two_runs_are_compared(shell: Shell, runs: tuple[str, str]) -> None:
    good, bad = runs
    assert json.loads(shell("runs", "compare", good, bad, "--json").out)["status"] == "fail"
    shell("runs", "compare", good, bad, "--fail-on-diff", check=1)
    again = shell("rerun", good, "--wait", "--json")
    shell("runs", "compare", good, json.loads(again.out)["id"], "--fail-on-diff")


def test_the_files_of_a_run_come_back_as_they_were(shell: Shell, runs: tuple[str, str]) -> None:
    rows = [line.split("\t") for line in shell("runs", "artifacts", "list", runs[0]).out.splitlines()]
    assert {row[1] for row in rows} == {"input", "debug"}
    saved = shell("runs", "artifacts", "fetch", runs[0], "--include", "all", "--out", "files").out.splitlines()
    assert len(saved) == len(rows)
    fetched = next(path for path in saved if path.endswith(".pdf"))
    assert (shell.folder / fetched).read_bytes() == (EXAMPLE / "documents" / "09-letter-en.pdf").read_bytes()


def test_a_list_is_narrowed_by_its_filters(shell: Shell, runs: tuple[str, str]) -> None:
    failed = shell("runs", "list", "invoice-fields", "--status", "failed", "--from", "1h", "--compact").out.split()
    assert failed == [runs[1]]
    assert shell("runs", "list", "--completed-before", "2020-01-01").out == ""
    refused = shell("runs", "list", "--status", "nonsense", check=1)
    assert "nonsense" in refused.err


def test_watching_tells_what_happened_and_how_it_ended(shell: Shell, runs: tuple[str, str]) -> None:
    told = [line.split("\t")[1] for line in shell("runs", "watch", runs[0]).out.splitlines()]
    assert (told[0], told[-1]) == ("run.created", "run.completed")
    shell("runs", "watch", runs[1], check=1)


def test_a_run_is_cancelled_once_and_for_all(shell: Shell) -> None:
    shell("workflow", "validate", _written(shell.folder / "slow.yaml", SLOW))
    shell("workflow", "push", "--file", "slow.yaml")
    run_id = shell("run", "workflows.slow", "--input-file", f"document={EXAMPLE / 'workflow.yaml'}").out.strip()
    first = json.loads(shell("runs", "cancel", run_id, "--yes", "--json").out)
    assert first["cancellation"]["state"] in {"cancelled", "requested", "already_terminal"}
    shell("runs", "watch", run_id, check=None)
    again = json.loads(shell("runs", "cancel", run_id, "--yes", "--json").out)
    assert again["cancellation"]["state"] == "already_terminal"


def test_a_deleted_run_is_gone(shell: Shell) -> None:
    again = shell(
        "run", "workflows.invoice-fields", "--input-file", "document=no-invoice.txt", "--wait", "--json", check=1
    )
    run_id = json.loads(again.out)["id"]
    shell("runs", "delete", run_id, check=2)
    shell("runs", "delete", run_id, "--yes")
    shell("runs", "get", run_id, check=1)


def test_versions_go_up_are_staged_promoted_and_pulled(shell: Shell) -> None:
    file = _written(shell.folder / "versions.yaml", VERSIONED)
    identifier, label = shell("workflow", "push", "--file", file).out.split()
    assert label == "1.0.0"
    assert shell("workflow", "push", "--file", file, check=1).err.startswith("error: ")
    staged = shell("workflow", "push", "--file", file, "--bump", "minor", "--no-activate").out.split()
    assert staged == [identifier, "1.1.0"]
    assert file.read_text() == VERSIONED.replace("1.0.0", "1.1.0")
    rows = [line.split("\t")[:2] for line in shell("workflow", "versions", "versions").out.splitlines()]
    assert rows == [["1.1.0", "false"], ["1.0.0", "true"]]
    shell("workflow", "promote", "versions", "1.1.0")
    assert shell("workflow", "pull", "versions").out == file.read_text()
    assert shell("workflow", "pull", "versions@1.0.0").out == VERSIONED
    assert "rollback" in shell("workflow", "promote", identifier, "1.0.0").err


def test_a_template_beside_the_workflow_travels_with_it(shell: Shell) -> None:
    sheet = workbook({"Letter": {"A1": "Dear {{ name }}"}})
    (shell.folder / "letters" / "templates").mkdir(parents=True)
    file = _written(shell.folder / "letters" / "workflow.yaml", LETTERS)
    assert "file_missing" in shell("workflow", "validate", file, check=1).out
    (shell.folder / "letters" / "templates" / "letter.xlsx").write_bytes(sheet)
    shell("workflow", "validate", file)
    shell("workflow", "push", "--file", file)
    run = json.loads(shell("run", "workflows.letters", "--wait", "--json").out)
    (saved,) = shell("runs", "artifacts", "fetch", run["id"], "--out", "filled").out.splitlines()
    assert openpyxl.load_workbook(shell.folder / saved).worksheets[0]["A1"].value == "Dear Ada"
    (shell.folder / "pulled").mkdir()
    shell("workflow", "pull", "letters", "--out", "pulled/workflow.yaml")
    assert (shell.folder / "pulled" / "workflow.yaml").read_text() == LETTERS
    assert (shell.folder / "pulled" / "templates" / "letter.xlsx").read_bytes() == sheet


def test_limits_are_set_and_removed(shell: Shell, runs: tuple[str, str]) -> None:
    del runs
    shell("automations", "limits", "invoice-fields", "--concurrency", "3", "--retention-days", "30")
    shown = json.loads(shell("automations", "limits", "invoice-fields", "--concurrency", "none", "--json").out)
    assert shown == {"concurrencyLimit": None, "retentionDays": 30}


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "runs list",
        "runs get {run}",
        "runs get {run} --step parse",
        "runs trace {run}",
        "runs artifacts list {run}",
        "runs compare {run} {run}",
        "workflow list",
        "workflow versions invoice-fields",
        "workflow pull invoice-fields",
        "automations list",
        "automations show invoice-fields",
        "automations triggers invoice-fields",
        "automations limits invoice-fields",
        "steps list",
        "steps show ai.parse",
        "keys list --data-dir data",
        "db status --data-dir data",
    ],
)
def test_data_is_plain_on_a_pipe_and_json_when_asked(shell: Shell, runs: tuple[str, str], command: str) -> None:
    words = command.format(run=runs[0]).split()
    plain = shell(*words)
    assert plain.out
    assert ESCAPE not in plain.out + plain.err
    json.loads(shell(*words, "--json").out)


def test_a_terminal_gets_tables_and_colours_unless_it_wants_none(shell: Shell, runs: tuple[str, str]) -> None:
    coloured = shell.on_a_terminal("runs", "list")
    assert "automation" in coloured
    assert f"{ESCAPE}[32mcompleted" in coloured
    plain = shell.on_a_terminal("runs", "list", NO_COLOR="1")
    assert runs[0] in plain
    assert f"{ESCAPE}[32m" not in plain
    assert f"{ESCAPE}[32m" not in shell.on_a_terminal("--no-color", "runs", "list")


def test_the_seed_s_name_of_the_program_is_there_too() -> None:
    program = Path(sys.executable).with_name("eigenpal")
    assert subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _wait_for(log: Path, server: subprocess.Popen[bytes]) -> str:
    while True:
        found = READY.search(log.read_text())
        if found:
            return found[1]
        assert server.poll() is None, log.read_text()
        select.select([], [], [], 0.05)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side has closed
        return b""
