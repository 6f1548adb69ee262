"""The record of what people changed."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import access
from assay.api import parameters
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["access"])


@router.get("/audit")
async def list_audit(request: Request, caller: Authorized, server: Here) -> Response:
    """List what people changed, newest first; `before` is the id of the last entry of the page before.

    `action` is one (`key.revoked`) or the thing alone (`key`); `userId` or `email` says who did it. Where `userId` is
    null it was the operator of the machine, or the system.
    """
    parameters.only(request, {"limit", "before", "action", "userId", "email"})
    limit = parameters.number(request, "limit", default=50, least=1, most=100)
    email = parameters.text(request, "email")
    async with server.database.transaction() as tx:
        people = await access.addresses(tx, caller.organization_id)
        user_id = parameters.text(request, "userId")
        if email is not None:
            user_id = next((one for one, address in people.items() if address.lower() == email.lower()), email)
        found = await access.list_audit(
            tx,
            caller.organization_id,
            limit,
            parameters.text(request, "before"),
            action=parameters.text(request, "action"),
            user_id=user_id,
        )
    return JsonResponse({"data": [_entry(entry, people.get(entry.user_id or "")) for entry in found]})


def _entry(entry: access.AuditEntry, email: str | None) -> dict[str, Any]:
    return {
        "id": entry.id,
        "createdAt": iso(entry.created_at),
        "userId": entry.user_id,
        "email": email,
        "keyId": entry.key_id,
        "action": entry.action,
        "target": entry.target,
        "detail": entry.detail,
    }
