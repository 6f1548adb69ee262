"""Which pages of a document are read natively and which by OCR, and how the two become one."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from assay.documents.einvoice import EInvoice
from assay.documents.errors import DocumentUnsupportedError, OcrNotInstalledError
from assay.documents.making import Made, MakingTask
from assay.documents.model import Figure, Limits, Page, ParsedDocument, ParseMode, ParseStrategy, TextForm
from assay.documents.pool import ChildPool
from assay.documents.protocol import PageReading, Reading, Request

if TYPE_CHECKING:
    from pydantic import JsonValue


class Parser:
    """Parses documents in child processes that may crash, hang or be killed without harm.

    Nothing starts before the first document. `ocr_children` of 0 switches OCR off, as if the extra
    were not installed. OCR takes turns page by page, so that a long scan does not hold up others.
    """

    def __init__(self, *, native_children: int, ocr_children: int, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._ocr_children = ocr_children if _ocr_is_installed() else 0
        self._native = ChildPool("native", size=native_children, memory_bytes=self._limits.memory_bytes, threads=1)
        self._ocr = ChildPool(
            "ocr",
            size=self._ocr_children,
            memory_bytes=self._limits.ocr_memory_bytes,
            threads=max(1, len(os.sched_getaffinity(0)) // max(1, self._ocr_children)),
        )

    async def parse(
        self,
        path: Path,
        *,
        filename: str,
        content_type: str | None = None,
        mode: ParseMode = "native-or-ocr",
        form: TextForm = "plain",
        figures: bool = False,
        with_ocr: bool = True,
    ) -> ParsedDocument:
        """Turn a file into text.

        `native` reads the text that is in the file, `ocr` reads every page of a PDF or image from
        its picture, `native-or-ocr` does the latter only with pages that have no usable text.
        Other files always have text of their own. Where OCR is not installed and other pages have
        text, the metadata lists the pages that were left out as `pages_without_ocr`. The type of
        the file is decided by its content, then by its name, then by `content_type`. Without
        `with_ocr` pages that need it are left unread, for somebody else to read. Cancelling this
        kills the child that works on it.

        `form` is how the text is written: `layout` keeps columns in place by blanks, the others show
        headings, lists and tables as far as they are known. `figures` finds the pictures on the
        pages of a PDF.

        Raises:
            DocumentTooLargeError: It exceeds a limit.
            DocumentEncryptedError: It needs a password.
            DocumentUnreadableError: It is damaged, empty, or makes its parser crash.
            DocumentUnsupportedError: It is no document, or `native` meets an image.
            DocumentTimeoutError: It took too long.
            OcrNotInstalledError: It needs OCR, and there is none.
            DocumentParserUnavailableError: A child could not be started, or the parser is closed.
        """
        request = Request(str(path.absolute()), filename, content_type, mode, self._limits, form=form, figures=figures)
        reading = await self._native.ask(request, self._limits.seconds)
        unread = [page for page in reading.pages if page.needs_ocr]
        if unread and mode == "native":
            raise DocumentUnsupportedError("An image has no text of its own.", hint="Parse it with native-or-ocr.")
        if not unread or not with_ocr:
            return _document(reading, {}, {})
        if self._ocr_children:
            request = replace(request, kind=reading.kind)
            return _document(reading, await self._recognize(request, unread), {})
        if mode == "ocr" or not any(page.text for page in reading.pages):
            raise OcrNotInstalledError
        return _document(reading, {}, {"pages_without_ocr": [page.index for page in unread]})

    async def einvoice(self, path: Path, *, filename: str, content_type: str | None = None) -> EInvoice:
        """Read the XML invoice that a file is, or that is embedded in a PDF.

        Cancelling this kills the child that works on it.

        Raises:
            EInvoiceNotFoundError: There is none.
            EInvoiceUnreadableError: There is one, but it breaks the rules of XML or of its format.
            DocumentTooLargeError: It exceeds a limit.
            DocumentEncryptedError: The PDF needs a password.
            DocumentUnreadableError: The PDF is damaged, or makes its parser crash.
            DocumentTimeoutError: It took too long.
            DocumentParserUnavailableError: A child could not be started, or the parser is closed.
        """
        request = Request(
            str(path.absolute()), filename, content_type, mode="native", limits=self._limits, task="einvoice"
        )
        reading = await self._native.ask(request, self._limits.seconds)
        return EInvoice.from_json(reading.content)

    async def pictures(self, path: Path, *, filename: str, content_type: str | None = None) -> "PagePictures":
        """Return what can show the pages of a PDF or an image; it is good as long as the file is there.

        Raises:
            DocumentUnsupportedError: It is neither.
            AssayError: What `parse` raises.
        """
        request = Request(str(path.absolute()), filename, content_type, "ocr", self._limits)
        reading = await self._native.ask(request, self._limits.seconds)
        if reading.kind not in {"pdf", "image"}:
            raise DocumentUnsupportedError("Only a PDF or an image can be looked at.")
        return PagePictures(self._native, replace(request, kind=reading.kind, task="picture"), len(reading.pages))

    async def make(
        self,
        task: MakingTask,
        arguments: object,
        *,
        path: Path | None = None,
        filename: str = "",
        content_type: str | None = None,
    ) -> Made:
        """Make another document, or the rows of a sheet, of a file and of JSON; `making` says what each task takes.

        Cancelling this kills the child that works on it.

        Raises:
            SheetNotFoundError: The workbook has no such sheet.
            ColumnNotFoundError: The sheet has no such column.
            FormInvalidError: The template is not well written.
            AssayError: What `parse` raises, OCR apart.
        """
        request = Request(
            str(path.absolute()) if path else "",
            filename,
            content_type,
            mode="native",
            limits=self._limits,
            task=task,
            arguments=json.dumps(arguments),
        )
        reading = await self._native.ask(request, self._limits.seconds)
        return Made(reading.content, cast("Mapping[str, JsonValue]", reading.metadata))

    async def close(self) -> None:
        """Kill all children; documents under way and later ones fail. A second call does nothing."""
        await self._native.close()
        await self._ocr.close()

    async def _recognize(self, request: Request, unread: Sequence[PageReading]) -> dict[int, PageReading]:
        remaining = iter(unread)
        recognized: dict[int, PageReading] = {}

        async def read_the_next() -> None:
            for page in remaining:
                reading = await self._ocr.ask(replace(request, page=page.index), self._limits.ocr_seconds)
                recognized[page.index] = reading.pages[0]

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._ocr_children, len(unread))):
                    group.create_task(read_the_next())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return recognized


@dataclass(frozen=True, slots=True)
class PagePictures:
    """The pages of a document as pictures, made one at a time. Pages count from 0."""

    _pool: ChildPool
    _request: Request
    page_count: int

    async def jpeg(self, page: int, *, scale: float, quality: int, box: Sequence[float] | None = None) -> bytes:
        """Return a page as JPEG; a `scale` of 1 is 72 dpi, `quality` goes from 1 to 100.

        Of a page of a PDF only the `box` is shown, if there is one: left, top, right, bottom in points.
        An image keeps its pixels. No side is longer than 4,096 pixels. Cancelling this kills the child at work.

        Raises:
            AssayError: What `Parser.parse` raises.
        """
        request = replace(self._request, page=page, scale=scale, quality=quality, box=box)
        return (await self._pool.ask(request, request.limits.seconds)).content


def _ocr_is_installed() -> bool:
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def _document(reading: Reading, recognized: dict[int, PageReading], remarks: dict[str, object]) -> ParsedDocument:
    readings = [recognized.get(page.index, page) for page in reading.pages]
    pages = tuple(Page(page.index, page.text, page.name, page.confidence, unread=page.needs_ocr) for page in readings)
    return ParsedDocument(
        text="\n\n".join(page.text for page in pages),
        pages=pages,
        kind=reading.kind,
        strategy=_strategy(len(pages), len(recognized)),
        ocr_pages=len(recognized),
        metadata={**reading.metadata, **remarks},
        words=b"[" + b",".join(page.words for page in readings if page.words) + b"]",
        figures=tuple(
            Figure(page.index, cast("tuple[float, float, float, float]", tuple(box)))
            for page in readings
            for box in page.figures
        ),
        figures_left_out=sum(page.figures_left_out for page in readings),
    )


def _strategy(pages: int, recognized: int) -> ParseStrategy:
    if not recognized:
        return "native"
    return "ocr" if recognized == pages else "hybrid"
