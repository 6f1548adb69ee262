"""How the lines of a page, each with its box, become its text: in which form, and where its figures stand in it."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median_low
from typing import Final

from assay.documents import marks
from assay.documents.layout import laid_out
from assay.documents.markup import marked_up
from assay.documents.model import TextForm
from assay.documents.rows import Box, Fragment, Word

_HEADING_SIZE: Final = 1.25
_LONGEST_HEADING: Final = 200
_PARAGRAPH_GAP: Final = 0.6
_BULLET: Final = re.compile(r"[•●▪■◦‣∙]\s*(?=\S)")


def page_text(lines: Sequence[Fragment], words: Sequence[Word], form: TextForm, figures: Sequence[Box] = ()) -> str:
    """Write a page whose lines are in reading order; `figures` are in the order that `in_reading_order` gives."""
    if form == "layout":
        return laid_out(words, figures)
    if form == "plain":
        return "\n".join(_with_places(lines, [line.text for line in lines], figures))
    return marked_up("\n".join(_with_places(lines, _marked(lines), figures)), form)


def in_reading_order(lines: Sequence[Fragment], figures: Sequence[Box]) -> list[Box]:
    """Sort figures by where they stand among the lines, then from top to bottom."""
    return sorted(figures, key=lambda box: (_line_after(lines, box), box.y0, box.x0))


def _with_places(lines: Sequence[Fragment], texts: Sequence[str], figures: Sequence[Box]) -> Iterator[str]:
    places = [_line_after(lines, box) for box in figures]
    number = 0
    for index in range(len(texts) + 1):
        while number < len(places) and places[number] <= index:
            yield marks.figure_place(number)
            number += 1
        if index < len(texts):
            yield texts[index]


def _line_after(lines: Sequence[Fragment], figure: Box) -> int:
    """Return which line follows a figure: the first below it in its column, else that after the last above it."""
    after_the_last_above = 0
    for index, line in enumerate(lines):
        if line.box.x1 <= figure.x0 or line.box.x0 >= figure.x1:
            continue
        middle = (line.box.y0 + line.box.y1) / 2
        if middle >= figure.y1:
            return index
        if middle <= figure.y0:
            after_the_last_above = index + 1
    return after_the_last_above or len(lines)


def _marked(lines: Sequence[Fragment]) -> list[str]:
    """Mark headings by their size and items by their bullets; each text begins with a newline where a gap is."""
    body = _body_height(lines)
    sizes = sorted({round(_height(line)) for line in lines if _is_heading(line, body)}, reverse=True)
    marked: list[str] = []
    for before, line in pairwise([None, *lines]):
        assert line is not None
        if _is_heading(line, body):
            marked.append(marks.heading(min(3, 1 + sizes.index(round(_height(line)))), line.text))
            continue
        text = _BULLET.sub(marks.BULLET, line.text, count=1) if _BULLET.match(line.text) else line.text
        marked.append(f"\n{text}" if before and _gap(before, line, body) else text)
    return marked


def _body_height(lines: Sequence[Fragment]) -> float:
    """Return the height of the lines that most characters stand in."""
    return median_low([_height(line) for line in lines for _ in range(min(len(line.text), 500))] or [1.0])


def _is_heading(line: Fragment, body: float) -> bool:
    if len(line.text) > _LONGEST_HEADING or _height(line) < body * _HEADING_SIZE:
        return False
    return any(character.isalpha() for character in line.text)


def _gap(before: Fragment, line: Fragment, body: float) -> bool:
    down = line.box.y0 - before.box.y1
    return down > body * _PARAGRAPH_GAP or line.box.y1 < before.box.y0


def _height(line: Fragment) -> float:
    return line.box.y1 - line.box.y0
