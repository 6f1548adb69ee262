"""What the text of a PDF page is, where its words stand, and when it has to be read by OCR."""

import ctypes
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, cast

import pypdfium2
from PIL import Image
from pypdfium2 import raw

from assay.documents.characters import REPLACEMENT, clean, join_surrogates
from assay.documents.errors import DocumentEncryptedError, DocumentTooLargeError, DocumentUnreadableError
from assay.documents.model import Limits, ParseMode
from assay.documents.protocol import PageReading
from assay.documents.rows import Box, Word, words_json

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


class _Object(Protocol):
    type: int

    def get_bounds(self) -> tuple[float, float, float, float]: ...


class _Closeable(Protocol):
    def close(self) -> None: ...


class _Bitmap(Protocol):
    def to_pil(self) -> Image.Image: ...


class _Attachment(Protocol):
    def get_name(self) -> str: ...
    def get_data(self) -> ctypes.Array[ctypes.c_char]: ...


class PdfPage(_Closeable, Protocol):
    """The part of pypdfium2's page that is used here."""

    def get_size(self) -> tuple[float, float]:
        """Return width and height in points, as the page is shown."""
        ...

    def get_textpage(self) -> _Closeable:
        """Load the page's text."""
        ...

    def get_objects(self, *, max_depth: int) -> Iterator[_Object]:
        """Go through the page's objects."""
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


def read_pages(path: Path, mode: ParseMode, limits: Limits) -> Iterator[PageReading]:
    """Read the text layer of every page; with `ocr` only say how many pages there are.

    Raises:
        DocumentTooLargeError: It has more pages than allowed.
        DocumentEncryptedError: It cannot be opened without a password.
        DocumentUnreadableError: It, or one of its pages, is damaged.
    """
    with opened(path) as pdf:
        if len(pdf) > limits.pages:
            raise DocumentTooLargeError(f"The PDF has {len(pdf):,} pages; {limits.pages:,} are allowed.")
        if not len(pdf):
            raise DocumentUnreadableError("The PDF has no pages.")
        for index in range(len(pdf)):
            if mode == "ocr":
                yield PageReading(index, "", needs_ocr=True)
                continue
            with opened_page(pdf, index) as page:
                text, words = _text_and_words(page)
                yield PageReading(
                    index,
                    text,
                    needs_ocr=mode == "native-or-ocr" and _needs_ocr(page, text),
                    words=words_json(index, *page.get_size(), words),
                )


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
    objects = [(item.type, item) for item in page.get_objects(max_depth=3)]
    images = [item.get_bounds() for kind, item in objects if kind == raw.FPDF_PAGEOBJ_IMAGE]
    paths = sum(1 for kind, _ in objects if kind == raw.FPDF_PAGEOBJ_PATH)
    if printed < _HARDLY_ANY_CHARACTERS:
        return bool(images) or paths > _DRAWN_TEXT_PATHS
    width, height = page.get_size()
    covered = sum((right - left) * (top - bottom) for left, bottom, right, top in images)
    return covered > width * height * _MOSTLY_IMAGES


def _text_and_words(page: PdfPage) -> tuple[str, list[Word]]:
    textpage = page.get_textpage()
    try:
        layout = _Layout(page)
        layout.read(textpage)
    finally:
        textpage.close()
    return clean(layout.text()), layout.words


class _Layout:
    """Collects the characters of a page into words and lines, in the order pdfium gives them."""

    def __init__(self, page: PdfPage) -> None:
        self.words: list[Word] = []
        self._page = page
        width, height = page.get_size()
        self._device = (round(width * _DEVICE_UNITS_PER_POINT), round(height * _DEVICE_UNITS_PER_POINT))
        self._pieces: list[str] = []
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
        self._end_word("")

    def text(self) -> str:
        lines = "".join(self._pieces).splitlines()
        return "\n".join(line for line in lines if line.strip())

    def _add(self, character: str, box: Box) -> None:
        self._word.append(character)
        self._word_box = self._word_box.around(box) if self._word_box else box

    def _end_word(self, blank: str) -> None:
        if self._word_box is not None:
            text = join_surrogates("".join(self._word))
            self.words.append(Word(clean(text), self._shown(self._word_box)))
            self._pieces.append(text)
            self._word, self._word_box = [], None
        self._pieces.append(blank)

    def _shown(self, box: Box) -> Box:
        """Turn page space (y upwards, before rotation and cropping) into what a reader sees."""
        x, y = zip(self._shown_point(box.x0, box.y0), self._shown_point(box.x1, box.y1), strict=True)
        return Box(min(x), min(y), max(x), max(y))

    def _shown_point(self, x: float, y: float) -> tuple[float, float]:
        shown_x, shown_y = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(self._page, 0, 0, *self._device, 0, x, y, shown_x, shown_y)
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
