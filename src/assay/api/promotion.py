"""A reviewed run joins the dataset: the miss that was found is measured from then on."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import automations, reviews
from assay.api import feedback
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse, issue_body
from assay.errors import InvalidValueError

router = APIRouter(tags=["feedback"])


class PromoteBody(BaseModel):
    """What the example is called, and what has to be there."""

    model_config = ConfigDict(extra="ignore", strict=True, populate_by_name=True)

    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="Of the example, new or not. Left out: the one that the run was promoted to, or a new one.",
    )
    require_expected: bool = Field(
        default=False, alias="requireExpected", description="Refuse a run without a correction that is not a pass."
    )
    override: feedback.OverrideBody | None = Field(
        default=None, description="{reason}: why a miss that is promoted already gets another expectation."
    )


@router.post("/runs/{run_id}/promote", openapi_extra=described(PromoteBody))
async def promote_run(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Make a finished run an example, with the correction that is on its feedback now, and open its miss.

    `created` is false where there was one of that name; it is changed then. `issues` warn where nothing says what
    should have come out (`no_ground_truth`), another run's example got this run's content (`example_replaced`), or a
    later version passes the same example already (`already_proven`).
    """
    body = checked(PromoteBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        promoted = await reviews.promote(
            tx,
            caller,
            run_id,
            name=body.name,
            require_expected=body.require_expected,
            override=_reason(body),
        )
        automation = await automations.get(tx, caller.organization_id, promoted.example.automation_id)
    answer: dict[str, Any] = {
        "automationId": automation.id,
        "automationType": automation.kind,
        "exampleId": promoted.example.example_id,
        "name": promoted.example.name,
        "created": promoted.created,
        "gradedHash": promoted.example.graded_hash,
        "status": promoted.feedback.status,
        "issues": [issue_body(one) for one in promoted.issues],
    }
    return JsonResponse(answer)


def _reason(body: PromoteBody) -> str | None:
    reason = (body.override.reason if body.override else "").strip()
    if body.override is not None and not reason:
        message = "An override says why it is one."
        raise InvalidValueError(message, field="override.reason")
    return reason or None
