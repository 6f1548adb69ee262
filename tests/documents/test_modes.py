import json
from collections.abc import Callable
from pathlib import Path

from tests.documents import samples

from assay.documents import Parser

Stored = Callable[[bytes | str], Path]

INVOICE = samples.text_at(70, 700, "Invoice number: R-4711") + samples.text_at(70, 600, "Total 9,00")


def _scan(*lines: str) -> bytes:
    """A PDF whose only page is a picture."""
    return samples.encoded(samples.picture(*lines), "PDF")


def _mixed() -> bytes:
    """A PDF of a text page and a picture with a few stamped words on it."""
    jpeg = samples.encoded(samples.picture("Scanned 4712", "Total 8.00"), "JPEG")
    image = (
        b"<< /Type /XObject /Subtype /Image /Width 900 /Height 300 /ColorSpace /DeviceRGB /BitsPerComponent 8 "
        b"/Filter /DCTDecode /Length %d >>\nstream\n%s\nendstream" % (len(jpeg), jpeg)
    )
    page = "q 595 0 0 500 0 200 cm /Im1 Do Q\n" + samples.text_at(70, 100, "Stamp: Page 2 of 2, received today")
    return samples.pdf(
        [INVOICE, page], extra_page="/Resources << /XObject << /Im1 4 0 R >> /Font << /F1 3 0 R >> >>", objects=[image]
    )


async def test_a_scanned_pdf_goes_to_ocr(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(_scan("Invoice 4711", "Total 9.00")), filename="a.pdf")
    assert (document.kind, document.strategy, document.ocr_pages) == ("pdf", "ocr", 1)
    assert document.text == "Invoice 4711\nTotal 9.00"
    (page,) = json.loads(document.words)
    assert max(word["x1"] for word in page["words"]) <= page["width"]


async def test_only_pages_without_usable_text_go_to_ocr(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(_mixed()), filename="a.pdf")
    assert (document.strategy, document.ocr_pages) == ("hybrid", 1)
    assert document.pages[0].confidence is None
    assert document.pages[1].confidence is not None
    assert "Scanned 4712" in document.pages[1].text
    assert "Stamp: Page 2 of 2" in document.pages[1].text
    assert [page["index"] for page in json.loads(document.words)] == [0, 1]


async def test_native_never_reads_pictures(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(_mixed()), filename="a.pdf", mode="native")
    assert (document.strategy, document.ocr_pages) == ("native", 0)
    assert "Scanned" not in document.text


async def test_ocr_reads_the_picture_even_where_there_is_text(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(samples.pdf([INVOICE])), filename="a.pdf", mode="ocr")
    assert (document.strategy, document.ocr_pages) == ("ocr", 1)
    assert document.text == "Invoice number: R-4711\nTotal 9,00"


async def test_a_file_without_pages_has_its_text_in_every_mode(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(samples.word()), filename="a.docx", mode="ocr")
    assert (document.strategy, document.ocr_pages) == ("native", 0)
    assert "Invoice 4711" in document.text


async def test_an_empty_page_does_not_go_to_ocr(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(samples.pdf([""])), filename="a.pdf")
    assert (document.text, document.strategy) == ("", "native")


async def test_without_ocr_a_mixed_pdf_keeps_its_text_and_says_what_is_missing(stored: Stored) -> None:
    parser = Parser(native_children=1, ocr_children=0)
    document = await parser.parse(stored(_mixed()), filename="a.pdf")
    await parser.close()
    assert document.strategy == "native"
    assert document.pages[0].text.startswith("Invoice number")
    assert document.metadata["pages_without_ocr"] == [1]
