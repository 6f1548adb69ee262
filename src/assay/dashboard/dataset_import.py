"""Importing an archive into a dataset: looked at first, all that is wrong with it told, then taken as a whole."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from assay import automations, datasets, files, reviews
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render, render_part
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError
from assay.server import Server

router = APIRouter()

_CHUNK = 1024**2


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What came of an archive: what was `found` in it, what was `done`, or why it was refused (`problem`)."""

    slug: str
    mode: datasets.ImportMode
    filename: str
    found: datasets.Examination | None = None
    done: datasets.AppendResult | datasets.ReplaceResult | None = None
    problem: AssayError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetImportPage(AutomationPage):
    """The form; `part` is what came of the archive that was sent last, None before one was."""

    template: ClassVar[str] = "dataset_import.html"
    place: ClassVar[str] = "automations"

    part: ImportResult | None
    mode: datasets.ImportMode
    examples: int
    largest: int


@router.get("/automations/{slug}/dataset/import")
async def dataset_import_page(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Show the form."""
    return await _show(request, visitor, server, slug, None)


@router.post("/automations/{slug}/dataset/import")
async def import_archive(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Look at an archive or import it, as the button that was pressed says."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, visitor.caller.organization_id, slug)
    form = await request.form(max_files=1, max_fields=20)
    result = await _result(server, visitor, automation, form)
    if request.headers.get("hx-request"):
        return render_part(visitor, "parts/import_result.html", result)
    return await _show(request, visitor, server, slug, result)


async def _result(server: Server, visitor: Visitor, automation: automations.Automation, form: FormData) -> ImportResult:
    mode: datasets.ImportMode = "replace" if form.get("mode") == "replace" else "append"
    part = form.get("file")
    filename = (part.filename or "") if isinstance(part, UploadFile) else ""
    try:
        async with AsyncExitStack() as stack:
            spool = await _spool(server, stack, part)
            if form.get("do") != "import":
                organization_id = visitor.caller.organization_id
                found = await datasets.examine_import(server.database, organization_id, automation.id, spool, mode)
                return ImportResult(automation.slug, mode, filename, found=found)
            if mode == "replace" and form.get("confirm") != automation.slug:
                message = f"Replacing takes every example out that the archive lacks: type {automation.slug} to do so."
                raise InvalidValueError(message, field="confirm")
            reason = form.get("reason")
            guard = reviews.ExampleGuard(reason.strip() or None if isinstance(reason, str) else None)
            done = await datasets.import_archive(
                server.database, server.blobs, visitor.caller, automation.id, spool, mode, guard=guard
            )
            return ImportResult(automation.slug, mode, filename, done=done)
    except AssayError as error:
        return ImportResult(automation.slug, mode, filename, problem=error)


async def _spool(server: Server, stack: AsyncExitStack, part: object) -> files.Spool:
    if not isinstance(part, UploadFile) or not part.size:
        message = "Choose a ZIP file first."
        raise InvalidValueError(message, field="file")
    if part.size > datasets.MAX_ARCHIVE:
        raise datasets.ArchiveTooLargeError(field="file")
    spool = await stack.enter_async_context(server.blobs.spool(datasets.MAX_ARCHIVE))
    while chunk := await part.read(_CHUNK):
        await spool.write(chunk)
    return spool


async def _show(request: Request, visitor: Visitor, server: Server, slug: str, result: ImportResult | None) -> Response:
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        examples = await datasets.count(tx, organization_id, automation.id)
    page = DatasetImportPage(
        title=title_of(automation, "dataset"),
        heading=heading_of(automation, "dataset"),
        part=result,
        mode="append" if result is None else result.mode,
        examples=examples,
        largest=datasets.MAX_ARCHIVE,
    )
    problem = None if result is None else result.problem
    return render(request, visitor, page, 200 if problem is None else status_of(problem))
