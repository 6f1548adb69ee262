"""What one child does all its life: read a request, answer it, until its parent closes the pipe.

Started as `python -I -m assay.documents.child <native|ocr> <memory bytes> <parent pid> <threads>`.
"""

# A child imports the libraries of a format when it first meets one.
# ruff: noqa: PLC0415

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from assay.documents.archives import check_container
from assay.documents.confinement import allow_processor_seconds, confine
from assay.documents.detection import DetectedFile, detect
from assay.documents.errors import DocumentTooLargeError, DocumentUnreadableError
from assay.documents.model import DocumentKind, Limits, TextForm
from assay.documents.protocol import (
    OUT_OF_MEMORY,
    PageReading,
    Reading,
    Refusal,
    Request,
    decode_request,
    encode_reply,
)
from assay.errors import AssayError

_IMAGES: Final = frozenset({"png", "jpeg", "tiff", "webp"})
_MARKED_UP: Final = frozenset({"markdown", "djot", "html"})
_WORKBOOKS: Final = frozenset({"xlsx", "xls"})


def main() -> None:
    """Serve requests on the standard input until it ends."""
    role, memory_bytes, parent_pid, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    confine(memory_bytes=memory_bytes, parent_pid=parent_pid)
    replies = _claim_output()
    answer = _ocr_answer(threads) if role == "ocr" else _native_answer
    _send(replies, encode_reply(None))
    for line in sys.stdin.buffer:
        request = decode_request(line)
        seconds = request.limits.seconds if request.page is None else request.limits.ocr_seconds
        allow_processor_seconds(seconds * threads)
        _send(replies, _reply(answer, request))


def _claim_output() -> BinaryIO:
    """Keep the pipe for replies alone: whatever a library prints must not get between them."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    os.close(silence)
    return replies


def _send(replies: BinaryIO, frame: bytes) -> None:
    replies.write(frame)
    replies.flush()


def _reply(answer: Callable[[Request], Reading], request: Request) -> bytes:
    try:
        return encode_reply(answer(request))
    except MemoryError:
        return encode_reply(Refusal(OUT_OF_MEMORY, ""))
    except AssayError as error:
        return encode_reply(Refusal(error.code, error.message))
    # A library raises anything on a broken document; the name of it helps whoever looks into it.
    except Exception as error:  # noqa: BLE001
        return encode_reply(Refusal(DocumentUnreadableError.code, f"The document is damaged ({type(error).__name__})."))


def _ocr_answer(threads: int) -> Callable[[Request], Reading]:
    from assay.documents.readers.ocr import Recognizer

    recognizer = Recognizer(threads)

    def answer(request: Request) -> Reading:
        path, page = Path(request.path), request.page or 0
        if request.kind == "pdf":
            return Reading("pdf", [recognizer.read_pdf(path, page, request)])
        return Reading("image", [recognizer.read_image(path, page, request)])

    return answer


def _native_answer(request: Request) -> Reading:
    path = Path(request.path)
    if request.task == "einvoice":
        from assay.documents.readers import einvoice

        return einvoice.read_einvoice(path, request)
    if request.task == "picture":
        from assay.documents.readers import picture

        return Reading(request.kind or "image", [], content=picture.jpeg_of_page(path, request))
    if request.task != "parse":
        return _made(path, request)
    detected = detect(path, request.filename, request.content_type)
    kind, pages, metadata = _read(path, detected, request)
    return Reading(kind, _bounded(pages, request.limits), {"format": detected.format, **metadata})


def _made(path: Path, request: Request) -> Reading:
    if request.task == "table":
        from assay.documents.readers.table import read_table as make
    elif request.task == "workbook":
        from assay.documents.writers.workbook import write_workbook as make
    elif request.task == "form":
        from assay.documents.writers.form import fill_form as make
    else:
        from assay.documents.writers.text_layer import add_text_layer as make
    made = make(path, request)
    if len(made.content) > request.limits.output_bytes:
        raise DocumentTooLargeError(f"The result is larger than {request.limits.output_bytes / (1 << 20):,.0f} MB.")
    return made


def _read(
    path: Path, detected: DetectedFile, request: Request
) -> tuple[DocumentKind, Iterable[PageReading], dict[str, object]]:
    limits = request.limits
    if detected.format == "pdf":
        from assay.documents.readers import pdf

        return "pdf", pdf.read_pages(path, request), pdf.read_metadata(path)
    if detected.format in _IMAGES:
        from assay.documents.readers import image

        return "image", image.list_frames(path, limits), {}
    kind, pages, metadata = _read_office_or_text(path, detected, request)
    if detected.format == "md" and request.form == "markdown":
        return kind, pages, metadata
    each_line = kind != "plaintext"
    return (
        kind,
        (replace(page, text=_in_form(page.text, request.form, each_line=each_line)) for page in pages),
        metadata,
    )


def _read_office_or_text(
    path: Path, detected: DetectedFile, request: Request
) -> tuple[DocumentKind, Iterable[PageReading], dict[str, object]]:
    limits = request.limits
    if detected.format in _WORKBOOKS:
        from assay.documents.readers import workbook

        if detected.format == "xlsx":
            check_container(path, limits)
        return "office", workbook.read_workbook(path, limits), {}
    if detected.format == "docx":
        from assay.documents.readers import word

        check_container(path, limits)
        return "office", [PageReading(0, word.read_docx(path, marked=request.form in _MARKED_UP))], {}
    return _read_text(path, detected, request)


def _read_text(
    path: Path, detected: DetectedFile, request: Request
) -> tuple[DocumentKind, Iterable[PageReading], dict[str, object]]:
    from assay.documents.readers.plaintext import read_text

    marked = request.form in _MARKED_UP
    if detected.format == "eml":
        from assay.documents.readers.mail import read_mail

        text, mail_metadata = read_mail(path, request.limits, marked=marked)
        return "email", [PageReading(0, text)], mail_metadata
    source = read_text(path, detected.encoding, request.limits)
    if detected.format == "html":
        from assay.documents.readers.html import html_text

        text, title = html_text(source, marked=marked)
        return "html", [PageReading(0, text)], {"title": title} if title else {}
    if detected.format == "csv":
        from assay.documents.readers.csv_rows import tabbed

        return "csv", [PageReading(0, source if request.form == "plain" else tabbed(source))], {}
    return "plaintext", [PageReading(0, source)], {}


def _in_form(text: str, form: TextForm, *, each_line: bool) -> str:
    if form == "plain":
        return text
    if form == "layout":
        from assay.documents.layout import aligned

        return aligned(text)
    from assay.documents.markup import marked_up

    return marked_up(text, form, lines_are_paragraphs=each_line)


def _bounded(pages: Iterable[PageReading], limits: Limits) -> list[PageReading]:
    kept: list[PageReading] = []
    size = 0
    for page in pages:
        size += len(page.text) + len(page.words)
        if size > limits.output_bytes:
            raise DocumentTooLargeError(f"The document holds more text than {limits.output_bytes / (1 << 20):,.0f} MB.")
        kept.append(page)
    return kept


if __name__ == "__main__":
    main()
