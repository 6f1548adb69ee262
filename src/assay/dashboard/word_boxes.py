"""Where words stand on a page, by the boxes that parsing kept beside the run."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

MOST_WORDS = 400_000
_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class WordBox:
    """A box on a page counted from 0; `box` is `x0 y0 x1 y1`, `sheet` its width and height in the same unit."""

    page: int
    box: str
    sheet: str


def find_words(content: bytes, text: str, page: int | None) -> WordBox | None:
    """Return the box around a text in `words.json`: on the page that is named, or on the first that has it.

    Case and punctuation at the edges of words make no difference. None where it is nowhere, or the file is no such.
    """
    wanted = [plain for one in text.split()[:60] if (plain := _plain(one))]
    try:
        sheets: Any = json.loads(content)
    except ValueError:
        return None
    if not wanted or not isinstance(sheets, list):
        return None
    for sheet in cast("list[Any]", sheets):
        if isinstance(sheet, dict) and page in {None, cast("dict[str, Any]", sheet).get("index")}:
            found = _on_sheet(cast("dict[str, Any]", sheet), wanted)
            if found:
                return found
    return None


def _on_sheet(sheet: dict[str, Any], wanted: Sequence[str]) -> WordBox | None:
    words: list[dict[str, Any]] = sheet.get("words", [])[:MOST_WORDS]
    plain = [_plain(str(word["text"])) for word in words]
    for start in range(len(words) - len(wanted) + 1):
        if plain[start] == wanted[0] and plain[start : start + len(wanted)] == list(wanted):
            met = words[start : start + len(wanted)]
            corners = [min(word[side] for word in met) for side in ("x0", "y0")]
            corners += [max(word[side] for word in met) for side in ("x1", "y1")]
            box = " ".join(f"{corner:.2f}" for corner in corners)
            return WordBox(int(sheet["index"]), box, f"{sheet['width']:.2f} {sheet['height']:.2f}")
    return None


def _plain(word: str) -> str:
    return _EDGES.sub("", word).casefold()
