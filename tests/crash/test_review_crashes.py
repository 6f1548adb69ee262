"""Killing servers and workers loses and doubles no verdict, no promoted example, no import, no proof and no event."""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
from tests.crash.processes import PATIENCE_SECONDS, WORKFLOW, Installation, eventually
from tests.datasets.conftest import packed
from tests.fakes.raw_server import Asked, raw_server, response

RUNS = 6
IMPORTED = 10
KILLS = 2 * int(os.environ.get("ASSAY_CRASH_ROUNDS", "1"))
AUTOMATION = "/automations/workflows.effects"


def insist(here: Installation, method: str, path: str, **named: Any) -> Any:
    """Ask until there is an answer, as a client does whose server is killed; return its body."""

    def answered() -> httpx.Response | None:
        try:
            answer = here.request(method, path, **named)
        except httpx.TransportError:
            return None
        return None if answer.status_code == 503 else answer

    answer = eventually(answered, f"{method} {path} was not answered")
    assert answer.status_code < 300, answer.text
    return answer.json()


def judge(here: Installation, number: int) -> str:
    """Run once, call it wrong, say what would be right, and make it an example."""
    run_id = here.start(number, milliseconds=20).json()["id"]
    eventually(lambda: insist(here, "GET", f"/runs/{run_id}")["finished"], f"{run_id} did not end")
    verdict = {"rating": "fail", "status": "open", "expected": {"n": number + 1}}
    insist(here, "PUT", f"/runs/{run_id}/feedback", json=verdict)
    insist(here, "POST", f"/runs/{run_id}/promote", json={"name": f"promoted-{number}"})
    return run_id


def bring(here: Installation) -> None:
    """Import examples of which all arrive, or none."""
    examples = {
        f"examples/imported-{n}/{name}.json": {"n": n, "milliseconds": 0} if name == "input" else {"n": n + 1}
        for n in range(IMPORTED)
        for name in ("input", "expected")
    }
    insist(here, "POST", f"{AUTOMATION}/dataset/import", files={"file": ("dataset.zip", packed(examples))})


def again(here: Installation, running: dict[str, Any], victim: str) -> None:
    """Kill the server or the worker, and start another one."""
    running[victim].kill()
    running[victim].wait()
    running[victim] = here.serve() if victim == "server" else here.worker()


async def kill_now_and_then(here: Installation, running: dict[str, Any], *works: "asyncio.Future[Any]") -> None:
    """Kill server and worker in turn, while the works go on."""
    for number in range(KILLS):
        # No moment is a special one: whatever goes on is interrupted somewhere.
        await asyncio.wait(works, timeout=random.uniform(0.5, 2.0))
        again(here, running, ("worker", "server")[number % 2])


async def test_processes_killed_during_reviews_and_imports_lose_and_double_nothing(
    install: Callable[..., Installation],
) -> None:
    here = install()
    running = {"server": here.serve(), "worker": here.worker()}
    await asyncio.to_thread(here.prepare)
    with ThreadPoolExecutor(RUNS + 1) as pool:
        loop = asyncio.get_running_loop()
        judging = [loop.run_in_executor(pool, judge, here, number) for number in range(RUNS)]
        bringing = loop.run_in_executor(pool, bring, here)
        await kill_now_and_then(here, running, *judging, bringing)
        await asyncio.gather(*judging)
        await bringing
    names = [row["name"] for row in await here.rows("SELECT name FROM examples")]
    promoted = {f"promoted-{n}" for n in range(RUNS)}
    assert Counter(names) == Counter([*promoted, *(f"imported-{n}" for n in range(IMPORTED))])


def mend(here: Installation) -> str:
    """Push a version that gets all examples right, and start an experiment with it; return that one's id."""
    source = WORKFLOW.format(file=here.effects).replace("1.0.0", "1.1.0")
    source = source.replace("{{ input.n }}", "{{ input.n | plus: 1 }}")
    insist(here, "POST", f"{AUTOMATION}/versions", json={"yaml": source})
    insist(here, "PUT", f"{AUTOMATION}/evaluators", json={"yaml": "evaluators: [{name: same, type: exact-diff}]"})
    return insist(here, "POST", f"{AUTOMATION}/experiments", json={"version": "1.1.0"})["id"]


def type_of(asked: Asked) -> str:
    return json.loads(asked.body)["type"]


@asynccontextmanager
async def holding(here: Installation, run_id: str) -> AsyncGenerator[Callable[[], Awaitable[bool]]]:
    """Keep others from changing a run; what is given tells whether somebody waits to."""
    connection = await asyncpg.connect(here.dsn)
    waiting = "SELECT FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))"

    async def is_waited_for() -> bool:
        return bool(await here.rows(waiting, connection.get_server_pid()))

    async with connection.transaction():
        await connection.execute("SELECT FROM runs WHERE id = $1 FOR UPDATE", run_id)
        yield is_waited_for
    await connection.close()


async def all_is_told(here: Installation) -> bool:
    return not await here.rows("SELECT FROM webhook_deliveries WHERE state = 'pending'")


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await look():
            await asyncio.sleep(0.02)


async def test_processes_killed_while_misses_are_proven_and_told_of_lose_and_double_nothing(
    install: Callable[..., Installation],
) -> None:
    here = install()
    running = {"server": here.serve(), "worker": here.worker()}
    await asyncio.to_thread(here.prepare)
    interrupted = asyncio.Event()

    async def kill_who_tells_of_a_proof(asked: Asked) -> AsyncIterator[bytes]:
        if type_of(asked) == "resolution.proven" and not interrupted.is_set():
            interrupted.set()
            await asyncio.to_thread(again, here, running, "worker")
            # The dead have a minute to say what came of what they sent: it passes.
            await here.rows("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'")
        async for piece in response():
            yield piece

    async with raw_server(kill_who_tells_of_a_proof) as receiver:
        await asyncio.to_thread(bring, here)
        missed = await asyncio.gather(*(asyncio.to_thread(judge, here, number) for number in range(RUNS)))
        insist(here, "PATCH", "/outgoing", json={"allow": [f"127.0.0.1:{receiver.port}"]})
        insist(here, "POST", "/webhooks", json={"url": receiver.url()})
        async with holding(here, max(missed)) as is_waited_for:
            experiment = await asyncio.to_thread(mend, here)
            await asyncio.to_thread(again, here, running, "server")
            # All results are written, and all misses are resolved but this last one: nothing of it stands yet.
            await until(is_waited_for)
            await asyncio.to_thread(again, here, running, "worker")
        await asyncio.wait_for(interrupted.wait(), PATIENCE_SECONDS)
        await until(lambda: all_is_told(here))
    results = await here.rows("SELECT verdict FROM example_results WHERE experiment_id = $1", experiment)
    assert Counter(row["verdict"] for row in results) == {"pass": RUNS + IMPORTED}
    assert {insist(here, "GET", f"/runs/{run_id}/feedback")["feedback"]["status"] for run_id in missed} == {"resolved"}
    heard = {asked.headers["webhook-id"]: type_of(asked) for asked in receiver.asked}
    assert len(heard) < len(receiver.asked)
    assert Counter(heard.values()) == {"experiment.completed": 1, "resolution.proven": RUNS, "feedback.updated": RUNS}
