"""`assay serve` that is told to stop ends in order, and takes its worker and its database with it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from assay.cli import demo_server


@pytest.fixture
def folder() -> Generator[Path]:
    with demo_server.folder(None) as found:
        yield found


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of all processes that were started on the folder."""
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [command for command in commands if str(folder) in command]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_server_told_to_stop_ends_well_and_leaves_no_process(folder: Path, number: signal.Signals):
    reading, writing = os.pipe()
    process = subprocess.Popen(
        (sys.executable, "-m", "assay.cli", "serve", "--port", "0", "--data-dir", str(folder)), stderr=writing
    )
    os.close(writing)
    with os.fdopen(reading) as said:
        assert any(re.search("assay is ready at", line) for line in said)
        assert len(processes_of(folder)) >= 2
        process.send_signal(number)
        said.read()

    assert process.wait(60) == 0
    assert processes_of(folder) == []


def test_a_port_in_use_is_told_before_anything_is_started(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = (sys.executable, "-m", "assay.cli", "serve", "--port", str(port), "--data-dir", str(folder / "d"))
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 1
    assert finished.stderr.startswith(f"error: 127.0.0.1:{port} is in use.\nhint: ")
    assert not (folder / "d").exists()
