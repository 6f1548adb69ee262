"""How pieces of text on a page become rows: what stands side by side is one line."""

import json
from bisect import bisect, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Protocol, TypeVar

_SAME_ROW_OVERLAP: Final = 0.5


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, measured from the upper left corner of the page."""

    x0: float
    y0: float
    x1: float
    y1: float

    def around(self, other: "Box") -> "Box":
        """Return the smallest box that holds both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def beside(self, other: "Box") -> bool:
        """Say whether the two share at least half the height of the lower one."""
        shared = min(self.y1, other.y1) - max(self.y0, other.y0)
        return shared > 0 and shared >= _SAME_ROW_OVERLAP * min(self.y1 - self.y0, other.y1 - other.y0)


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it stands; `confidence` is given for words that OCR read."""

    text: str
    box: Box
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of one row: what the source calls a line."""

    text: str
    box: Box


class Placed(Protocol):
    """Whatever stands somewhere on a page."""

    @property
    def box(self) -> Box:
        """Where it stands."""
        ...


Piece = TypeVar("Piece", bound=Placed)


def rows_of(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Sort pieces into rows from top to bottom, each from left to right, whatever their order was."""
    rows: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (piece.box.y0 + piece.box.y1, piece.box.x0)):
        # Compared with the neighbour in the row, not with the row's first: photographed lines slope.
        row = next((row for row in reversed(rows[-3:]) if _nearest(row, piece).box.beside(piece.box)), None)
        if row is None:
            rows.append([piece])
        else:
            insort(row, piece, key=_left)
    return rows


def joined_rows(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Make one fragment of each row."""
    return [
        Fragment(" ".join(piece.text for piece in row), reduce(Box.around, (piece.box for piece in row)))
        for row in rows_of(fragments)
    ]


def words_json(index: int, width: float, height: float, words: Iterable[Word]) -> bytes:
    """Write the word boxes of one page as `ParsedDocument.words` promises."""
    entries = [_word_entry(word) for word in words]
    page = {"index": index, "width": round(width, 2), "height": round(height, 2), "words": entries}
    return json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()


def _nearest(row: Sequence[Piece], piece: Piece) -> Piece:
    place = bisect(row, piece.box.x0, key=_left)
    return min(row[max(0, place - 1) : place + 1], key=lambda other: abs(other.box.x0 - piece.box.x0))


def _left(piece: Placed) -> float:
    return piece.box.x0


def _word_entry(word: Word) -> dict[str, str | float]:
    box = word.box
    entry: dict[str, str | float] = {
        "text": word.text,
        "x0": round(box.x0, 2),
        "y0": round(box.y0, 2),
        "x1": round(box.x1, 2),
        "y1": round(box.y1, 2),
    }
    if word.confidence is not None:
        entry["confidence"] = round(word.confidence, 4)
    return entry
