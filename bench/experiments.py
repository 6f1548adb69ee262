"""What measuring costs: examples a second with every run and score stored, and whether memory stays flat.

Beside it two libraries do the same trivial work: pydantic-evals, which keeps its report in memory, and
inspect-ai, which writes a log.
"""

import asyncio
import io
import json
import statistics
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from assay import bootstrap
from bench.processes import forget_peak, make_key, peak_memory, serving, working
from bench.report import Measure

AREA = "experiments"
WORKFLOW = """
name: double-{count}
version: 1.0.0
triggerMethods: [{{type: api}}]
inputs:
  - {{name: n, type: number}}
steps:
  - name: double
    type: transform.set
    with:
      fields: {{n: '{{{{ input.n }}}}', double: '{{{{ input.n | times: 2 }}}}'}}
output: '{{{{ steps.double.output }}}}'
"""
EVALUATORS = """
evaluators:
  - {name: same, type: exact-diff, config: {}}
  - name: form
    type: json-schema
    config:
      schema: {type: object, required: [n, double], properties: {n: {type: number}, double: {type: number}}}
  - name: near
    type: numeric-tolerance
    config: {fields: {double: {absolute: 0.01}}}
"""
PEERS = ("pydantic-evals==2.62.0", "inspect-ai==0.3.285")
_PEER_VENV = Path("build/bench-peers")
_ROOT = Path(__file__).parents[1]


async def measure(data_dir: Path, *, few: int, many: int, rounds: int, with_peers: bool) -> list[Measure]:
    """Measure on an empty folder that does not exist yet; peers are installed into a place of their own."""
    found = await _assay(data_dir, few, many, rounds)
    return [*found, *await _peers(few)] if with_peers else found


async def _assay(data_dir: Path, few: int, many: int, rounds: int) -> list[Measure]:
    rates: dict[int, float] = {}
    peaks: dict[int, dict[str, float]] = {}
    async with serving(data_dir, "--no-worker") as server, working(data_dir) as worker:
        processes = {"server": server.process, "worker": worker}
        headers = {"Authorization": f"Bearer {await make_key(data_dir)}"}
        url = f"http://127.0.0.1:{server.port}/api/v1"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=600, trust_env=False) as http:
            paths = {count: await prepare(http, count) for count in (few, many)}
            await _run(http, paths[few], few, data_dir)  # fills caches
            for count, times in ((few, rounds), (many, 1)):
                peaks[count] = {}
                for process in processes.values():
                    forget_peak(process)
                rates[count] = statistics.median(
                    [await _run(http, paths[count], count, data_dir) for _ in range(times)]
                )
                peaks[count] = _peaks(processes)
    grown = max(peaks[many][name] / peaks[few][name] for name in processes)
    return [
        Measure(AREA, f"{few:,} examples, three evaluators, all stored", rates[few], "/s", aim=300, at_least=True),
        Measure(AREA, f"{many:,} examples, likewise", rates[many], "/s", aim=300, at_least=True),
        *[
            Measure(AREA, f"peak memory of the {name}, {count:,} examples", peaks[count][name], "MiB")
            for name in processes
            for count in (few, many)
        ],
        Measure(AREA, f"peak memory, {many:,} against {few:,}, at worst", grown, "x", aim=1.25),
    ]


def _peaks(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    return {name: peak_memory(process) for name, process in processes.items()}


async def prepare(http: httpx.AsyncClient, count: int) -> str:
    """Push a workflow with its evaluators and its dataset; return the path of its experiments."""
    pushed = await http.post("/automations", json={"yaml": WORKFLOW.format(count=count)})
    path = f"/automations/{pushed.raise_for_status().json()['automation']['id']}"
    (await http.put(f"{path}/evaluators", json={"yaml": EVALUATORS})).raise_for_status()
    imported = await http.post(f"{path}/dataset/import", files={"file": ("dataset.zip", _archive(count))})
    imported.raise_for_status()
    return f"{path}/experiments"


def _archive(count: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for n in range(count):
            archive.writestr(f"examples/example-{n}/input.json", json.dumps({"n": n}))
            archive.writestr(f"examples/example-{n}/expected.json", json.dumps({"n": n, "double": 2 * n}))
    return content.getvalue()


async def _run(http: httpx.AsyncClient, path: str, count: int, data_dir: Path) -> float:
    """Run an experiment, then read all of it back; return its examples a second, by the database's clock."""
    started = await http.post(path)
    experiment_id = started.raise_for_status().json()["id"]
    seconds = await _taken(data_dir, experiment_id)
    ended = await _lines(http, f"{path}/{experiment_id}/stream")
    rows = await _lines(http, f"{path}/{experiment_id}/export?format=csv")
    if (ended, rows) != (count + 1, 3 * count + 1):
        message = f"{count} examples: {ended} events, {rows} rows"
        raise RuntimeError(message)
    return count / seconds


async def _taken(data_dir: Path, experiment_id: str) -> float:
    sql = "SELECT extract(epoch FROM completed_at - created_at)::float8 FROM experiments WHERE id = $1"
    async with bootstrap.open_database(bootstrap.settings_for(data_dir), migrate=False) as database:
        while True:
            async with database.single_statement() as tx:
                seconds = await tx.fetch_value(sql, experiment_id)
            if seconds is not None:
                return float(seconds)
            await asyncio.sleep(0.2)


async def _lines(http: httpx.AsyncClient, path: str) -> int:
    """Count the lines of an answer that has one for each run or score; blank ones are heartbeats."""
    async with http.stream("GET", path) as answer:
        answer.raise_for_status()
        return sum([bool(line) async for line in answer.aiter_lines()])


async def _peers(count: int) -> list[Measure]:
    """Let other libraries do the same work, each in a process of its own."""
    python = _ROOT / _PEER_VENV / "bin" / "python"
    uv = Path(sys.executable).parent / "uv"
    await _called(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, _ROOT / _PEER_VENV)
    await _called(uv, "pip", "install", "--quiet", "--python", python, "jsonschema", "openai", *PEERS)
    found: list[Measure] = []
    for peer in PEERS:
        name = peer.partition("==")[0]
        script = Path(__file__).parent / "peers" / f"{name.replace('-', '_')}_peer.py"
        answer: dict[str, Any] = json.loads((await _called(python, script, count)).splitlines()[-1])
        found += [
            Measure(AREA, f"{peer} ({answer['kept']}), {count:,} examples", answer["rate"], "/s"),
            Measure(AREA, f"{peer}, peak memory", answer["peak"], "MiB"),
        ]
    return found


async def _called(*command: object) -> str:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode:
        message = f"{' '.join(map(str, command))}: {errors.decode()[-1000:]}"
        raise RuntimeError(message)
    return output.decode()
