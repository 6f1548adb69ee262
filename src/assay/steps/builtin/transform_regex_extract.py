"""`transform.regex-extract`: finds fields in a text by patterns."""

import asyncio
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from assay.readings import iso_date, number
from assay.steps.base import Step, StepContext, StepError
from assay.steps.patterns import PATTERN_LIMIT, Capture, Pattern, SandboxedPattern, any_pattern

TEXT_LIMIT = 5_000_000
"""Characters of text one step searches."""
MATCH_LIMIT = 10_000
"""Matches one field looks at."""

_QUICK = 10_000
"""Up to so many characters, handing the work to a thread would take longer than the work."""

Flags: TypeAlias = Annotated[str, Field(pattern="^[dgimsuy]*$")]
Reading: TypeAlias = Callable[[str], str | int | float | None]
Normalization: TypeAlias = Literal["strip-spaces", "strip-punct", "collapse-whitespace", "lower", "upper", "trim"]

_NORMALIZATIONS: dict[Normalization, Callable[[str], str]] = {
    "strip-spaces": lambda text: "".join(text.split()),
    "strip-punct": lambda text: "".join(c for c in text if not unicodedata.category(c).startswith("P")),
    "collapse-whitespace": lambda text: " ".join(text.split()),
    "lower": str.lower,
    "upper": str.upper,
    "trim": str.strip,
}
_READINGS: dict[str | None, Reading] = {
    None: lambda text: text,
    "iso-date": iso_date,
    "iso-number": number,
    "lower": str.lower,
    "upper": str.upper,
    "trim": str.strip,
}


class FieldRule(BaseModel):
    """How one field is found."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    pattern: str = Field(
        min_length=1,
        max_length=PATTERN_LIMIT,
        description="A JavaScript pattern, without slashes. The first capture group that took anything is the "
        "value. No-break spaces in the text count as blanks. Look-around and back-references are slower, and stopped "
        "when they take longer than 5 seconds a page.",
    )
    flags: Flags | None = Field(
        default=None,
        description="Letters of `dgimsuy`, instead of the step's. `g` is implied and `d` changes nothing; with `m`, "
        "`^` and `$` stand at the ends of lines; with `y` each match begins where the one before ended, the first at "
        "the start of the page.",
    )
    max: Literal["all"] | Annotated[int, Field(ge=1, le=MATCH_LIMIT)] | None = Field(
        default=None,
        description="How many matches are considered, from the start of the text: a number or `all`. "
        "If absent, all when `select` is given, else 1.",
    )
    select: Literal["first", "last", "min", "max", "all"] | None = Field(
        default=None,
        description="Which of the matches considered is the value. `min` and `max` compare numbers with `iso-number`, "
        "else texts (ISO dates sort by time); `all` makes a list. If absent, `first` when one match is "
        "considered, else `all`.",
    )
    normalize: Normalization | tuple[Normalization, ...] = Field(
        default=(),
        description="Changes to the captured text, in this order: `strip-spaces` (drop all white space), `strip-punct` "
        "(drop all punctuation), `collapse-whitespace` (one blank for each run, none at the ends), `lower`, `upper`, "
        "`trim`.",
    )
    format: Literal["iso-date", "iso-number", "lower", "upper", "trim"] | None = Field(
        default=None,
        description="How the text is read, after `normalize`. `iso-date`: a date in digits or with an English, German "
        "or French month becomes `yyyy-mm-dd`; the day is read before the month (`03/04/2024` is 3 April) unless that "
        "is no date. `iso-number`: becomes a number; `1.234,50`, `1,234.50` and `1'234.50` are the same, one separator "
        "before exactly three digits separates thousands (`1.234` is 1234), parentheses and a minus on either side are "
        "negative. A text that cannot be read so does not count as a match.",
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        description="Values that do not count as a match: compared with the text after `normalize`, and with the value "
        "after `format`.",
    )
    default: JsonValue = Field(
        default=None, description="The value when nothing matches; the field is listed in `_unmatched` all the same."
    )
    context_chars: int = Field(
        default=0,
        ge=0,
        le=2000,
        alias="contextChars",
        description="Show so many characters before and after the captured text as `context` in the evidence.",
    )

    @property
    def choice(self) -> Literal["first", "last", "min", "max", "all"]:
        """What `select` comes to."""
        return self.select or ("first" if self.max in (None, 1) else "all")

    @property
    def considered(self) -> int | None:
        """How many matches are looked at; None for all."""
        if self.max is None:
            return 1 if self.choice == "first" else None
        return None if self.max == "all" else self.max

    def value_of(self, captured: str) -> str | int | float | None:
        """Return what a captured text stands for, or None if it does not count: empty, unreadable or excluded."""
        steps = (self.normalize,) if isinstance(self.normalize, str) else self.normalize
        for step in steps:
            captured = _NORMALIZATIONS[step](captured)
        if not captured.strip() or captured in self.exclude:
            return None
        value = _READINGS[self.format](captured)
        return None if str(value) in self.exclude else value


class TextPage(BaseModel):
    """A page to search."""

    page_index: int | None = Field(
        default=None, alias="pageIndex", description="Number of the page in its document, from 0; else its position."
    )
    text: str = Field(description="Text of the page.")


class PagedText(BaseModel):
    """Text with its pages, as `ai.parse` puts it out; other keys are ignored."""

    text: str = Field(description="The whole text, searched when there are no pages.")
    pages: tuple[TextPage, ...] = Field(default=(), description="The pages; each is searched by itself.")


_Search: TypeAlias = Iterable[tuple[TextPage, Iterable[Capture]]]


@dataclass(frozen=True, slots=True)
class _Found:
    value: str | int | float
    page: TextPage
    page_index: int
    capture: Capture

    def evidence(self, context_chars: int) -> JsonValue:
        text, start, end = self.page.text, self.capture.start, self.capture.end
        shown: dict[str, JsonValue] = {"pageIndex": self.page_index, "matchOffset": start, "raw": text[start:end]}
        if context_chars:
            shown["context"] = text[max(0, start - context_chars) : end + context_chars]
        return shown


class TransformRegexExtract(Step):
    """Find fields in a text by patterns, with the place where each was found.

    The output has one entry a field; a field that nothing matched is null (or its default) and listed in `_unmatched`.
    `_evidence` has for each field that was found `{pageIndex, matchOffset, raw}`: the captured text as it stands on the
    page and where it begins there, in characters; a list of them where the value is a list. Matches do not reach from
    one page into the next. Up to 5,000,000 characters are searched, up to 10,000 matches a field.
    """

    type_name = "transform.regex-extract"
    example: ClassVar[str] = r"""
name: invoice-fields-of-a-text
version: 1.0.0
inputs:
  - name: text
    type: string
    required: false
    default: "Invoice no. 2024-117, 3 March 2024. Net 1.000,00 EUR. Total 1.190,00 EUR."
steps:
  - name: fields
    type: transform.regex-extract
    with:
      input: '{{ input.text }}'
      flags: i
      fields:
        number: { pattern: 'invoice no\. ([\d-]+)' }
        issued: { pattern: '(\d{1,2} [a-z]+ \d{4})', format: iso-date }
        total: { pattern: '\btotal ([\d.,]+\d)', format: iso-number }
        order: { pattern: 'order no\. (\S+)', default: none }
output:
  number: '{{ steps.fields.output.number }}'
  issued: '{{ steps.fields.output.issued }}'
  total: '{{ steps.fields.output.total }}'
  missing: '{{ steps.fields.output._unmatched }}'
""".lstrip()

    input: str | PagedText = Field(description="A text, or the output of `ai.parse`.")
    fields: dict[Annotated[str, Field(pattern="^[^_]")], FieldRule] = Field(
        min_length=1, max_length=500, description="The fields to find, by name. Names do not begin with `_`."
    )
    flags: Flags = Field(default="", description="Flags of every field that has none of its own.")
    search_window: int | None = Field(
        default=None,
        ge=100,
        alias="searchWindow",
        description="Search only so many characters from the start of the text, pages counted together. Default: all.",
    )

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        for name, rule in self.fields.items():
            try:
                self._pattern(name, rule)
            except StepError as error:
                message = f"{error.message} {error.hint}" if error.hint else error.message
                found.append((f"fields.{name}.pattern", message, error.code))
        return found

    @override
    async def run(self, context: StepContext) -> JsonValue:
        patterns = {name: self._pattern(name, rule) for name, rule in self.fields.items()}
        pages = self._pages()
        size = sum(len(page.text) for page in pages)
        if size > TEXT_LIMIT:
            message = f"The text has {size} characters; up to {TEXT_LIMIT} are searched. Set `searchWindow`."
            raise StepError("text_too_large", message, category="validation")
        stopped = threading.Event()
        searches = {name: await self._search(context, name, pattern, pages) for name, pattern in patterns.items()}
        if size <= _QUICK:
            return self._extract(searches, stopped)
        try:
            return await asyncio.to_thread(self._extract, searches, stopped)
        finally:
            stopped.set()

    def _pattern(self, name: str, rule: FieldRule) -> Pattern | SandboxedPattern:
        flags = self.flags if rule.flags is None else rule.flags
        pattern = any_pattern(rule.pattern, flags)
        if pattern.groups == 0:
            message = f"The pattern of {name!r} has no capture group; put ( ) around the part that is the value."
            raise StepError("pattern_without_group", message, category="validation")
        return pattern

    def _pages(self) -> list[TextPage]:
        pages = [TextPage(text=self.input)] if isinstance(self.input, str) else list(self.input.pages)
        if not pages and isinstance(self.input, PagedText):
            pages = [TextPage(text=self.input.text)]
        if self.search_window is None:
            return pages
        left = self.search_window
        for position, page in enumerate(pages):
            pages[position] = page.model_copy(update={"text": page.text[:left]})
            left -= len(pages[position].text)
        return pages

    async def _search(
        self, context: StepContext, name: str, pattern: Pattern | SandboxedPattern, pages: list[TextPage]
    ) -> _Search:
        """Pair pages with their captures: found when they are looked at, or here where the sandbox finds them."""
        if isinstance(pattern, Pattern):
            return ((page, pattern.captures(page.text)) for page in pages)
        rule, found, accepted = self.fields[name], list[tuple[TextPage, list[Capture]]](), 0
        for page in pages:
            captures = await pattern.captures(context.sandbox, page.text)
            found.append((page, captures))
            accepted += sum(rule.value_of(capture.text) is not None for capture in captures[:MATCH_LIMIT])
            if rule.considered is not None and accepted >= rule.considered:
                break
        return found

    def _extract(self, searches: dict[str, _Search], stopped: threading.Event) -> JsonValue:
        values: dict[str, JsonValue] = {}
        evidence: dict[str, JsonValue] = {}
        unmatched: list[JsonValue] = []
        for name, rule in self.fields.items():
            matches = islice(_matches(name, rule, searches[name], stopped), rule.considered)
            chosen = _choose(rule.choice, matches)
            values[name] = rule.default
            if not chosen:
                unmatched.append(name)
                continue
            shown = [found.evidence(rule.context_chars) for found in chosen]
            is_list = rule.choice == "all"
            values[name] = [found.value for found in chosen] if is_list else chosen[0].value
            evidence[name] = shown if is_list else shown[0]
        return {**values, "_evidence": evidence, "_unmatched": unmatched}


def _matches(name: str, rule: FieldRule, search: _Search, stopped: threading.Event) -> Iterator[_Found]:
    seen = 0
    for position, (page, captures) in enumerate(search):
        index = position if page.page_index is None else page.page_index
        for capture in captures:
            seen += 1
            if seen > MATCH_LIMIT:
                message = f"The pattern of {name!r} matches more than {MATCH_LIMIT} times."
                raise StepError("too_many_matches", message, category="validation")
            if stopped.is_set():
                return
            value = rule.value_of(capture.text)
            if value is not None:
                yield _Found(value, page, index, capture)


def _choose(choice: str, matches: Iterator[_Found]) -> list[_Found]:
    match choice:
        case "first":
            return list(islice(matches, 1))
        case "last":
            return list(matches)[-1:]
        case "min":
            return nsmallest(1, matches, key=_rank)
        case "max":
            return nlargest(1, matches, key=_rank)
        case _:
            return list(matches)


def _rank(found: _Found) -> tuple[float, str]:
    return (0, found.value) if isinstance(found.value, str) else (found.value, "")
