"""The settings pages of the server: private hosts that runs may reach, and how much room everything takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import access, db, files
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.settings_frame import SettingsPage, Told, field, lines
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError
from assay.server import Server

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsPage(SettingsPage):
    """The hosts of the organization's list, by name; `everywhere` are those that the server allows everybody.

    `entered` is what a refused form held.
    """

    template: ClassVar[str] = "settings_hosts.html"
    place: ClassVar[str] = "settings"

    hosts: Sequence[access.AllowedHost]
    everywhere: Sequence[str]
    entered: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePage(SettingsPage):
    """How large the database is, where the files lie, and how much room is left there."""

    template: ClassVar[str] = "settings_storage.html"
    place: ClassVar[str] = "settings"

    database: db.Figures
    room: files.Room
    embedded: bool


@router.get("/settings/hosts")
async def hosts_page(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Show the hosts."""
    return await _show(request, visitor, server, Told())


@router.post("/settings/hosts")
async def allow(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Put hosts on the list."""
    form = await request.form()
    return await _change(request, visitor, server, allow=lines(form, "hosts"), entered=field(form, "hosts"))


@router.post("/settings/hosts/refuse")
async def refuse(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Take a host off the list."""
    form = await request.form()
    return await _change(request, visitor, server, refuse=lines(form, "host"))


@router.get("/settings/storage")
async def storage_page(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Show sizes; they are of the whole server."""
    access.check_operates(visitor.caller)
    shown = StoragePage(
        title="Storage",
        tab="storage",
        told=Told(),
        database=await db.figures(server.database),
        room=server.blobs.room(),
        embedded=server.settings.database_url is None,
    )
    return render(request, visitor, shown)


async def _change(
    request: Request,
    visitor: Visitor,
    server: Server,
    *,
    allow: Sequence[str] = (),
    refuse: Sequence[str] = (),
    entered: str = "",
) -> Response:
    try:
        async with server.database.transaction() as tx:
            await access.change_allowed_hosts(tx, visitor.caller, allow=allow, refuse=refuse)
    except AssayError as error:
        return await _show(request, visitor, server, Told(problem=error), entered=entered)
    done = f"Runs may reach {', '.join(allow)}." if allow else f"Runs may no longer reach {', '.join(refuse)}."
    return await _show(request, visitor, server, Told(done if allow or refuse else None))


async def _show(request: Request, visitor: Visitor, server: Server, told: Told, *, entered: str = "") -> Response:
    async with server.database.single_statement() as tx:
        hosts = await access.list_allowed_hosts(tx, visitor.caller.organization_id)
    everywhere = [part.strip() for part in server.settings.outgoing_allow.split(",") if part.strip()]
    shown = HostsPage(
        title="Allowed hosts", tab="hosts", told=told, hosts=hosts, everywhere=everywhere, entered=entered
    )
    return render(request, visitor, shown, 200 if told.problem is None else status_of(told.problem))
