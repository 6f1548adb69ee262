"""What people say of a run: the verdict, the correction, and the corrected files, as clients up to 0.9 write it."""

from typing import Any, Literal, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response, StreamingResponse

from assay import automations, files, reviews
from assay.api import feedback_bodies, parameters
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here, Server
from assay.api.errors import JsonResponse
from assay.api.multipart import MalformedMultipartError, open_form

router = APIRouter(tags=["feedback"])

MAX_HISTORY = 1000
# Of a multipart body, beside the file itself.
FRAMING_BYTES = 64 * 1024
# What the answer holds and nobody changes this way; a record that is read and sent back is no mistake.
_READ_ONLY = frozenset(
    {
        "createdAt",
        "createdBy",
        "createdByEmail",
        "updatedAt",
        "resolvedAt",
        "resolvedBy",
        "resolvedByEmail",
        "resolvedBySessionId",
        "promotedExampleName",
        "promotedExampleId",
        "promotedAt",
        "resolution",
        "revision",
    }
)


class OverrideBody(BaseModel):
    """What stands in the place of a proof, for ever."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = Field(max_length=10_000, description="Why this counts as resolved without a proof.")


class FeedbackBody(BaseModel):
    """A partial change: what is left out stays, null clears."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    rating: Literal["pass", "fail", "partial"] | None = Field(default=None, description="The verdict.")
    status: Literal["open", "resolved", "ignored"] | None = Field(
        default=None,
        description="Where it stands. A fail or partial is *resolved* by proof: it happens when an experiment passes.",
    )
    body: str | None = Field(default=None, description="What there is to say; up to 100 kB.")
    expected: JsonValue = Field(default=None, description="The corrected output, any JSON.")
    corrections: list[dict[str, JsonValue]] | None = Field(
        default=None,
        description="The whole set of `{kind: field|file, path, label?, originalValue?, correctedValue?, note?}`; "
        "`path` is a JSON Pointer. Applied to the output they give `expected`, unless that is sent too.",
    )
    tags: list[str] | None = Field(default=None, description="How it failed: up to 20 tags.")
    reason: str | None = Field(default=None, description="Why it is ignored.")
    closed_note: str | None = Field(default=None, alias="closedNote", description="A word at its end.")
    override: OverrideBody | None = Field(default=None, description="{reason}: resolved without a proof, marked so.")


class CopyBody(BaseModel):
    """An output file that is right as it is, or nearly."""

    model_config = ConfigDict(extra="ignore", strict=True)

    output_file_name: str = Field(alias="outputFileName", max_length=1024, description="Its name, or path.")
    expected_name: str | None = Field(
        default=None, alias="expectedName", max_length=1024, description="What it is called here; else as there."
    )


class NewNameBody(BaseModel):
    """Another name for an expected file."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: str = Field(max_length=1024, description="May hold slashes.")


@router.get("/runs/{run_id}/feedback")
async def get_feedback(run_id: str, caller: Authorized, server: Here) -> Response:
    """Read what is said of a run; the ETag changes with it. Of a blind double review, what you said yourself."""
    async with server.database.transaction() as tx:
        view = await reviews.get(tx, caller, run_id)
    return _detail(view)


@router.put("/runs/{run_id}/feedback", openapi_extra=described(FeedbackBody))
@router.patch("/runs/{run_id}/feedback", openapi_extra=described(FeedbackBody))
async def update_feedback(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Change what is said of a finished run: what is left out stays, null clears. `If-Match` refuses lost updates."""
    raw: Any = await read_json(request, server.settings.max_json_bytes)
    if isinstance(raw, dict):
        raw = {name: value for name, value in cast("dict[str, Any]", raw).items() if name not in _READ_ONLY}
    body = checked(FeedbackBody, raw)
    change = feedback_bodies.change(body.model_dump(exclude_unset=True))
    async with server.database.transaction() as tx:
        view = await reviews.update(tx, caller, run_id, change, if_match=request.headers.get("if-match"))
    return _detail(view)


@router.delete("/runs/{run_id}/feedback")
async def clear_feedback(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Clear verdict, correction and files; history keeps them, and a promoted miss stays open until it is proven."""
    return _detail(await clear(request, run_id, caller, server))


@router.get("/runs/{run_id}/feedback/history")
async def list_history(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """List who changed what when, newest first; nothing is ever taken out of it."""
    parameters.only(request, {"limit", "offset"})
    limit = parameters.number(request, "limit", default=100, least=1, most=MAX_HISTORY)
    offset = parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)
    async with server.database.transaction() as tx:
        page, total = await reviews.history(tx, caller, run_id, limit=limit, offset=offset)
    data = [feedback_bodies.history_entry(entry) for entry in page]
    return JsonResponse({"data": data, "total": total, "limit": limit, "offset": offset})


@router.get("/runs/{run_id}/feedback/expected")
async def list_expected(run_id: str, caller: Authorized, server: Here) -> Response:
    """Read the corrected output and the names of the corrected files."""
    async with server.database.transaction() as tx:
        view = await reviews.get(tx, caller, run_id)
    expected = view.feedback and view.feedback.expected
    return JsonResponse({"expected": expected, "files": feedback_bodies.expected_files(view)})


@router.post("/runs/{run_id}/feedback/expected", status_code=201, openapi_extra=described(CopyBody))
async def add_expected(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Add a corrected file: multipart `file` and `name`, or as JSON the name of an output file to copy."""
    return await add_expected_file(request, run_id, caller, server)


@router.get("/runs/{run_id}/feedback/expected/{path:path}")
async def get_expected(run_id: str, path: str, caller: Authorized, server: Here) -> Response:
    """Send a corrected file."""
    return await send_expected_file(run_id, path, caller, server)


@router.patch("/runs/{run_id}/feedback/expected/{path:path}", openapi_extra=described(NewNameBody))
async def rename_expected(request: Request, run_id: str, path: str, caller: Authorized, server: Here) -> Response:
    """Give a corrected file another name."""
    return await rename_expected_file(request, run_id, path, caller, server)


@router.delete("/runs/{run_id}/feedback/expected/{path:path}", status_code=204)
async def delete_expected(request: Request, run_id: str, path: str, caller: Authorized, server: Here) -> Response:
    """Take a corrected file away."""
    return await delete_expected_file(request, run_id, path, caller, server)


@router.get("/automations/{automation_id}/failure-tags")
async def list_failure_tags(automation_id: str, caller: Authorized, server: Here) -> Response:
    """List the ways in which an automation fails, as people tagged them, the commonest first."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found = await reviews.failure_tags(tx, caller.organization_id, automation.id)
    return JsonResponse({"tags": [feedback_bodies.failure_tag(one) for one in found]})


async def clear(request: Request, run_id: str, caller: Authorized, server: Server) -> reviews.View:
    """Clear a run's review in either vocabulary."""
    async with server.database.transaction() as tx:
        view, hashes = await reviews.clear(tx, caller, run_id, if_match=request.headers.get("if-match"))
    await server.blobs.forget(server.database, hashes)
    return view


async def add_expected_file(request: Request, run_id: str, caller: Authorized, server: Server) -> Response:
    """Add an expected file in either vocabulary."""
    if_match = request.headers.get("if-match")
    async with server.database.transaction() as tx:
        # A file may be large; a run that does not exist is refused before it is read.
        await reviews.read(tx, caller.organization_id, run_id)
    if not request.headers.get("content-type", "").lower().startswith("multipart/"):
        body = checked(CopyBody, await read_json(request, server.settings.max_json_bytes))
        async with server.database.transaction() as tx:
            file = await reviews.copy_output(
                tx, caller, run_id, body.output_file_name, body.expected_name, if_match=if_match
            )
        return JsonResponse({"name": file.name}, 201)
    async with open_form(request, server.blobs, server.settings.max_body_bytes + FRAMING_BYTES) as form:
        if [part.name for part in form.files] != ["file"]:
            message = "Send exactly one file, as the part `file`."
            raise MalformedMultipartError(message, field="file")
        part = form.files[0]
        name = form.texts.get("name") or files.safe_filename(part.filename)
        upload = reviews.Upload(name, part.content_type, part.spool)
        async with server.database.transaction() as tx:
            file = await reviews.add_file(tx, server.blobs, caller, run_id, upload, if_match=if_match)
    return JsonResponse({"name": file.name}, 201)


async def send_expected_file(run_id: str, path: str, caller: Authorized, server: Server) -> Response:
    """Send an expected file in either vocabulary."""
    async with server.database.transaction() as tx:
        file = await reviews.file_of(tx, caller, run_id, path)
    headers = files.download_headers(file.name, file.content_type)
    return StreamingResponse(
        await server.blobs.stream(file.sha256), headers={**headers, "Content-Length": str(file.size)}
    )


async def rename_expected_file(
    request: Request, run_id: str, path: str, caller: Authorized, server: Server
) -> Response:
    """Rename an expected file in either vocabulary."""
    async with server.database.transaction() as tx:
        await reviews.file_of(tx, caller, run_id, path)
    body = checked(NewNameBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        if_match = request.headers.get("if-match")
        name = await reviews.rename_file(tx, caller, run_id, path, body.name, if_match=if_match)
    return JsonResponse({"name": name})


async def delete_expected_file(
    request: Request, run_id: str, path: str, caller: Authorized, server: Server
) -> Response:
    """Take an expected file away in either vocabulary."""
    async with server.database.transaction() as tx:
        sha256 = await reviews.delete_file(tx, caller, run_id, path, if_match=request.headers.get("if-match"))
    await server.blobs.forget(server.database, [sha256])
    return Response(status_code=204)


def _detail(view: reviews.View) -> Response:
    return JsonResponse(feedback_bodies.feedback_detail(view), headers={"ETag": view.etag})
