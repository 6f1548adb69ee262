"""A desk at which workflows are pushed and run by a real worker in this process."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.fakes.openai_server import OpenAiServer, openai_server
from tests.runs import step_types

from assay import access, automations, db, documents, engine, files, providers, rollouts, runs, sandbox, steps, traces
from assay.outgoing import AllowList, Outgoing

Document = Mapping[str, Any]


@dataclass
class Desk:
    """Pushes workflows, starts runs and waits for them; all of one organization."""

    database: db.Database
    blobs: files.Blobs
    caller: access.Caller
    waiting_room: engine.WaitingRoom
    executor: runs.Executor
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def organization_id(self) -> str:
        return self.caller.organization_id

    async def push(
        self,
        workflow_steps: Sequence[Document],
        *,
        inputs: Sequence[Document] = (),
        output: Mapping[str, Any] | str | None = None,
        **more: Any,
    ) -> automations.Automation:
        """Push a new workflow, or with `name` and `version` another version of one."""
        document = {
            "name": f"flow-{next(self._numbers)}",
            "version": "1.0.0",
            "triggerMethods": [{"type": "api"}],
            "inputs": list(inputs),
            "steps": list(workflow_steps),
            **({} if output is None else {"output": output}),
            **more,
        }
        return await self.push_text(json.dumps(document), known="name" in more)

    async def push_text(self, source: str, *, known: bool = False) -> automations.Automation:
        name = json.loads(source)["name"] if known else None
        async with self.database.transaction() as tx:
            pushed = await automations.push(
                tx, self.caller, source=source, automation=f"workflows.{name}" if name else None
            )
        return pushed.automation

    async def start(
        self,
        automation: automations.Automation,
        given: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        version: str | None = None,
        **request: Any,
    ) -> str:
        run_id = run_id or runs.new_run_id()
        named: dict[str, Any] = {"trigger_type": "api", "triggered_by": self.caller.user_id, **request}
        asked = runs.StartRequest(input=given or {}, **named)
        async with self.database.transaction() as tx:
            choice = await rollouts.which_version(tx, self.organization_id, automation.id, version)
            await runs.start(tx, self.blobs, self.organization_id, run_id, choice.chosen, asked)
        return run_id

    async def run(
        self, automation: automations.Automation, given: Mapping[str, Any] | None = None, **more: Any
    ) -> runs.RunDetail:
        """Start a run and wait for its end."""
        run_id = runs.new_run_id()
        with self.waiting_room.place(run_id) as waiter:
            await self.start(automation, given, run_id=run_id, **more)
            assert await waiter.wait(60), "the run did not end"
        return await self.read(run_id)

    async def rerun(self, run_id: str, version: str | None = None) -> runs.RunDetail:
        """Do a run again and wait for its end."""
        new_id = runs.new_run_id()
        with self.waiting_room.place(new_id) as waiter:
            await self.queue_again(run_id, version, new_id=new_id)
            assert await waiter.wait(60), "the run did not end"
        return await self.read(new_id)

    async def queue_again(self, run_id: str, version: str | None = None, *, new_id: str | None = None) -> str:
        new_id = new_id or runs.new_run_id()
        async with self.database.transaction() as tx:
            before = await runs.run_to_repeat(tx, self.organization_id, run_id)
            choice = await rollouts.which_version_again(tx, self.organization_id, before, version)
            chosen, organization_id = choice.chosen, self.organization_id
            named: dict[str, Any] = {"trigger_type": "api", "triggered_by": None}
            await runs.rerun(tx, self.blobs, organization_id, new_id, before, chosen, **named)
        return new_id

    async def run_and_cancel(
        self, automation: automations.Automation, given: Mapping[str, Any] | None = None, **more: Any
    ) -> str:
        """Start a run and end it before any worker sees it."""
        run_id = runs.new_run_id()
        named: dict[str, Any] = {"trigger_type": "api", "triggered_by": self.caller.user_id, **more}
        asked = runs.StartRequest(input=given or {}, **named)
        async with self.database.transaction() as tx:
            choice = await rollouts.which_version(tx, self.organization_id, automation.id, None)
            await runs.start(tx, self.blobs, self.organization_id, run_id, choice.chosen, asked)
            await engine.request_cancel(tx, self.organization_id, run_id)
        return run_id

    async def read(self, run_id: str) -> runs.RunDetail:
        async with self.database.transaction() as tx:
            found = await runs.get(tx, self.organization_id, run_id)
        assert found is not None
        return found

    async def steps(self, run: runs.RunDetail) -> list[traces.StepTrace]:
        async with self.database.transaction() as tx:
            return await traces.list_steps(tx, self.organization_id, run.summary.id)

    async def artifact(self, run: runs.RunDetail, path: str) -> bytes:
        async with self.database.transaction() as tx:
            found = await files.get_artifact(tx, self.organization_id, run.summary.id, path)
        return await self.blobs.read(found.sha256, found.size)

    async def cancel(self, run_id: str) -> engine.CancelAnswer:
        async with self.database.transaction() as tx:
            answer = await engine.request_cancel(tx, self.organization_id, run_id)
        assert answer is not None
        return answer


def caller_of(organization: access.Organization, user: access.User) -> access.Caller:
    return access.Caller(
        organization_id=organization.id,
        organization_slug=organization.slug,
        organization_name=organization.name,
        user_id=user.id,
        key_id="key_of_the_tests",
        email=user.email,
        name=user.name,
        scopes=frozenset({"full_access"}),
    )


@pytest.fixture(scope="session")
async def parser() -> AsyncGenerator[documents.Parser]:
    parser = documents.Parser(native_children=1, ocr_children=1)
    yield parser
    await parser.close()


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> files.Blobs:
    return files.Blobs.open(None, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", autouse=True)
def test_step_types() -> Generator[None]:
    known = steps.catalogue()
    known.update({kind.type_name: kind for kind in step_types.ALL})
    yield
    for kind in step_types.ALL:
        del known[kind.type_name]


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Generator[tuple[str, step_types.Gate]]:
    name = request.node.name
    step_types.GATES[name] = step_types.Gate()
    yield name, step_types.GATES[name]
    del step_types.GATES[name]


@pytest.fixture(scope="module")
async def idle_desk(
    database: db.Database,
    blobs: files.Blobs,
    parser: documents.Parser,
    ownership: tuple[access.Organization, access.User],
) -> AsyncGenerator[Desk]:
    """A desk without a worker: runs stay queued."""
    room = engine.WaitingRoom(database)
    scripts = sandbox.Sandbox()
    models = providers.Models(database, "secret", lambda _: None)
    services = runs.Services(database, blobs, parser, scripts, models, choose, Outgoing(AllowList.parse("127.0.0.1")))
    executor = runs.Executor(services, runs.TimeLimits(run=60, step=30))
    listening = asyncio.create_task(room.run())
    yield Desk(database, blobs, caller_of(*ownership), room, executor)
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    await models.close()
    await scripts.close()


@pytest.fixture(scope="module")
async def model_server(idle_desk: Desk) -> AsyncGenerator[OpenAiServer]:
    """A provider of the desk's organization; what a test does not script, it makes up to fit the schema."""
    with openai_server() as script:
        new = providers.NewProvider(
            name="local",
            models=[providers.OfferedModel(name="tiny", contextTokens=2_000)],
            options={"baseUrl": script.base_url},
        )
        async with idle_desk.database.transaction() as tx:
            await providers.add(tx, idle_desk.caller, new, secret="secret")
        yield script
        async with idle_desk.database.transaction() as tx:
            await providers.remove(tx, idle_desk.caller, "local")


async def choose(tx: db.Transaction, organization_id: str, workflow: str) -> runs.Chosen:
    automation = await automations.get(tx, organization_id, workflow)
    return (await rollouts.which_version(tx, organization_id, automation.id, None)).chosen


@pytest.fixture(scope="module")
async def desk(idle_desk: Desk) -> AsyncGenerator[Desk]:
    """A desk with a worker."""
    stop = asyncio.Event()
    working = asyncio.create_task(engine.Worker(idle_desk.database, idle_desk.executor).run(stop))
    yield idle_desk
    stop.set()
    await working
