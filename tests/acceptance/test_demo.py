"""`assay demo` as a newcomer starts it, with few documents: the whole life of a workflow."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay.db import embedded

COUNT = 8
LIVE = 8


def command(*options: str) -> Sequence[str]:
    return (sys.executable, "-m", "assay.cli", "demo", "--count", str(COUNT), *options)


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def finished(folder: Path) -> subprocess.CompletedProcess[str]:
    """A demo that was started without a terminal, and beside somebody's real settings."""
    other = {"ASSAY_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "ASSAY_MAX_BODY_BYTES": "1"}
    return subprocess.run(
        command("--json"), env=environment(folder, **other), capture_output=True, text=True, check=False
    )


def test_it_ends_by_itself_without_a_terminal(finished: subprocess.CompletedProcess[str]):
    assert finished.returncode == 0, finished.stderr


@pytest.fixture(scope="module")
def told(finished: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(finished.stdout)


def test_every_document_has_a_completed_run_and_its_score(told: Any):
    assert told["runsCompleted"] == COUNT + LIVE
    assert len({document["runId"] for document in told["documents"]}) == COUNT + LIVE
    for document in told["documents"]:
        assert document["output"]["seller_name"]
        assert document["durationMs"] >= 0


def test_a_miss_that_was_found_fails_as_an_example_until_a_later_version_passes(told: Any):
    first, after_promotion, fixed = told["experiments"]
    missed = [one for one in told["reviewed"] if one["rating"] == "fail"]
    assert missed
    assert first["failed"] == 0
    assert (after_promotion["version"], after_promotion["failed"]) == (first["version"], len(missed))
    assert (after_promotion["examples"], fixed["failed"]) == (first["examples"] + len(missed), 0)


def test_misses_are_resolved_by_proof_and_the_fix_is_live(told: Any):
    proven = told["experiments"][2]["id"]
    assert told["resolutions"]
    for one in told["resolutions"]:
        assert (one["status"], one["proven"], one["live"], one["override"]) == ("resolved", True, True, None)
        assert one["evidence"]["experimentId"] == proven


def test_people_who_key_in_the_same_invoices_err_elsewhere(told: Any):
    agreement = {one["field"]: one for one in told["agreement"]["fields"]}
    assert told["agreement"]["runs"] == COUNT
    assert agreement["invoice_number"]["agreed"] == COUNT - 1
    assert agreement["total"]["agreed"] < COUNT
    assert agreement["currency"]["agreed"] == COUNT


def test_health_is_told_before_and_after(told: Any):
    before, after = told["health"]["before"], told["health"]["after"]
    assert (before["summary"]["totalRuns"], after["summary"]["totalRuns"]) == (COUNT, LIVE)
    assert (before["debt"]["count"] > 0, after["debt"]["count"]) == (True, 0)
    assert before["summary"]["incorrectReviews"] > after["summary"]["incorrectReviews"] == 0


def test_it_leaves_nothing_behind(finished: subprocess.CompletedProcess[str], folder: Path):
    assert finished.returncode == 0
    assert not list(folder.glob("assay-demo-*"))


@pytest.fixture
def kept(tmp_path: Path) -> Generator[Path]:
    """A data folder that outlives the demo."""
    yield tmp_path / "kept"
    embedded.remove(tmp_path / "kept")


@pytest.fixture
def on_a_terminal(kept: Path, folder: Path) -> Generator[tuple["subprocess.Popen[bytes]", int]]:
    """A demo whose stdout is a terminal, and what that terminal shows."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command("--data-dir", str(kept)),
        env=environment(folder, COLUMNS="200", DEMO_EXIT=""),
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    yield process, ours
    if process.poll() is None:
        process.terminate()
        process.wait()
    os.close(ours)


def test_on_a_terminal_it_stays_up_until_interrupted(on_a_terminal: tuple["subprocess.Popen[bytes]", int]):
    process, screen = on_a_terminal
    shown = _read_until(screen, b"until Ctrl-C")
    address = re.search(r"ASSAY_BASE_URL=(\S+) ASSAY_API_KEY=(\w+)", shown)
    run = re.search(r"runs trace (exec_\w+)", shown)
    assert address is not None
    assert run is not None
    answer = httpx.get(f"{address[1]}/api/v1/runs/{run[1]}", headers={"Authorization": f"Bearer {address[2]}"})
    assert answer.json()["execution"]["status"] == "completed"

    os.killpg(process.pid, signal.SIGINT)  # what a terminal does at Ctrl-C
    assert process.wait(60) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address[1]}/healthz")


def test_a_server_that_cannot_start_is_a_failure_that_says_why(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = ("--port", str(taken.getsockname()[1]))
        failed = subprocess.run(command(*options), env=environment(folder), capture_output=True, text=True, check=False)

    assert failed.returncode == 1
    assert "error: The server did not start." in failed.stderr
    assert "is in use" in failed.stderr
    assert not failed.stdout


def _read_until(screen: int, words: bytes) -> str:
    shown = b""
    while words not in shown:
        try:
            shown += os.read(screen, 65536)
        except OSError:  # whoever had the terminal has ended
            pytest.fail(shown.decode())
    return shown.decode()
