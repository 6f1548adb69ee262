"""What an automation asks of the proof that a miss is fixed: how often its example has to pass."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import automations, reviews
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["resolution"])


class RepeatsBody(BaseModel):
    """How often the example of a miss has to pass, each time; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, strict=True)

    repeats: int | None = Field(
        default=None, ge=1, le=reviews.MOST_REPEATS, description="Where no step asks a model. Usually 1."
    )
    repeats_with_model: int | None = Field(
        default=None,
        alias="repeatsWithModel",
        ge=1,
        le=reviews.MOST_REPEATS,
        description="Where a step asks a model, or one of a workflow that it calls. Usually 3.",
    )


@router.get("/automations/{automation_id}/proof")
async def get_proof(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Read how often the example of a miss has to pass, in one experiment, before the miss counts as fixed."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found = await reviews.required_repeats(tx, caller.organization_id, automation.id)
    return JsonResponse(_body(automation.id, found))


@router.put("/automations/{automation_id}/proof", openapi_extra=described(RepeatsBody))
async def put_proof(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Say how often the example of a miss has to pass; at least once. What was proven before stays so."""
    body = checked(RepeatsBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found = await reviews.require_repeats(
            tx, caller, automation.id, repeats=body.repeats, with_model=body.repeats_with_model
        )
    return JsonResponse(_body(automation.id, found))


def _body(automation_id: str, found: reviews.RequiredRepeats) -> dict[str, Any]:
    return {
        "automationId": automation_id,
        "repeats": found.repeats,
        "repeatsWithModel": found.with_model,
        "isDefault": found.updated_at is None,
        "updatedBy": found.updated_by,
        "updatedAt": None if found.updated_at is None else iso(found.updated_at),
    }
