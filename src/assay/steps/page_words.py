"""How the words of a page become rows of tokens, and how a token is compared with a label."""

import re
import unicodedata
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

_SAME_ROW_OVERLAP: Final = 0.5
_ROWS_LOOKED_BACK_AT: Final = 4
_GLUED: Final = re.compile(r"([^\W\d_][^:#]*[:#])(?!//)(?=.)")
_LONGEST_GLUED: Final = 100
_CHARACTER_WIDTH: Final = 0.5
_WORDS_IN_A_ROW: Final = 200


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, measured from the upper left corner of the page."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def height(self) -> float:
        """Distance of the lower from the upper edge."""
        return self.y1 - self.y0

    def around(self, other: "Box") -> "Box":
        """Return the smallest box that holds both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def beside(self, other: "Box") -> bool:
        """Say whether the two share at least half the height of the lower one."""
        shared = min(self.y1, other.y1) - max(self.y0, other.y0)
        return shared > 0 and shared >= _SAME_ROW_OVERLAP * min(self.height, other.height)


@dataclass(frozen=True, slots=True)
class Token:
    """A word on a page; `key` is what is compared with labels, empty for mere punctuation."""

    text: str
    key: str
    box: Box


@dataclass(frozen=True, slots=True)
class Row:
    """What stands side by side, from left to right: one word at least, 200 at most."""

    tokens: Sequence[Token]

    @property
    def top(self) -> float:
        """Upper edge of the first token."""
        return self.tokens[0].box.y0

    def box(self, start: int, end: int) -> Box:
        """Return the box around the tokens from `start` up to, but not with, `end`."""
        box = self.tokens[start].box
        for token in self.tokens[start + 1 : end]:
            box = box.around(token.box)
        return box

    def text(self, start: int, end: int) -> str:
        """Return the tokens from `start` up to, but not with, `end` with blanks between them."""
        return " ".join(token.text for token in self.tokens[start:end])

    def gap_before(self, position: int) -> float:
        """Return the blank before a token, in heights of the token; 0 before the first."""
        if position == 0:
            return 0.0
        before, here = self.tokens[position - 1].box, self.tokens[position].box
        return max(0.0, here.x0 - before.x1) / max(here.height, 0.1)


@dataclass(frozen=True, slots=True)
class PageLayout:
    """Rows of a page from top to bottom; `index` is the page's number in its document, from 0."""

    index: int
    width: float
    rows: Sequence[Row]


@dataclass(slots=True)
class _GrowingRow:
    """A row under construction, its words in order."""

    _tokens: list[Token] = field(default_factory=list[Token])
    _lefts: list[float] = field(default_factory=list[float])

    def nearest(self, token: Token) -> Token:
        place = bisect(self._lefts, token.box.x0)
        return min(self._tokens[max(0, place - 1) : place + 1], key=lambda other: abs(other.box.x0 - token.box.x0))

    def add(self, token: Token) -> None:
        place = bisect(self._lefts, token.box.x0)
        self._tokens.insert(place, token)
        self._lefts.insert(place, token.box.x0)

    def pieces(self) -> Iterator[Row]:
        for start in range(0, len(self._tokens), _WORDS_IN_A_ROW):
            yield Row(self._tokens[start : start + _WORDS_IN_A_ROW])


def key_of(text: str) -> str:
    """Return the letters, digits and `#` of a text, without case and accents: `N° Kd.-Nr.` is `nkdnr`."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if letter.isalnum() or letter == "#")


def page_of_words(index: int, width: float, words: Sequence[tuple[str, Box]]) -> PageLayout:
    """Sort words into rows; what OCR glued to a label (`Date:1.2.2024`) is taken apart, longer rows are cut."""
    rows: list[_GrowingRow] = []
    tokens = [token for text, box in words for token in _tokens(text, box)]
    for token in sorted(tokens, key=lambda token: (token.box.y0 + token.box.y1, token.box.x0)):
        # Compared with the nearest neighbour, not with the row's first: photographed lines slope.
        near = (row for row in reversed(rows[-_ROWS_LOOKED_BACK_AT:]) if row.nearest(token).box.beside(token.box))
        row = next(near, None)
        if row is None:
            row = _GrowingRow()
            rows.append(row)
        row.add(token)
    return PageLayout(index, width, [piece for row in rows for piece in row.pieces()])


def page_of_text(index: int, text: str) -> PageLayout:
    """Lay out a text that has no positions as if it were printed: a line is a row, a character half as wide as high."""
    words: list[tuple[str, Box]] = []
    width = 0.0
    for number, line in enumerate(text.splitlines()):
        for word in re.finditer(r"\S+", line.expandtabs(8)):
            x0, x1 = word.start() * _CHARACTER_WIDTH, word.end() * _CHARACTER_WIDTH
            words.append((word[0], Box(x0, number * 1.2, x1, number * 1.2 + 1)))
            width = max(width, x1)
    return page_of_words(index, width, words)


def _tokens(text: str, box: Box) -> Iterator[Token]:
    glued = _GLUED.finditer(text) if len(text) <= _LONGEST_GLUED else ()
    cuts = [0, *(found.end() for found in glued), len(text)]
    width = (box.x1 - box.x0) / max(1, len(text))
    for start, end in pairwise(cuts):
        part = text[start:end]
        if part:
            yield Token(part, key_of(part), Box(box.x0 + start * width, box.y0, box.x0 + end * width, box.y1))
