"""`ai.parse`: turns a document into text, page by page."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, JsonValue, StringConstraints
from typing_extensions import override

from assay import documents
from assay.errors import AssayError
from assay.steps.asking import file_error, model_for
from assay.steps.base import Effect, Step, StepContext
from assay.steps.figure_descriptions import MOST_FIGURES, DescribedFigures, FigureDescriber
from assay.steps.model_reading import PageReader, Showing
from assay.steps.page_pictures import open_pictures

_LanguageCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]


class AiParse(Step):
    """Turn a document into text, page by page.

    PDF, images, DOCX, XLSX, CSV, HTML, e-mail and plain text are read. The positions of the words are kept beside the
    run as `words.json`, for highlighting; the output names it under `words`. Pages that a model reads have none.

    `parseMode` and `nativeText` decide which pages are read from their picture, `ocrModel` and `llmModel` who reads
    them. Only a PDF or an image has such pages, other files always have text of their own. `outputFormat` holds for
    all pages. Headings, lists and tables come from what DOCX, HTML, XLSX and CSV say; in a PDF headings are told by
    their size and items by their bullets, rows of a table stay lines.
    """

    type_name = "ai.parse"
    # Nothing outside is looked at, but seconds of OCR are worth a commit of their own: a pure step's row may wait.
    effect = Effect.READ
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "Text of all pages, in the wanted form."},
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
            "metadata": {
                "type": "object",
                "description": "What the file says about itself. Remarks: `languages_without_ocr` lists languages that "
                "OCR cannot read, `pages_without_ocr` pages that wait for it to be installed, `figures_left_out` "
                "counts figures that were not shown to the model.",
            },
            "parserType": {
                "type": "string",
                "description": "`llm-vision` or `ocr` if any page was read so, else the kind of file: office, pdf…",
            },
            "model": {"type": "string", "description": "The model that read pages."},
            "figures": {
                "type": "array",
                "description": "With `describeFigures`: what was described, in reading order.",
                "items": {
                    "type": "object",
                    "properties": {
                        "pageIndex": {"type": "integer", "minimum": 0},
                        "box": {
                            "type": "array",
                            "items": {"type": "number"},
                            "description": "Left, top, right, bottom in points, from the upper left corner.",
                        },
                        "description": {"type": "string"},
                    },
                    "required": ["pageIndex", "box", "description"],
                },
            },
            "processingStrategy": {
                "enum": ["native", "ocr", "hybrid", "vision"],
                "description": "`hybrid`: some pages had text of their own, others were read from their picture.",
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
    native_text: bool | Literal["auto"] = Field(
        default="auto",
        alias="nativeText",
        description="Whether a PDF's own text is used: with `true` only pages without are read from their picture, "
        "also with `ocr` and `vision`; with `false` all are, also with `native-or-ocr`; `auto` leaves it to parseMode.",
    )
    ocr_model: str | None = Field(
        default=None,
        max_length=400,
        alias="ocrModel",
        description="With OCR: name of a model, or provider/model, that is shown one page at a time instead of asking "
        "the built-in engine.",
    )
    llm_model: str | None = Field(
        default=None,
        max_length=400,
        alias="llmModel",
        description="With `vision`: name of a model, or provider/model; else the workflow's default.",
    )
    languages: tuple[_LanguageCode, ...] = Field(
        default=(),
        max_length=20,
        description="Languages of the document, as `de` or `pt-BR`, told to a model that reads pages. The built-in OCR "
        "reads Latin letters (not Vietnamese), Chinese and Japanese whatever is said here; others are remarked in the "
        "metadata and need ocrModel.",
    )
    prompt: str = Field(
        default="",
        max_length=100_000,
        description="What a model that reads pages should know about the document.",
    )
    output_format: documents.TextForm = Field(
        default="plain",
        alias="outputFormat",
        description="`plain` is text with cells of a row separated by tabs where the file has such; `markdown`, `djot` "
        "and `html` show headings, lists and tables; `layout` keeps columns in their place by blanks.",
    )
    describe_figures: bool = Field(
        default=False,
        alias="describeFigures",
        description="Whether a model describes the embedded images of a PDF (half an inch or more, none that fills "
        f"the page; the {MOST_FIGURES} largest). The words stand in the text where the figure is, in a page that a "
        "model read at its end.",
    )
    figure_model: str | None = Field(
        default=None,
        max_length=400,
        alias="figureModel",
        description="With describeFigures: name of a model, or provider/model; else the workflow's default.",
    )
    figure_instructions: str = Field(
        default="",
        max_length=100_000,
        alias="figureInstructions",
        description="With describeFigures: what the model should look for, beside what it is always told.",
    )
    pages_per_batch: int = Field(
        default=5, ge=1, le=20, alias="pagesPerBatch", description="With `vision`: how many pages one question shows."
    )
    max_concurrency: int = Field(
        default=3, ge=1, le=10, alias="maxConcurrency", description="Questions to a model under way at once."
    )
    pdf_render_scale: float = Field(
        default=2.0,
        ge=1,
        le=4,
        alias="pdfRenderScale",
        description="How large a model is shown pages of a PDF; 1 is 72 dpi. Figures are shown at 2 at least.",
    )
    image_quality: int = Field(
        default=85, ge=1, le=100, alias="imageQuality", description="Quality of the JPEG pictures shown to a model."
    )

    @override
    @classmethod
    def asked_models(cls, config: Mapping[str, JsonValue]) -> Sequence[Sequence[JsonValue]]:
        asked: list[Sequence[JsonValue]] = []
        if config.get("parseMode") == "vision":
            asked.append([config.get("llmModel")])
        elif config.get("ocrModel") is not None and config.get("parseMode") != "native":
            asked.append([config.get("ocrModel")])
        if config.get("describeFigures"):
            asked.append([config.get("figureModel")])
        return asked

    @override
    def effect_now(self) -> Effect:
        return Effect.PAID if self._model_reads or self.describe_figures else Effect.READ

    @override
    async def run(self, context: StepContext) -> JsonValue:
        parsed = await self._parse(context)
        if parsed.ocr_pages:
            context.add_usage(ocrPagesProcessed=parsed.ocr_pages)
        unread = [page.index for page in parsed.pages if page.unread] if self._model_reads else []
        pictures = await open_pictures(context, self.input) if unread or parsed.figures else None
        read: Mapping[int, str] = {}
        output: dict[str, JsonValue] = {}
        if pictures and unread:
            reader = await self._reader(context)
            read = await reader.read(context, pictures, unread, self._showing)
            output["model"] = reader.model.name
        described = DescribedFigures((), 0)
        if pictures and parsed.figures:
            described = await self._describe(context, pictures, parsed.figures)
        if self.describe_figures:
            output["figures"] = _figures(parsed.figures, described)
        if len(read) < len(parsed.pages):
            words = context.keep_artifact("words.json", parsed.words, role="debug", content_type="application/json")
            output["words"] = {"$file": words}
        pages = self._pages(parsed, read, described)
        return {
            "text": "\n\n".join(str(page["text"]) for page in pages),
            "pages": cast("list[JsonValue]", pages),
            "pageCount": len(pages),
            "metadata": self._metadata(parsed, described),
            "parserType": self._parser_type(parsed, read),
            "processingStrategy": self._strategy(parsed, read),
            **output,
        }

    @property
    def _model_reads(self) -> bool:
        return self.parse_mode == "vision" or (self.ocr_model is not None and self.parse_mode != "native")

    @property
    def _showing(self) -> Showing:
        at_once = self.pages_per_batch if self.parse_mode == "vision" else 1
        return Showing(self.pdf_render_scale, self.image_quality, at_once, self.max_concurrency)

    def _mode(self) -> documents.ParseMode:
        if self.parse_mode == "native":
            return "native"
        if self.native_text == "auto":
            return "native-or-ocr" if self.parse_mode == "native-or-ocr" else "ocr"
        return "native-or-ocr" if self.native_text else "ocr"

    async def _parse(self, context: StepContext) -> documents.ParsedDocument:
        file = await context.open_file(self.input)
        try:
            return await context.parser.parse(
                file.path,
                filename=file.filename,
                content_type=file.content_type,
                mode=self._mode(),
                form=self.output_format,
                figures=self.describe_figures,
                with_ocr=not self._model_reads,
            )
        except AssayError as error:
            raise file_error(error) from error

    async def _reader(self, context: StepContext) -> PageReader:
        requested = self.llm_model if self.parse_mode == "vision" else self.ocr_model
        model = await model_for(context, provider=None, model=requested)
        return PageReader(model, self.output_format, self.languages, self.prompt)

    async def _describe(
        self, context: StepContext, pictures: documents.PagePictures, figures: Sequence[documents.Figure]
    ) -> DescribedFigures:
        model = await model_for(context, provider=None, model=self.figure_model)
        return await FigureDescriber(model, self.figure_instructions).describe(
            context,
            pictures,
            figures,
            scale=self.pdf_render_scale,
            quality=self.image_quality,
            at_once=self.max_concurrency,
        )

    def _pages(
        self, parsed: documents.ParsedDocument, read: Mapping[int, str], described: DescribedFigures
    ) -> list[dict[str, JsonValue]]:
        pairs = zip(parsed.figures, described.descriptions, strict=True)
        by_page = {
            page: [description for _, description in group]
            for page, group in groupby(pairs, key=lambda pair: pair[0].page)
        }
        shown: list[dict[str, JsonValue]] = []
        for page in parsed.pages:
            figures = by_page.get(page.index, [])
            text = page.text
            if page.index in read:
                places = (documents.figure_place(number) for number in range(len(figures)))
                text = "\n\n".join([read[page.index], *places])
            shown.append(_page(page, documents.with_descriptions(text, figures, self.output_format)))
        return shown

    def _metadata(self, parsed: documents.ParsedDocument, described: DescribedFigures) -> dict[str, JsonValue]:
        remarks: dict[str, JsonValue] = {}
        foreign = documents.languages_without_ocr(self.languages) if parsed.ocr_pages else []
        if foreign:
            remarks["languages_without_ocr"] = [*foreign]
        left_out = parsed.figures_left_out + described.left_out
        if left_out:
            remarks["figures_left_out"] = left_out
        return {**cast("dict[str, JsonValue]", dict(parsed.metadata)), **remarks}

    def _parser_type(self, parsed: documents.ParsedDocument, read: Mapping[int, str]) -> str:
        if read and self.parse_mode == "vision":
            return "llm-vision"
        return "ocr" if read or parsed.ocr_pages else parsed.kind

    def _strategy(self, parsed: documents.ParsedDocument, read: Mapping[int, str]) -> str:
        if not read:
            return parsed.strategy
        if len(read) < len(parsed.pages):
            return "hybrid"
        return "vision" if self.parse_mode == "vision" else "ocr"


def _figures(figures: Sequence[documents.Figure], described: DescribedFigures) -> JsonValue:
    pairs = zip(figures, described.descriptions, strict=True)
    return [
        {"pageIndex": figure.page, "box": [*figure.box], "description": description}
        for figure, description in pairs
        if description
    ]


def _page(page: documents.Page, text: str) -> dict[str, JsonValue]:
    shown: dict[str, JsonValue] = {"pageIndex": page.index, "text": text}
    if page.name is not None:
        shown["pageName"] = page.name
    if page.confidence is not None:
        shown["confidence"] = page.confidence
    return shown
