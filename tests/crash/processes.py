"""An installation of real processes that can be killed, paused, stopped and started again."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import psutil

from assay.db.embedded_cluster import Cluster

Found = TypeVar("Found")

PROGRAM = (sys.executable, str(Path(__file__).parent / "program.py"))
# A guard against what hangs, not a claim of speed: at load 10 on two cores a worker needs most of a minute to begin.
PATIENCE_SECONDS = 300.0
STEPS = ("first", "second")

WORKFLOW = """\
name: effects
version: 1.0.0
triggerMethods: [api]
inputs:
  - {{name: n, type: number}}
  - {{name: milliseconds, type: number}}
steps:
  - {{name: first, type: test.effect, with: {{file: {file}, milliseconds: '{{{{ input.milliseconds }}}}'}}}}
  - {{name: between, type: transform.set, with: {{fields: {{n: '{{{{ input.n }}}}'}}}}}}
  - {{name: second, type: test.effect, with: {{file: {file}, milliseconds: '{{{{ input.milliseconds }}}}'}}}}
output:
  n: '{{{{ steps.between.output.n }}}}'
"""


def eventually(look: Callable[[], Found | None], what: str) -> Found:
    """Look until there is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.03)
    message = f"waited in vain: {what}"
    raise AssertionError(message)


def key_of(run_id: str, step: str) -> str:
    """The idempotency key that a step of a run sends."""
    return sha256(f"{run_id}/{step}".encode()).hexdigest()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Installation:
    """Processes on one data folder; all that still run are ended by `close`."""

    folder: Path
    settings: Mapping[str, str]
    port: int = field(default_factory=_free_port)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])
    _key: str = ""

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def effects(self) -> Path:
        return self.folder / "effects"

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{arguments[0]}-{len(self.started)}.log").open("w")
        process = subprocess.Popen(
            [*PROGRAM, *arguments, "--data-dir", str(self.data_dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self._environment(),
        )
        log.close()
        self.started.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        return {**inherited, **self.settings, "ASSAY_LOG_LEVEL": "INFO"}

    def serve(self) -> subprocess.Popen[bytes]:
        return self.spawn("serve", "--no-worker", "--port", str(self.port))

    def worker(self) -> subprocess.Popen[bytes]:
        return self.spawn("worker")

    def until_ready(self) -> None:
        def healthy() -> bool:
            try:
                return self.request("GET", "/healthz", api="").status_code == 200
            except httpx.TransportError:
                return False

        eventually(healthy, "the server is not ready")

    def prepare(self) -> None:
        """Make a key and push the workflow; the server must run."""
        self.until_ready()
        made = subprocess.run(
            [*PROGRAM, "keys", "create", "--name", "crash", "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            env=self._environment(),
            check=True,
        )
        self._key = made.stdout.strip()
        pushed = self.request("POST", "/automations", json={"yaml": WORKFLOW.format(file=self.effects)})
        assert pushed.status_code < 300, pushed.text

    def request(self, method: str, path: str, *, api: str = "/api/v1", **named: Any) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{api}{path}"
        headers = {"Authorization": f"Bearer {self._key or 'none'}", **named.pop("headers", {})}
        return httpx.request(method, url, headers=headers, timeout=70, **named)

    def start(self, number: int, *, milliseconds: int = 100, wait: int = 0) -> httpx.Response:
        """Start a run, once, however often the request must be repeated; return the last answer."""

        def accepted() -> httpx.Response | None:
            try:
                answer = self.request(
                    "POST",
                    "/runs",
                    params={"wait_for_completion": wait} if wait else None,
                    json={"target": "workflows.effects", "input": {"n": number, "milliseconds": milliseconds}},
                    headers={"Idempotency-Key": f"run-{number}-{wait}"},
                )
            except httpx.TransportError:
                return None
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) > 0
                return None
            assert answer.status_code in {200, 201, 202}, answer.text
            return answer

        return eventually(accepted, f"run {number} was not accepted")

    def start_many(self, count: int, pool: ThreadPoolExecutor, **named: Any) -> list["Future[httpx.Response]"]:
        return [pool.submit(self.start, number, **named) for number in range(count)]

    @property
    def dsn(self) -> str:
        return self.settings.get("ASSAY_DATABASE_URL") or Cluster(self.data_dir).dsn()

    async def rows(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the database; while it is away, wait."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self.dsn)
                try:
                    return await connection.fetch(sql, *arguments)
                finally:
                    connection.terminate()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)

    async def until_finished(self, count: int) -> list[asyncpg.Record]:
        """Wait until so many runs are finished; return all runs."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            runs = await self.rows("SELECT * FROM runs")
            if len(runs) == count and all(run["completed_at"] for run in runs):
                return runs
            if time.monotonic() > deadline:
                open_runs = [dict(run) for run in runs if not run["completed_at"]]
                message = f"{len(runs)} of {count} runs, of which not finished: {open_runs}"
                raise AssertionError(message)
            await asyncio.sleep(0.1)

    def effects_by_key(self) -> dict[str, list[float]]:
        """When each idempotency key was used."""
        found: dict[str, list[float]] = {}
        for line in self.effects.read_text().splitlines() if self.effects.exists() else ():
            key, moment = line.split()
            found.setdefault(key, []).append(float(moment))
        return found

    async def check_effects(self, runs: list[asyncpg.Record]) -> int:
        """No effect is missing or strange, none came after its step was committed; return how many were repeated."""
        effects = self.effects_by_key()
        assert set(effects) == {key_of(run["id"], step) for run in runs for step in STEPS}
        rows = await self.rows("SELECT run_id, step_key, completed_at FROM run_steps")
        committed = {key_of(row["run_id"], row["step_key"]): row["completed_at"].timestamp() for row in rows}
        late = {key: moments for key, moments in effects.items() if max(moments) > committed[key]}
        assert not late, "steps ran again after their rows were committed"
        return sum(len(moments) - 1 for moments in effects.values())

    def postmaster(self) -> psutil.Process | None:
        return Cluster(self.data_dir).postmaster()

    def terminate(self, *processes: subprocess.Popen[bytes]) -> list[int]:
        """Ask processes to end, all at once; return their exit codes."""
        for process in processes:
            process.send_signal(signal.SIGTERM)
        return [process.wait(PATIENCE_SECONDS) for process in processes]

    def close(self) -> None:
        running = [process for process in self.started if process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGCONT)
        self.terminate(*running)

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))


def shuffled(seed: int, choices: list[str], count: int) -> list[str]:
    """Every choice about equally often, in an order that the seed makes."""
    numbers = random.Random(seed)
    chosen = (choices * (count // len(choices) + 1))[:count]
    numbers.shuffle(chosen)
    return chosen
