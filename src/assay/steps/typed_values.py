"""Which words of a row can be a date, an amount or an identifier, and how well they look like one."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from assay.readings import iso_date, number
from assay.steps.page_words import Box, Row

ValueType = Literal["money", "date", "id", "text"]
Value = str | int | float
Accepts = Callable[[str], bool]

_LONGEST_VALUE: Final = {"money": 5, "date": 5, "id": 1, "text": 12}
# Blanks within a value are as narrow as between words; between columns they are wider. In heights of the line.
_WIDEST_BLANK: Final = {"money": 0.6, "date": 0.8, "id": 0.0, "text": 1.5}
_PUNCTUATION: Final = " \t.,;:()[]{}<>\"'*|\u201e\u201c\u201d"
_IDENTIFIER: Final = re.compile(r"(?=.*[0-9])[^\W_][\w./+#&-]{0,59}")
_CENTS: Final = re.compile(r"[.,][0-9]{2}(?![0-9.,])|[.,]-")
_CURRENCY: Final = re.compile(r"[$\u00a2-\u00a5\u20a0-\u20cf]|\b[A-Z]{3}\b")
_REGISTRATION: Final = re.compile(r"[A-Za-z][0-9]{4}")
_RUN_TOGETHER: Final = re.compile(r"[0-9]{5}")


@dataclass(frozen=True, slots=True)
class Span:
    """Words of a row, from `start` up to, but not with, `end`, read as a value; `fit` (0 to 1) is how sure that is."""

    row: Row
    start: int
    end: int
    text: str
    value: Value
    fit: float

    @property
    def box(self) -> Box:
        """The box around the words."""
        return self.row.box(self.start, self.end)


def spans(row: Row, kind: ValueType, accepts: Accepts | None) -> list[Span]:
    """Find the values of a type in a row, from left to right; where several begin together, the longest.

    A text without `accepts` is everything up to the next wide blank, which begins anywhere.
    """
    if kind == "text" and accepts is None:
        return list(_phrases(row))
    found: list[Span] = []
    start = 0
    while start < len(row.tokens):
        span = _longest(row, start, kind, accepts)
        if span:
            found.append(span)
        start = span.end if span else start + 1
    return found


def _phrases(row: Row) -> Iterator[Span]:
    """Return for every word the phrase that begins with it: a label may end anywhere."""
    for start in range(len(row.tokens)):
        text = row.text(start, _end_of_phrase(row, start)).strip(" :#\t")
        if text.strip(_PUNCTUATION):
            fit = 1.0 if any(character.isalpha() for character in text) else 0.5
            yield Span(row, start, _end_of_phrase(row, start), text, text, fit)


def _end_of_phrase(row: Row, start: int) -> int:
    end = start + 1
    while end < len(row.tokens) and row.gap_before(end) <= _WIDEST_BLANK["text"]:
        end += 1
    return end


def _longest(row: Row, start: int, kind: ValueType, accepts: Accepts | None) -> Span | None:
    longest: Span | None = None
    for end in range(start + 1, min(start + _LONGEST_VALUE[kind], len(row.tokens)) + 1):
        if end > start + 1 and row.gap_before(end - 1) > _WIDEST_BLANK[kind]:
            break
        text = row.text(start, end)
        reading = _READERS[kind](text)
        if reading and (accepts is None or accepts(text.strip(_PUNCTUATION))):
            longest = Span(row, start, end, text.strip(_PUNCTUATION), *reading)
    return longest


def _money(text: str) -> tuple[Value, float] | None:
    text = text.strip(" \t.,;:*|")
    if "%" in text:
        return None
    value = number(text)
    if value is None or _REGISTRATION.search(text):
        return None
    if _CENTS.search(text):
        return value, 1.0
    return value, 0.8 if isinstance(value, float) or _CURRENCY.search(text) else 0.4


def _date(text: str) -> tuple[Value, float] | None:
    value = iso_date(text.strip(_PUNCTUATION))
    if value is None:
        return None
    return value, 0.6 if _RUN_TOGETHER.search(text) else 1.0


def _identifier(text: str) -> tuple[Value, float] | None:
    text = text.strip(_PUNCTUATION)
    if not _IDENTIFIER.fullmatch(text):
        return None
    if iso_date(text) and not _RUN_TOGETHER.search(text):
        return text, 0.3
    if _CENTS.search(text) and number(text) is not None:
        return text, 0.4
    return text, 1.0 if len(text) > 2 else 0.6


def _text(text: str) -> tuple[Value, float] | None:
    text = text.strip(_PUNCTUATION)
    return (text, 1.0) if text else None


_READERS: Final[dict[ValueType, Callable[[str], tuple[Value, float] | None]]] = {
    "money": _money,
    "date": _date,
    "id": _identifier,
    "text": _text,
}
