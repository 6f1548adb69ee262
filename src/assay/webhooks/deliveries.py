"""What became of each event for each endpoint: trying an endpoint out, looking deliveries up, sending one again."""

import json
from dataclasses import dataclass
from typing import Any

from assay import access, db, ids, jsontext
from assay.webhooks import endpoints, store
from assay.webhooks.errors import DeliveryNotFoundError, WebhookDisabledError
from assay.webhooks.model import Attempt, Delivery, State

KEPT_DAYS = 30
TEST_EVENT = "webhook.test"
_PORTION = 5000


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """A delivery with its attempts, the first first, and what the event tells."""

    delivery: Delivery
    attempts: list[Attempt]
    data: Any


async def try_out(tx: db.Transaction, caller: access.Caller, endpoint_id: str) -> Delivery:
    """Send an event made up for the purpose, once, by the workers; return its delivery, which is under way.

    Raises:
        WebhookNotFoundError: the organization has no such endpoint.
        WebhookDisabledError: it is disabled.
    """
    endpoint = await endpoints.get(tx, caller.organization_id, endpoint_id)
    if not endpoint.enabled:
        raise WebhookDisabledError
    payload = jsontext.dump({"endpointId": endpoint.id, "message": "This is a test."})
    delivery_id = await store.add_test(tx, endpoint, ids.new_id("whev"), TEST_EVENT, payload)
    await access.record_by(tx, caller, "webhook.tested", endpoint.id, {"deliveryId": delivery_id})
    return await _delivery(tx, caller.organization_id, endpoint_id, delivery_id)


async def list_deliveries(
    tx: db.Transaction, organization_id: str, endpoint_id: str, *, state: State | None, after: str | None, limit: int
) -> list[Delivery]:
    """Return up to `limit` deliveries to an endpoint, newest first, that are older than the one with the id `after`.

    Raises:
        WebhookNotFoundError: the organization has no such endpoint.
    """
    endpoint = await endpoints.get(tx, organization_id, endpoint_id)
    return await store.list_deliveries(tx, endpoint, state=state, after=after, limit=limit)


async def get_delivery(tx: db.Transaction, organization_id: str, endpoint_id: str, delivery_id: str) -> DeliveryDetail:
    """Return a delivery with its attempts.

    Raises:
        WebhookNotFoundError: the organization has no such endpoint.
        DeliveryNotFoundError: the endpoint has no such delivery.
    """
    delivery = await _delivery(tx, organization_id, endpoint_id, delivery_id)
    attempts = await store.attempts_of(tx, organization_id, delivery_id)
    return DeliveryDetail(delivery, attempts, json.loads(await store.payload_of(tx, organization_id, delivery_id)))


async def redeliver(tx: db.Transaction, caller: access.Caller, endpoint_id: str, delivery_id: str) -> Delivery:
    """Send an event again, with its own id, and as patiently as the first time, whatever came of it then.

    Raises:
        WebhookNotFoundError: the organization has no such endpoint.
        DeliveryNotFoundError: the endpoint has no such delivery.
        WebhookDisabledError: the endpoint is disabled.
    """
    endpoint = await endpoints.get(tx, caller.organization_id, endpoint_id)
    await _delivery(tx, caller.organization_id, endpoint_id, delivery_id)
    if not endpoint.enabled:
        raise WebhookDisabledError
    await store.redeliver(tx, endpoint, delivery_id)
    await access.record_by(tx, caller, "webhook.redelivered", endpoint.id, {"deliveryId": delivery_id})
    return await _delivery(tx, caller.organization_id, endpoint_id, delivery_id)


async def forget_old_events(database: db.Database) -> int:
    """Remove events older than 30 days with their deliveries, also those that wait; return how many events."""
    removed = 0
    while True:
        async with database.transaction() as tx:
            portion = await store.forget(tx, KEPT_DAYS, _PORTION)
        removed += portion
        if portion < _PORTION:
            return removed


async def _delivery(tx: db.Transaction, organization_id: str, endpoint_id: str, delivery_id: str) -> Delivery:
    endpoint = await endpoints.get(tx, organization_id, endpoint_id)
    found = await store.get_delivery(tx, endpoint, delivery_id)
    if found is None:
        raise DeliveryNotFoundError
    return found
