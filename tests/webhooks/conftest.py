"""An organization that listens, a receiver on loopback, and deliverers that are quicker than those of a server."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.fakes.raw_server import Answering, Asked, RawServer, raw_server, response

from assay import access, db, outbox, webhooks
from assay.outgoing import Outgoing

SECRET = "of the installation"
QUICK = webhooks.Patience(attempt_seconds=10, delays=(0.05, 0.05, 0.05), lease_seconds=15, look_again_seconds=0.05)


def verified(asked: Asked, secret: str) -> Any:
    """Return the event, if the standard's library takes the signature for one of this secret."""
    return Webhook(secret).verify(asked.body, dict(asked.headers))


@dataclass
class Organization:
    """One that a test may change as it likes."""

    database: db.Database
    caller: access.Caller
    patience: webhooks.Patience = QUICK
    outgoing: Outgoing = field(default_factory=Outgoing)

    @property
    def id(self) -> str:
        return self.caller.organization_id

    async def add(self, url: str, *events: str, automation: str | None = None) -> webhooks.NewSecret:
        wanted = webhooks.Wanted(url, events=events or ("*",), automation=automation)
        async with self.database.transaction() as tx:
            return await webhooks.add(tx, self.caller, wanted, secret=SECRET)

    async def allow(self, host: str) -> None:
        async with self.database.transaction() as tx:
            await access.change_allowed_hosts(tx, self.caller, allow=[host])

    async def emit(self, event: outbox.Event = "feedback.updated", **data: object) -> None:
        async with self.database.transaction() as tx:
            await outbox.emit(tx, self.id, None, event, data)

    async def deliveries(self, endpoint: webhooks.Endpoint) -> list[webhooks.Delivery]:
        async with self.database.transaction() as tx:
            return await webhooks.list_deliveries(tx, self.id, endpoint.id, state=None, after=None, limit=100)

    async def detail(self, endpoint: webhooks.Endpoint) -> webhooks.DeliveryDetail:
        """Return the only delivery of an endpoint."""
        [delivery] = await self.deliveries(endpoint)
        async with self.database.transaction() as tx:
            return await webhooks.get_delivery(tx, self.id, endpoint.id, delivery.id)

    async def get(self, endpoint: webhooks.Endpoint) -> webhooks.Endpoint:
        async with self.database.transaction() as tx:
            return await webhooks.get(tx, self.id, endpoint.id)

    async def until_all_over(self, endpoint: webhooks.Endpoint, number: int = 1) -> list[webhooks.Delivery]:
        async def over() -> list[webhooks.Delivery] | None:
            found = await self.deliveries(endpoint)
            return found if len(found) == number and all(one.state != "pending" for one in found) else None

        return await eventually(over)

    @asynccontextmanager
    async def delivering(self, patience: webhooks.Patience | None = None) -> AsyncGenerator[None]:
        deliverer = webhooks.Deliverer(self.database, self.outgoing, SECRET, patience or self.patience)
        task = asyncio.create_task(deliverer.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """Look until there is something."""
    async with asyncio.timeout(30):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.02)


@pytest.fixture
async def organization(database: db.Database) -> Organization:
    async with database.transaction() as tx:
        slug = f"listening-{secrets.token_hex(8)}"
        owned = await access.create_organization(tx, slug=slug, name=slug)
        email = f"a@{slug}.example"
        user = await access.create_user(tx, organization_id=owned.id, email=email, role="owner")
        made = await access.create_key(tx, organization_id=owned.id, user_id=user.id, name="k", scopes=["full_access"])
        caller = await access.authenticate(tx, made.secret)
    return Organization(database, caller)


@asynccontextmanager
async def receiver(organization: Organization, answering: Answering | None = None) -> AsyncGenerator[RawServer]:
    """Run a receiver that the organization allows itself to reach; without `answering` it accepts everything."""

    def accept(_asked: Asked) -> AsyncIterator[bytes]:
        return response()

    async with raw_server(answering or accept) as served:
        await organization.allow(f"127.0.0.1:{served.port}")
        yield served


def event_of(asked: Asked) -> Any:
    return json.loads(asked.body)
