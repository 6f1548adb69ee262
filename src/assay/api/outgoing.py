"""Private hosts that the organization's runs may reach: listing and changing them."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import access
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["outgoing"])


class OutgoingBody(BaseModel):
    """A change of the list. Each host is `host`, `host:port`, `*.domain` or `[v6]:port`."""

    model_config = ConfigDict(extra="forbid")

    allow: list[str] = Field(default_factory=list, max_length=200, description="Hosts to put on the list.")
    refuse: list[str] = Field(default_factory=list, max_length=200, description="Hosts to take off it.")


@router.get("/outgoing")
async def list_outgoing(caller: Authorized, server: Here) -> Response:
    """List the hosts that runs of the organization may reach although their addresses are private."""
    async with server.database.single_statement() as tx:
        found = await access.list_allowed_hosts(tx, caller.organization_id)
    return _listed(found)


@router.patch("/outgoing")
async def change_outgoing(request: Request, caller: Authorized, server: Here) -> Response:
    """Allow hosts and refuse others; runs that start their first request later go by it."""
    body = checked(OutgoingBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        found = await access.change_allowed_hosts(tx, caller, allow=body.allow, refuse=body.refuse)
    return _listed(found)


def _listed(found: Sequence[access.AllowedHost]) -> Response:
    data: list[dict[str, Any]] = [
        {"host": allowed.host, "createdBy": allowed.created_by, "createdAt": iso(allowed.created_at)}
        for allowed in found
    ]
    return JsonResponse({"data": data, "total": len(data)})
