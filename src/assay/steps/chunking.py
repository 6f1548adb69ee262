"""Where a long text is cut so that each part is small enough and ends where a reader would pause."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

HARD_CAP: Final = 1.5
"""How many times longer than wished a part may become to end at one of its own boundaries."""

# From the best place to the worst; the cut is where the match ends.
_PAUSES: Final = tuple(map(re.compile, (r"\n[ \t]*\n+", r"\n", r"[.!?;:\u3002][\"')\]]*\s", r"\s")))


@dataclass(frozen=True, slots=True)
class ChunkSizes:
    """How long parts are wished, in characters; `header` is what each part but the first has to leave free."""

    wished: int
    overlap: int = 0
    least: int = 0
    header: int = 0


def chunk_spans(text: str, sizes: ChunkSizes, boundaries: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the spans of the parts, in order: they cover the text, and each begins `overlap` before the last one's end.

    A part ends at the last of the `boundaries` (sorted positions) that the wished length reaches, else at the first
    within one and a half of that length, else at the end of a paragraph, line, sentence or word in its second half,
    else where the wished length ends. A rest shorter than `least` belongs to the part before it where that has room.
    """
    start = end = 0
    while end < len(text):
        taken = sizes.header if start else 0
        soft, hard = start + sizes.wished - taken, start + int(sizes.wished * HARD_CAP) - taken
        earliest = start + max(sizes.overlap, sizes.least) + 1
        end = _end(text, boundaries, earliest, soft, hard)
        if len(text) - end < sizes.least and len(text) <= hard:
            end = len(text)
        yield start, end
        start = end - sizes.overlap


def _end(text: str, boundaries: Sequence[int], earliest: int, soft: int, hard: int) -> int:
    if len(text) <= soft:
        return len(text)
    within = bisect_right(boundaries, soft) - 1
    if within >= 0 and boundaries[within] >= earliest:
        return boundaries[within]
    beyond = bisect_left(boundaries, max(earliest, soft))
    if beyond < len(boundaries) and boundaries[beyond] <= hard:
        return boundaries[beyond]
    half = max(earliest, soft - (hard - soft))
    for pause in _PAUSES:
        ends = [match.end() for match in pause.finditer(text, min(half, soft), soft)]
        if ends:
            return ends[-1]
    return soft
