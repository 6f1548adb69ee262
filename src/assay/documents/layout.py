"""How words keep their columns in a text: each begins where it stands on the page, counted in characters."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from statistics import median
from typing import Final

from assay.documents.marks import figure_place
from assay.documents.rows import Box, Word, rows_of

_WIDEST_PAGE: Final = 300
_WIDEST_COLUMN: Final = 30
_PARAGRAPH_GAP: Final = 1.0


def laid_out(words: Sequence[Word], figures: Sequence[Box] = ()) -> str:
    """Write words at their columns, with an empty line where the page leaves one, and the places of figures.

    A word that the one before reaches into moves to the right by as much as it needs.
    """
    if not words:
        return "\n".join(figure_place(number) for number in range(len(figures)))
    left = min(word.box.x0 for word in words)
    width = _character_width(words, left)
    lines: list[str] = []
    waiting = sorted(range(len(figures)), key=lambda number: figures[number].y1)
    bottom: float | None = None
    for row in rows_of(words):
        top = min(word.box.y0 for word in row)
        while waiting and figures[waiting[0]].y1 <= (top + row[0].box.y1) / 2:
            lines.append(figure_place(waiting.pop(0)))
        if bottom is not None and top - bottom > _PARAGRAPH_GAP * (row[0].box.y1 - row[0].box.y0):
            lines.append("")
        lines.append(_row(row, left, width))
        bottom = max(word.box.y1 for word in row)
    return "\n".join([*lines, *(figure_place(number) for number in waiting)])


def aligned(text: str) -> str:
    """Write cells that tabs separate below each other, as far as they are not too long for that."""
    return "\n".join(line for tabbed, rows in groupby(text.split("\n"), _has_cells) for line in _lines(tabbed, rows))


def _has_cells(line: str) -> bool:
    return "\t" in line


def _lines(tabbed: bool, rows: Iterable[str]) -> Iterator[str]:
    if not tabbed:
        yield from rows
        return
    table = [row.split("\t") for row in rows]
    widths: list[int] = []
    for row in table:
        widths += [0] * (len(row) - len(widths))
        for position, cell in enumerate(row):
            widths[position] = max(widths[position], min(len(cell), _WIDEST_COLUMN))
    for row in table:
        yield "  ".join(cell.ljust(widths[position]) for position, cell in enumerate(row)).rstrip()


def _character_width(words: Sequence[Word], left: float) -> float:
    widths = [(word.box.x1 - word.box.x0) / len(word.text) for word in words if word.text]
    right = max(word.box.x1 for word in words)
    return max(median(widths) if widths else 0.0, (right - left) / _WIDEST_PAGE, 1e-6)


def _row(row: Sequence[Word], left: float, width: float) -> str:
    pieces: list[str] = []
    length = 0
    for word in row:
        column = max(round((word.box.x0 - left) / width), length + 1 if pieces else 0)
        pieces += [" " * (column - length), word.text]
        length = column + len(word.text)
    return "".join(pieces)
