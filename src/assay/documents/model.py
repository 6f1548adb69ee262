"""What a parsed document is, and how much of one is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ParseMode = Literal["native-or-ocr", "native", "ocr"]
DocumentKind = Literal["plaintext", "csv", "html", "email", "office", "image", "pdf"]
ParseStrategy = Literal["native", "ocr", "hybrid"]
TextForm = Literal["plain", "markdown", "djot", "html", "layout"]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, sheet or image frame.

    A row of the page is one line of `text`; cells of tables in office and HTML documents are
    separated by a tab. `index` counts from 0, `name` is the name of a sheet, `confidence` (0 to 1)
    is the mean over the lines that OCR read and None for native text. `unread` pages should have
    been read from their picture, and were not.
    """

    index: int
    text: str
    name: str | None = None
    confidence: float | None = None
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture on a page: its box in points from the upper left corner, left, top, right, bottom."""

    page: int
    box: tuple[float, float, float, float]

    @property
    def area(self) -> float:
        """Square points it covers."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as text.

    `text` is the text of all pages, separated by an empty line. `words` is a JSON list with one
    entry for each page that has boxes: `{index, width, height, words: [{text, x0, y0, x1, y1,
    confidence?}]}`, in points for a PDF and in pixels for an image, from the upper left corner of
    the page as it is shown. Text never holds NUL or lone surrogates, they are U+FFFD. `figures` are
    those of all pages in reading order, where they were asked for; the text of their pages then has
    places for their descriptions, which `with_descriptions` fills. `figures_left_out` counts more.
    """

    text: str
    pages: tuple[Page, ...]
    kind: DocumentKind
    strategy: ParseStrategy
    ocr_pages: int
    metadata: Mapping[str, object]
    words: bytes
    figures: tuple[Figure, ...] = ()
    figures_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one document may cost before it is refused.

    `seconds` is for everything but OCR, `ocr_seconds` for each page that OCR reads; both start
    when a child begins to work. `unpacked_bytes` is the sum of what a zip container (DOCX, XLSX)
    holds, `packing_ratio` how many times larger that is than the file, `output_bytes` the text and
    word boxes together.
    """

    pages: int = 1_000
    pixels: int = 100_000_000
    cells: int = 5_000_000
    seconds: float = 60.0
    ocr_seconds: float = 60.0
    memory_bytes: int = 1 << 30
    ocr_memory_bytes: int = 2 << 30
    unpacked_bytes: int = 256 << 20
    packing_ratio: int = 200
    output_bytes: int = 64 << 20
