"""`ai.parse`: turns a document into text, page by page."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

from pydantic import Field, JsonValue
from typing_extensions import override

from assay import documents
from assay.errors import AssayError
from assay.steps.base import Effect, FailureCategory, Step, StepContext, StepError

_VISION_CODE = "parse_mode_unavailable"
_VISION_MESSAGE = "Reading with a model (vision) is not available yet; use native-or-ocr, native or ocr."

_CATEGORIES: Mapping[str, FailureCategory] = {
    "document_timeout": "timeout",
    "document_parser_unavailable": "temporarily_unavailable",
}


class AiParse(Step):
    """Turn a document into text, page by page.

    PDF, images, DOCX, XLSX, CSV, HTML, e-mail and plain text are read. The positions of the words are kept beside the
    run as `words.json`, for highlighting; the output names it under `words`.
    """

    type_name = "ai.parse"
    # Nothing outside is looked at, but seconds of OCR are worth a commit of their own: a pure step's row may wait.
    effect = Effect.READ
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "Text of all pages; rows of a table stay on one line."},
            "pages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "pageIndex": {"type": "integer", "minimum": 0, "description": "Counts from 0."},
                        "text": {"type": "string"},
                        "pageName": {"type": "string", "description": "Name of a sheet, where pages have names."},
                        "confidence": {"type": "number", "description": "Mean confidence of OCR, 0 to 1."},
                    },
                    "required": ["pageIndex", "text"],
                },
            },
            "pageCount": {"type": "integer", "minimum": 0},
            "metadata": {"type": "object", "description": "What the file says about itself."},
            "parserType": {
                "type": "string",
                "description": "`ocr` if any page was read by OCR, else the kind of file: plaintext, office, pdf…",
            },
            "processingStrategy": {
                "enum": ["native", "ocr", "hybrid"],
                "description": "`hybrid`: some pages had text of their own, others were read by OCR.",
            },
            "words": {
                "type": "object",
                "properties": {"$file": {"type": "string"}},
                "required": ["$file"],
                "description": "The artifact with every word's box.",
            },
        },
        "required": ["text", "pages"],
    }
    example: ClassVar[str] = """\
name: read-letter
version: 1.0.0
inputs:
  - name: document
    type: file
    required: false
    default:
      $inline: { filename: letter.txt, mimeType: text/plain, base64: RGVhciBBZGEsCnlvdXIgaW52b2ljZSBpcyBwYWlkLgo= }
steps:
  - name: parse
    type: ai.parse
    with:
      input: '{{ input.document }}'
output:
  text: '{{ steps.parse.output.text }}'
  pages: '{{ steps.parse.output.pageCount }}'
"""

    input: JsonValue = Field(description="The document: a file input of the workflow or a file that a step made.")
    parse_mode: Literal["native-or-ocr", "native", "ocr", "vision"] = Field(
        default="native-or-ocr",
        alias="parseMode",
        description="`native` takes the text that the file brings along, `ocr` reads the page images, `native-or-ocr` "
        "reads only those pages by OCR that bring no text. `vision` (a model looks at the pages) is not available yet.",
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        return [("parseMode", _VISION_MESSAGE, _VISION_CODE)] if self.parse_mode == "vision" else ()

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if self.parse_mode == "vision":
            raise StepError(_VISION_CODE, _VISION_MESSAGE, category="validation")
        parsed = await self._parse(context, self.parse_mode)
        if parsed.ocr_pages:
            context.add_usage(ocrPagesProcessed=parsed.ocr_pages)
        words = context.keep_artifact("words.json", parsed.words, role="debug", content_type="application/json")
        return {
            "text": parsed.text,
            "pages": [_page(page) for page in parsed.pages],
            "pageCount": len(parsed.pages),
            "metadata": cast("dict[str, JsonValue]", dict(parsed.metadata)),
            "parserType": "ocr" if parsed.ocr_pages else parsed.kind,
            "processingStrategy": parsed.strategy,
            "words": {"$file": words},
        }

    async def _parse(self, context: StepContext, mode: documents.ParseMode) -> documents.ParsedDocument:
        file = await context.open_file(self.input)
        try:
            return await context.parser.parse(
                file.path, filename=file.filename, content_type=file.content_type, mode=mode
            )
        except AssayError as error:
            category = _CATEGORIES.get(error.code, "validation")
            raise StepError(error.code, error.message, category=category, hint=error.hint) from error


def _page(page: documents.Page) -> JsonValue:
    shown: dict[str, JsonValue] = {"pageIndex": page.index, "text": page.text}
    if page.name is not None:
        shown["pageName"] = page.name
    if page.confidence is not None:
        shown["confidence"] = page.confidence
    return shown
