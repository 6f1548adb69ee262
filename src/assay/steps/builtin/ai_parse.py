"""`ai.parse`: turns a document into text, page by page."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

from pydantic import Field, JsonValue
from typing_extensions import override

from assay import documents
from assay.errors import AssayError
from assay.steps.answer_form import fixed_form
from assay.steps.asking import Task, all_answers, answer_to, file_error, model_for
from assay.steps.base import Effect, Step, StepContext, StepError
from assay.steps.page_pictures import open_pictures, pages_shown

_PAGES_FORM = fixed_form(
    {
        "type": "object",
        "properties": {
            "pages": {
                "type": "array",
                "description": "One entry for each picture, in their order.",
                "items": {
                    "type": "object",
                    "properties": {"text": {"type": "string", "description": "All text of the page."}},
                    "required": ["text"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["pages"],
        "additionalProperties": False,
    }
)
_READ = (
    "Each picture is a page of a document. Write down all text that stands on it, in reading order, word for word; "
    "leave nothing out and correct nothing."
)
_FORMATS: Mapping[str, str] = {
    "plain": "Write plain text; rows of a table stay on one line.",
    "markdown": "Write Markdown, with headings, lists and tables.",
    "html": "Write HTML without a head, with headings, lists and tables.",
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
                "description": "`llm-vision` or `ocr` if any page was read so, else the kind of file: office, pdf…",
            },
            "model": {"type": "string", "description": "The model that read the pages, with `vision`."},
            "processingStrategy": {
                "enum": ["native", "ocr", "hybrid", "vision"],
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
        "reads only those pages by OCR that bring no text. `vision` lets a model look at the pages of a PDF or image.",
    )
    llm_model: str | None = Field(
        default=None,
        max_length=400,
        alias="llmModel",
        description="With `vision`: name of a model, or provider/model; else the workflow's default.",
    )
    prompt: str = Field(
        default="", max_length=100_000, description="With `vision`: what the model should know about the document."
    )
    output_format: Literal["plain", "markdown", "html"] = Field(
        default="plain", alias="outputFormat", description="With `vision`: the form in which the model writes."
    )
    pages_per_batch: int = Field(
        default=5, ge=1, le=20, alias="pagesPerBatch", description="With `vision`: how many pages one question shows."
    )
    max_concurrency: int = Field(
        default=3, ge=1, le=10, alias="maxConcurrency", description="With `vision`: questions under way at once."
    )
    pdf_render_scale: float = Field(
        default=2.0,
        ge=1,
        le=4,
        alias="pdfRenderScale",
        description="With `vision`: how large pages of a PDF are shown; 1 is 72 dpi.",
    )
    image_quality: int = Field(
        default=85, ge=1, le=100, alias="imageQuality", description="With `vision`: quality of the JPEG pictures."
    )

    @override
    def effect_now(self) -> Effect:
        return Effect.PAID if self.parse_mode == "vision" else Effect.READ

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if self.parse_mode == "vision":
            return await self._look(context)
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
            raise file_error(error) from error

    async def _look(self, context: StepContext) -> JsonValue:
        model = await model_for(context, provider=None, model=self.llm_model)
        pictures = await open_pictures(context, self.input)
        numbers = range(pictures.page_count)
        batches = [numbers[at : at + self.pages_per_batch] for at in range(0, len(numbers), self.pages_per_batch)]

        async def read(batch: Sequence[int]) -> list[str]:
            shown = await pages_shown(context, pictures, batch, scale=self.pdf_render_scale, quality=self.image_quality)
            instructions = " ".join(filter(None, [_READ, _FORMATS[self.output_format], self.prompt]))
            answer = await answer_to(context, model, Task(instructions, pictures=shown), _PAGES_FORM)
            texts = [str(page["text"]) for page in cast("list[dict[str, JsonValue]]", answer["pages"])]
            if len(texts) != len(batch):
                message = f"The model was shown {len(batch)} pages and wrote down {len(texts)}."
                raise StepError("invalid_provider_output", message, category="invalid_provider_output")
            return texts

        jobs = [lambda batch=batch: read(batch) for batch in batches]
        texts = [text for batch in await all_answers(jobs, at_once=self.max_concurrency) for text in batch]
        return {
            "text": "\n\n".join(texts),
            "pages": [{"pageIndex": index, "text": text} for index, text in enumerate(texts)],
            "pageCount": len(texts),
            "metadata": {},
            "parserType": "llm-vision",
            "processingStrategy": "vision",
            "model": model.name,
        }


def _page(page: documents.Page) -> JsonValue:
    shown: dict[str, JsonValue] = {"pageIndex": page.index, "text": page.text}
    if page.name is not None:
        shown["pageName"] = page.name
    if page.confidence is not None:
        shown["confidence"] = page.confidence
    return shown
