"""What a step costs: pure ones, scripts in each language, long loops and parallel ones."""

import json
import time
from pathlib import Path
from typing import Any

from assay import sandbox
from bench.client import Connection
from bench.processes import Serving, make_key, memory, serving
from bench.report import Measure, percentile

_SET = {"name": "set", "type": "transform.set", "with": {"fields": {"n": "{{ n }}"}}}
_SCRIPTS = {
    "javascript": "function script(a) { return {twice: a * 2}; }",
    "typescript": "function script(a: number): {twice: number} { return {twice: a * 2}; }",
    "python": "def script(a):\n    return {'twice': a * 2}\n",
}


async def measure(data_dir: Path, *, items: int, calls: int) -> list[Measure]:
    """Measure on an empty folder that does not exist yet."""
    async with serving(data_dir) as server:
        key = await make_key(data_dir)
        async with Connection.open(server.port, key) as connection:
            found = await _loops(connection, server, data_dir, items)
            found += await _parallel(connection)
    return found + await _scripts(calls)


async def _loops(connection: Connection, server: Serving, data_dir: Path, items: int) -> list[Measure]:
    loop = {"name": "each", "type": "control.foreach", "items": "{{ input.items }}", "as": "n", "steps": [_SET]}
    await _push(connection, "loop", [loop])
    await _run(connection, "loop", 10)
    before = memory(server, data_dir)
    tenth, whole = [await _run(connection, "loop", count) for count in (items // 10, items)]
    grown = memory(server, data_dir) - before
    return [
        Measure("steps", "a pure step, its row included", whole / items * 1000, "µs"),
        Measure("steps", f"foreach over {items:,} items", whole, "ms"),
        Measure(
            "steps", "the same per item, against a tenth of the items", whole / items / (tenth / (items // 10)), "x"
        ),
        Measure("steps", "memory grown meanwhile, per item", max(grown, 0) * 1024 / items, "KiB"),
    ]


async def _parallel(connection: Connection) -> list[Measure]:
    pause = {"name": "pause", "type": "control.wait", "duration": 100}
    times: dict[int, float] = {}
    for concurrency in (1, 10):
        step = {
            "name": "each",
            "type": "control.parallel_map",
            "items": "{{ input.items }}",
            "as": "n",
            "concurrency": concurrency,
            "steps": [pause],
        }
        await _push(connection, f"parallel-{concurrency}", [step])
        times[concurrency] = await _run(connection, f"parallel-{concurrency}", 20)
    return [Measure("steps", "parallel_map of pauses, 10 at once against 1", times[1] / times[10], "x faster")]


async def _scripts(calls: int) -> list[Measure]:
    found: list[Measure] = []
    for language, source in _SCRIPTS.items():
        box = sandbox.Sandbox()
        taken: list[float] = []
        for number in range(calls + 1):
            start = time.perf_counter()
            await box.run(language=language, source=source, function="script", arguments={"a": number})  # pyright: ignore[reportArgumentType] # keys of a table
            taken.append((time.perf_counter() - start) * 1000)
        await box.close()
        found.append(Measure("scripts", f"{language}, first call", taken[0], "ms"))
        found.append(Measure("scripts", f"{language}, warm, p50", percentile(taken[1:], 50), "ms", aim=5))
    return found


async def _push(connection: Connection, name: str, steps: list[dict[str, Any]]) -> None:
    workflow = {
        "name": name,
        "version": "1.0.0",
        "triggerMethods": [{"type": "api"}],
        "inputs": [{"name": "items", "type": "array"}],
        "steps": steps,
    }
    await connection.call("POST", "/api/v1/automations", {"yaml": json.dumps(workflow)})


async def _run(connection: Connection, name: str, items: int) -> float:
    """Run a workflow over so many items; return the milliseconds it took by its own account."""
    body = {"target": f"workflows.{name}", "input": {"items": list(range(items))}}
    run = await connection.call("POST", "/api/v1/runs?wait_for_completion=50", body)
    while not run["finished"]:
        run = await connection.call("GET", f"/api/v1/runs/{run['id']}")
    return run["timing"]["durationMs"]
