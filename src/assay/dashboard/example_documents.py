"""The files of an example: shown, sent, added, renamed and taken out."""

from contextlib import AsyncExitStack
from pathlib import PurePosixPath
from typing import Final

from fastapi import APIRouter, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response, StreamingResponse

from assay import automations, datasets, files, reviews
from assay.dashboard.document_pages import picture_of, view_below
from assay.dashboard.example_detail import example_base, show_example
from assay.dashboard.rendering import render_part
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError
from assay.server import Server

router = APIRouter()

_CHUNK = 1024**2
_FOLDERS: Final = ("input", "expected")
_BELOW = "/automations/{slug}/dataset/examples/{example}"


@router.get(_BELOW + "/files/{path:path}")
async def download(slug: str, example: str, path: str, visitor: SignedIn, server: Here) -> Response:
    """Send a file of an example, to be saved."""
    found = await _file(server, visitor, slug, example, path)
    headers = {**files.download_headers(found.name, found.content_type), "Content-Length": str(found.size)}
    return StreamingResponse(await server.blobs.stream(found.sha256), headers=headers)


@router.get(_BELOW + "/pages/{page}/{path:path}")
async def page_picture(
    request: Request,
    slug: str,
    example: str,
    page: int,
    path: str,
    visitor: SignedIn,
    server: Here,
    scale: float = 1.5,
) -> Response:
    """Send the picture of a page, counted from 0."""
    found = await _file(server, visitor, slug, example, path)
    return await picture_of(request, server, found, page, scale)


@router.get(_BELOW + "/document/{path:path}")
async def document(request: Request, slug: str, example: str, path: str, visitor: SignedIn, server: Here) -> Response:
    """Show a file of an example as far as it can be seen: a part of the example's page."""
    found = await _file(server, visitor, slug, example, path)
    view = await view_below(request, server, example_base(slug, example), found)
    return render_part(visitor, "parts/document.html", view)


@router.post(_BELOW + "/files")
async def add(request: Request, slug: str, example: str, visitor: SignedIn, server: Here) -> Response:
    """Add files to the side of the example that the form names; one of the same name is replaced."""
    form = await request.form(max_files=200, max_fields=5000)
    try:
        folder = _folder(form)
        async with AsyncExitStack() as stack:
            uploads = await _uploads(server, stack, form)
            async with server.database.transaction() as tx:
                automation = await automations.get(tx, visitor.caller.organization_id, slug)
                await datasets.add_files(
                    tx, server.blobs, visitor.caller, automation.id, example, folder, uploads, guard=_guard(form)
                )
    except (automations.AutomationNotFoundError, datasets.ExampleNotFoundError):
        raise
    except AssayError as error:
        return await show_example(request, visitor, server, slug, example, problem=error)
    return RedirectResponse(f"{example_base(slug, example)}#files", 303)


@router.post(_BELOW + "/change-file")
async def change(request: Request, slug: str, example: str, visitor: SignedIn, server: Here) -> Response:
    """Rename a file or take it out, as the button that was pressed says."""
    form = await request.form(max_files=200, max_fields=5000)
    path, name = _text(form, "path"), _text(form, "filename")
    try:
        folder = _folder(form)
        async with server.database.transaction() as tx:
            automation = await automations.get(tx, visitor.caller.organization_id, slug)
            if _text(form, "do") == "remove":
                await datasets.remove_file(tx, visitor.caller, automation.id, example, folder, path, guard=_guard(form))
            else:
                await datasets.rename_file(
                    tx, visitor.caller, automation.id, example, folder, path, filename=name, guard=_guard(form)
                )
    except (automations.AutomationNotFoundError, datasets.ExampleNotFoundError):
        raise
    except AssayError as error:
        return await show_example(request, visitor, server, slug, example, problem=error)
    return RedirectResponse(f"{example_base(slug, example)}#files", 303)


def _folder(form: FormData) -> datasets.Folder:
    folder = _text(form, "folder")
    if folder in _FOLDERS:
        return folder
    raise InvalidValueError(field="folder")


def _guard(form: FormData) -> reviews.ExampleGuard:
    return reviews.ExampleGuard(_text(form, "reason").strip() or None)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def _uploads(server: Server, stack: AsyncExitStack, form: FormData) -> list[datasets.FileUpload]:
    found: list[datasets.FileUpload] = []
    for part in form.getlist("file"):
        if not isinstance(part, UploadFile) or not (part.filename or part.size):
            continue
        spool = await stack.enter_async_context(server.blobs.spool(server.settings.max_body_bytes))
        while chunk := await part.read(_CHUNK):
            await spool.write(chunk)
        found.append(datasets.FileUpload(part.filename or "file", part.content_type, spool))
    if not found:
        message = "Choose a file first."
        raise InvalidValueError(message, field="file")
    return found


async def _file(server: Server, visitor: Visitor, slug: str, example: str, path: str) -> files.Artifact:
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, visitor.caller.organization_id, slug)
        found = await datasets.get_example(tx, visitor.caller.organization_id, automation.id, example)
    side, _, below = path.partition("/")
    file = datasets.file_of(found, "expected" if side == "expected" else "input", below)
    return artifact_of(file)


def artifact_of(file: datasets.ExampleFile) -> files.Artifact:
    """Return a file of an example as those of runs are."""
    name = PurePosixPath(file.path).name
    return files.Artifact(file.path, name, file.folder, None, file.content_type, file.size, file.sha256)
