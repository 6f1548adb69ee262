"""What a user waits for: start-up, memory, one run over HTTP, and many runs with one and two workers."""

import asyncio
import contextlib
import time
from pathlib import Path

from assay import bootstrap, db
from bench import floor
from bench.client import Connection
from bench.processes import Serving, make_key, memory, serving, working
from bench.report import Measure, percentile

WORKFLOW = """
name: three-steps
version: 1.0.0
triggerMethods: [{type: manual}, {type: api}]
inputs:
  - {name: text, type: string}
steps:
  - name: find
    type: transform.regex-extract
    with:
      input: '{{ input.text }}'
      fields:
        total: {pattern: 'Total:\\s*([0-9.]+)', format: iso-number}
  - name: check
    type: control.fail
    condition: '{{ steps.find.output.total == null }}'
    message: There is no total.
  - name: double
    type: transform.set
    with:
      fields: {double: '{{ steps.find.output.total | times: 2 }}'}
output:
  double: '{{ steps.double.output.double }}'
"""
_RUN = {"target": "workflows.three-steps", "input": {"text": "Invoice 17. Total: 12.5"}}
CONNECTIONS = 16


async def measure(data_dir: Path, *, requests: int, runs: int, settle: float) -> list[Measure]:
    """Measure on an empty folder that does not exist yet; processes that started get `settle` seconds to calm down."""
    async with serving(data_dir) as first:
        found = [Measure("start", "ready on an empty folder", first.ready_seconds, "s", aim=4)]
        key = await make_key(data_dir)
        await _push(first, key)
        await _finished(data_dir)
        await asyncio.sleep(settle)
        found.append(Measure("memory", "idle, all processes and PostgreSQL (PSS)", memory(first, data_dir), "MiB", 300))
    async with serving(data_dir) as second:
        found.insert(1, Measure("start", "ready on the next start", second.ready_seconds, "s", aim=2))
        async with bootstrap.open_database(bootstrap.settings_for(data_dir), migrate=False) as database:
            lowest = await floor.measure(database.dsn, requests)
        latency = await _latency(second, key, requests)
        found.append(Measure("memory", f"the same after {requests} runs", memory(second, data_dir), "MiB"))
    found += [*lowest, *latency]
    found.extend(await _throughput(data_dir, key, runs, settle))
    return found


async def _push(server: Serving, key: str) -> None:
    async with Connection.open(server.port, key) as connection:
        await connection.call("POST", "/api/v1/automations", {"yaml": WORKFLOW})
        await connection.call("POST", "/api/v1/runs", _RUN)


async def _latency(server: Serving, key: str, requests: int) -> list[Measure]:
    async with Connection.open(server.port, key) as connection:
        request = connection.prepared("POST", "/api/v1/runs?wait_for_completion=30", _RUN)
        taken: list[float] = []
        for _ in range(requests + requests // 4):
            start = time.perf_counter()
            await connection.send(request)
            taken.append((time.perf_counter() - start) * 1000)
    taken = taken[requests // 4 :]  # the first ones fill caches
    return [
        Measure("latency", "waited run of three steps over HTTP, p50", percentile(taken, 50), "ms", aim=7),
        Measure("latency", "waited run of three steps over HTTP, p95", percentile(taken, 95), "ms"),
    ]


async def _throughput(data_dir: Path, key: str, runs: int, settle: float) -> list[Measure]:
    rates: dict[int, float] = {}
    async with serving(data_dir, "--no-worker") as server, contextlib.AsyncExitStack() as workers:
        for count in (1, 2):
            await workers.enter_async_context(working(data_dir))
            await _start_many(server, key, 200)  # also until the new worker is there
            await _finished(data_dir)
            await asyncio.sleep(settle)
            await _start_many(server, key, runs)
            rates[count] = await _completed_a_second(data_dir, runs)
    return [
        Measure(
            "throughput",
            f"completed runs with {count} worker{'s'[: count - 1]}",
            rate,
            "/s",
            # The aim is for the best of them.
            aim=400 if rate == max(rates.values()) else None,
            at_least=True,
        )
        for count, rate in rates.items()
    ]


async def _start_many(server: Serving, key: str, runs: int) -> None:
    left = iter(range(runs))

    async def start() -> None:
        async with Connection.open(server.port, key) as connection:
            request = connection.prepared("POST", "/api/v1/runs", _RUN)
            for _ in left:
                await connection.send(request)

    await asyncio.gather(*(start() for _ in range(CONNECTIONS)))


async def _completed_a_second(data_dir: Path, runs: int) -> float:
    """From the first start to the last end of the newest runs, by the database's clock."""
    await _finished(data_dir)
    async with _database(data_dir) as database, database.transaction() as tx:
        seconds = await tx.fetch_value(
            """SELECT extract(epoch FROM max(completed_at) - min(created_at))::float8
               FROM (SELECT created_at, completed_at FROM runs ORDER BY created_at DESC LIMIT $1) AS newest""",
            runs,
        )
    return runs / seconds


async def _finished(data_dir: Path) -> None:
    async with _database(data_dir) as database:
        while True:
            async with database.single_statement() as tx:
                if not await tx.fetch_value("SELECT count(*) FROM runs WHERE outcome IS NULL"):
                    return
            await asyncio.sleep(0.2)


def _database(data_dir: Path) -> contextlib.AbstractAsyncContextManager[db.Database]:
    return bootstrap.open_database(bootstrap.settings_for(data_dir), migrate=False)
