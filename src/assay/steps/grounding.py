"""Where in a document an extracted value stands, and how far that makes it trustworthy."""

import json
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydantic import JsonValue

from assay.readings import iso_date, number
from assay.steps.source_text import SourcePage, SourceText

Confidence = Literal["high", "medium", "low"]
Alignment = Literal["exact", "normalized", "fuzzy"]

MAX_GROUNDED = 1_000
MAX_QUOTE_TOKENS = 80
_ENOUGH_VOTES = 0.75
_DRIFT = 4
_ORDER: Mapping[Confidence, int] = {"low": 0, "medium": 1, "high": 2}
_TOKEN = re.compile(r"\w+|[^\w\s]")
_INDEX = re.compile(r"\[(\d+)\]")

EVIDENCE_SCHEMA: Mapping[str, Any] = {
    "type": "array",
    "description": "One entry for every value that is not null.",
    "items": {
        "type": "object",
        "properties": {
            "field": {"type": "string", "description": "Path of the value, such as `total` or `lines[0].price`."},
            "quote": {"type": "string", "description": "The words of the document that give it, copied exactly."},
            "confidence": {"type": "string", "enum": ["high", "medium", "low"]},
            "reason": {"type": "string", "description": "Why it is not high, in a few words; else empty."},
        },
        "required": ["field", "quote", "confidence", "reason"],
        "additionalProperties": False,
    },
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the model says about a value, and the span of the text that it was shown."""

    field: str
    quote: str
    confidence: Confidence
    reason: str
    window: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the text."""

    start: int
    end: int
    alignment: Alignment


@dataclass(slots=True)
class TextIndex:
    """A text in which quotes are found. Built once a document."""

    text: str
    _normal: str = field(init=False)
    _places: "array[int]" = field(init=False)
    _tokens: list[tuple[str, int, int]] | None = None
    _positions: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def __post_init__(self) -> None:
        """Write the text without differences of case and white space, and remember where each character came from."""
        characters, places = _normalized(self.text)
        self._normal, self._places = characters, places

    def find(self, quote: str, window: tuple[int, int]) -> Span | None:
        """Return where a quote stands, looking at the span of the window first."""
        quote = quote.strip()
        if not quote:
            return None
        for low, high in (window, (0, len(self.text))):
            at = self.text.find(quote, low, high)
            if at >= 0:
                return Span(at, at + len(quote), "exact")
        return self._find_normalized(quote) or self._find_fuzzy(quote)

    def _find_normalized(self, quote: str) -> Span | None:
        wanted = _normalized(quote)[0].strip()
        at = self._normal.find(wanted) if wanted else -1
        if at < 0:
            return None
        return Span(self._places[at], self._places[at + len(wanted) - 1] + 1, "normalized")

    def _find_fuzzy(self, quote: str) -> Span | None:
        """Let every token of the quote vote for where the quote would begin; neighbouring votes are one."""
        wanted = [token for token, _, _ in _tokenized(quote)][:MAX_QUOTE_TOKENS]
        if len(wanted) < 3:
            return None
        tokens = self._token_index()
        votes: dict[int, int] = {}
        for offset, token in enumerate(wanted):
            for position in self._positions.get(token, ())[:5000]:
                place = (position - offset) // _DRIFT
                votes[place] = votes.get(place, 0) + 1
        best = max(votes, key=lambda place: votes[place] + votes.get(place + 1, 0), default=None)
        if best is None or votes[best] + votes.get(best + 1, 0) < len(wanted) * _ENOUGH_VOTES:
            return None
        near = range(max(0, best * _DRIFT), min(len(tokens), (best + 2) * _DRIFT + len(wanted)))
        met = [position for position in near if tokens[position][0] in wanted]
        return Span(tokens[met[0]][1], tokens[met[-1]][2], "fuzzy") if met else None

    def _token_index(self) -> list[tuple[str, int, int]]:
        if self._tokens is None:
            self._tokens = _tokenized(self.text)
            for position, (token, _, _) in enumerate(self._tokens):
                self._positions.setdefault(token, []).append(position)
        return self._tokens


def leaves(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Yield every value that is no object and no list, with its path (`lines[0].price`)."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number_, item in enumerate(value):
            yield from leaves(item, f"{path}[{number_}]")
    else:
        yield path, value


def evidence_of(answer: JsonValue, window: tuple[int, int]) -> list[Evidence]:
    """Read what a model answered in the form of `EVIDENCE_SCHEMA`; what is null or incomplete says nothing."""
    found: list[Evidence] = []
    for entry in answer if isinstance(answer, list) else ():
        if isinstance(entry, dict) and isinstance(name := entry.get("field"), str):
            confidence = cast("Confidence", entry.get("confidence") or "low")
            quote, reason = str(entry.get("quote") or ""), str(entry.get("reason") or "")
            found.append(Evidence(_tidy(name), quote[:10_000], confidence, reason[:1000], window))
    return found


def _tidy(path: str) -> str:
    """Write `$.lines.0.price` and `/lines/0/price` as `lines[0].price`."""
    parts = [part for part in re.split(r"[./\[\]$]+", path) if part]
    return "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts).lstrip(".")


def grounding(
    values: Mapping[str, JsonValue],
    required: Sequence[str],
    evidence: Sequence[Evidence],
    source: SourceText,
    *,
    boxes: Sequence[Mapping[str, Any]],
    review_on: Literal["medium_or_low", "low_only"],
) -> dict[str, JsonValue]:
    """Say for each value how sure it is, whether a person should look, and where it stands: up to 1,000 values.

    The model's own word is lowered where the text does not bear it out: to low where its quote is not in the text,
    to medium where it is there only roughly or does not hold the value. A required value that is missing is low.
    """
    index = TextIndex(source.text)
    said = {entry.field: entry for entry in reversed(evidence)}
    found: dict[str, JsonValue] = {}
    for path, value in leaves(dict(values)):
        if len(found) == MAX_GROUNDED:
            break
        if value is None and path not in required:
            continue
        confidence, reason, span = _judged(value, said.get(path), index)
        review = confidence == "low" or (confidence == "medium" and review_on == "medium_or_low")
        entry: dict[str, JsonValue] = {"confidence": confidence, "needsReview": review}
        if reason:
            entry["reason"] = reason
        entry["source_span"] = None if span is None else _shown(span, source, boxes)
        found[path] = entry
    return found


def _judged(value: JsonValue, said: Evidence | None, index: TextIndex) -> tuple[Confidence, str, Span | None]:
    if value is None:
        return "low", "The document does not say it.", None
    everywhere = (0, len(index.text))
    if said is None or not said.quote:
        span = index.find(_text(value), everywhere) if not isinstance(value, bool) else None
        if span is None:
            return "low", "The model gives no words of the document for it.", None
        return "medium", "The model gives no words of the document for it.", span
    span = index.find(said.quote, said.window)
    if span is None:
        return "low", "The words that the model quotes are not in the document.", None
    if span.alignment == "fuzzy":
        return _at_most("medium", said), said.reason or "The document says it in slightly other words.", span
    if not _holds(said.quote, value):
        return _at_most("medium", said), said.reason or "The words that the model quotes do not hold the value.", span
    return said.confidence, said.reason, _narrowed(span, value, index)


def _at_most(limit: Confidence, said: Evidence) -> Confidence:
    return min(limit, said.confidence, key=lambda confidence: _ORDER[confidence])


def _narrowed(span: Span, value: JsonValue, index: TextIndex) -> Span:
    """Point at the value itself where the quote says more."""
    text = _text(value)
    at = index.text.find(text, span.start, span.end) if text else -1
    return span if at < 0 else Span(at, at + len(text), span.alignment)


def _holds(quote: str, value: JsonValue) -> bool:
    """Tell whether a quote holds a value, in whatever way a document writes it."""
    if isinstance(value, bool):
        return True
    wanted, given = _normalized(_text(value))[0].strip(), _normalized(quote)[0]
    if wanted in given:
        return True
    pieces = re.findall(r"[-(]?\d[\d.,'\u2019 \u00a0]*", quote)
    if isinstance(value, (int, float)):
        return any(number(piece.strip(" .,'")) == value for piece in [quote, *pieces, *quote.split()])
    return iso_date(quote) == value or any(iso_date(piece) == value for piece in _date_pieces(quote))


def _date_pieces(quote: str) -> Iterator[str]:
    words = quote.split()
    for length in (1, 2, 3, 4):
        for start in range(len(words) - length + 1):
            yield " ".join(words[start : start + length]).strip(",;:()")


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shown(span: Span, source: SourceText, boxes: Sequence[Mapping[str, Any]]) -> JsonValue:
    shown: dict[str, JsonValue] = {
        "start": span.start,
        "end": span.end,
        "text": source.text[span.start : span.end],
        "alignment": span.alignment,
    }
    page = next((page for page in reversed(source.pages) if page.start <= span.start), source.pages[0])
    shown["pageIndex"] = page.index
    sheet = next((sheet for sheet in boxes if sheet.get("index") == page.index), None)
    box = _box(span, page, sheet) if sheet else None
    if box is not None:
        shown["box"] = box
    return shown


def _box(span: Span, page: SourcePage, sheet: Mapping[str, Any]) -> dict[str, JsonValue] | None:
    """Find the words of the span on the page, going through both in reading order, and draw a box around them."""
    start, end = span.start - page.start, span.end - page.start
    met: list[Mapping[str, Any]] = []
    cursor = 0
    for word in sheet["words"]:
        at = page.text.find(word["text"], cursor)
        if at < 0:
            continue
        cursor = at + len(word["text"])
        if at < end and cursor > start:
            met.append(word)
        if at >= end:
            break
    if not met:
        return None
    corners = {side: pick(word[side] for word in met) for side, pick in _SIDES.items()}
    return {**corners, "pageWidth": sheet["width"], "pageHeight": sheet["height"]}


_SIDES: Mapping[str, Any] = {"x0": min, "y0": min, "x1": max, "y1": max}


def _normalized(text: str) -> tuple[str, "array[int]"]:
    characters: list[str] = []
    places = array("I")
    for place, character in enumerate(text):
        if character.isspace():
            if characters and characters[-1] != " ":
                characters.append(" ")
                places.append(place)
            continue
        for part in character.casefold():
            characters.append(part)
            places.append(place)
    return "".join(characters), places


def _tokenized(text: str) -> list[tuple[str, int, int]]:
    return [(found[0].casefold(), found.start(), found.end()) for found in _TOKEN.finditer(text)]


def shifted(path: str, shifts: Mapping[str, int]) -> str:
    """Add to the list positions in a path what stands before them, by the path of each list."""
    found = ""
    last = 0
    for match in _INDEX.finditer(path):
        plain = path[: match.start()]
        found += path[last : match.start()] + f"[{int(match[1]) + shifts.get(plain, 0)}]"
        last = match.end()
    return found + path[last:]
