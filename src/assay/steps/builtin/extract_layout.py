"""`extract.layout`: finds fields by the labels that stand beside or above them."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, TypeAdapter, ValidationError, field_validator
from typing_extensions import override

from assay.steps import label_proximity
from assay.steps.base import Effect, Step, StepContext, StepError
from assay.steps.label_proximity import Found, Position
from assay.steps.page_words import Box, PageLayout, page_of_text, page_of_words
from assay.steps.patterns import PATTERN_LIMIT, compile_pattern
from assay.steps.typed_values import Accepts, ValueType

_WORDS_BYTES = 32 << 20
_TEXT_LIMIT = 5_000_000
_WORDS_OF_A_PAGE = 100_000


class LayoutField(BaseModel):
    """How one field is recognized."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        min_length=1,
        max_length=50,
        description="What stands beside or above the value, in all languages that occur; an earlier label counts a "
        "little more than a later one. Case, accents, blanks and punctuation do not matter, and of six letters or more "
        "one in seven may differ, as OCR has it. `*` at an end of a word stands for any letters (`*rechnung Nr.`), "
        "`...` for up to six words (`*rechnung ... vom`).",
    )
    type: ValueType = Field(
        default="text",
        description="What the value is. `money`: an amount, comes out as number; `date`: comes out as `yyyy-mm-dd`; "
        "`id`: one word with a digit in it; `text`: the words up to the next wide blank.",
    )
    position: Position = Field(
        default="any",
        description="Where the value stands: in the same row as its label, in the rows below it, or either.",
    )
    page: Literal["first", "last", "any"] = Field(default="any", description="The pages that are searched.")
    pattern: str | None = Field(
        default=None,
        max_length=PATTERN_LIMIT,
        description="Regular expression that the whole text of a value must match, such as `[A-Z]{3}`.",
    )

    @field_validator("labels")
    @classmethod
    def _all_have_words(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        for label in labels:
            if not label_proximity.parts_of(label):
                raise ValueError(f"The label {label!r} has no letter or digit.")
        return labels


# Plain classes: a long document has half a million words.
@dataclass(frozen=True, slots=True)
class _PlacedWord:
    text: str
    x0: FiniteFloat
    y0: FiniteFloat
    x1: FiniteFloat
    y1: FiniteFloat


@dataclass(frozen=True, slots=True)
class _PlacedPage:
    index: int
    width: FiniteFloat
    words: list[_PlacedWord]


class _FileReference(BaseModel):
    file: str = Field(alias="$file", description="Path of the artifact.")


class _Page(BaseModel):
    page_index: int | None = Field(default=None, alias="pageIndex", description="Number of the page, from 0.")
    text: str = Field(description="Text of the page.")


class ParsedPages(BaseModel):
    """What `ai.parse` puts out; other keys are ignored."""

    text: str = Field(default="", description="The whole text, searched when there are no pages.")
    pages: tuple[_Page, ...] = Field(default=(), description="The pages.")
    words: _FileReference | None = Field(default=None, description="The artifact with every word's box.")


_PLACED_PAGES = TypeAdapter(list[_PlacedPage])


class ExtractLayout(Step):
    """Find fields by the labels that stand beside or above them.

    No model is needed. For each field every place where one of its labels stands is paired with every value of its type
    to the right and below; label match, type, distance and alignment make a score, and the best pair wins. Where labels
    of two fields overlap, the longer one holds the place, so a field for `Due date` keeps `Date` away from it.

    The output has one entry a field; a field that was not found is null and listed in `_unmatched`. `_evidence` has for
    each field that was found `{pageIndex, box, text, label, score}`: the place (`x0, y0, x1, y1`, as in `words.json`)
    and words of the value, the label that named it, and a score from 0 to 1. Pages without positions (a text, DOCX,
    HTML) are searched by lines and columns, their boxes are null. Up to 5,000,000 characters and 32 MB of word boxes
    are searched.
    """

    type_name = "extract.layout"
    # Nothing outside is looked at, but the search may take seconds on a long document.
    effect = Effect.READ
    example: ClassVar[str] = """\
name: invoice-by-labels
version: 1.0.0
inputs:
  - name: text
    type: string
    required: false
    default: |
      ACME Ltd.

      Invoice No.   Date             Due date
      INV-2024-117  3 March 2024     17 March 2024

      Subtotal                       1.000,00 EUR
      Total                          1.190,00 EUR
steps:
  - name: fields
    type: extract.layout
    with:
      input: '{{ input.text }}'
      fields:
        number: { labels: [Invoice no, Rechnungsnummer], type: id }
        issued: { labels: [Invoice date, Date, Rechnungsdatum], type: date }
        due: { labels: [Due date, Fällig am], type: date }
        total: { labels: [Total, Gesamtbetrag], type: money, position: right }
output:
  number: '{{ steps.fields.output.number }}'
  issued: '{{ steps.fields.output.issued }}'
  total: '{{ steps.fields.output.total }}'
"""

    input: str | ParsedPages = Field(description="The output of `ai.parse`, or a text.")
    fields: dict[Annotated[str, Field(pattern="^[^_]")], LayoutField] = Field(
        min_length=1, max_length=200, description="The fields to find, by name. Names do not begin with `_`."
    )

    @property
    @override
    def replay_safe(self) -> bool:
        return True

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        for name, field in self.fields.items():
            try:
                _accepts(field.pattern)
            except StepError as error:
                found.append((f"fields.{name}.pattern", error.message, error.code))
        return found

    @override
    async def run(self, context: StepContext) -> JsonValue:
        words = await self._words(context)
        stopped = threading.Event()
        try:
            return await asyncio.to_thread(self._extract, words, stopped)
        finally:
            stopped.set()

    async def _words(self, context: StepContext) -> bytes:
        if isinstance(self.input, str) or self.input.words is None:
            return b"[]"
        file = await context.open_file({"$file": self.input.words.file})
        if file.size > _WORDS_BYTES:
            message = f"The positions of the words take {file.size:,} bytes; {_WORDS_BYTES:,} are searched."
            raise StepError("text_too_large", message, category="validation")
        return await asyncio.to_thread(file.path.read_bytes)

    def _extract(self, words: bytes, stopped: threading.Event) -> JsonValue:
        count, pages, has_positions = self._pages(words)
        best: dict[str, Found] = {}
        for number, page in enumerate(pages):
            if stopped.is_set():
                break
            if sum(len(row.tokens) for row in page.rows) > _WORDS_OF_A_PAGE:
                message = f"Page {page.index + 1} has more than {_WORDS_OF_A_PAGE:,} words."
                raise StepError("text_too_large", message, category="validation")
            label_proximity.improve(best, page, self._fields_of(number, count))
        return {
            **{name: best[name].value if name in best else None for name in self.fields},
            "_evidence": {name: _evidence(found, has_positions) for name, found in best.items()},
            "_unmatched": [name for name in self.fields if name not in best],
        }

    def _pages(self, words: bytes) -> tuple[int, Iterator[PageLayout], bool]:
        """Return how many pages there are, each as it is needed, and whether their words have positions."""
        placed = _placed_pages(words)
        if placed:
            return len(placed), map(_layout_of, placed), True
        texts = [(0, self.input)] if isinstance(self.input, str) else self._texts(self.input)
        size = sum(len(text) for _, text in texts)
        if size > _TEXT_LIMIT:
            message = f"The text has {size:,} characters; up to {_TEXT_LIMIT:,} are searched."
            raise StepError("text_too_large", message, category="validation")
        return len(texts), (page_of_text(index, text) for index, text in texts), False

    def _texts(self, parsed: ParsedPages) -> list[tuple[int, str]]:
        if not parsed.pages:
            return [(0, parsed.text)]
        return [
            (place if page.page_index is None else page.page_index, page.text)
            for place, page in enumerate(parsed.pages)
        ]

    def _fields_of(self, number: int, count: int) -> list[label_proximity.Field]:
        """Return the fields that are searched on this page."""
        return [
            label_proximity.Field(name, field.labels, field.type, field.position, _accepts(field.pattern))
            for name, field in self.fields.items()
            if field.page == "any" or number == (0 if field.page == "first" else count - 1)
        ]


def _placed_pages(words: bytes) -> list[_PlacedPage]:
    try:
        return _PLACED_PAGES.validate_json(words)
    except ValidationError as error:
        message = "The file under `words` is none that `ai.parse` made."
        raise StepError("words_unreadable", message, category="validation") from error


def _layout_of(page: _PlacedPage) -> PageLayout:
    words = [(word.text, Box(word.x0, word.y0, word.x1, word.y1)) for word in page.words]
    return page_of_words(page.index, page.width, words)


def _accepts(pattern: str | None) -> Accepts | None:
    if pattern is None:
        return None
    compiled = compile_pattern(f"^(?:{pattern})$")
    return lambda text: next(compiled.captures(text), None) is not None


def _evidence(found: Found, has_positions: bool) -> JsonValue:
    box = found.box
    return {
        "pageIndex": found.page,
        "box": {"x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1} if has_positions else None,
        "text": found.text,
        "label": found.label,
        "score": round(found.score, 3),
    }
