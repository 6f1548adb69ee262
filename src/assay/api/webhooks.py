"""Webhook endpoints of the organization, and what became of each event for them."""

from typing import Any, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import webhooks
from assay.api import parameters
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["webhooks"])

MAX_PAGE = 200


class WebhookBody(BaseModel):
    """An endpoint to add."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(description="http or https; private addresses only if the organization allows them (outgoing).")
    description: str | None = None
    events: list[str] = Field(
        default_factory=lambda: ["*"], max_length=50, description="Types, families (`run.*`), or `*`: all of them."
    )
    automation_id: str | None = Field(default=None, alias="automationId", description="Null: of all automations.")
    enabled: bool = True


class WebhookChangeBody(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = ""
    description: str | None = None
    events: list[str] = Field(default_factory=list, max_length=50)
    automation_id: str | None = Field(default=None, alias="automationId", description="Null: of all automations.")
    enabled: bool = True


class RotationBody(BaseModel):
    """How long the secret until now signs beside the new one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    overlap_seconds: int = Field(
        default=webhooks.OVERLAP_SECONDS, alias="overlapSeconds", description="0: not at all; at most a week."
    )


@router.get("/webhooks")
async def list_webhooks(caller: Authorized, server: Here) -> Response:
    """List webhook endpoints, the oldest first; secrets are never given out again."""
    async with server.database.single_statement() as tx:
        found = await webhooks.list_endpoints(tx, caller.organization_id)
    return JsonResponse({"data": [_endpoint(endpoint) for endpoint in found], "total": len(found)})


@router.post("/webhooks", status_code=201)
async def add_webhook(request: Request, caller: Authorized, server: Here) -> Response:
    """Add a webhook endpoint; the answer holds the secret it is signed with, this once."""
    body = checked(WebhookBody, await read_json(request, server.settings.max_json_bytes))
    wanted = webhooks.Wanted(body.url, body.description, body.events, body.automation_id, body.enabled)
    async with server.database.transaction() as tx:
        added = await webhooks.add(tx, caller, wanted, secret=server.models.secret)
    return JsonResponse(_with_secret(added), 201)


@router.get("/webhooks/{webhook_id}")
async def get_webhook(webhook_id: str, caller: Authorized, server: Here) -> Response:
    """Read a webhook endpoint."""
    async with server.database.single_statement() as tx:
        found = await webhooks.get(tx, caller.organization_id, webhook_id)
    return JsonResponse(_endpoint(found))


@router.patch("/webhooks/{webhook_id}")
async def change_webhook(webhook_id: str, request: Request, caller: Authorized, server: Here) -> Response:
    """Change a webhook endpoint; enabled again, it gets what was left waiting."""
    body = checked(WebhookChangeBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    given = {name: getattr(body, name) for name in body.model_fields_set}
    async with server.database.transaction() as tx:
        before = await webhooks.get(tx, caller.organization_id, webhook_id)
        wanted = webhooks.Wanted(
            url=given.get("url", before.url),
            description=given.get("description", before.description),
            events=given.get("events", before.events),
            automation=given.get("automation_id", before.automation_id),
            enabled=given.get("enabled", before.enabled),
        )
        changed = await webhooks.change(tx, caller, webhook_id, wanted)
    return JsonResponse(_endpoint(changed))


@router.delete("/webhooks/{webhook_id}")
async def remove_webhook(webhook_id: str, caller: Authorized, server: Here) -> Response:
    """Remove a webhook endpoint with its deliveries."""
    async with server.database.transaction() as tx:
        removed = await webhooks.remove(tx, caller, webhook_id)
    return JsonResponse({**_endpoint(removed), "deleted": True})


@router.post("/webhooks/{webhook_id}/rotate")
async def rotate_secret(webhook_id: str, request: Request, caller: Authorized, server: Here) -> Response:
    """Make a new secret, given out this once; the one before it signs too for some time."""
    body = checked(RotationBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        rotated = await webhooks.rotate(tx, caller, webhook_id, body.overlap_seconds, secret=server.models.secret)
    return JsonResponse(_with_secret(rotated))


@router.post("/webhooks/{webhook_id}/test", status_code=202)
async def try_webhook(webhook_id: str, caller: Authorized, server: Here) -> Response:
    """Send a `webhook.test`, once, from a worker; the answer is its delivery, which is under way."""
    async with server.database.transaction() as tx:
        delivery = await webhooks.try_out(tx, caller, webhook_id)
    return JsonResponse(_delivery(delivery), 202)


@router.get("/webhooks/{webhook_id}/deliveries")
async def list_deliveries(webhook_id: str, request: Request, caller: Authorized, server: Here) -> Response:
    """List deliveries to an endpoint, newest first; `cursor` is the `nextCursor` of the page before."""
    parameters.only(request, {"limit", "cursor", "state"})
    limit = parameters.number(request, "limit", default=50, least=1, most=MAX_PAGE)
    state = parameters.text(request, "state")
    if state is not None:
        parameters.values(request, "state", ("pending", "delivered", "failed"))
    async with server.database.transaction() as tx:
        found = await webhooks.list_deliveries(
            tx,
            caller.organization_id,
            webhook_id,
            state=cast("webhooks.State | None", state),
            after=parameters.text(request, "cursor"),
            limit=limit + 1,
        )
    page = found[:limit]
    cursor = page[-1].id if len(found) > limit else None
    return JsonResponse({"data": [_delivery(delivery) for delivery in page], "nextCursor": cursor})


@router.get("/webhooks/{webhook_id}/deliveries/{delivery_id}")
async def get_delivery(webhook_id: str, delivery_id: str, caller: Authorized, server: Here) -> Response:
    """Read a delivery, with its attempts and what the event tells."""
    async with server.database.transaction() as tx:
        found = await webhooks.get_delivery(tx, caller.organization_id, webhook_id, delivery_id)
    attempts = [
        {
            "number": attempt.number,
            "startedAt": iso(attempt.started_at),
            "durationMs": attempt.duration_ms,
            "status": attempt.status,
            "error": attempt.error,
        }
        for attempt in found.attempts
    ]
    return JsonResponse({**_delivery(found.delivery), "attempts": attempts, "data": found.data})


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(webhook_id: str, delivery_id: str, caller: Authorized, server: Here) -> Response:
    """Send an event again, with the same `webhook-id`, whatever came of it."""
    async with server.database.transaction() as tx:
        delivery = await webhooks.redeliver(tx, caller, webhook_id, delivery_id)
    return JsonResponse(_delivery(delivery), 202)


def _endpoint(endpoint: webhooks.Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": list(endpoint.events),
        "automationId": endpoint.automation_id,
        "enabled": endpoint.enabled,
        "disabledReason": endpoint.disabled_reason,
        "failures": endpoint.failures,
        "failingSince": endpoint.failing_since and iso(endpoint.failing_since),
        "oldSecretUntil": endpoint.old_secret_until and iso(endpoint.old_secret_until),
        "createdBy": endpoint.created_by,
        "createdAt": iso(endpoint.created_at),
        "updatedAt": endpoint.updated_at and iso(endpoint.updated_at),
    }


def _with_secret(made: webhooks.NewSecret) -> dict[str, Any]:
    return {**_endpoint(made.endpoint), "secret": made.secret}


def _delivery(delivery: webhooks.Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "webhookId": delivery.endpoint_id,
        "eventId": delivery.event_id,
        "type": delivery.event_type,
        "test": delivery.is_test,
        "state": delivery.state,
        "attemptCount": delivery.attempts,
        "nextAttemptAt": delivery.next_attempt_at and iso(delivery.next_attempt_at),
        "lastStatus": delivery.last_status,
        "lastError": delivery.last_error,
        "createdAt": iso(delivery.created_at),
        "deliveredAt": delivery.delivered_at and iso(delivery.delivered_at),
    }
