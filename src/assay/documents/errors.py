"""What can be wrong with a document, in the words of the person who sent it."""

from typing import Final

from assay.errors import AssayError, ErrorKind, TooLargeError, UnavailableError


class DocumentTooLargeError(TooLargeError):
    """The document is larger than this server parses."""

    code = "document_too_large"


class DocumentEncryptedError(AssayError):
    """The document is protected by a password."""

    code = "document_encrypted"
    hint = "Send it without the password protection."


class DocumentUnreadableError(AssayError):
    """The document is damaged and cannot be read."""

    code = "document_unreadable"


class DocumentUnsupportedError(AssayError):
    """This kind of document is not supported."""

    code = "document_unsupported"
    hint = "Supported are PDF, PNG, JPEG, TIFF, WebP, DOCX, XLSX, XLS, CSV, HTML, EML and plain text."


class EInvoiceNotFoundError(AssayError):
    """There is no electronic invoice in the document."""

    code = "einvoice_not_found"
    hint = "Read are ZUGFeRD and Factur-X PDFs and XML invoices in the syntax CII or UBL."


class EInvoiceUnreadableError(AssayError):
    """The electronic invoice is damaged and cannot be read."""

    code = "einvoice_unreadable"


class SheetNotFoundError(AssayError):
    """The workbook has no such sheet."""

    kind = ErrorKind.NOT_FOUND
    code = "sheet_not_found"


class ColumnNotFoundError(AssayError):
    """The sheet has no such column."""

    kind = ErrorKind.NOT_FOUND
    code = "column_not_found"


class FormInvalidError(AssayError):
    """The template is not well written."""

    code = "template_invalid"


class DocumentTimeoutError(AssayError):
    """The document took longer to parse than this server allows."""

    code = "document_timeout"


class OcrNotInstalledError(AssayError):
    """The document has no text of its own, and OCR is not installed on this server."""

    kind = ErrorKind.UNAVAILABLE
    code = "ocr_not_installed"
    hint = "Install it with: pip install 'assay[ocr]'"


class DocumentParserUnavailableError(UnavailableError):
    """The document parser could not be started."""

    code = "document_parser_unavailable"


BY_CODE: Final[dict[str, type[AssayError]]] = {
    error.code: error
    for error in (
        DocumentTooLargeError,
        DocumentEncryptedError,
        DocumentUnreadableError,
        DocumentUnsupportedError,
        DocumentTimeoutError,
        SheetNotFoundError,
        ColumnNotFoundError,
        FormInvalidError,
        EInvoiceNotFoundError,
        EInvoiceUnreadableError,
    )
}
