"""The settings page of API keys: making one, which is shown once, and revoking them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from assay import access, clock
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.settings_frame import SettingsPage, Told, field, fields
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError
from assay.server import Server

router = APIRouter()

ABOUT: Mapping[access.Scope, str] = {
    "full_access": "everything, settings too",
    "automations:read": "look automations, datasets and experiments up",
    "automations:write": "push, promote, switch triggers",
    "datasets:write": "change examples and evaluators",
    "observability:read": "read metrics",
    "reviews:write": "give verdicts",
    "runs:read": "read runs and their files",
    "runs:write": "start, cancel, delete runs and start experiments",
}
EXPIRIES: Sequence[tuple[str, str]] = (("90", "In 90 days"), ("30", "In 30 days"), ("365", "In a year"), ("", "Never"))


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as the table shows it; `owner` is the person it acts for."""

    key: access.ApiKey
    owner: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysPage(SettingsPage):
    """All keys, newest first, and the form for another; `made` is one just made, shown this once.

    `name`, `chosen` (scopes) and `expiry` are what the form holds.
    """

    template: ClassVar[str] = "settings_keys.html"
    place: ClassVar[str] = "settings"

    keys: Sequence[KeyRow]
    made: access.NewKey | None
    scopes: Sequence[tuple[access.Scope, str]]
    expiries: Sequence[tuple[str, str]]
    name: str
    chosen: Sequence[str]
    expiry: str


@router.get("/settings")
async def settings(visitor: SignedIn) -> Response:
    """Go to the first of the settings."""
    assert visitor.caller.full_access, "the page policy asks for it"
    return RedirectResponse("/settings/keys", 303)


@router.get("/settings/keys")
async def keys_page(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Show the keys."""
    return await _show(request, visitor, server, Told())


@router.post("/settings/keys")
async def make_key(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Make a key; the answer shows it, this once."""
    form = await request.form()
    name, chosen, expiry = field(form, "name"), fields(form, "scope"), field(form, "expiry")
    days = int(expiry) if expiry in dict(EXPIRIES) and expiry else None
    try:
        async with server.database.transaction() as tx:
            made = await access.create_key(
                tx,
                organization_id=visitor.caller.organization_id,
                user_id=visitor.caller.user_id,
                name=name,
                scopes=chosen,
                expires_at=None if days is None else clock.now() + timedelta(days=days),
                by=visitor.caller,
            )
    except AssayError as error:
        told = Told(problem=error)
        return await _show(request, visitor, server, told, name=name, chosen=chosen, expiry=expiry)
    return await _show(request, visitor, server, Told(), made=made)


@router.post("/settings/keys/{key_id}/revoke")
async def revoke_key(request: Request, key_id: str, visitor: SignedIn, server: Here) -> Response:
    """Withdraw a key for ever."""
    async with server.database.transaction() as tx:
        key = await access.revoke_key(tx, visitor.caller.organization_id, key_id, by=visitor.caller)
    return await _show(request, visitor, server, Told(f"The key {key.name} is revoked."))


async def _show(
    request: Request,
    visitor: Visitor,
    server: Server,
    told: Told,
    *,
    made: access.NewKey | None = None,
    name: str = "",
    chosen: Sequence[str] = ("runs:read", "runs:write"),
    expiry: str = "90",
) -> Response:
    async with server.database.transaction() as tx:
        found = await access.list_keys(tx, visitor.caller.organization_id)
        people = await access.addresses(tx, visitor.caller.organization_id)
    now = clock.now()
    shown = KeysPage(
        title="API keys",
        tab="keys",
        told=told,
        keys=[KeyRow(key, people.get(key.user_id, "?"), _state(key, now)) for key in found],
        made=made,
        scopes=list(ABOUT.items()),
        expiries=EXPIRIES,
        name=name,
        chosen=chosen,
        expiry=expiry,
    )
    return render(request, visitor, shown, 200 if told.problem is None else status_of(told.problem))


def _state(key: access.ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"
