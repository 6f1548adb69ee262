"""Which value on a page belongs to which label.

Every place where a label of a field stands is paired with every value of the field's type to its right and below it,
and each pair has a score: the product of how well the words match the label, how well the value fits the type, and
how near and how well aligned the two are. The best pair wins. Where labels overlap the longer one holds the place,
so that `Date` does not claim what `Due date` names, and no label reaches past the next one in its row.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Final, Literal, Protocol, cast

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from assay.steps.page_words import Box, PageLayout, Row, key_of
from assay.steps.typed_values import Accepts, Span, Value, ValueType, spans

Position = Literal["right", "below", "any"]

_FUZZY_FROM: Final = 6
_LEAST_SIMILARITY: Final = 0.85
_LEAST_SCORE: Final = 0.2
_TIE: Final = 0.01
_WORDS_IN_A_GAP: Final = 6
_LONGEST_LABEL: Final = 250
_PLACES_OF_A_FIELD: Final = 50
_LATER_LABEL: Final = 0.98
_WITHIN_A_PHRASE: Final = 0.9
_WIDE_BLANK: Final = 1.2
_WORD_BETWEEN: Final = 0.94
_AMOUNT_BEHIND: Final = 0.94
_FAR_RIGHT: Final = 0.1
_BELOW: Final = 0.9
_NEXT_ROW: Final = 0.8
_IN_A_TABLE: Final = 0.85
_NOT_ALIGNED: Final = 0.85
_ROWS_BELOW: Final = 5
_ROWS_LOOKED_AT: Final = 40
_HEIGHTS_BELOW: Final = 9


@dataclass(frozen=True, slots=True)
class Field:
    """What is looked for. `labels` are in order of preference; `accepts` further restricts the values of the type."""

    name: str
    labels: Sequence[str]
    kind: ValueType
    position: Position
    accepts: Accepts | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A value, the words that are it, the label that named it, and how sure that is (0 to 1)."""

    value: Value
    page: int
    text: str
    box: Box
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A label that stands in a row; `words` are the positions of its words, without those in a gap."""

    field: Field
    label: str
    row: int
    words: frozenset[int]
    weight: float

    @property
    def start(self) -> int:
        """Position of the first word."""
        return min(self.words)

    @property
    def end(self) -> int:
        """Position behind the last word."""
        return max(self.words) + 1

    @property
    def last_part(self) -> range:
        """The words next to the value, back to the first gap."""
        start = self.end - 1
        while start - 1 in self.words:
            start -= 1
        return range(start, self.end)

    def yields_to(self, other: "_Sighting") -> bool:
        """Say whether another field's label covers the words next to the value, and goes on beside them."""
        if other.field is self.field:
            return False
        part = self.last_part
        return other.words.issuperset(part) and (part.start - 1 in other.words or part.stop in other.words)


class _Extract(Protocol):
    def __call__(
        self, query: str, choices: Sequence[str], *, scorer: object, score_cutoff: float, limit: None
    ) -> list[tuple[str, float, int]]: ...


_extract = cast("_Extract", process.extract)


def parts_of(label: str) -> list[list[str]]:
    """Cut a label at its gaps (`...`) and each part into words; words without a letter or digit are left out."""
    parts = ([word for word in part.split() if key_of(word)] for part in re.split(r"\.\.\.|\u2026", label))
    return [part for part in parts if part]


def improve(best: dict[str, Found], page: PageLayout, fields: Sequence[Field]) -> None:
    """Put into `best` what the page has to offer and is better; of equals the one that was there stays."""
    if not fields:
        return
    search = _Search(page, fields)
    for sighting in search.sightings:
        name = sighting.field.name
        for span, nearness in search.values(sighting):
            score = sighting.weight * span.fit * nearness
            if score >= _LEAST_SCORE and (name not in best or score > best[name].score + _TIE):
                best[name] = Found(span.value, page.index, span.text, span.box, sighting.label, score)


class _Runs:
    """All runs of a few neighbouring words of a page, by what they read as without blanks."""

    def __init__(self, page: PageLayout, most_words: int) -> None:
        self._most_words = most_words
        self._places: dict[str, list[tuple[int, int, int]]] = {}
        for number, row in enumerate(page.rows):
            for start, token in enumerate(row.tokens):
                if token.key:
                    self._add_from(number, row, start)
        self._keys = list(self._places)

    def places(self, words: Sequence[str]) -> Iterator[tuple[int, frozenset[int], float]]:
        """Find where words of a label stand: row, positions, and the likeness (0 to 1).

        A `*` at an end of a word stands for any letters. Other words may be split or joined, and with six letters
        or more a letter in seven may be wrong, as OCR has it.
        """
        key = "".join(key_of(word) for word in words)
        if any("*" in word for word in words):
            pattern = re.compile("".join(re.escape(key_of(word)).join(_stars(word)) for word in words))
            matching = ((candidate, 1.0) for candidate in self._keys if pattern.fullmatch(candidate))
            yield from self._at(matching, most_words=len(words))
        elif len(key) < _FUZZY_FROM:
            yield from self._at([(key, 1.0)] if key in self._places else [], most_words=self._most_words)
        else:
            similar = _extract(
                key, self._keys, scorer=Levenshtein.normalized_similarity, score_cutoff=_LEAST_SIMILARITY, limit=None
            )
            yield from self._at(((text, likeness) for text, likeness, _ in similar), most_words=self._most_words)

    def _add_from(self, number: int, row: Row, start: int) -> None:
        key = ""
        for end in range(start + 1, min(start + self._most_words, len(row.tokens)) + 1):
            key += row.tokens[end - 1].key
            if len(key) > _LONGEST_LABEL or (end > start + 1 and row.gap_before(end - 1) > _WIDE_BLANK):
                return
            if row.tokens[end - 1].key:
                self._places.setdefault(key, []).append((number, start, end))

    def _at(
        self, matching: Iterable[tuple[str, float]], *, most_words: int
    ) -> Iterator[tuple[int, frozenset[int], float]]:
        for key, likeness in matching:
            for row, start, end in self._places[key]:
                if end - start <= most_words:
                    yield row, frozenset(range(start, end)), likeness


def _stars(word: str) -> tuple[str, str]:
    return "[^0-9#]*" if word.startswith("*") else "", "[^0-9#]*" if word.endswith("*") else ""


class _Search:
    """The labels that stand on a page, and the values around each."""

    def __init__(self, page: PageLayout, fields: Sequence[Field]) -> None:
        self._page = page
        longest = max(len(part) for field in fields for label in field.labels for part in parts_of(label))
        runs = _Runs(page, most_words=longest + 2)
        found = [
            sighting
            for field in fields
            for sighting in nlargest(
                _PLACES_OF_A_FIELD, self._sightings_of(field, runs), key=lambda sighting: sighting.weight
            )
        ]
        self._at_word: defaultdict[tuple[int, int], list[_Sighting]] = defaultdict(list)
        for sighting in found:
            for word in sighting.words:
                self._at_word[sighting.row, word].append(sighting)
        standing = (one for one in found if not any(map(one.yields_to, self._at_word[one.row, one.end - 1])))
        self.sightings = sorted(standing, key=lambda sighting: (sighting.row, sighting.start))

    def values(self, sighting: _Sighting) -> Iterator[tuple[Span, float]]:
        """Return the values that may belong to the label, and how near each stands (0 to 1)."""
        if sighting.field.position != "below":
            yield from self._to_the_right(sighting)
        if sighting.field.position != "right":
            yield from self._underneath(sighting)

    def _sightings_of(self, field: Field, runs: _Runs) -> Iterator[_Sighting]:
        for order, label in enumerate(field.labels):
            for number, words, likeness in _joined(parts_of(label), runs):
                row, start = self._page.rows[number], min(words)
                if not _is_remark(row, start):
                    weight = likeness**2 * _LATER_LABEL**order * (1.0 if _begins(row, start) else _WITHIN_A_PHRASE)
                    yield _Sighting(field, label, number, words, weight)

    def _to_the_right(self, sighting: _Sighting) -> Iterator[tuple[Span, float]]:
        row, field = self._page.rows[sighting.row], sighting.field
        label, limit = row.box(sighting.start, sighting.end), self._next_label(sighting)
        found = [s for s in spans(row, field.kind, field.accepts) if sighting.end <= s.start < limit]
        amounts = (
            {word for span in found for word in range(span.start, span.end)} if field.kind == "money" else set[int]()
        )
        for place, span in enumerate(found):
            passed = sum(1 for word in range(sighting.end, span.start) if row.tokens[word].key and word not in amounts)
            # Quantity, price, rate and sum: in a row of amounts the last one is what the label means.
            followed = len(found) - 1 - place if amounts else 0
            distance = max(0.0, span.box.x0 - label.x1) / max(self._page.width, 0.1)
            yield span, _WORD_BETWEEN**passed * _AMOUNT_BEHIND**followed * (1 - _FAR_RIGHT * min(1.0, distance))

    def _next_label(self, sighting: _Sighting) -> int:
        row = self._page.rows[sighting.row]
        for position in range(sighting.end, len(row.tokens)):
            here = self._at_word.get((sighting.row, position), ())
            if any(other.start == position for other in here):
                return position
        return len(row.tokens)

    def _underneath(self, sighting: _Sighting) -> Iterator[tuple[Span, float]]:
        label = self._page.rows[sighting.row].box(sighting.start, sighting.end)
        below = list(self._column(sighting, label))
        # One of several values under a label is part of a table, and the label its column's.
        certainty = _BELOW if len({distance for distance, _ in below}) < 2 else _BELOW * _IN_A_TABLE
        for distance, span in below:
            alignment = 1.0 if _aligned(span.box, label) else _NOT_ALIGNED
            yield span, certainty * alignment * _NEXT_ROW**distance

    def _column(self, sighting: _Sighting, label: Box) -> Iterator[tuple[int, Span]]:
        """Return the values under a label with the number of the column's rows above each."""
        distance, field, first = 0, sighting.field, sighting.row + 1
        for number, row in enumerate(self._page.rows[first : first + _ROWS_LOOKED_AT], start=first):
            if distance == _ROWS_BELOW or row.top - label.y1 > _HEIGHTS_BELOW * label.height:
                return
            if any(_overlap(token.box, label) for token in row.tokens):
                for span in spans(row, field.kind, field.accepts):
                    if _overlap(span.box, label) and (number, span.start) not in self._at_word:
                        yield distance, span
                distance += 1


def _joined(parts: Sequence[Sequence[str]], runs: _Runs) -> Iterator[tuple[int, frozenset[int], float]]:
    """Find the parts of a label one behind the other in a row, with a few other words between them."""
    first, *others = parts
    found = list(runs.places(first))
    for part in others:
        following: defaultdict[int, list[tuple[frozenset[int], float]]] = defaultdict(list)
        for row, words, likeness in runs.places(part):
            following[row].append((words, likeness))
        found = [
            (row, words | other_words, min(likeness, other_likeness))
            for row, words, likeness in found
            for other_words, other_likeness in following[row]
            if 0 < min(other_words) - max(words) <= _WORDS_IN_A_GAP + 1
        ]
    yield from found


def _is_remark(row: Row, position: int) -> bool:
    """Say whether the word stands in a parenthesis that began before it, as `VAT` in `Total (incl. VAT)`."""
    before = row.text(0, position)
    return before.count("(") > before.count(")")


def _begins(row: Row, position: int) -> bool:
    """Say whether a phrase begins with this word."""
    return position == 0 or row.gap_before(position) > _WIDE_BLANK or row.tokens[position - 1].text[-1] in ":|"


def _overlap(box: Box, label: Box) -> bool:
    return min(box.x1, label.x1) > max(box.x0, label.x0)


def _aligned(box: Box, label: Box) -> bool:
    offsets = (box.x0 - label.x0, box.x1 - label.x1, (box.x0 + box.x1 - label.x0 - label.x1) / 2)
    return min(abs(offset) for offset in offsets) < label.height / 2
