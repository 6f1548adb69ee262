"""One's own account: where one is signed in, and the password to sign in with.

It takes full access although it is one's own: who can set a password can be whoever it belongs to.
"""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import access
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso
from assay.errors import NotFoundError

router = APIRouter(tags=["access"])


class PasswordBody(BaseModel):
    """A new password."""

    model_config = ConfigDict(extra="forbid", strict=True)

    password: str = Field(description="10 to 256 characters.")


@router.get("/account/sessions")
async def list_sessions(caller: Authorized, server: Here) -> Response:
    """List the browsers that the key's owner is signed in with, newest first."""
    async with server.database.single_statement() as tx:
        found = await access.list_sessions(tx, caller.organization_id, caller.user_id)
    data = [
        {
            "id": one.id,
            "userAgent": one.user_agent,
            "createdAt": iso(one.created_at),
            "lastSeenAt": iso(one.last_seen_at),
            "expiresAt": iso(one.expires_at),
        }
        for one in found
    ]
    return JsonResponse({"data": data, "total": len(data)})


@router.delete("/account/sessions/{session_id}")
async def end_session(session_id: str, caller: Authorized, server: Here) -> Response:
    """End one of the sessions of the key's owner."""
    async with server.database.transaction() as tx:
        if not await access.end_sessions(tx, caller, caller.user_id, session_id=session_id):
            message = "You have no such session."
            raise NotFoundError(message)
    return JsonResponse({"id": session_id, "ended": True})


@router.put("/account/password", openapi_extra=described(PasswordBody))
async def set_password(request: Request, caller: Authorized, server: Here) -> Response:
    """Give the key's owner a new password; all sessions end, keys stay."""
    body = checked(PasswordBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        await access.set_password(tx, caller, body.password)
    return JsonResponse({"userId": caller.user_id, "email": caller.email})
