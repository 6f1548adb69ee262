"""A server and a worker in this process, with which a test measures versions of small workflows."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.runs.conftest import caller_of

from assay import access, api, automations, bootstrap, datasets, db, evaluators, experiments, reviews, rollouts
from assay.settings import Settings

EVALUATORS = "evaluators:\n  - {name: same, type: exact-diff}\n"
DOUBLED = "{{ input.n | times: 2 }}"
SQUARED = "{{ input.n | times: input.n }}"


@dataclass
class Laboratory:
    """Everything it takes to measure; all of one organization."""

    server: api.Server
    caller: access.Caller
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def database(self) -> db.Database:
        return self.server.database

    async def workflow(self, *numbers: int) -> str:
        """Push a workflow that doubles a number, with evaluators and an example `n<number>` each; return its name."""
        name = f"double-{next(self._numbers)}"
        async with self.database.transaction() as tx:
            pushed = await experiments.push(tx, self.caller, source=_source(name, "1.0.0", DOUBLED))
            await evaluators.replace(tx, self.caller, pushed.pushed.automation.id, EVALUATORS)
        for number in numbers:
            await self.example(name, number)
        return name

    async def push(self, name: str, version: str, answer: str = DOUBLED, *, activate: bool | None = None) -> None:
        source = _source(name, version, answer)
        async with self.database.transaction() as tx:
            await experiments.push(tx, self.caller, source=source, automation=name, activate=activate)

    async def automation_id(self, name: str) -> str:
        async with self.database.transaction() as tx:
            return (await automations.get(tx, self.caller.organization_id, name)).id

    async def example(self, name: str, number: int, **more: Any) -> None:
        values: dict[str, Any] = {
            "name": f"n{number}",
            "input": {"n": number},
            "expected": {"answer": number * 2},
            **more,
        }
        automation_id = await self.automation_id(name)
        async with self.database.transaction() as tx:
            await datasets.create_example(tx, self.caller, automation_id, values)

    async def change(self, name: str, example: str, **values: Any) -> None:
        automation_id = await self.automation_id(name)
        async with self.database.transaction() as tx:
            await datasets.update_example(tx, self.caller, automation_id, example, values, guard=reviews.ExampleGuard())

    async def judge_by(self, name: str, text: str) -> None:
        automation_id = await self.automation_id(name)
        async with self.database.transaction() as tx:
            await evaluators.replace(tx, self.caller, automation_id, text)

    async def start(self, name: str, version: str | None = None, **plan: Any) -> str:
        async with self.database.transaction() as tx:
            chosen = (
                await rollouts.which_version(tx, self.caller.organization_id, f"workflows.{name}", version)
            ).chosen
            started = await experiments.create(
                tx, self.server.blobs, self.server.models, self.caller, chosen, experiments.Plan(**plan)
            )
        return started.id

    async def run(self, name: str, version: str | None = None, **plan: Any) -> str:
        """Run an experiment until it has ended and was held against its baseline; return its id."""
        started = await self.start(name, version, **plan)
        await self.summary(started)
        return started

    async def summary(self, experiment_id: str) -> Mapping[str, Any]:
        """Wait until an experiment has ended and was held against its baseline, and return its summary."""
        async with asyncio.timeout(60):
            while True:
                found = await self.read(experiment_id)
                if isinstance(found.summary, dict) and "baseline" in found.summary:
                    return found.summary
                await asyncio.sleep(0.02)

    async def read(self, experiment_id: str) -> experiments.Experiment:
        async with self.database.transaction() as tx:
            return await experiments.get(tx, self.caller.organization_id, experiment_id)

    async def compare(self, a: str, b: str, **asked: Any) -> dict[str, Any]:
        text = await experiments.compare_experiments(self.database, self.caller.organization_id, a, b, **asked)
        return json.loads(text)

    async def set_gate(self, name: str, **policy: Any) -> None:
        async with self.database.transaction() as tx:
            await experiments.set_policy(tx, self.caller, name, policy)

    async def examine(self, name: str, version: str) -> experiments.Examined:
        async with self.database.transaction() as tx:
            return await experiments.examine(tx, self.caller.organization_id, name, version)

    async def promote(self, name: str, version: str, override: str | None = None) -> experiments.LetThrough:
        async with self.database.transaction() as tx:
            return await experiments.promote(tx, self.caller, automation=name, version=version, override=override)

    async def until_somebody_waits_for_a_lock(self) -> None:
        sql = """SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'"""
        async with asyncio.timeout(30), self.database.single_statement() as tx:
            while not await tx.fetch_value(sql):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def open_laboratory(
    database: db.Database, ownership: tuple[access.Organization, access.User], folder: Path
) -> AsyncGenerator[Laboratory]:
    settings = Settings(data_dir=folder, database_url=database.dsn, worker_grace_seconds=0.1)
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(bootstrap.open_server(settings))
        worker = await stack.enter_async_context(bootstrap.open_worker(settings))
        stop = asyncio.Event()
        working = asyncio.create_task(worker.run(stop))
        yield Laboratory(server, caller_of(*ownership))
        stop.set()
        await working


def _source(name: str, version: str, answer: str) -> str:
    step = {"name": "a", "type": "transform.set", "with": {"fields": {"answer": answer}}}
    return json.dumps(
        {
            "name": name,
            "version": version,
            "triggerMethods": [{"type": "api"}],
            "inputs": [{"name": "n", "type": "number"}],
            "steps": [step],
            "output": {"answer": "{{ steps.a.output.answer }}"},
        }
    )
