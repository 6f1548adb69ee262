"""The whole server in a thread: uvicorn on a free port, a worker, and a way in behind the door."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import uvicorn
from tests.runs.step_types import ALL, GATES, Gate

from assay import access, api, bootstrap, steps
from assay.settings import Settings
from assay.site import Site

Result = TypeVar("Result")
Json = Any


@dataclass
class Served:
    """A running server. `do` runs work on its own loop, beside its requests."""

    base_url: str
    server: api.Server
    _loop: asyncio.AbstractEventLoop
    keys: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def do(self, work: Callable[[api.Server], Awaitable[Result]]) -> Result:
        async def run() -> Result:
            return await work(self.server)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(60)

    def key(self, *scopes: str, organization: str = "default") -> str:
        """Return a key of the organization, which is made when it does not exist; the same one every time."""
        known = (organization, scopes)
        if known not in self.keys:
            self.keys[known] = self.do(lambda server: _new_key(server, organization, scopes or ("full_access",)))
        return self.keys[known]

    def http(self, *scopes: str, organization: str = "default") -> httpx.Client:
        """Open a client of the API that holds such a key."""
        headers = {"Authorization": f"Bearer {self.key(*scopes, organization=organization)}"}
        # A context for TLS takes longer to make than all the requests of a test.
        return httpx.Client(
            base_url=f"{self.base_url}/api/v1", headers=headers, timeout=60, trust_env=False, verify=False
        )

    def open_gate(self, gate: Gate) -> None:
        self._loop.call_soon_threadsafe(gate.opened.set)

    def wait_until_reached(self, gate: Gate) -> None:
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(gate.reached.wait(), 60), self._loop).result()


def push(
    http: httpx.Client,
    name: str,
    workflow_steps: Sequence[Json],
    *,
    inputs: Sequence[Json] = (),
    api_trigger: bool = True,
    **more: Json,
) -> Json:
    """Push a new workflow, or with `version` another version of one; return the answer's body."""
    document = {
        "name": name,
        "version": "1.0.0",
        "triggerMethods": [{"type": "api"}] if api_trigger else [],
        "inputs": list(inputs),
        "steps": list(workflow_steps),
        **more,
    }
    path = "/automations" if "version" not in more else f"/automations/workflows.{name}/versions"
    answer = http.post(path, json={"yaml": json.dumps(document)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def set_step(**fields: Json) -> Json:
    return {"name": "set", "type": "transform.set", "with": {"fields": fields}}


def gate_step(name: str) -> Json:
    return {"name": "wait", "type": "test.gate", "with": {"gate": name}}


@contextmanager
def gate(name: str) -> Generator[Gate]:
    """Make a gate that a `gate_step` of this name waits at."""
    GATES[name] = Gate()
    try:
        yield GATES[name]
    finally:
        del GATES[name]


@contextmanager
def test_step_types() -> Generator[None]:
    """Let workflows use the steps that only tests have."""
    known = steps.catalogue()
    known.update({kind.type_name: kind for kind in ALL})
    try:
        yield
    finally:
        for kind in ALL:
            del known[kind.type_name]


@contextmanager
def serving(settings: Settings, *, with_worker: bool = True) -> Generator[Served]:
    """Serve on a free port of the loopback, and work, for as long as the block lasts."""
    ready: Future[Served] = Future()
    over = threading.Event()
    thread = threading.Thread(target=_run, args=(settings, ready, over, with_worker), name="server")
    thread.start()
    try:
        yield ready.result(60)
    finally:
        over.set()
        thread.join(60)
        assert not thread.is_alive(), "the server did not stop"


def _run(settings: Settings, ready: "Future[Served]", over: threading.Event, with_worker: bool) -> None:
    try:
        asyncio.run(_serve(settings, ready, over, with_worker))
    except BaseException as error:
        if not ready.done():
            ready.set_exception(error)
        raise


async def _serve(settings: Settings, ready: "Future[Served]", over: threading.Event, with_worker: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(bootstrap.open_server(settings))
        app = Site(opened)
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, http="httptools", ws="none", log_config=None, access_log=False)
        )
        tasks = [asyncio.create_task(server.serve())]
        stop = asyncio.Event()
        if with_worker:
            worker = await stack.enter_async_context(bootstrap.open_worker(settings))
            tasks.append(asyncio.create_task(worker.run(stop)))
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        ready.set_result(Served(f"http://127.0.0.1:{port}", opened, asyncio.get_running_loop()))
        await asyncio.to_thread(over.wait)
        stop.set()
        server.should_exit = True
        await asyncio.gather(*tasks)


async def _new_key(server: api.Server, organization: str, scopes: Sequence[str]) -> str:
    async with server.database.transaction() as tx:
        if organization == "default":
            owned, user = await access.ensure_default_organization(tx)
        else:
            owned, user = await _ensure(tx, organization)
        made = await access.create_key(
            tx, organization_id=owned.id, user_id=user.id, name=",".join(scopes), scopes=scopes
        )
    return made.secret


async def _ensure(tx: Any, slug: str) -> tuple[access.Organization, access.User]:
    owned = await access.create_organization(tx, slug=slug, name=slug)
    email = f"somebody@{slug}.example"
    return owned, await access.create_user(tx, organization_id=owned.id, email=email, role="owner")
