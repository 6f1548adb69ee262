"""A dataset as a whole: archives in and out, what is wrong with one, and the revisions it went through."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from assay import access, automations, datasets, files
from assay.api import parameters
from assay.api.bodies import BodyTooLargeError
from assay.api.callers import Authorized, Here, Server
from assay.api.errors import STATUS, JsonResponse, envelope, issue_body
from assay.api.examples import example_guard
from assay.api.multipart import Form, MalformedMultipartError, open_form
from assay.clock import iso
from assay.errors import InvalidValueError

router = APIRouter(tags=["datasets"])

MAX_PAGE = 100
LAST_REVISION = 2**31 - 1
_OCTETS = "application/octet-stream"
_MODES: Final = ("append", "replace")
# What a form needs beside its file.
_FORM_BYTES = 64 * 1024
_MEGABYTE = 1024**2


@dataclass(frozen=True, slots=True)
class _Upload:
    automation: automations.Automation
    spool: files.Spool
    mode: datasets.ImportMode


@router.post("/automations/{automation_id}/dataset/import")
async def import_archive(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Import a ZIP file of up to 500 MiB: multipart with the part `file`, and `mode` (append or replace).

    *append*, the default, adds its examples and passes over those whose names exist; *replace* makes them all there
    is. Everything that is wrong is told at once, and then nothing is imported. Both are allowed while experiments
    run: these keep to the revision they began with. What single examples take, this takes too: `overrideReason`.
    """
    try:
        async with _upload(request, automation_id, caller, server) as upload:
            done = await datasets.import_archive(
                server.database,
                server.blobs,
                caller,
                upload.automation.id,
                upload.spool,
                upload.mode,
                guard=example_guard(request),
            )
    except datasets.ArchiveTooLargeError as error:
        return _too_large(request, error)
    return JsonResponse(_imported(done))


@router.post("/automations/{automation_id}/dataset/validate")
async def validate_archive(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Say everything that is wrong with a ZIP file, and what importing it would do; takes what `import` takes.

    `issues` with the severity `warning` do not keep an archive from being imported.
    """
    try:
        async with _upload(request, automation_id, caller, server) as upload:
            found = await datasets.examine_import(
                server.database, caller.organization_id, upload.automation.id, upload.spool, upload.mode
            )
            mode = upload.mode
    except datasets.ArchiveTooLargeError as error:
        return _too_large(request, error)
    body = {
        "valid": found.is_valid,
        "mode": mode,
        "examples": len(found.names),
        "expectedSet": found.expected_set,
        "files": found.files,
        "skipped": found.skipped,
        "issues": [issue_body(issue) for issue in found.issues],
    }
    return JsonResponse(body)


@router.get("/automations/{automation_id}/dataset/export")
async def export_archive(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Send the dataset as a ZIP file in the canonical layout: all of it, or the `exampleIds` (ids or names).

    `revision` takes an earlier state of it. Files that nothing refers to are left out.
    """
    parameters.only(request, {"exampleIds", "revision"})
    examples = parameters.values(request, "exampleIds") or None
    revision = parameters.number(request, "revision", default=0, least=1, most=LAST_REVISION) or None
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
    content = await datasets.export_archive(
        server.database,
        server.blobs,
        caller.organization_id,
        automation.id,
        revision=revision,
        examples=examples,
    )
    suffix = f"-r{revision}" if revision else ""
    return StreamingResponse(content, headers=files.download_headers(f"{automation.slug}-dataset{suffix}.zip", _OCTETS))


@router.get("/automations/{automation_id}/dataset/revisions")
async def list_revisions(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """List the states that the dataset went through, newest first: what made each, who, when, and how many examples."""
    parameters.only(request, {"limit", "offset"})
    limit = parameters.number(request, "limit", default=50, least=1, most=MAX_PAGE)
    offset = parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        page, total = await datasets.revisions(tx, caller.organization_id, automation.id, limit=limit, offset=offset)
        people = await access.addresses(tx, caller.organization_id)
    return JsonResponse(
        {"data": [_revision(one, people) for one in page], "total": total, "limit": limit, "offset": offset}
    )


@asynccontextmanager
async def _upload(
    request: Request, automation_id: str, caller: access.Caller, server: Server
) -> AsyncGenerator[_Upload]:
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
    try:
        async with open_form(request, server.blobs, datasets.MAX_ARCHIVE + _FORM_BYTES) as form:
            yield _Upload(automation, _archive_of(form), _mode_of(form))
    except BodyTooLargeError as error:
        message = f"An import takes archives of up to {datasets.MAX_ARCHIVE // _MEGABYTE} MiB."
        raise datasets.ArchiveTooLargeError(message, field="file") from error


def _archive_of(form: Form) -> files.Spool:
    if [part.name for part in form.files] != ["file"]:
        message = "Send exactly one archive, as the part `file`."
        raise MalformedMultipartError(message, field="file")
    return form.files[0].spool


def _mode_of(form: Form) -> datasets.ImportMode:
    mode = form.texts.get("mode", "append")
    if mode in _MODES:
        return mode
    message = f"mode is append or replace, not {mode[:80]!r}."
    raise InvalidValueError(message, field="mode")


def _too_large(request: Request, error: datasets.ArchiveTooLargeError) -> Response:
    """Answer as the published server does: with the limit, and how large the upload is where that is known."""
    body = envelope(request, error.issues, error.hint) | {"limitMb": datasets.MAX_ARCHIVE // _MEGABYTE}
    declared = request.headers.get("content-length", "")
    if declared.isdigit():
        body["actualMb"] = round(int(declared) / _MEGABYTE, 1)
    return JsonResponse(body, STATUS[error.kind])


def _imported(done: datasets.AppendResult | datasets.ReplaceResult) -> Mapping[str, Any]:
    counts = {"mode": done.mode, "created": done.created, "expectedSet": done.expected_set}
    if isinstance(done, datasets.ReplaceResult):
        return {**counts, "deleted": done.deleted, "filesDeleted": done.files_deleted}
    return {**counts, "skipped": done.skipped, "issues": [issue_body(issue) for issue in done.issues]}


def _revision(revision: datasets.Revision, people: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "number": revision.number,
        "contentHash": revision.content_hash,
        "action": revision.action,
        "examples": revision.examples,
        "withExpected": revision.with_expected,
        "createdBy": revision.created_by,
        "email": people.get(revision.created_by or ""),
        "createdAt": iso(revision.created_at),
    }
