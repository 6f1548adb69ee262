"""The evaluators of an automation, and the types there are."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import automations, evaluators
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["evaluators"])


class EvaluatorsBody(BaseModel):
    """The text to put in force."""

    model_config = ConfigDict(extra="ignore", strict=True)

    yaml: str = Field(min_length=1, max_length=2**20, description="The whole evaluators.yaml; up to 1 MiB.")


_BODY = {"requestBody": {"content": {"application/json": {"schema": EvaluatorsBody.model_json_schema()}}}}


@router.get("/automations/{automation_id}/evaluators")
async def get_evaluators(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Read the evaluators in force: their text and what it says. Before the first push there are none."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        stored = await evaluators.current(tx, caller.organization_id, automation.id)
    return JsonResponse(await _in_force(automation, stored))


@router.put("/automations/{automation_id}/evaluators", openapi_extra=_BODY)
async def put_evaluators(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Replace the evaluators; everything that is wrong with the text is told at once, each with its line.

    Experiments that were started before keep the evaluators that they were started with.
    """
    body = checked(EvaluatorsBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        stored = await evaluators.replace(tx, caller, automation.id, body.yaml)
    return JsonResponse(await _in_force(automation, stored))


@router.get("/evaluators/types")
async def list_types(caller: Authorized) -> Response:
    """List the evaluator types, each with the JSON Schema of its configuration."""
    del caller
    described = [evaluators.describe(one) for one in evaluators.catalogue().values()]
    types = [
        {
            "type": about.type_name,
            "version": about.version,
            "summary": about.summary,
            "documentation": about.documentation,
            "configSchema": about.config_schema,
            "example": about.example,
        }
        for about in described
    ]
    return JsonResponse({"data": types, "total": len(types)})


async def _in_force(automation: automations.Automation, stored: evaluators.StoredSet | None) -> dict[str, Any]:
    nothing: dict[str, Any] = {"evaluators": [], "passThreshold": evaluators.DEFAULT_THRESHOLD, "require": "mean"}
    return {
        "automationId": automation.id,
        "automationType": automation.kind,
        "yaml": stored.source if stored else "",
        "config": (await asyncio.to_thread(evaluators.set_of, stored)).as_json() if stored else nothing,
        "number": stored.number if stored else None,
        "contentHash": stored.content_hash if stored else None,
        "updatedAt": iso(stored.created_at) if stored else None,
    }
