"""What the text of a PDF page is, where its words stand, and when it has to be read by OCR."""

import ctypes
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol, cast

import pypdfium2
from PIL import Image
from pypdfium2 import raw

from assay.documents.characters import REPLACEMENT, clean, join_surrogates
from assay.documents.errors import DocumentEncryptedError, DocumentTooLargeError, DocumentUnreadableError
from assay.documents.model import Limits
from assay.documents.page_text import in_reading_order, page_text
from assay.documents.protocol import PageReading, Request
from assay.documents.readers.figures import PageFigures, PageWithImages, PlacedObject, figures_of
from assay.documents.rows import Box, Fragment, Word, words_json

# Some producers place every few glyphs anew, and pdfium takes each small step for a blank
# ("Br uttosumme"). On 36 invoices such steps measure up to 0.115 of the line height, the narrowest
# blank that is one 0.179.
_NARROWEST_BLANK: Final = 0.125
_HYPHEN_AT_LINE_END: Final = 2
_DEVICE_UNITS_PER_POINT: Final = 100
_ENOUGH_CHARACTERS: Final = 100
_HARDLY_ANY_CHARACTERS: Final = 20
_DRAWN_TEXT_PATHS: Final = 30
_MOSTLY_IMAGES: Final = 0.5
_MOST_JUNK: Final = 0.3
_MOST_ATTACHMENTS: Final = 1_000


class _Object(PlacedObject, Protocol):
    type: int


class _Closeable(Protocol):
    def close(self) -> None: ...


class _Bitmap(Protocol):
    def to_pil(self) -> Image.Image: ...


class _Attachment(Protocol):
    def get_name(self) -> str: ...
    def get_data(self) -> ctypes.Array[ctypes.c_char]: ...


class PdfPage(_Closeable, PageWithImages, Protocol):
    """The part of pypdfium2's page that is used here."""

    def get_textpage(self) -> _Closeable:
        """Load the page's text."""
        ...

    def render(self, *, scale: float) -> _Bitmap:
        """Paint the page; a scale of 1 is 72 dpi."""
        ...

    def flatten(self) -> int:
        """Make the values of form fields part of the page."""
        ...


class Pdf(_Closeable, Protocol):
    """The part of pypdfium2's document that is used here."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> PdfPage: ...

    def get_formtype(self) -> int:
        """Say which sort of form the document has."""
        ...

    def init_forms(self) -> None:
        """Load the form's values."""
        ...

    def get_metadata_dict(self, *, skip_empty: bool) -> dict[str, str]:
        """Return title, author and so on."""
        ...

    def count_attachments(self) -> int:
        """Say how many files are embedded."""
        ...

    def get_attachment(self, index: int) -> _Attachment:
        """Find one embedded file."""
        ...


@contextmanager
def opened(path: Path) -> Generator[Pdf]:
    """Open a PDF.

    Raises:
        DocumentEncryptedError: It cannot be opened without a password.
        DocumentUnreadableError: It is damaged.
    """
    try:
        pdf = cast("Pdf", pypdfium2.PdfDocument(path))
    except pypdfium2.PdfiumError as error:
        if cast("int | None", error.err_code) in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}:
            raise DocumentEncryptedError from error
        raise DocumentUnreadableError("The PDF is damaged and cannot be opened.") from error
    try:
        yield pdf
    finally:
        pdf.close()


@contextmanager
def opened_page(pdf: Pdf, index: int) -> Generator[PdfPage]:
    """Open one page, the values of its form fields included.

    Raises:
        DocumentUnreadableError: The page is damaged.
    """
    try:
        if pdf.get_formtype() != raw.FORMTYPE_NONE:
            pdf.init_forms()
            filled = pdf[index]
            filled.flatten()
            filled.close()
        page = pdf[index]
    except pypdfium2.PdfiumError as error:
        raise DocumentUnreadableError(f"Page {index + 1} of the PDF is damaged.") from error
    try:
        yield page
    finally:
        page.close()


def read_pages(path: Path, request: Request) -> Iterator[PageReading]:
    """Read the text layer of every page; with the mode `ocr` only say how many pages there are, and their figures.

    Raises:
        DocumentTooLargeError: It has more pages than allowed.
        DocumentEncryptedError: It cannot be opened without a password.
        DocumentUnreadableError: It, or one of its pages, is damaged.
    """
    limits = request.limits
    with opened(path) as pdf:
        if len(pdf) > limits.pages:
            raise DocumentTooLargeError(f"The PDF has {len(pdf):,} pages; {limits.pages:,} are allowed.")
        if not len(pdf):
            raise DocumentUnreadableError("The PDF has no pages.")
        for index in range(len(pdf)):
            if request.mode == "ocr" and not request.figures:
                yield PageReading(index, "", needs_ocr=True)
                continue
            with opened_page(pdf, index) as page:
                yield _page_reading(page, index, request)


def page_figures(page: PdfPage, limits: Limits) -> PageFigures:
    """Find the figures of a page, their boxes as the page is shown."""
    return figures_of(page, partial(_shown, page, _device(page)), most_pixels=limits.pixels)


def _page_reading(page: PdfPage, index: int, request: Request) -> PageReading:
    figures = page_figures(page, request.limits) if request.figures else PageFigures()
    if request.mode == "ocr":
        ordered = in_reading_order((), figures.boxes)
        return PageReading(index, "", needs_ocr=True, figures=as_numbers(ordered), figures_left_out=figures.left_out)
    lines, words = _lines_and_words(page)
    ordered = in_reading_order(lines, figures.boxes)
    plain = "\n".join(line.text for line in lines)
    is_plain = request.form == "plain" and not ordered
    return PageReading(
        index,
        plain if is_plain else page_text(lines, words, request.form, ordered),
        needs_ocr=request.mode == "native-or-ocr" and _needs_ocr(page, plain),
        words=words_json(index, *page.get_size(), words),
        figures=as_numbers(ordered),
        figures_left_out=figures.left_out,
    )


def as_numbers(boxes: Sequence[Box]) -> list[list[float]]:
    """Write boxes as a reading carries them."""
    return [[round(side, 2) for side in (box.x0, box.y0, box.x1, box.y1)] for box in boxes]


def read_metadata(path: Path) -> dict[str, object]:
    """Return what the PDF says about itself: title, author, producer, dates."""
    with opened(path) as pdf:
        return {name.lower(): clean(value) for name, value in pdf.get_metadata_dict(skip_empty=True).items()}


def read_attachments(path: Path, wanted: Callable[[str], bool], limits: Limits) -> list[tuple[str, bytes]]:
    """Return name and content of the embedded files whose names are wanted, in the order of the PDF.

    Raises:
        DocumentTooLargeError: There are too many embedded files, or together they are too large.
        DocumentEncryptedError: The PDF cannot be opened without a password.
        DocumentUnreadableError: The PDF, or a file in it, is damaged.
    """
    found: list[tuple[str, bytes]] = []
    with opened(path) as pdf:
        count = pdf.count_attachments()
        if count > _MOST_ATTACHMENTS:
            raise DocumentTooLargeError(f"The PDF has {count:,} attachments; {_MOST_ATTACHMENTS:,} are allowed.")
        for index in range(count):
            attachment = pdf.get_attachment(index)
            name = attachment.get_name()
            if wanted(name):
                found.append((name, _attached(attachment, name)))
            if sum(len(content) for _, content in found) > limits.output_bytes:
                raise DocumentTooLargeError("The attachments of the PDF are too large.")
    return found


def _attached(attachment: _Attachment, name: str) -> bytes:
    try:
        return bytes(attachment.get_data())
    except pypdfium2.PdfiumError as error:
        raise DocumentUnreadableError(f"The attachment {clean(name)[:100]!r} of the PDF is damaged.") from error


def _needs_ocr(page: PdfPage, text: str) -> bool:
    printed = sum(1 for character in text if not character.isspace())
    junk = sum(1 for character in text if character == REPLACEMENT or "\ue000" <= character <= "\uf8ff")
    if printed and junk > printed * _MOST_JUNK:
        return True
    if printed >= _ENOUGH_CHARACTERS:
        return False
    objects = [(item.type, item) for item in cast("Iterator[_Object]", page.get_objects(filter=None, max_depth=3))]
    images = [item.get_bounds() for kind, item in objects if kind == raw.FPDF_PAGEOBJ_IMAGE]
    paths = sum(1 for kind, _ in objects if kind == raw.FPDF_PAGEOBJ_PATH)
    if printed < _HARDLY_ANY_CHARACTERS:
        return bool(images) or paths > _DRAWN_TEXT_PATHS
    width, height = page.get_size()
    covered = sum((right - left) * (top - bottom) for left, bottom, right, top in images)
    return covered > width * height * _MOSTLY_IMAGES


def _lines_and_words(page: PdfPage) -> tuple[list[Fragment], list[Word]]:
    textpage = page.get_textpage()
    try:
        layout = _Layout(page)
        layout.read(textpage)
    finally:
        textpage.close()
    return layout.lines, layout.words


class _Layout:
    """Collects the characters of a page into words and lines, in the order pdfium gives them."""

    def __init__(self, page: PdfPage) -> None:
        self.words: list[Word] = []
        self.lines: list[Fragment] = []
        self._page = page
        self._device = _device(page)
        self._line: list[str] = []
        self._line_box: Box | None = None
        self._word: list[str] = []
        self._word_box: Box | None = None

    def read(self, textpage: object) -> None:
        for index in range(raw.FPDFText_CountChars(textpage)):
            code: int = raw.FPDFText_GetUnicode(textpage, index)
            character = chr(code) if code else REPLACEMENT
            if code == _HYPHEN_AT_LINE_END:
                self._add("-", _character_box(textpage, index))
                self._end_word("\n")
            elif not character.isspace():
                self._add(character, _character_box(textpage, index))
            elif not _is_kerning(textpage, index):
                self._end_word(character)
        self._end_word("\n")

    def _add(self, character: str, box: Box) -> None:
        self._word.append(character)
        self._word_box = self._word_box.around(box) if self._word_box else box

    def _end_word(self, blank: str) -> None:
        if self._word_box is not None:
            text = clean(join_surrogates("".join(self._word)))
            box = _shown(self._page, self._device, self._word_box)
            self.words.append(Word(text, box))
            self._line.append(text)
            self._line_box = self._line_box.around(box) if self._line_box else box
            self._word, self._word_box = [], None
        if blank.splitlines() == [blank]:
            self._line.append(blank)
        else:
            self._end_line()

    def _end_line(self) -> None:
        if self._line_box is not None:
            self.lines.append(Fragment("".join(self._line), self._line_box))
        self._line, self._line_box = [], None


def _device(page: PdfPage) -> tuple[int, int]:
    width, height = page.get_size()
    return round(width * _DEVICE_UNITS_PER_POINT), round(height * _DEVICE_UNITS_PER_POINT)


def _shown(page: PdfPage, device: tuple[int, int], box: Box) -> Box:
    """Turn page space (y upwards, before rotation and cropping) into what a reader sees."""
    corners = _shown_point(page, device, box.x0, box.y0), _shown_point(page, device, box.x1, box.y1)
    x, y = zip(*corners, strict=True)
    return Box(min(x), min(y), max(x), max(y))


def _shown_point(page: PdfPage, device: tuple[int, int], x: float, y: float) -> tuple[float, float]:
    shown_x, shown_y = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page, 0, 0, *device, 0, x, y, shown_x, shown_y)
    return shown_x.value / _DEVICE_UNITS_PER_POINT, shown_y.value / _DEVICE_UNITS_PER_POINT


def _character_box(textpage: object, index: int) -> Box:
    bounds = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(textpage, index, bounds)
    return Box(bounds.left, bounds.bottom, bounds.right, bounds.top)


def _is_kerning(textpage: object, index: int) -> bool:
    if index == 0 or raw.FPDFText_IsGenerated(textpage, index) != 1:
        return False
    before, after = _character_box(textpage, index - 1), _character_box(textpage, index + 1)
    return before.beside(after) and 0 <= after.x0 - before.x1 < _NARROWEST_BLANK * (before.y1 - before.y0)
