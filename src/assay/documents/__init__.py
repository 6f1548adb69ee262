"""Documents become text: the one way in is `Parser.parse`, and it never takes the caller down."""

from assay.documents.errors import (
    DocumentEncryptedError,
    DocumentParserUnavailableError,
    DocumentTimeoutError,
    DocumentTooLargeError,
    DocumentUnreadableError,
    DocumentUnsupportedError,
    OcrNotInstalledError,
)
from assay.documents.model import DocumentKind, Limits, Page, ParsedDocument, ParseMode, ParseStrategy
from assay.documents.parsing import Parser

__all__ = [
    "DocumentEncryptedError",
    "DocumentKind",
    "DocumentParserUnavailableError",
    "DocumentTimeoutError",
    "DocumentTooLargeError",
    "DocumentUnreadableError",
    "DocumentUnsupportedError",
    "Limits",
    "OcrNotInstalledError",
    "Page",
    "ParseMode",
    "ParseStrategy",
    "ParsedDocument",
    "Parser",
]
