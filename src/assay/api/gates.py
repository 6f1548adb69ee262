"""The gate of an automation: its policy, and how a version stands before it."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import automations, experiments
from assay.api import parameters
from assay.api.bodies import read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["gates"])

_BODY = {"requestBody": {"content": {"application/json": {"schema": experiments.policy_schema()}}}}


@router.get("/automations/{automation_id}/gate")
async def get_gate(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Read the gate policy; `policy` is null where nothing is asked of versions."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        stored = await experiments.policy_of(tx, caller.organization_id, automation.id)
    return JsonResponse(_policy(automation, stored))


@router.put("/automations/{automation_id}/gate", openapi_extra=_BODY)
async def put_gate(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Set the gate policy: from now on a push stages its version, and only one that passes becomes current."""
    value = await read_json(request, server.settings.max_json_bytes)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        stored = await experiments.set_policy(tx, caller, automation.id, value)
    return JsonResponse(_policy(automation, stored))


@router.delete("/automations/{automation_id}/gate")
async def delete_gate(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Remove the gate policy: nothing is asked of versions any more."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        await experiments.remove_policy(tx, caller, automation.id)
    return JsonResponse(_policy(automation, None))


@router.get("/automations/{automation_id}/gate/{version_id}")
async def examine_version(
    request: Request, automation_id: str, version_id: str, caller: Authorized, server: Here
) -> Response:
    """Say whether a version (id, label or `latest`) passes the gate as everything is now, and what is missing.

    `results=true` adds the result of each example that the decision rests on, and the experiment it is from.
    """
    parameters.only(request, {"results"})
    with_results = parameters.flag(request, "results", default=False)
    async with server.database.transaction() as tx:
        found = await experiments.examine(tx, caller.organization_id, automation_id, version_id)
    body = {
        "automationId": found.automation.id,
        "versionId": found.version.id,
        "version": found.version.label,
        "isCurrent": found.version.is_current,
        "currentVersion": found.automation.current_version_label,
        "currentVersionId": found.automation.current_version_id,
        "policy": None if found.policy is None else experiments.policy_json(found.policy),
        **experiments.decision_json(found.decision),
    }
    if with_results:
        body["results"] = [
            {
                "exampleId": one.result.example_id,
                "example": one.result.name,
                "verdict": one.result.verdict,
                "score": one.result.score,
                "experimentId": one.experiment_id,
            }
            for one in found.results
        ]
    return JsonResponse(body)


def _policy(automation: automations.Automation, stored: experiments.StoredPolicy | None) -> Mapping[str, Any]:
    return {
        "automationId": automation.id,
        "policy": None if stored is None else experiments.policy_json(stored.policy),
        "updatedBy": None if stored is None else stored.updated_by,
        "updatedAt": None if stored is None else iso(stored.updated_at),
    }
