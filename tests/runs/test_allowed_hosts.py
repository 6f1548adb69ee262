"""Private hosts that runs reach because their organization allows them; no worker takes these runs."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.raw_server import raw_server, response
from tests.runs.conftest import Desk, caller_of
from tests.runs.test_redelivery import claimed, deliver

from assay import access, db, engine
from assay.outgoing import Outgoing


async def run_beside_an_empty_server_list(desk: Desk, steps: list[dict[str, Any]]) -> Any:
    """Run with what the organization alone allows."""
    services = replace(desk.executor.services, outgoing=Outgoing())
    run_id = await desk.start(await desk.push(steps))
    return await deliver(desk, run_id, replace(desk.executor, services=services))


async def allow(desk: Desk, caller: access.Caller, *hosts: str) -> None:
    async with desk.database.transaction() as tx:
        await access.change_allowed_hosts(tx, caller, allow=hosts)


def asking(name: str, url: str) -> dict[str, Any]:
    return {"name": name, "type": "action.http", "with": {"url": url}}


@pytest.fixture
async def stranger(database: db.Database) -> access.Caller:
    async with database.transaction() as tx:
        organization = await access.create_organization(tx, slug="strangers", name="Strangers")
        user = await access.create_user(tx, organization_id=organization.id, email="s@example.org", role="owner")
    return caller_of(organization, user)


async def test_a_private_host_is_reached_once_the_own_organization_allows_it(
    idle_desk: Desk, stranger: access.Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    allow_list = access.allow_list

    async def counting(tx: db.Transaction, organization_id: str) -> Any:
        looked_up.append(organization_id)
        return await allow_list(tx, organization_id)

    monkeypatch.setattr(access, "allow_list", counting)
    async with raw_server(lambda asked: response(b"hello")) as server:
        host = f"127.0.0.1:{server.port}"
        branches = [{"name": f"b{n}", "steps": [asking(f"ask{n}", server.url())]} for n in range(3)]
        steps = [asking("first", server.url()), {"name": "all", "type": "control.parallel", "branches": branches}]
        await allow(idle_desk, stranger, host)
        refused = await run_beside_an_empty_server_list(idle_desk, steps)
        assert refused.failure.code == "address_forbidden"
        assert server.asked == []
        await allow(idle_desk, idle_desk.caller, host)
        looked_up.clear()
        reached = await run_beside_an_empty_server_list(idle_desk, steps)
        assert (reached.failure, len(server.asked)) == (None, 4)
        assert looked_up == [idle_desk.organization_id], "a run looks once"
        async with idle_desk.database.transaction() as tx:
            await access.change_allowed_hosts(tx, idle_desk.caller, refuse=[host])
        assert (await run_beside_an_empty_server_list(idle_desk, steps)).failure.code == "address_forbidden"


async def test_a_run_that_asks_nobody_does_not_look_the_list_up(
    idle_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "allow_list", None)
    run_id = await idle_desk.start(
        await idle_desk.push([{"name": "a", "type": "transform.set", "with": {"fields": {"v": 1}}}])
    )
    claim = await claimed(idle_desk, run_id)
    outcome = await idle_desk.executor(claim, engine.Journal(idle_desk.database, claim))
    assert isinstance(outcome, engine.Completed)
