"""What a line of a document is, said by a character before it: heading, item of a list, place of a figure.

The characters are noncharacters, which Unicode sets aside for use inside of programs.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from assay.documents.model import TextForm

HEADING: Final = "\ufdd0"
"""A digit follows, 1 for the highest level, then the text."""
BULLET: Final = "\ufdd1"
NUMBERED: Final = "\ufdd2"
FIGURE: Final = "\ufdd3"
"""The number of the figure on its page follows, from 0, and nothing else."""

_FIGURE_LINE: Final = re.compile(rf"^{FIGURE}(\d{{1,4}})(\n*)", re.MULTILINE)


def heading(level: int, text: str) -> str:
    """Mark a line as a heading."""
    return f"{HEADING}{min(max(level, 1), 6)}{text}"


def figure_place(number: int) -> str:
    """Return the line that stands where a figure of the page is."""
    return f"{FIGURE}{number}"


def with_descriptions(text: str, descriptions: Sequence[str | None], form: TextForm) -> str:
    """Put the descriptions of a page's figures at their places; the place of a figure without one goes."""

    def described(place: re.Match[str]) -> str:
        number = int(place[1])
        description = descriptions[number] if number < len(descriptions) else None
        return f"{figure_text(description, form)}{place[2]}" if description else ""

    return _FIGURE_LINE.sub(described, text).rstrip("\n") if FIGURE in text else text


def figure_text(description: str, form: TextForm) -> str:
    """Write what is to be seen in a figure; it stays one block."""
    line = " ".join(description.split())
    if form == "html":
        return f"<figure><figcaption>{escape(line, quote=False)}</figcaption></figure>"
    if form == "djot":
        return f"::: figure\n{line}\n:::"
    return f"[Figure: {line}]"
