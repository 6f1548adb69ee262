"""The evaluators of an automation, and the types there are."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import access, automations, evaluators, experiments
from assay.api import parameters
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso
from assay.errors import InvalidValueError, Issue

router = APIRouter(tags=["evaluators"])


class ValidateBody(BaseModel):
    """A text to check."""

    model_config = ConfigDict(extra="ignore", strict=True)

    yaml: str = Field(min_length=1, max_length=2**20, description="The whole evaluators.yaml; up to 1 MiB.")


class EvaluatorsBody(ValidateBody):
    """A text to put in force."""

    replacing: int | None = Field(
        default=None, ge=0, description="The number of those it was made from, 0 for none: others are not replaced."
    )


class TryBody(BaseModel):
    """What to try, and on what."""

    model_config = ConfigDict(extra="forbid", strict=True)

    example: str = Field(min_length=1, max_length=200, description="Id or name of an example that has run.")
    yaml: str | None = Field(
        default=None, min_length=1, max_length=2**20, description="An evaluators.yaml; left out: those in force."
    )


@router.get("/automations/{automation_id}/evaluators")
async def get_evaluators(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Read the evaluators in force: their text and what it says. Before the first push there are none."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        stored = await evaluators.current(tx, caller.organization_id, automation.id)
    return JsonResponse(await _in_force(automation, stored))


@router.put("/automations/{automation_id}/evaluators", openapi_extra=described(EvaluatorsBody))
async def put_evaluators(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Replace the evaluators; everything that is wrong with the text is told at once, each with its line.

    Experiments that were started before keep the evaluators that they were started with.
    """
    body = checked(EvaluatorsBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        stored = await evaluators.replace(tx, caller, automation.id, body.yaml, replacing=body.replacing)
    return JsonResponse(await _in_force(automation, stored))


@router.post("/automations/{automation_id}/evaluators/validate", openapi_extra=described(ValidateBody))
async def validate_evaluators(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Check a text as putting it in force would, and store nothing."""
    body = checked(ValidateBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        await automations.get(tx, caller.organization_id, automation_id)
    issues: Sequence[Issue] = ()
    try:
        await asyncio.to_thread(evaluators.parse, body.yaml)
    except evaluators.InvalidEvaluatorsError as error:
        issues = error.issues
    return JsonResponse({"valid": not issues, "issues": [asdict(issue) for issue in issues]})


@router.post("/automations/{automation_id}/evaluators/try", openapi_extra=described(TryBody))
async def try_evaluators(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Let evaluators judge an example's latest run; nothing is kept, and what a judging model costs is paid."""
    body = checked(TryBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        stored = await evaluators.current(tx, caller.organization_id, automation.id)
    source = body.yaml if body.yaml is not None else stored.source if stored else None
    if source is None:
        message = "There are no evaluators in force, and none were sent."
        raise InvalidValueError(message, field="yaml")
    found = await asyncio.to_thread(evaluators.parse, source)
    trial = await experiments.try_evaluators(server.grader, caller.organization_id, automation.id, body.example, found)
    return JsonResponse(_trial(trial))


@router.get("/automations/{automation_id}/evaluators/history")
async def list_history(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """List the texts that were ever in force, newest first, without the texts."""
    parameters.only(request, {"limit", "offset"})
    limit = parameters.number(request, "limit", default=50, least=1, most=100)
    offset = parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        page, total = await evaluators.past_sets(tx, caller.organization_id, automation.id, limit=limit, offset=offset)
        people = await access.addresses(tx, caller.organization_id)
    return JsonResponse(
        {"data": [_past(one, people) for one in page], "total": total, "limit": limit, "offset": offset}
    )


@router.get("/automations/{automation_id}/evaluators/history/{evaluator_set_id}")
async def get_past(automation_id: str, evaluator_set_id: str, caller: Authorized, server: Here) -> Response:
    """Read a text that was in force."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found = await evaluators.past_set(tx, caller.organization_id, automation.id, evaluator_set_id)
        people = await access.addresses(tx, caller.organization_id)
    return JsonResponse({**_past(found, people), "yaml": found.source})


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


def _past(found: evaluators.PastSet | evaluators.StoredSet, people: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": found.id,
        "number": found.number,
        "contentHash": found.content_hash,
        "createdBy": found.created_by,
        "email": people.get(found.created_by or ""),
        "createdAt": iso(found.created_at),
    }


def _trial(trial: experiments.Trial) -> dict[str, Any]:
    verdict = trial.judgement.verdict
    return {
        "example": trial.example,
        "runId": trial.run_id,
        "outcome": verdict.outcome,
        "score": verdict.score,
        "passed": verdict.passed,
        "reason": verdict.reason,
        "results": [
            {
                "evaluatorName": one.entry.name,
                "evaluatorType": one.entry.type_name,
                "evaluatorVersion": one.evaluator_version,
                "score": one.score,
                "passed": one.passed,
                "label": one.label,
                "weight": one.entry.weight,
                "details": dict(one.details),
                "error": one.error,
            }
            for one in trial.judgement.results
        ],
    }
