"""What sort of file some bytes are: content first, then the name, then the declared content type."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from assay.documents.characters import encoding_of
from assay.documents.errors import DocumentEncryptedError, DocumentUnreadableError, DocumentUnsupportedError

FileFormat = Literal[
    "pdf", "png", "jpeg", "tiff", "webp", "docx", "xlsx", "xls", "csv", "html", "eml", "txt", "md", "json", "xml"
]

_HEAD_BYTES: Final = 8192
_PDF_HEADER_WITHIN: Final = 1024
_MAGIC: Final[tuple[tuple[bytes, FileFormat], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)
_TEXT_SUFFIXES: Final[dict[str, FileFormat]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".eml": "eml",
    ".txt": "txt",
    ".md": "md",
    ".json": "json",
    ".xml": "xml",
}
_TEXT_TYPES: Final[dict[str, FileFormat]] = {
    "text/csv": "csv",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "message/rfc822": "eml",
    "text/markdown": "md",
    "application/json": "json",
    "application/xml": "xml",
    "text/xml": "xml",
}
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS: Final[tuple[tuple[str, FileFormat], ...]] = (("Workbook", "xls"), ("Book", "xls"))
_HTML: Final = re.compile(rb"\s*(<!--.*?-->\s*)*(<!doctype\s+html|<html[\s>])", re.IGNORECASE | re.DOTALL)
_MAIL_HEADER: Final = re.compile(
    rb"^(return-path|received|from|to|subject|date|mime-version|delivered-to|message-id|content-type): ?\S",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class DetectedFile:
    """The format of a file and, for text, the encoding of its bytes."""

    format: FileFormat
    encoding: str = "utf-8"


def detect(path: Path, filename: str, content_type: str | None) -> DetectedFile:
    """Say what a file is.

    Raises:
        DocumentUnsupportedError: It is nothing that can be parsed.
        DocumentUnreadableError: It is empty, or a zip container whose directory is damaged.
        DocumentEncryptedError: It is an office document behind a password.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise DocumentUnreadableError("The document is empty.")
    if b"%PDF-" in head[:_PDF_HEADER_WITHIN]:
        return DetectedFile("pdf")
    for magic, file_format in _MAGIC:
        if head.startswith(magic):
            return DetectedFile(file_format)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return DetectedFile("webp")
    if head.startswith(b"PK"):
        return DetectedFile(_inside_zip(path))
    if head.startswith(_OLE):
        return DetectedFile(_inside_ole(path))
    return _text(path, head, filename, content_type)


def _inside_zip(path: Path) -> FileFormat:
    try:
        with zipfile.ZipFile(path) as container:
            names = container.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise DocumentUnreadableError("The document is a damaged zip container.") from error
    if any(name.startswith("word/") for name in names):
        return "docx"
    if any(name.startswith("xl/") for name in names):
        return "xlsx"
    raise DocumentUnsupportedError("A zip archive is not a document.")


def _inside_ole(path: Path) -> FileFormat:
    content = path.read_bytes()
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise DocumentEncryptedError
    for stream, file_format in _OLE_STREAMS:
        # A directory entry holds its name in UTF-16, ended by NUL.
        if f"{stream}\0".encode("utf-16-le") in content:
            return file_format
    raise DocumentUnsupportedError("This old Microsoft Office or Outlook format is not supported.")


def _text(path: Path, head: bytes, filename: str, content_type: str | None) -> DetectedFile:
    encoding = encoding_of(head)
    if encoding is None:
        raise DocumentUnsupportedError
    if encoding in {"utf-8", "cp1252"}:
        # The head may end inside a character, so UTF-8 is decided by the whole file.
        encoding = encoding_of(path.read_bytes()) or "cp1252"
    return DetectedFile(_text_format(head, filename, content_type), encoding)


def _text_format(head: bytes, filename: str, content_type: str | None) -> FileFormat:
    if _HTML.match(head):
        return "html"
    by_name = _TEXT_SUFFIXES.get(PurePosixPath(filename).suffix.lower())
    if by_name:
        return by_name
    by_type = _TEXT_TYPES.get((content_type or "").partition(";")[0].strip().lower())
    if by_type:
        return by_type
    if head.startswith(b"<?xml"):
        return "xml"
    before_body = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    if len(_MAIL_HEADER.findall(before_body)) >= 3:
        return "eml"
    return "txt"
