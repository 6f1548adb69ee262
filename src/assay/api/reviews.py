"""The same record in the words of clients from 0.10 on: `verdict` is the rating, `closed` resolved, `note` the body."""

from collections.abc import Mapping
from typing import Any, Literal, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from assay import reviews
from assay.api import feedback, feedback_bodies
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse

router = APIRouter(tags=["reviews"])

_STATUSES: Mapping[str, reviews.FeedbackStatus] = {"open": "open", "closed": "resolved", "wont_fix": "ignored"}
_READ_ONLY = frozenset(
    {
        "id",
        "reviewedBy",
        "reviewedByEmail",
        "reviewedAt",
        "closedBy",
        "closedByEmail",
        "closedAt",
        "createdAt",
        "updatedAt",
        "promotedExampleName",
    }
)


class ReviewBody(BaseModel):
    """A whole review; corrected output and corrections stay where they are left out."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    verdict: Literal["correct", "incorrect"] | None = Field(default=None, description="null: a remark, not counted.")
    status: Literal["open", "closed", "wont_fix"] | None = Field(
        default=None, description="Left out: closed if the verdict is correct, else open."
    )
    note: str | None = Field(default=None, description="What there is to say.")
    corrected_output: JsonValue = Field(default=None, alias="correctedOutput", description="Any JSON.")
    corrections: list[dict[str, JsonValue]] | None = Field(default=None, description="Replaces the whole set.")
    closed_note: str | None = Field(default=None, alias="closedNote", description="A word at its end.")
    reason: str | None = Field(default=None, description="Why it is not fixed.")
    override: feedback.OverrideBody | None = Field(default=None, description="{reason}: closed without a proof.")


class CloseBody(BaseModel):
    """How a review ends."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    status: Literal["open", "closed", "wont_fix"] = Field(default="closed", description="closed, unless it says other.")
    closed_note: str | None = Field(default=None, alias="closedNote", description="A word at its end.")
    note: str | None = Field(default=None, description="The same, if closedNote is left out.")
    override: feedback.OverrideBody | None = Field(default=None, description="{reason}: closed without a proof.")


@router.get("/runs/{run_id}/reviews")
async def get_review(run_id: str, caller: Authorized, server: Here) -> Response:
    """Read a run's review."""
    async with server.database.transaction() as tx:
        view = await reviews.get(tx, caller, run_id)
    return _detail(view)


@router.put("/runs/{run_id}/reviews", openapi_extra=described(ReviewBody))
async def put_review(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Create or replace a run's review; status left out: closed if the verdict is correct, else open."""
    raw: Any = await read_json(request, server.settings.max_json_bytes)
    if isinstance(raw, dict):
        raw = {name: value for name, value in cast("dict[str, Any]", raw).items() if name not in _READ_ONLY}
    body = checked(ReviewBody, raw)
    async with server.database.transaction() as tx:
        held = await reviews.hold(tx, caller.organization_id, run_id)
        change = feedback_bodies.change(_replacing(body, held.feedback))
        view = await reviews.update(tx, caller, run_id, change, if_match=request.headers.get("if-match"))
    return _detail(view)


@router.patch("/runs/{run_id}/reviews", openapi_extra=described(CloseBody))
async def close_review(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Close a run's review; an incorrect run is closed by proof, like everywhere."""
    body = checked(CloseBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    values: dict[str, Any] = {"status": _STATUSES[body.status]}
    note = body.note if body.closed_note is None else body.closed_note
    if note is not None:
        values["reason" if body.status == "wont_fix" else "closed_note"] = note
    if body.override is not None:
        values["override"] = body.override.model_dump()
    async with server.database.transaction() as tx:
        change = feedback_bodies.change(values)
        view = await reviews.update(tx, caller, run_id, change, if_match=request.headers.get("if-match"))
    return _detail(view)


@router.delete("/runs/{run_id}/reviews")
async def clear_review(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Clear a run's review, as its feedback is cleared."""
    return _detail(await feedback.clear(request, run_id, caller, server))


@router.get("/runs/{run_id}/reviews/expected")
async def list_expected(run_id: str, caller: Authorized, server: Here) -> Response:
    """List the corrected files."""
    async with server.database.transaction() as tx:
        view = await reviews.get(tx, caller, run_id)
    return JsonResponse({"files": feedback_bodies.expected_files(view)})


@router.post("/runs/{run_id}/reviews/expected", status_code=201, openapi_extra=described(feedback.CopyBody))
async def add_expected(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Add a corrected file, as to the feedback."""
    return await feedback.add_expected_file(request, run_id, caller, server)


@router.get("/runs/{run_id}/reviews/expected/{path:path}")
async def get_expected(run_id: str, path: str, caller: Authorized, server: Here) -> Response:
    """Send a corrected file."""
    return await feedback.send_expected_file(run_id, path, caller, server)


@router.patch("/runs/{run_id}/reviews/expected/{path:path}", openapi_extra=described(feedback.NewNameBody))
async def rename_expected(request: Request, run_id: str, path: str, caller: Authorized, server: Here) -> Response:
    """Give a corrected file another name."""
    return await feedback.rename_expected_file(request, run_id, path, caller, server)


@router.delete("/runs/{run_id}/reviews/expected/{path:path}", status_code=204)
async def delete_expected(request: Request, run_id: str, path: str, caller: Authorized, server: Here) -> Response:
    """Take a corrected file away."""
    return await feedback.delete_expected_file(request, run_id, path, caller, server)


def _replacing(body: ReviewBody, before: reviews.Feedback) -> dict[str, Any]:
    rating: reviews.Rating | None = "pass" if body.verdict == "correct" else "fail"
    if body.verdict is None:
        # A partial has no word here: read as none, it is written back as it was.
        rating = "partial" if before.exists and before.rating == "partial" else None
    status = body.status or ("closed" if body.verdict == "correct" else "open")
    values: dict[str, Any] = {"rating": rating, "status": _STATUSES[status], "body": body.note}
    given = body.model_dump(exclude_unset=True)
    if "corrected_output" in given:
        values["expected"] = given["corrected_output"]
    return values | {
        name: given[name] for name in ("corrections", "closed_note", "reason", "override") if name in given
    }


def _detail(view: reviews.View) -> Response:
    return JsonResponse(feedback_bodies.review_detail(view), headers={"ETag": view.etag})
