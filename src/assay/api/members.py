"""People of the organization: inviting them, their roles, and ending what they are signed in with."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import access
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here, site_url
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["access"])


class InvitationBody(BaseModel):
    """Somebody to invite."""

    model_config = ConfigDict(extra="forbid")

    email: str
    name: str | None = None
    role: access.Role = "member"


class MemberChangeBody(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: access.Role | None = None
    disabled: bool | None = Field(default=None, description="Whoever is disabled cannot sign in; their keys rest.")


@router.get("/members")
async def list_members(caller: Authorized, server: Here) -> Response:
    """List everybody in the organization, by address, also who may not sign in any more."""
    async with server.database.single_statement() as tx:
        found = await access.list_members(tx, caller.organization_id)
    data = [
        {
            **_user(member.user),
            "disabled": member.disabled_at is not None,
            "hasPassword": member.has_password,
            "linked": member.is_linked,
            "lastSeenAt": member.last_seen_at and iso(member.last_seen_at),
        }
        for member in found
    ]
    return JsonResponse({"data": data, "total": len(data)})


@router.post("/members", status_code=201, openapi_extra=described(InvitationBody))
async def invite_member(request: Request, caller: Authorized, server: Here) -> Response:
    """Add a person; `url` in this answer, and nowhere else, invites them: it is good for a week, and once.

    Owners are invited by owners alone.
    """
    body = checked(InvitationBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        user, token = await access.invite(tx, caller, body.email, name=body.name, role=body.role)
    return JsonResponse({**_user(user), "url": f"{site_url(server, request)}/sign-in/link/{token}"}, 201)


@router.patch("/members/{user_id}", openapi_extra=described(MemberChangeBody))
async def change_member(user_id: str, request: Request, caller: Authorized, server: Here) -> Response:
    """Give a member another role, or take or give back the right to sign in.

    Owners are made and changed by owners alone, and somebody has to stay owner.
    """
    body = checked(MemberChangeBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        changed = await access.change_member(
            tx, caller.organization_id, user_id, role=body.role, disabled=body.disabled, by=caller
        )
    return JsonResponse({**_user(changed.user), "disabled": changed.disabled_at is not None})


@router.delete("/members/{user_id}/sessions")
async def end_sessions(user_id: str, caller: Authorized, server: Here) -> Response:
    """Sign a member out everywhere, an owner for owners alone; a second call ends nothing."""
    async with server.database.transaction() as tx:
        ended = await access.sign_out_member(tx, caller.organization_id, user_id, by=caller)
    return JsonResponse({"id": user_id, "ended": ended})


@router.delete("/members/{user_id}/identities")
async def unlink_member(user_id: str, caller: Authorized, server: Here) -> Response:
    """Forget which account of the sign-in provider is a member's; a second call forgets nothing.

    The next who signs in there with the member's verified address is linked. Owners are unlinked by owners alone.
    """
    async with server.database.transaction() as tx:
        forgotten = await access.unlink_member(tx, caller.organization_id, user_id, by=caller)
    return JsonResponse({"id": user_id, "forgotten": forgotten})


def _user(user: access.User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "createdAt": iso(user.created_at),
    }
