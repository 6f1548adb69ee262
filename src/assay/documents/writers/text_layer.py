"""How the words that OCR read become text of the PDF itself, to be searched and copied but not seen."""

import base64
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict, cast

from PIL import Image, ImageOps
from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.errors import PyPdfError
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from assay.documents.detection import detect
from assay.documents.errors import DocumentEncryptedError, DocumentUnreadableError, DocumentUnsupportedError
from assay.documents.model import Limits
from assay.documents.protocol import Reading, Request
from assay.documents.readers.image import list_frames

_IMAGES: Final = frozenset({"png", "jpeg", "tiff", "webp"})
_FONT_NAME: Final = "/AssayWords"
_CHARACTER_WIDTH: Final = 0.5
_DESCENT: Final = 0.2

# A font whose glyphs are lines without width, half as wide as high: without any extent, readers take turned text for
# nothing. Made with fontTools' FontBuilder, packed with zlib.
_BLANK_FONT: Final = (
    "eNqFUr1KA0EYnL1NoiaijcZ2CwtBURSRFIIkglgZiI2dLvFMIHfJcUkgdpaWNr6Fr2BnIcROfADBwgc4we6c3TuDEn++ZfdmZm/3m+9jIQDkcQ"
    "EJVT1c2ygvlI8AsUT1pO7rANPokl+Rbza887Ph/nCP/IF8penqU13YLRHfcG41KWSLYpX4hXOx6fcGIiKCuOSS8zp1jSIK5HeG+3oQIMMBMUmu"
    "2tp3l6vrj+Tv5GHQ6fboi+F4Zh/GK6d7e/10PLv9BilfMRZxSURSEUg4qcQzUsX0mbqJ7E1fQ1jF4Uh2nLFrpYjYhaxx+298u32HYd2rX/9Xn8"
    "5GuU3Vc1yF/WbsWdMpw1UcJ2v8PMpUYF9t3rR6onkhonvToJ9V9h8H6XnBujCqfIIswTmr00VmikqebyHBDmaYL8E5o1c83W7V3Ebf0yEq8KDR"
    "Rgs1uGigb3mYVvVHfAAnl0mQ"
)
_TO_UNICODE: Final = b"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
1 beginbfrange
<0000> <FFFF> <0000>
endbfrange
endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""


class _Word(TypedDict):
    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    confidence: NotRequired[float]


class _WordsPage(TypedDict):
    index: int
    width: float
    height: float
    words: list[_Word]


@dataclass(frozen=True, slots=True)
class _Placement:
    """How a point of the page as it is shown, from its upper left corner, lies in the page's own coordinates."""

    origin: tuple[float, float]
    right: tuple[float, float]
    down: tuple[float, float]

    def matrix(self, x: float, y: float) -> str:
        """Return the text matrix for text that begins there and runs to the right."""
        left = self.origin[0] + x * self.right[0] + y * self.down[0]
        bottom = self.origin[1] + x * self.right[1] + y * self.down[1]
        turn = (*_unit(self.right), *(-part for part in _unit(self.down)))
        return " ".join(f"{number:.3f}" for number in (*turn, left, bottom))


def add_text_layer(path: Path, request: Request) -> Reading:
    """Lay words over a PDF, or over the PDF that is made of an image, as `making` describes.

    Only words that have a confidence were read from a picture; the PDF holds the others as text already.

    Raises:
        DocumentUnsupportedError: It is no PDF and no image.
        DocumentEncryptedError: It needs a password.
        DocumentUnreadableError: It is damaged.
    """
    arguments = cast("Mapping[str, Any]", json.loads(request.arguments))
    pages = cast("list[_WordsPage]", json.loads(Path(arguments["words"]).read_bytes()))
    detected = detect(path, request.filename, request.content_type)
    if detected.format != "pdf" and detected.format not in _IMAGES:
        raise DocumentUnsupportedError("Only a PDF or an image gets a text layer.")
    try:
        source = path.open("rb") if detected.format == "pdf" else _pdf_of_image(path, request.limits)
        with source:
            return _with_words(PdfReader(source), pages, arguments["confidence"])
    except (PyPdfError, KeyError, TypeError, ValueError, AttributeError, SyntaxError, OSError) as error:
        raise DocumentUnreadableError("The document is damaged.") from error


def _with_words(reader: PdfReader, pages: Iterable[_WordsPage], confidence: float) -> Reading:
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentEncryptedError
    writer = PdfWriter(clone_from=reader)
    font = _add_font(writer)
    count = 0
    for page in pages:
        sure = [word for word in page["words"] if word.get("confidence", -1.0) >= confidence and word["text"].strip()]
        if sure and page["index"] < len(writer.pages):
            _lay_over(writer, writer.pages[page["index"]], font, page, sure)
            count += len(sure)
    content = io.BytesIO()
    writer.write(content)
    facts: dict[str, object] = {"pageCount": len(writer.pages), "wordCount": count}
    return Reading("pdf", [], facts, content.getvalue())


def _pdf_of_image(path: Path, limits: Limits) -> io.BytesIO:
    # Refuses images that have too many pixels or frames.
    list_frames(path, limits)
    with Image.open(path) as image:
        frames: list[Image.Image] = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(ImageOps.exif_transpose(image).convert("RGB"))
    content = io.BytesIO()
    # 72 dpi: a pixel is a point, as it is in the words.
    frames[0].save(content, format="PDF", resolution=72.0, save_all=True, append_images=frames[1:])
    content.seek(0)
    return content


def _lay_over(
    writer: PdfWriter, page: PageObject, font: IndirectObject, place: _WordsPage, words: Sequence[_Word]
) -> None:
    placement = _placement(page, place)
    shown = "\n".join(_shown(word, placement) for word in words)
    before = page.get("/Contents")
    contents = before.get_object() if before is not None else None
    old = (
        list(contents)
        if isinstance(contents, ArrayObject)
        else [page.raw_get("/Contents")]
        if before is not None
        else []
    )
    # What the page draws may leave its coordinates changed.
    page[NameObject("/Contents")] = ArrayObject(
        [_stream(writer, b"q\n"), *old, _stream(writer, f"\nQ\nq\nBT\n3 Tr\n{shown}\nET\nQ\n".encode())]
    )
    resources = DictionaryObject(cast("DictionaryObject", page.get("/Resources", DictionaryObject()).get_object()))
    fonts = DictionaryObject(cast("DictionaryObject", resources.get("/Font", DictionaryObject()).get_object()))
    fonts[NameObject(_FONT_NAME)] = font
    resources[NameObject("/Font")] = fonts
    page[NameObject("/Resources")] = resources


def _placement(page: PageObject, place: _WordsPage) -> _Placement:
    box = page.cropbox
    left, bottom, right, top = (float(side) for side in (box.left, box.bottom, box.right, box.top))
    turned = page.rotation % 360
    width, height = (top - bottom, right - left) if turned in {90, 270} else (right - left, top - bottom)
    x, y = width / place["width"], height / place["height"]
    if turned == 90:
        return _Placement((left, bottom), (0, x), (y, 0))
    if turned == 180:
        return _Placement((right, bottom), (-x, 0), (0, y))
    if turned == 270:
        return _Placement((right, top), (0, -x), (-y, 0))
    return _Placement((left, top), (x, 0), (0, -y))


def _unit(direction: tuple[float, float]) -> Iterator[float]:
    for part in direction:
        yield (part > 0) - (part < 0)


def _shown(word: _Word, placement: _Placement) -> str:
    # The blank keeps words apart where readers do not look at their places.
    encoded = (word["text"] + " ").encode("utf-16-be", "replace")
    height, width = max(word["y1"] - word["y0"], 1.0), max(word["x1"] - word["x0"], 0.1)
    natural = (len(encoded) // 2 - 1) * _CHARACTER_WIDTH * height
    scale = 100 * width / natural
    matrix = placement.matrix(word["x0"], word["y1"] - _DESCENT * height)
    return f"{_FONT_NAME} {height:.2f} Tf {scale:.2f} Tz {matrix} Tm <{encoded.hex()}> Tj"


def _add_font(writer: PdfWriter) -> IndirectObject:
    metrics = {
        "Flags": NumberObject(5),
        "FontBBox": ArrayObject(map(NumberObject, (0, -200, 500, 800))),
        "ItalicAngle": NumberObject(0),
        "Ascent": NumberObject(800),
        "Descent": NumberObject(-200),
        "CapHeight": NumberObject(800),
        "StemV": NumberObject(80),
        "FontFile2": _stream(writer, zlib.decompress(base64.b64decode(_BLANK_FONT))),
    }
    system = {"Registry": TextStringObject("Adobe"), "Ordering": TextStringObject("Identity")}
    descendant = {
        "Subtype": NameObject("/CIDFontType2"),
        "CIDToGIDMap": _stream(writer, b"\x00\x01" * 0x10000),
        "CIDSystemInfo": _named({**system, "Supplement": NumberObject(0)}),
        "FontDescriptor": writer._add_object(_font_part("/FontDescriptor", metrics)),  # noqa: SLF001 # the only way
        "DW": NumberObject(500),
    }
    font = {
        "Subtype": NameObject("/Type0"),
        "Encoding": NameObject("/Identity-H"),
        "DescendantFonts": ArrayObject([_font_part("/Font", descendant)]),
        "ToUnicode": _stream(writer, _TO_UNICODE),
    }
    return writer._add_object(_font_part("/Font", font))  # noqa: SLF001 # the only way


def _font_part(kind: str, entries: Mapping[str, Any]) -> DictionaryObject:
    part = _named(entries)
    part[NameObject("/Type")] = NameObject(kind)
    part[NameObject("/FontName" if kind == "/FontDescriptor" else "/BaseFont")] = NameObject("/Blank")
    return part


def _named(entries: Mapping[str, Any]) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{name}"): value for name, value in entries.items()})


def _stream(writer: PdfWriter, content: bytes) -> IndirectObject:
    stream = DecodedStreamObject()
    stream.set_data(content)
    return writer._add_object(stream.flate_encode())  # noqa: SLF001 # the only way
