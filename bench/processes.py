"""Servers and workers as a user starts them: the real commands, in processes of their own."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from assay.db.embedded_cluster import Cluster

READY_SECONDS = 60
STOP_SECONDS = 60
# The embedded database, no rate limit, and quiet.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")} | {
    "ASSAY_RATE_LIMIT_PER_MINUTE": "0",
    "ASSAY_LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server: where it listens, and how many seconds passed until it was ready."""

    port: int
    ready_seconds: float
    process: psutil.Process


@asynccontextmanager
async def serving(data_dir: Path, *options: str) -> AsyncGenerator[Serving]:
    """Run `assay serve` until the block ends; it begins when `/healthz` answers 200."""
    port = _free_port()
    start = time.perf_counter()
    async with _running("serve", "--port", str(port), "--data-dir", str(data_dir), *options) as process:
        while not await _is_healthy(port):
            if process.returncode is not None or time.perf_counter() - start > READY_SECONDS:
                message = f"The server on {data_dir} did not become ready."
                raise RuntimeError(message)
            await asyncio.sleep(0.01)
        yield Serving(port, time.perf_counter() - start, psutil.Process(process.pid))


@asynccontextmanager
async def working(data_dir: Path) -> AsyncGenerator[psutil.Process]:
    """Run one more `assay worker` until the block ends."""
    async with _running("worker", "--data-dir", str(data_dir)) as process:
        yield psutil.Process(process.pid)


async def make_key(data_dir: Path) -> str:
    """Make an API key."""
    command = [*_COMMAND, "keys", "create", "--name", "bench", "--data-dir", str(data_dir)]
    process = await asyncio.create_subprocess_exec(
        *command, env=_ENVIRONMENT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode().strip()


def memory(server: Serving, data_dir: Path) -> float:
    """Return MiB of all processes of a server, its workers and its database, shared pages shared out (PSS)."""
    return sum(process.memory_full_info().pss for process in _family(server, data_dir)) / 2**20


def peak_memory(process: psutil.Process) -> float:
    """Return the most MiB that a process, without its children, has ever had resident since `forget_peak`."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def forget_peak(process: psutil.Process) -> None:
    """Let the peak be counted from now on."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def _family(server: Serving, data_dir: Path) -> Iterator[psutil.Process]:
    found = {process.pid: process for process in (server.process, *server.process.children(recursive=True))}
    postmaster = Cluster(data_dir).postmaster()
    if postmaster is not None:
        found |= {process.pid: process for process in (postmaster, *postmaster.children(recursive=True))}
    yield from found.values()


_COMMAND = [sys.executable, "-m", "assay.cli"]


@asynccontextmanager
async def _running(*arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *arguments, env=_ENVIRONMENT, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()


async def _is_healthy(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
