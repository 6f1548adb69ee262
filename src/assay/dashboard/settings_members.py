"""The settings page of members: inviting people, their roles, and ending what they are signed in with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import access
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.settings_frame import SettingsPage, Told, field
from assay.dashboard.visitors import Here, SignedIn, Visitor, site_url
from assay.errors import AssayError, InvalidValueError
from assay.server import Server

router = APIRouter()

ROLES: Mapping[access.Role, str] = {
    "owner": "Owner: everything; somebody has to be",
    "admin": "Admin: everything but the owners",
    "member": "Member: automations, datasets, runs and reviews",
    "reviewer": "Reviewer: the queue and its runs alone",
}


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link just made, shown this once: whom it invites and where it leads."""

    email: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersPage(SettingsPage):
    """Everybody in the organization, and the form to invite somebody; `me` is the user id of who looks.

    `owns` tells whether that is an owner: nobody else makes or changes owners.

    `email`, `name` and `role` are what the form holds; `roles` are values and what they mean.
    """

    template: ClassVar[str] = "settings_members.html"
    place: ClassVar[str] = "settings"

    members: Sequence[access.Member]
    me: str
    owns: bool
    invitation: Invitation | None
    roles: Sequence[tuple[access.Role, str]]
    email: str
    name: str
    role: str


@router.get("/settings/members")
async def members_page(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Show the members."""
    return await _show(request, visitor, server, Told())


@router.post("/settings/members")
async def invite(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Add a person; the answer shows the link that invites them, this once."""
    form = await request.form()
    email, name, role = field(form, "email"), field(form, "name"), field(form, "role")
    try:
        async with server.database.transaction() as tx:
            user, token = await access.invite(tx, visitor.caller, email, name=name or None, role=_role(role))
    except AssayError as error:
        return await _show(request, visitor, server, Told(problem=error), email=email, name=name, role=role)
    url = f"{site_url(request)}/sign-in/link/{token}"
    return await _show(request, visitor, server, Told(), invitation=Invitation(user.email, url))


@router.post("/settings/members/{user_id}/role")
async def change_role(request: Request, user_id: str, visitor: SignedIn, server: Here) -> Response:
    """Give a member another role."""
    form = await request.form()
    organization_id = visitor.caller.organization_id
    try:
        role = _role(field(form, "role"))
        async with server.database.transaction() as tx:
            user = (await access.change_member(tx, organization_id, user_id, role=role, by=visitor.caller)).user
    except AssayError as error:
        return await _show(request, visitor, server, Told(problem=error))
    return await _show(request, visitor, server, Told(f"{user.email} is {user.role} now."))


@router.post("/settings/members/{user_id}/disable")
async def disable(request: Request, user_id: str, visitor: SignedIn, server: Here) -> Response:
    """Let a member sign in no more."""
    return await _switch(request, visitor, server, user_id, disabled=True)


@router.post("/settings/members/{user_id}/enable")
async def enable(request: Request, user_id: str, visitor: SignedIn, server: Here) -> Response:
    """Let a member who was disabled sign in again."""
    return await _switch(request, visitor, server, user_id, disabled=False)


@router.post("/settings/members/{user_id}/sign-out")
async def sign_out(request: Request, user_id: str, visitor: SignedIn, server: Here) -> Response:
    """End everything that a member is signed in with."""
    try:
        async with server.database.transaction() as tx:
            ended = await access.sign_out_member(tx, visitor.caller.organization_id, user_id, by=visitor.caller)
    except AssayError as error:
        return await _show(request, visitor, server, Told(problem=error))
    done = f"{ended} session{' has' if ended == 1 else 's have'} ended."
    return await _show(request, visitor, server, Told(done))


@router.post("/settings/members/{user_id}/unlink")
async def unlink(request: Request, user_id: str, visitor: SignedIn, server: Here) -> Response:
    """Forget which account of the sign-in provider is a member's."""
    try:
        async with server.database.transaction() as tx:
            await access.unlink_member(tx, visitor.caller.organization_id, user_id, by=visitor.caller)
    except AssayError as error:
        return await _show(request, visitor, server, Told(problem=error))
    return await _show(request, visitor, server, Told("The next sign-in by the provider with their address is linked."))


async def _switch(request: Request, visitor: Visitor, server: Server, user_id: str, *, disabled: bool) -> Response:
    organization_id = visitor.caller.organization_id
    try:
        async with server.database.transaction() as tx:
            user = (await access.change_member(tx, organization_id, user_id, disabled=disabled, by=visitor.caller)).user
    except AssayError as error:
        return await _show(request, visitor, server, Told(problem=error))
    done = f"{user.email} is disabled." if disabled else f"{user.email} may sign in again."
    return await _show(request, visitor, server, Told(done))


async def _show(
    request: Request,
    visitor: Visitor,
    server: Server,
    told: Told,
    *,
    invitation: Invitation | None = None,
    email: str = "",
    name: str = "",
    role: str = "member",
) -> Response:
    async with server.database.single_statement() as tx:
        members = await access.list_members(tx, visitor.caller.organization_id)
    owns = any(one.user.id == visitor.caller.user_id and one.user.role == "owner" for one in members)
    shown = MembersPage(
        title="Members",
        tab="members",
        told=told,
        members=members,
        me=visitor.caller.user_id,
        owns=owns,
        invitation=invitation,
        roles=[(value, text) for value, text in ROLES.items() if owns or value != "owner"],
        email=email,
        name=name,
        role=role,
    )
    return render(request, visitor, shown, 200 if told.problem is None else status_of(told.problem))


def _role(value: str) -> access.Role:
    for role in ROLES:
        if role == value:
            return role
    message = f"There is no role {value[:80]!r}."
    raise InvalidValueError(message, field="role")
