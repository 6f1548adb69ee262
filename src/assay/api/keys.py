"""Who am I, and API keys."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import access
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["access"])


class KeyBody(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128)
    scopes: list[str] = Field(default_factory=lambda: ["full_access"])
    expires_at: AwareDatetime | None = Field(default=None, alias="expiresAt")


@router.get("/auth/check")
async def check(caller: Authorized) -> Response:
    """Say whom the key stands for."""
    return JsonResponse(
        {
            "ok": True,
            "tenantId": caller.organization_id,
            "tenantSlug": caller.organization_slug,
            "tenantName": caller.organization_name,
            "userId": caller.user_id,
            "keyId": caller.key_id,
            "email": caller.email,
            "name": caller.name,
            "scope": sorted(caller.scopes),
            "wildcardGranted": caller.full_access,
        }
    )


@router.get("/keys")
async def list_keys(caller: Authorized, server: Here) -> Response:
    """List keys, newest first, the revoked and expired ones too."""
    async with server.database.single_statement() as tx:
        found = await access.list_keys(tx, caller.organization_id)
    return JsonResponse({"data": [_key(key) for key in found], "total": len(found)})


@router.post("/keys", status_code=201)
async def create_key(request: Request, caller: Authorized, server: Here) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""
    body = checked(KeyBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        made = await access.create_key(
            tx,
            organization_id=caller.organization_id,
            user_id=caller.user_id,
            name=body.name,
            scopes=body.scopes,
            expires_at=body.expires_at,
            by=caller,
        )
    return JsonResponse({**_key(made.key), "key": made.secret}, 201)


@router.delete("/keys/{key_id}")
async def revoke_key(key_id: str, caller: Authorized, server: Here) -> Response:
    """Withdraw a key; a second call changes nothing."""
    async with server.database.transaction() as tx:
        return JsonResponse(_key(await access.revoke_key(tx, caller.organization_id, key_id, by=caller)))


def _key(key: access.ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "userId": key.user_id,
        "createdAt": iso(key.created_at),
        "expiresAt": key.expires_at and iso(key.expires_at),
        "revokedAt": key.revoked_at and iso(key.revoked_at),
        "lastUsedAt": key.last_used_at and iso(key.last_used_at),
    }
