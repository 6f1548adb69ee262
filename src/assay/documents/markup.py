"""How marked lines become Markdown, Djot or HTML."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Final, Literal, Protocol

from assay.documents.marks import BULLET, FIGURE, HEADING, NUMBERED

MarkupForm = Literal["markdown", "djot", "html"]

_Kind = Literal["heading", "bullets", "numbered", "figure", "table", "paragraph", "gap"]
_BY_MARK: Final[dict[str, _Kind]] = {
    HEADING: "heading",
    BULLET: "bullets",
    NUMBERED: "numbered",
    FIGURE: "figure",
}
# What begins a block where it begins a line. Of an ordinal it is the character after the number.
_BLOCK_START: Final = re.compile(r"(?:#{1,6}(?=\s|$)|[-+*:](?=\s|$)|-(?=-)|=(?==)|>|~(?=~~)|:(?=::))")
_MARKDOWN_ORDINAL: Final = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_DJOT_ORDINAL: Final = re.compile(r"(\(?(?:\d+|[A-Za-z]|[ivxlcdmIVXLCDM]+))([.)])(?=\s|$)")
_MARKDOWN_INLINE: Final = re.compile(r"[\\`*\[\]<|]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])|~(?=~)")
_DJOT_INLINE: Final = re.compile(r"[\\`*_\[\]{}<|^~\"']|-(?=-)|\.(?=\.\.)|:(?=[\w+-]+:)|(?<=\{)[+=-]|[+=-](?=\})")


class _Writer(Protocol):
    def heading(self, level: int, text: str) -> str: ...
    def paragraph(self, lines: Sequence[str]) -> str: ...
    def items(self, lines: Sequence[str], *, numbered: bool) -> str: ...
    def table(self, rows: Sequence[Sequence[str]]) -> str: ...


class _Light:
    """Markdown and Djot, which differ in what has a meaning and so must be escaped."""

    def __init__(self, inline: re.Pattern[str], ordinal: re.Pattern[str]) -> None:
        self._inline = inline
        self._ordinal = ordinal

    def heading(self, level: int, text: str) -> str:
        return f"{'#' * level} {self._escaped(text.strip())}"

    def paragraph(self, lines: Sequence[str]) -> str:
        return "\n".join(self._line(line) for line in lines)

    def items(self, lines: Sequence[str], *, numbered: bool) -> str:
        marks = (f"{number}." if numbered else "-" for number in range(1, len(lines) + 1))
        return "\n".join(f"{mark} {self._line(line)}" for mark, line in zip(marks, lines, strict=True))

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        # Cells beyond the head's would be dropped by who reads Markdown, so the head is as wide as the widest row.
        width = max(map(len, rows))
        head = [*rows[0], *[""] * (width - len(rows[0]))]
        written = [self._row(head), "|" + "---|" * width, *(self._row(row) for row in rows[1:])]
        return "\n".join(written)

    def _row(self, cells: Sequence[str]) -> str:
        return "| " + " | ".join(self._escaped(cell.strip()) for cell in cells) + " |"

    def _line(self, line: str) -> str:
        line = line.strip()
        ordinal = self._ordinal.match(line)
        if ordinal:
            return f"{self._escaped(ordinal[1])}\\{ordinal[2]}{self._escaped(line[ordinal.end() :])}"
        start = _BLOCK_START.match(line)
        # A character that is escaped anyway must not be escaped twice.
        if start and not self._inline.match(line):
            return f"\\{self._escaped(line)}"
        return self._escaped(line)

    def _escaped(self, text: str) -> str:
        return self._inline.sub(r"\\\g<0>", text)


class _Html:
    """HTML without a head."""

    def heading(self, level: int, text: str) -> str:
        return f"<h{level}>{_text(text)}</h{level}>"

    def paragraph(self, lines: Sequence[str]) -> str:
        return f"<p>{'<br>'.join(map(_text, lines))}</p>"

    def items(self, lines: Sequence[str], *, numbered: bool) -> str:
        tag = "ol" if numbered else "ul"
        return f"<{tag}>{''.join(f'<li>{_text(line)}</li>' for line in lines)}</{tag}>"

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        written = ("".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows)
        return "<table>\n" + "\n".join(f"<tr>{row}</tr>" for row in written) + "\n</table>"


_WRITERS: Final[dict[MarkupForm, _Writer]] = {
    "markdown": _Light(_MARKDOWN_INLINE, _MARKDOWN_ORDINAL),
    "djot": _Light(_DJOT_INLINE, _DJOT_ORDINAL),
    "html": _Html(),
}


def marked_up(text: str, form: MarkupForm, *, lines_are_paragraphs: bool = False) -> str:
    """Write marked lines as blocks with an empty line between them; places of figures stay lines of their own.

    Lines with tabs are rows of a table, an empty line ends a paragraph. With `lines_are_paragraphs` every line is one.
    """
    return "\n\n".join(_blocks(text.split("\n"), _WRITERS[form], lines_are_paragraphs=lines_are_paragraphs))


def _blocks(lines: Sequence[str], writer: _Writer, *, lines_are_paragraphs: bool) -> Iterator[str]:
    for kind, group in groupby(lines, _kind):
        if kind == "table":
            yield writer.table([row.split("\t") for row in group])
        elif kind == "paragraph":
            found = list(group)
            yield from (
                writer.paragraph(part) for part in ([[line] for line in found] if lines_are_paragraphs else [found])
            )
        elif kind in {"bullets", "numbered"}:
            yield writer.items([line[1:] for line in group], numbered=kind == "numbered")
        elif kind == "heading":
            yield from (writer.heading(_level(line), line[2:]) for line in group)
        elif kind == "figure":
            yield from group


def _kind(line: str) -> _Kind:
    if not line.strip():
        return "gap"
    return _BY_MARK.get(line[0], "table" if "\t" in line else "paragraph")


def _level(line: str) -> int:
    return int(line[1]) if line[1:2] in {"1", "2", "3", "4", "5", "6"} else 6


def _text(text: str) -> str:
    return escape(text.strip(), quote=False)
