"""What text a model step reads, where its pages are, and how much of it goes into one question."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from pydantic import JsonValue

from assay import jsontext
from assay.steps.base import StepError

Window = TypeVar("Window")

MAX_CHARACTERS = 5_000_000
MAX_WINDOWS = 100
PAGE_GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class SourcePage:
    """A page and where it begins in the whole text."""

    index: int
    text: str
    start: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SourceText:
    """The text of all pages with an empty line between them; `words` refers to the boxes of a parsed document."""

    text: str
    pages: Sequence[SourcePage]
    words: JsonValue = None


def source_text(value: JsonValue) -> SourceText:
    """Read a text, the output of `ai.parse`, a list of texts or pages; any other JSON value stands for its JSON text.

    Raises:
        StepError: it is a file that was not parsed, it is empty, or it has more than 5 million characters.
    """
    if isinstance(value, dict) and "$file" in value:
        hint = "Parse it with ai.parse and hand over {{ steps.<name>.output }}."
        message = "The input is a file; this step reads text."
        raise StepError("text_required", message, category="validation", hint=hint)
    found = _in_order(list(_pages(value)), value.get("words") if isinstance(value, dict) else None)
    if not found.text.strip():
        raise StepError("text_required", "The input holds no text.", category="validation")
    if len(found.text) > MAX_CHARACTERS:
        message = f"The input has {len(found.text):,} characters; {MAX_CHARACTERS:,} are read."
        raise StepError("document_too_large", message, category="validation")
    return found


def estimated_tokens(text: str) -> int:
    """Estimate how many tokens a text is, rather too many than too few: no tokenizer fits every model.

    Three ASCII characters count as one token (English prose has four), any other character as one.
    """
    ascii_characters = sum(1 for character in text if character < "\x80") if not text.isascii() else len(text)
    return math.ceil(ascii_characters / 3) + len(text) - ascii_characters


def text_windows(source: SourceText, budget: int) -> Sequence[tuple[int, int]]:
    """Cut the text into spans of up to `budget` tokens: between pages, within a longer page between lines.

    Raises:
        StepError: more than 100 spans would be needed.
    """
    windows: list[tuple[int, int]] = []
    start = used = end = 0
    for piece_start, piece_end in _pieces(source, budget):
        tokens = estimated_tokens(source.text[piece_start:piece_end])
        if used and used + tokens > budget:
            windows.append((start, end))
            start, used = piece_start, 0
        used, end = used + tokens, piece_end
    return _few([*windows, (start, end)])


def page_windows(source: SourceText, budget: int) -> Sequence[Sequence[SourcePage]]:
    """Put pages into groups of up to `budget` tokens; a longer page is a group of its own.

    Raises:
        StepError: more than 100 groups would be needed.
    """
    windows: list[list[SourcePage]] = [[]]
    used = 0
    for page in source.pages:
        tokens = estimated_tokens(page.text)
        if used and used + tokens > budget:
            windows.append([])
            used = 0
        windows[-1].append(page)
        used += tokens
    return _few(windows)


def beginning(text: str, budget: int) -> str:
    """Return as much of the beginning as `budget` tokens hold, and all of it if it fits."""
    if estimated_tokens(text) <= budget:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if estimated_tokens(text[:middle]) <= budget else (low, middle - 1)
    return text[:low]


def _few(windows: Sequence[Window]) -> Sequence[Window]:
    if len(windows) > MAX_WINDOWS:
        message = (
            f"The document is so long that the model would be asked {len(windows)} times; {MAX_WINDOWS} is the most."
        )
        hint = "Raise windowTokenBudget or maxInputTokens, or take a part of the document only."
        raise StepError("document_too_large", message, category="validation", hint=hint)
    return windows


def _pages(value: JsonValue) -> Iterator[tuple[int, str, str | None]]:
    if isinstance(value, str):
        yield 0, value, None
    elif isinstance(value, dict) and isinstance(value.get("pages"), list):
        yield from _listed(cast("list[JsonValue]", value["pages"]))
    elif isinstance(value, dict) and isinstance(value.get("text"), str):
        yield 0, cast("str", value["text"]), None
    elif isinstance(value, list) and all(isinstance(item, str) or _is_page(item) for item in value):
        yield from _listed(value)
    else:
        yield 0, "" if value is None else jsontext.write(value), None


def _listed(pages: Sequence[JsonValue]) -> Iterator[tuple[int, str, str | None]]:
    for index, page in enumerate(pages):
        if isinstance(page, str):
            yield index, page, None
        elif isinstance(page, dict) and _is_page(page):
            found, name = page.get("pageIndex"), page.get("pageName")
            number = found if isinstance(found, int) else index
            yield number, cast("str", page["text"]), name if isinstance(name, str) else None


def _is_page(value: JsonValue) -> bool:
    return isinstance(value, dict) and isinstance(value.get("text"), str)


def _in_order(pages: Sequence[tuple[int, str, str | None]], words: JsonValue) -> SourceText:
    placed: list[SourcePage] = []
    start = 0
    for index, text, name in sorted(pages, key=lambda page: page[0]):
        placed.append(SourcePage(index, text, start, name))
        start += len(text) + len(PAGE_GAP)
    return SourceText(PAGE_GAP.join(page.text for page in placed), tuple(placed), words)


def _pieces(source: SourceText, budget: int) -> Iterator[tuple[int, int]]:
    """Yield spans without a gap between them: pages, of too long ones lines, of too long lines parts."""
    for number, page in enumerate(source.pages):
        last = number == len(source.pages) - 1
        end = page.start + len(page.text) + (0 if last else len(PAGE_GAP))
        if estimated_tokens(page.text) <= budget:
            yield page.start, end
            continue
        start = page.start
        while start < end:
            part = beginning(source.text[start : min(end, start + budget * 4)], budget)
            cut = part.rfind("\n") + 1
            stop = start + (cut if cut > 0 and start + len(part) < end else max(1, len(part)))
            yield start, stop
            start = stop
