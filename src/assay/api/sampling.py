"""Sampling of an automation: which of its runs are drawn for review, the rates there were, and what rate is needed."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field, JsonValue
from starlette.responses import Response

from assay import automations, monitoring, reviews
from assay.api import parameters
from assay.api.bodies import read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso
from assay.errors import InvalidValueError

router = APIRouter(tags=["sampling"])


class _Body(reviews.SamplingPolicy):
    """A policy, and why."""

    reason: str | None = Field(default=None, description="Why; kept with the change of the rate.")


_BODY = {"requestBody": {"content": {"application/json": {"schema": _Body.model_json_schema(by_alias=True)}}}}


@router.get("/automations/{automation_id}/sampling")
async def get_sampling(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Read the sampling policy; where nobody has set one, the default that is in force."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        stored = await reviews.sampling_of(tx, caller.organization_id, automation.id)
    return JsonResponse(_policy(automation.id, stored))


@router.put("/automations/{automation_id}/sampling", openapi_extra=_BODY)
async def put_sampling(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Put a sampling policy in force; what is left out has its default. Runs that were drawn are not drawn again."""
    value = await read_json(request, server.settings.max_json_bytes)
    policy, reason = _split(value)
    async with server.database.transaction() as tx:
        stored = await reviews.set_sampling(tx, caller, automation_id, policy, reason=reason)
        automation = await automations.get(tx, caller.organization_id, automation_id)
    return JsonResponse(_policy(automation.id, stored))


@router.get("/automations/{automation_id}/sampling/advice")
async def get_advice(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Say what rate is needed, from the reviews of the random sample alone; `mode` is live (the default) or shadow."""
    parameters.only(request, {"mode"})
    shadow = "shadow" in parameters.values(request, "mode", {"live", "shadow"})
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        drift = None if shadow else await monitoring.watch_inputs(tx, caller.organization_id, automation.id)
        mode = "shadow" if shadow else "live"
        advice = await reviews.advise(tx, caller.organization_id, automation.id, mode=mode, drift=drift)
    return JsonResponse(_advice(automation.id, advice))


@router.get("/automations/{automation_id}/sampling/history")
async def list_rate_changes(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """List the changes of the rate, newest first; those without a person the advisor made, by `evidence`."""
    parameters.only(request, {"limit", "offset"})
    limit = parameters.number(request, "limit", default=50, least=1, most=200)
    offset = parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        changes, total = await reviews.rate_changes(
            tx, caller.organization_id, automation.id, limit=limit, offset=offset
        )
    return JsonResponse({"data": [_change(change) for change in changes], "total": total})


def _split(value: JsonValue) -> tuple[JsonValue, str | None]:
    if not isinstance(value, dict):
        return value, None
    reason = value.get("reason")
    if reason is not None and not isinstance(reason, str):
        message = "reason is a text."
        raise InvalidValueError(message, field="reason")
    return {key: one for key, one in value.items() if key != "reason"}, reason


def _policy(automation_id: str, stored: reviews.StoredSampling) -> dict[str, Any]:
    return {
        "automationId": automation_id,
        "policy": reviews.sampling_json(stored.policy),
        "isDefault": stored.updated_at is None,
        "updatedBy": stored.updated_by,
        "updatedAt": None if stored.updated_at is None else iso(stored.updated_at),
    }


def _advice(automation_id: str, advice: reviews.Advice) -> dict[str, Any]:
    step = advice.next_step
    return {
        "automationId": automation_id,
        "action": advice.action,
        "rate": advice.rate,
        "recommendedRate": advice.recommended_rate,
        "measured": advice.measured,
        "sentence": advice.sentence,
        "toleratedMissRate": advice.policy.tolerated_miss_rate,
        "auto": advice.policy.auto,
        "nextStep": None
        if step is None
        else {
            "rate": step.rate,
            "missRateToShow": step.shown,
            "cleanReviewsNeeded": step.clean_reviews,
            "days": step.days,
            "blockedBy": [{"code": reason.code, "message": reason.message} for reason in step.blocked_by],
        },
        **reviews.advice_evidence(advice),
    }


def _change(change: reviews.RateChange) -> dict[str, Any]:
    return {
        "id": change.id,
        "rateBefore": change.rate_before,
        "rateAfter": change.rate_after,
        "reason": change.reason,
        "by": change.user_id,
        "byEmail": change.user_email,
        "evidence": change.evidence,
        "createdAt": iso(change.created_at),
    }
