"""A server that a command starts for itself: a folder, processes and a key of its own, all gone with it."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay import settings
from assay.cli.failure import Failure
from assay.cli.server import end_with
from assay.db import embedded

START_SECONDS = 90.0
STOP_SECONDS = 60.0
_READY = re.compile(r"assay is ready at (http://\S+)")


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A running server, its key, and the file that it logs to."""

    base_url: str
    api_key: str
    log: Path
    process: subprocess.Popen[bytes]


@contextmanager
def folder(data_dir: Path | None) -> Generator[Path]:
    """Use a data folder, which is made if need be; without one a temporary folder, removed at the end."""
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        yield data_dir.absolute()
        return
    temporary = Path(tempfile.mkdtemp(prefix="assay-demo-"))
    # As root, the account that PostgreSQL runs as must pass through.
    temporary.chmod(0o711)
    try:
        yield temporary
    finally:
        embedded.remove(temporary)


@contextmanager
def running(data_dir: Path, port: int) -> Generator[DemoServer]:
    """Run `assay serve` with its worker on a folder, as everybody does, and stop it at the end.

    Settings in the environment do not count: a demo must not end up in somebody's real database.

    Raises:
        Failure: it did not start; the hint is what it said last.
    """
    log = data_dir / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            _assay("serve", "--port", str(port), "--data-dir", str(data_dir)),
            env=settings.environment_without_settings(),
            stderr=file,
            stdout=file,
            preexec_fn=end_with(os.getpid()),  # noqa: PLW1509 (it calls the kernel and nothing else)
        )
    try:
        yield DemoServer(_address(process, log), _key(data_dir), log, process)
    finally:
        _stop(process)


def _assay(*arguments: str) -> Sequence[str]:
    return (sys.executable, "-m", "assay.cli", *arguments)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        ready = _READY.search(log.read_text(errors="replace"))
        if ready:
            return ready[1]
        time.sleep(0.05)
    last = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    raise Failure("The server did not start.", hint=last or None)


def sign_in_link(server: DemoServer, data_dir: Path) -> str:
    """Make a link to the dashboard that signs its owner in, once.

    Raises:
        Failure: none could be made.
    """
    arguments = ("users", "link", "--email", "owner@localhost", "--url", server.base_url)
    return _printed_by(*arguments, data_dir=data_dir, failure="No link to the dashboard could be made.")


def _key(data_dir: Path) -> str:
    return _printed_by("keys", "create", "--name", "demo", data_dir=data_dir, failure="No API key could be made.")


def _printed_by(*arguments: str, data_dir: Path, failure: str) -> str:
    made = subprocess.run(
        _assay(*arguments, "--data-dir", str(data_dir)),
        env=settings.environment_without_settings(),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise Failure(failure, hint=made.stderr.strip())
    return made.stdout.strip()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
