"""`document.einvoice`: reads the XML inside an electronic invoice."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay import documents
from assay.errors import AssayError
from assay.steps.base import FailureCategory, Step, StepContext, StepError

_CATEGORIES: Mapping[str, FailureCategory] = {
    "document_timeout": "timeout",
    "document_parser_unavailable": "temporarily_unavailable",
    "einvoice_not_found": "not_found",
}


def _nullable(kind: str, description: str) -> dict[str, Any]:
    return {"type": [kind, "null"], "description": description}


class DocumentEinvoice(Step):
    """Read the XML invoice that a document is or carries inside.

    ZUGFeRD (1.0 to 2.x, all profiles), Factur-X, XRechnung and Peppol are read: a PDF with the XML embedded, or the
    XML alone in the syntax CII or UBL, as invoice or credit note. What a program wrote for programs is exact, so no
    model and no OCR is needed. What the invoice does not say is null. The profiles MINIMUM and BASIC WL have no lines.
    """

    type_name = "document.einvoice"
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": ["object", "null"],
        "properties": {
            "invoice_number": {"type": "string"},
            "issue_date": _nullable("string", "As `yyyy-mm-dd`."),
            "seller_name": _nullable("string", "White space in names is one blank."),
            "buyer_name": _nullable("string", "White space in names is one blank."),
            "currency": _nullable("string", "Code of the currency of all amounts, such as EUR."),
            "net_total": _nullable("number", "What tax is computed on, after discounts and charges."),
            "tax_total": _nullable("number", "Tax in the currency of the invoice."),
            "total": _nullable("number", "Net total and tax, before payments in advance."),
            "line_count": {"type": "integer", "minimum": 0, "description": "Lines, those that are only remarks too."},
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "description": _nullable("string", "Name of the product, or the remark."),
                        "quantity": _nullable("number", "How many units."),
                        "unit": _nullable("string", "Code of UN/ECE Recommendation 20; H87 and C62 are pieces."),
                        "unit_price": _nullable("number", "Net price of one unit."),
                        "net_total": _nullable("number", "Net amount of the line."),
                        "tax_rate": _nullable("number", "In percent."),
                    },
                },
            },
            "type_code": _nullable("string", "Code of UNTDID 1001: 380 invoice, 381 credit note, 384 correction."),
            "syntax": {"enum": ["cii", "ubl"]},
        },
    }
    example: ClassVar[str] = """\
name: read-einvoice
version: 1.0.0
inputs:
  - name: document
    type: file
    required: false
    default:
      $inline:
        filename: invoice.xml
        mimeType: application/xml
        base64: >-
          PEludm9pY2UgeG1sbnM9InVybjpvYXNpczpuYW1lczpzcGVjaWZpY2F0aW9uOnVibDpzY2hlbWE6eHNkOkludm9pY2UtMiI+
          PElEPjIwMjQtMTE3PC9JRD48SXNzdWVEYXRlPjIwMjQtMDMtMDM8L0lzc3VlRGF0ZT48RG9jdW1lbnRDdXJyZW5jeUNvZGU+
          RVVSPC9Eb2N1bWVudEN1cnJlbmN5Q29kZT48TGVnYWxNb25ldGFyeVRvdGFsPjxUYXhJbmNsdXNpdmVBbW91bnQ+MTE5MC4w
          MDwvVGF4SW5jbHVzaXZlQW1vdW50PjwvTGVnYWxNb25ldGFyeVRvdGFsPjwvSW52b2ljZT4=
steps:
  - name: invoice
    type: document.einvoice
    with:
      input: '{{ input.document }}'
output:
  number: '{{ steps.invoice.output.invoice_number }}'
  total: '{{ steps.invoice.output.total }}'
"""

    input: JsonValue = Field(description="The document: a file input of the workflow or a file that a step made.")
    required: bool = Field(
        default=True,
        description="Whether a document without an electronic invoice fails the step (`einvoice_not_found`). If false, "
        "the output is null then, so that the document can be read another way. A damaged one fails in any case.",
    )

    @property
    @override
    def replay_safe(self) -> bool:
        return True

    @override
    async def run(self, context: StepContext) -> JsonValue:
        file = await context.open_file(self.input)
        try:
            invoice = await context.parser.einvoice(file.path, filename=file.filename, content_type=file.content_type)
        except documents.EInvoiceNotFoundError as error:
            if not self.required:
                return None
            raise _failure(error) from error
        except AssayError as error:
            raise _failure(error) from error
        return {**asdict(invoice), "lines": [asdict(line) for line in invoice.lines], "line_count": len(invoice.lines)}


def _failure(error: AssayError) -> StepError:
    return StepError(error.code, error.message, category=_CATEGORIES.get(error.code, "validation"), hint=error.hint)
