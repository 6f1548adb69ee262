"""People of the organization: inviting them, their roles, and ending what they are signed in with."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import access
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here
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
            "lastSeenAt": member.last_seen_at and iso(member.last_seen_at),
        }
        for member in found
    ]
    return JsonResponse({"data": data, "total": len(data)})


@router.post("/members", status_code=201)
async def invite_member(request: Request, caller: Authorized, server: Here) -> Response:
    """Add a person; `url` in this answer, and nowhere else, invites them: it is good for a week, and once."""
    body = checked(InvitationBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        user, token = await access.invite(tx, caller, body.email, name=body.name, role=body.role)
    url = f"{request.url.scheme}://{request.url.netloc}/sign-in/link/{token}"
    return JsonResponse({**_user(user), "url": url}, 201)


@router.patch("/members/{user_id}")
async def change_member(user_id: str, request: Request, caller: Authorized, server: Here) -> Response:
    """Give a member another role, or take or give back the right to sign in. Somebody has to stay owner."""
    body = checked(MemberChangeBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        changed = await access.change_member(
            tx, caller.organization_id, user_id, role=body.role, disabled=body.disabled, by=caller
        )
        members = await access.list_members(tx, caller.organization_id)
    disabled = next(member.disabled_at for member in members if member.user.id == changed.id)
    return JsonResponse({**_user(changed), "disabled": disabled is not None})


@router.delete("/members/{user_id}/sessions")
async def end_sessions(user_id: str, caller: Authorized, server: Here) -> Response:
    """Sign a member out everywhere; a second call ends nothing."""
    async with server.database.transaction() as tx:
        ended = await access.sign_out_member(tx, caller.organization_id, user_id, by=caller)
    return JsonResponse({"id": user_id, "ended": ended})


def _user(user: access.User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "createdAt": iso(user.created_at),
    }
