"""Showing the documents of a run: pages as pictures made in a child, text as text; nothing of them is executed."""

import asyncio
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote
from weakref import WeakValueDictionary

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from assay import documents, files, runs
from assay.dashboard.document_text import Passage, passages_of
from assay.dashboard.rendering import render_part
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, NotFoundError
from assay.server import Server

router = APIRouter()

Shown = Literal["pages", "passages", "text", "nothing"]

KEPT_DOCUMENTS = 12
KEPT_BYTES = 48 * 1024**2
SCALE_STEPS = (1.0, 1.5, 2.0, 3.0)
MOST_TEXT = 200_000
MAX_ZIP_BYTES = 512 * 1024**2
_PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/tiff"})
_TEXTS = frozenset({"application/json", "application/xml", "application/yaml"})
_READ = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.ms-excel": ".xls",
    "message/rfc822": ".eml",
    "text/csv": ".csv",
    "text/html": ".html",
}
"""What the parser makes readable, by its type and how its name ends."""
_PRIVATE = {"Cache-Control": "private, max-age=3600", "Vary": "Cookie", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file of a run, as pages link to it.

    `shown` says whether its pages can be seen, what the parser reads in it, its text as it is, or nothing.
    """

    path: str
    name: str
    role: str
    step: str | None
    content_type: str
    size: int
    url: str
    view_url: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class DocumentView:
    """What can be seen of a file: the URL of each page's picture, passages, its text, or a `problem`.

    Of text there are 200,000 bytes, or characters of passages; `cut` tells whether there is more.
    """

    file: RunFile
    pages: Sequence[str] = ()
    passages: Sequence[Passage] = ()
    text: str | None = None
    cut: bool = False
    problem: str | None = None


@dataclass(eq=False)
class PagePictures:
    """Pictures of pages, kept by content: the last documents opened and the last pictures made, in this process."""

    folder: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="assay-pages-")
    )
    opened: "OrderedDict[str, documents.PagePictures]" = field(default_factory=OrderedDict)
    made: "OrderedDict[tuple[str, int, float], bytes]" = field(default_factory=OrderedDict)
    size: int = 0
    turns: "WeakValueDictionary[str, asyncio.Lock]" = field(default_factory=WeakValueDictionary)

    async def open(self, server: Server, file: files.Artifact) -> documents.PagePictures:
        """Return what shows the pages of a file.

        Raises:
            AssayError: it has none, or cannot be read.
        """
        async with self.turns.setdefault(file.sha256, asyncio.Lock()):
            found = self.opened.get(file.sha256)
            if found is None:
                path = Path(self.folder.name) / file.sha256
                path.unlink(missing_ok=True)
                await server.blobs.fetch_to(file.sha256, path)
                found = await server.parser.pictures(path, filename=file.name, content_type=file.content_type)
                self.opened[file.sha256] = found
            self.opened.move_to_end(file.sha256)
            while len(self.opened) > KEPT_DOCUMENTS:
                gone, _ = self.opened.popitem(last=False)
                (Path(self.folder.name) / gone).unlink(missing_ok=True)
            return found

    async def jpeg(self, server: Server, file: files.Artifact, page: int, scale: float) -> bytes:
        """Return the picture of a page, counted from 0.

        Raises:
            NotFoundError: there is no such page.
            AssayError: it cannot be shown.
        """
        key = (file.sha256, page, scale)
        found = self.made.get(key)
        if found is not None:
            self.made.move_to_end(key)
            return found
        shown = await self.open(server, file)
        if not 0 <= page < shown.page_count:
            raise NotFoundError
        content = await shown.jpeg(page, scale=scale, quality=80)
        if key not in self.made:
            self.made[key] = content
            self.size += len(content)
        while self.size > KEPT_BYTES:
            _, gone = self.made.popitem(last=False)
            self.size -= len(gone)
        return content


def pictures_of(request: Request) -> PagePictures:
    """Return what this process keeps of pictures."""
    state = request.app.state
    if not hasattr(state, "page_pictures"):
        state.page_pictures = PagePictures()
    found: PagePictures = state.page_pictures
    return found


def run_file(run_id: str, file: files.Artifact) -> RunFile:
    """Describe a file of a run for a page."""
    return file_below(f"/runs/{run_id}", file)


def file_below(base: str, file: files.Artifact) -> RunFile:
    """Describe a file for a page; `base` has the routes `files`, `document` and `pages` as a run has them."""
    place = quote(file.path)
    return RunFile(
        path=file.path,
        name=file.name,
        role=file.role,
        step=file.step_name,
        content_type=file.content_type,
        size=file.size,
        url=f"{base}/files/{place}",
        view_url=f"{base}/document/{place}",
        shown=_shown(file.content_type, file.name),
    )


def page_url(run_id: str, path: str, page: int) -> str:
    """Return the URL of a page's picture, the page counted from 0; `?scale=` makes it larger."""
    return f"/runs/{run_id}/pages/{page}/{quote(path)}"


def _shown(content_type: str, name: str) -> Shown:
    if content_type in _PICTURES or content_type == "application/pdf" or name.lower().endswith(".pdf"):
        return "pages"
    if content_type in _READ or name.lower().endswith(tuple(_READ.values())):
        return "passages"
    main, _, rest = content_type.partition("/")
    return "text" if main == "text" or content_type in _TEXTS or rest.endswith(("+json", "+xml")) else "nothing"


@router.get("/runs/{run_id}/files/{path:path}")
async def download(run_id: str, path: str, visitor: SignedIn, server: Here) -> Response:
    """Send a file of a run, to be saved."""
    found = await _file(server, visitor, run_id, path)
    headers = {**files.download_headers(found.name, found.content_type), "Content-Length": str(found.size)}
    return StreamingResponse(await server.blobs.stream(found.sha256), headers=headers)


@router.get("/runs/{run_id}/zip")
async def download_all(run_id: str, visitor: SignedIn, server: Here) -> Response:
    """Send the run's files, those it was given and those it made, as one archive."""
    async with server.database.transaction() as tx:
        if await runs.get(tx, visitor.caller.organization_id, run_id) is None:
            raise runs.RunNotFoundError
        found = await files.list_artifacts(tx, visitor.caller.organization_id, run_id)
    content = files.zip_stream(server.blobs, found, MAX_ZIP_BYTES)
    headers = files.download_headers(f"{run_id}.zip", "application/zip")
    return StreamingResponse(content, headers=headers, media_type="application/zip")


@router.get("/runs/{run_id}/pages/{page}/{path:path}")
async def page_picture(
    request: Request, run_id: str, page: int, path: str, visitor: SignedIn, server: Here, scale: float = 1.5
) -> Response:
    """Send the picture of a page, counted from 0; `scale` is taken as the next of 1, 1.5, 2 and 3 (216 dpi)."""
    found = await _file(server, visitor, run_id, path)
    return await picture_of(request, server, found, page, scale)


async def picture_of(request: Request, server: Server, found: files.Artifact, page: int, scale: float) -> Response:
    """Answer with the picture of a page, counted from 0.

    Raises:
        NotFoundError: there is no such page.
        AssayError: it cannot be shown.
    """
    wanted = next((step for step in SCALE_STEPS if step >= scale), SCALE_STEPS[-1])
    content = await pictures_of(request).jpeg(server, found, page, wanted)
    return Response(content, media_type="image/jpeg", headers=_PRIVATE)


@router.get("/runs/{run_id}/document/{path:path}")
async def document(request: Request, run_id: str, path: str, visitor: SignedIn, server: Here) -> Response:
    """Show a file of a run as far as it can be seen: a part of the run's page."""
    found = await _file(server, visitor, run_id, path)
    return render_part(visitor, "parts/document.html", await view_of(request, server, run_id, found))


async def view_of(request: Request, server: Server, run_id: str, found: files.Artifact) -> DocumentView:
    """Return what can be seen of a file; for a PDF the first look opens it in a child."""
    return await view_below(request, server, f"/runs/{run_id}", found)


async def view_below(request: Request, server: Server, base: str, found: files.Artifact) -> DocumentView:
    """Return what can be seen of a file, with URLs as `file_below` makes them."""
    file = file_below(base, found)
    try:
        if file.shown == "pages":
            pages = (await pictures_of(request).open(server, found)).page_count
            place = quote(found.path)
            return DocumentView(file, pages=[f"{base}/pages/{page}/{place}" for page in range(pages)])
        if file.shown == "passages":
            return await _read(server, found, file)
        if file.shown == "text":
            text = await _beginning(server, found)
            return DocumentView(file, text=text.decode("utf-8", "replace"), cut=found.size > len(text))
    except AssayError as error:
        return DocumentView(file, problem=error.message)
    return DocumentView(file)


async def _read(server: Server, found: files.Artifact, file: RunFile) -> DocumentView:
    with tempfile.TemporaryDirectory(prefix="assay-reading-") as folder:
        path = Path(folder) / "file"
        await server.blobs.fetch_to(found.sha256, path)
        read = await server.parser.parse(path, filename=found.name, content_type=found.content_type, mode="native")
    return DocumentView(file, passages=passages_of(read, MOST_TEXT), cut=len(read.text) > MOST_TEXT)


async def _beginning(server: Server, file: files.Artifact) -> bytes:
    text = b""
    async for piece in await server.blobs.stream(file.sha256):
        text += piece
        if len(text) >= MOST_TEXT:
            break
    return text[:MOST_TEXT]


async def _file(server: Server, visitor: Visitor, run_id: str, path: str) -> files.Artifact:
    async with server.database.single_statement() as tx:
        return await files.get_artifact(tx, visitor.caller.organization_id, run_id, path)
