"""Documents become text, or the e-invoice in them: the one way in is `Parser`, and it never takes the caller down."""

from assay.documents.einvoice import EInvoice, EInvoiceLine
from assay.documents.errors import (
    DocumentEncryptedError,
    DocumentParserUnavailableError,
    DocumentTimeoutError,
    DocumentTooLargeError,
    DocumentUnreadableError,
    DocumentUnsupportedError,
    EInvoiceNotFoundError,
    EInvoiceUnreadableError,
    OcrNotInstalledError,
)
from assay.documents.model import DocumentKind, Limits, Page, ParsedDocument, ParseMode, ParseStrategy
from assay.documents.parsing import PagePictures, Parser

__all__ = [
    "DocumentEncryptedError",
    "DocumentKind",
    "DocumentParserUnavailableError",
    "DocumentTimeoutError",
    "DocumentTooLargeError",
    "DocumentUnreadableError",
    "DocumentUnsupportedError",
    "EInvoice",
    "EInvoiceLine",
    "EInvoiceNotFoundError",
    "EInvoiceUnreadableError",
    "Limits",
    "OcrNotInstalledError",
    "Page",
    "PagePictures",
    "ParseMode",
    "ParseStrategy",
    "ParsedDocument",
    "Parser",
]
