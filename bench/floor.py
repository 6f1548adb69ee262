"""What the machine allows: one committed row, and the bare queue, on the same database server."""

import asyncio
import time
from urllib.parse import urlsplit

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job
from pgqueuer.queries import Queries

from bench.report import Measure, percentile

AREA = "floor"
_DATABASE = "bench_floor"


async def measure(dsn: str, rounds: int) -> list[Measure]:
    """Measure in a database of its own, which is dropped again."""
    server: asyncpg.Connection = await asyncpg.connect(dsn)
    await server.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
    await server.execute(f"CREATE DATABASE {_DATABASE}")
    own = urlsplit(dsn)._replace(path=f"/{_DATABASE}").geturl()
    try:
        commits = await _commits(own, rounds)
        starts = await _starts(own, rounds)
    finally:
        await server.execute(f"DROP DATABASE {_DATABASE} WITH (FORCE)")
        await server.close()
    return [
        Measure(AREA, f"one-row commit, {name}", percentile(commits, percent), "ms")
        for name, percent in (("p50", 50), ("p95", 95))
    ] + [
        Measure(AREA, f"bare PgQueuer, enqueue to start, {name}", percentile(starts, percent), "ms")
        for name, percent in (("p50", 50), ("p95", 95))
    ]


async def _commits(dsn: str, rounds: int) -> list[float]:
    connection: asyncpg.Connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE one_row (number integer)")
    found: list[float] = []
    for number in range(rounds):
        start = time.perf_counter()
        await connection.execute("INSERT INTO one_row VALUES ($1)", number)
        found.append((time.perf_counter() - start) * 1000)
    await connection.close()
    return found


async def _starts(dsn: str, rounds: int) -> list[float]:
    sending: asyncpg.Connection = await asyncpg.connect(dsn)
    taking: asyncpg.Connection = await asyncpg.connect(dsn)
    queries = Queries(AsyncpgDriver(sending))
    await queries.install()
    manager = QueueManager(Queries(AsyncpgDriver(taking)))
    begun = asyncio.Event()

    async def begin(_job: Job) -> None:
        begun.set()

    manager.entrypoint("bench")(begin)
    working = asyncio.create_task(manager.run())
    found: list[float] = []
    for _ in range(rounds):
        begun.clear()
        start = time.perf_counter()
        await queries.enqueue("bench", None)
        await begun.wait()
        found.append((time.perf_counter() - start) * 1000)
        await asyncio.sleep(0.02)  # the job before is over: one at a time
    manager.shutdown.set()
    await working
    await sending.close()
    await taking.close()
    return found
