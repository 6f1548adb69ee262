"""What is shown of a file that has text and no pages to look at: paragraphs as they are, cells as tables."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import groupby

from assay import documents

MOST_ROWS = 500
"""Of one table."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: text, or the rows of a table, of which `left_out` more are not shown.

    `name` is that of the sheet which begins here.
    """

    name: str | None
    text: str = ""
    rows: Sequence[Sequence[str]] = ()
    left_out: int = 0


def passages_of(document: documents.ParsedDocument, most: int) -> list[Passage]:
    """Cut the first `most` characters of a document into what is text and what is a table."""
    if document.kind == "csv":
        return [_separated(document.text[:most])]
    found: list[Passage] = []
    for page in document.pages:
        if most <= 0:
            break
        found.extend(_of_page(page.name, page.text[:most]))
        most -= len(page.text)
    return found


def _of_page(name: str | None, text: str) -> Iterator[Passage]:
    for is_table, lines in groupby(text.splitlines(), key=lambda line: "\t" in line):
        if is_table:
            yield _table(name, [line.split("\t") for line in lines])
        else:
            paragraphs = "\n".join(lines).strip("\n")
            if not paragraphs:
                continue
            yield Passage(name, paragraphs)
        name = None


def _separated(text: str) -> Passage:
    try:
        dialect = csv.Sniffer().sniff(text[:10_000], ",;\t|")
        return _table(None, [row for row in csv.reader(StringIO(text), dialect) if row])
    except csv.Error:
        return Passage(None, text)


def _table(name: str | None, rows: Sequence[Sequence[str]]) -> Passage:
    return Passage(name, rows=rows[:MOST_ROWS], left_out=max(0, len(rows) - MOST_ROWS))
