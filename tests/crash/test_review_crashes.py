"""Killing servers and workers loses and doubles no verdict, no promoted example and no import."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from tests.crash.processes import Installation, eventually
from tests.datasets.conftest import packed

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
    """Run once, call it wrong, and make it an example."""
    run_id = here.start(number, milliseconds=20).json()["id"]
    eventually(lambda: insist(here, "GET", f"/runs/{run_id}")["finished"], f"{run_id} did not end")
    verdict = {"rating": "fail", "status": "open", "expected": {"n": number}}
    insist(here, "PUT", f"/runs/{run_id}/feedback", json=verdict)
    insist(here, "POST", f"/runs/{run_id}/promote", json={"name": f"promoted-{number}"})
    return run_id


def bring(here: Installation) -> None:
    """Import examples of which all arrive, or none."""
    examples = {
        f"examples/imported-{n}/{name}.json": {"n": n, "milliseconds": 0} if name == "input" else {"n": n}
        for n in range(IMPORTED)
        for name in ("input", "expected")
    }
    insist(here, "POST", f"{AUTOMATION}/dataset/import", files={"file": ("dataset.zip", packed(examples))})


async def kill_now_and_then(here: Installation, running: dict[str, Any], *works: "asyncio.Future[Any]") -> None:
    """Kill server and worker in turn, while the works go on."""
    for number in range(KILLS):
        await asyncio.wait(works, timeout=random.uniform(0.5, 2.0))
        victim = ("worker", "server")[number % 2]
        running[victim].kill()
        running[victim].wait()
        running[victim] = here.serve() if victim == "server" else here.worker()


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
