"""The settings pages of webhooks: the endpoints, and one of them with its log of deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import automations, outbox, webhooks
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.settings_frame import SettingsPage, Told, field, fields, lines
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError
from assay.server import Server

router = APIRouter()

PAGE = 50
STATES: Sequence[webhooks.State] = ("pending", "delivered", "failed")
EVENTS: Sequence[str] = ("*", *outbox.EVENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhooksPage(SettingsPage):
    """All endpoints, the oldest first, and the form for another; `made` is one just made, its secret shown this once.

    `url`, `description`, `chosen` (events) and `automation` are what the form holds.
    """

    template: ClassVar[str] = "settings_webhooks.html"
    place: ClassVar[str] = "settings"

    endpoints: Sequence[webhooks.Endpoint]
    made: webhooks.NewSecret | None
    events: Sequence[str]
    url: str
    description: str
    chosen: Sequence[str]
    automation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPage(SettingsPage):
    """One endpoint with a page of its deliveries, newest first.

    `automation` is the address of the one it is told of, None for all. `rotated` is a new secret, shown this once.
    `detail` is the delivery that is looked at. `state` filters, `older` is the URL of the next page.
    """

    template: ClassVar[str] = "settings_webhook.html"
    place: ClassVar[str] = "settings"

    endpoint: webhooks.Endpoint
    automation: str | None
    events: Sequence[str]
    deliveries: Sequence[webhooks.Delivery]
    detail: webhooks.DeliveryDetail | None
    rotated: webhooks.NewSecret | None
    state: webhooks.State | None
    states: Sequence[webhooks.State]
    older: str | None


@router.get("/settings/webhooks")
async def webhooks_page(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Show the endpoints."""
    return await _show_all(request, visitor, server, Told())


@router.post("/settings/webhooks")
async def add(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Add an endpoint; the answer shows its secret, this once."""
    form = await request.form()
    url, description, automation = field(form, "url"), field(form, "description"), field(form, "automation")
    chosen = fields(form, "event")
    wanted = webhooks.Wanted(url, description or None, chosen, automation or None)
    try:
        async with server.database.transaction() as tx:
            made = await webhooks.add(tx, visitor.caller, wanted, secret=server.models.secret)
    except AssayError as error:
        page = WebhooksPage(
            title="Webhooks",
            tab="webhooks",
            told=Told(problem=error),
            endpoints=await _endpoints(visitor, server),
            made=None,
            events=EVENTS,
            url=url,
            description=description,
            chosen=chosen,
            automation=automation,
        )
        return render(request, visitor, page, status_of(error))
    return await _show_all(request, visitor, server, Told(), made=made)


@router.get("/settings/webhooks/{webhook_id}")
async def webhook_page(request: Request, webhook_id: str, visitor: SignedIn, server: Here) -> Response:
    """Show an endpoint; `state` in the query filters its deliveries, `after` is the last of the page before."""
    return await _show(request, visitor, server, webhook_id, Told())


@router.post("/settings/webhooks/{webhook_id}")
async def change(request: Request, webhook_id: str, visitor: SignedIn, server: Here) -> Response:
    """Let an endpoint be as the form says."""
    form = await request.form()
    wanted = webhooks.Wanted(
        url=field(form, "url"),
        description=field(form, "description") or None,
        events=lines(form, "events"),
        automation=field(form, "automation") or None,
        enabled=field(form, "enabled") == "on",
    )
    try:
        async with server.database.transaction() as tx:
            await webhooks.change(tx, visitor.caller, webhook_id, wanted)
    except AssayError as error:
        return await _show(request, visitor, server, webhook_id, Told(problem=error))
    return await _show(request, visitor, server, webhook_id, Told("The endpoint is changed."))


@router.post("/settings/webhooks/{webhook_id}/test")
async def try_out(request: Request, webhook_id: str, visitor: SignedIn, server: Here) -> Response:
    """Send a made-up event, once, from a worker."""
    try:
        async with server.database.transaction() as tx:
            await webhooks.try_out(tx, visitor.caller, webhook_id)
    except AssayError as error:
        return await _show(request, visitor, server, webhook_id, Told(problem=error))
    done = "A test is on its way; the log below shows what becomes of it."
    return await _show(request, visitor, server, webhook_id, Told(done))


@router.post("/settings/webhooks/{webhook_id}/rotate")
async def rotate(request: Request, webhook_id: str, visitor: SignedIn, server: Here) -> Response:
    """Make a new secret; the answer shows it, this once, and the one before signs beside it for a day."""
    async with server.database.transaction() as tx:
        rotated = await webhooks.rotate(
            tx, visitor.caller, webhook_id, webhooks.OVERLAP_SECONDS, secret=server.models.secret
        )
    return await _show(request, visitor, server, webhook_id, Told(), rotated=rotated)


@router.post("/settings/webhooks/{webhook_id}/remove")
async def remove(request: Request, webhook_id: str, visitor: SignedIn, server: Here) -> Response:
    """Remove an endpoint with its deliveries."""
    async with server.database.transaction() as tx:
        removed = await webhooks.remove(tx, visitor.caller, webhook_id)
    return await _show_all(request, visitor, server, Told(f"{removed.url} is removed."))


@router.get("/settings/webhooks/{webhook_id}/deliveries/{delivery_id}")
async def delivery_page(
    request: Request, webhook_id: str, delivery_id: str, visitor: SignedIn, server: Here
) -> Response:
    """Show an endpoint with one of its deliveries: its attempts and what the event tells."""
    return await _show(request, visitor, server, webhook_id, Told(), delivery_id=delivery_id)


@router.post("/settings/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver")
async def redeliver(request: Request, webhook_id: str, delivery_id: str, visitor: SignedIn, server: Here) -> Response:
    """Send an event again, whatever came of it."""
    try:
        async with server.database.transaction() as tx:
            await webhooks.redeliver(tx, visitor.caller, webhook_id, delivery_id)
    except webhooks.WebhookDisabledError as error:
        return await _show(request, visitor, server, webhook_id, Told(problem=error), delivery_id=delivery_id)
    told = Told("The event is on its way again.")
    return await _show(request, visitor, server, webhook_id, told, delivery_id=delivery_id)


async def _endpoints(visitor: Visitor, server: Server) -> Sequence[webhooks.Endpoint]:
    async with server.database.single_statement() as tx:
        return await webhooks.list_endpoints(tx, visitor.caller.organization_id)


async def _show_all(
    request: Request, visitor: Visitor, server: Server, told: Told, *, made: webhooks.NewSecret | None = None
) -> Response:
    shown = WebhooksPage(
        title="Webhooks",
        tab="webhooks",
        told=told,
        endpoints=await _endpoints(visitor, server),
        made=made,
        events=EVENTS,
        url="",
        description="",
        chosen=("*",),
        automation="",
    )
    return render(request, visitor, shown)


async def _show(
    request: Request,
    visitor: Visitor,
    server: Server,
    webhook_id: str,
    told: Told,
    *,
    delivery_id: str | None = None,
    rotated: webhooks.NewSecret | None = None,
) -> Response:
    organization_id = visitor.caller.organization_id
    state, after = (request.query_params.get(name, "").replace("\x00", "") for name in ("state", "after"))
    chosen = _state(state)
    detail, automation = None, None
    async with server.database.transaction() as tx:
        endpoint = await webhooks.get(tx, organization_id, webhook_id)
        if endpoint.automation_id is not None:
            automation = (await automations.get(tx, organization_id, endpoint.automation_id)).slug
        found = await webhooks.list_deliveries(
            tx, organization_id, webhook_id, state=chosen, after=after or None, limit=PAGE + 1
        )
        if delivery_id is not None:
            detail = await webhooks.get_delivery(tx, organization_id, webhook_id, delivery_id)
    page = found[:PAGE]
    older = None
    if len(found) > PAGE:
        query = {"after": page[-1].id} | ({"state": chosen} if chosen else {})
        older = f"/settings/webhooks/{webhook_id}?{urlencode(query)}#log"
    shown = WebhookPage(
        title="Webhook",
        tab="webhooks",
        told=told,
        endpoint=endpoint,
        automation=automation,
        events=EVENTS,
        deliveries=page,
        detail=detail,
        rotated=rotated,
        state=chosen,
        states=STATES,
        older=older,
    )
    return render(request, visitor, shown, 200 if told.problem is None else status_of(told.problem))


def _state(value: str) -> webhooks.State | None:
    for state in STATES:
        if state == value:
            return state
    return None
