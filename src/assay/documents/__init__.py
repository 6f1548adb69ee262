"""Documents become text, or the e-invoice in them: the one way in is `Parser`, and it never takes the caller down."""

from assay.documents.einvoice import EInvoice, EInvoiceLine
from assay.documents.errors import (
    ColumnNotFoundError,
    DocumentEncryptedError,
    DocumentParserUnavailableError,
    DocumentTimeoutError,
    DocumentTooLargeError,
    DocumentUnreadableError,
    DocumentUnsupportedError,
    EInvoiceNotFoundError,
    EInvoiceUnreadableError,
    FormInvalidError,
    OcrNotInstalledError,
    SheetNotFoundError,
)
from assay.documents.making import Made, MakingTask, TableArguments
from assay.documents.marks import figure_place, with_descriptions
from assay.documents.model import (
    DocumentKind,
    Figure,
    Limits,
    Page,
    ParsedDocument,
    ParseMode,
    ParseStrategy,
    TextForm,
)
from assay.documents.ocr_languages import languages_without_ocr
from assay.documents.parsing import PagePictures, Parser

__all__ = [
    "ColumnNotFoundError",
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
    "Figure",
    "FormInvalidError",
    "Limits",
    "Made",
    "MakingTask",
    "OcrNotInstalledError",
    "Page",
    "PagePictures",
    "ParseMode",
    "ParseStrategy",
    "ParsedDocument",
    "Parser",
    "SheetNotFoundError",
    "TableArguments",
    "TextForm",
    "figure_place",
    "languages_without_ocr",
    "with_descriptions",
]
