import io
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.documents import samples

from assay.documents import (
    DocumentEncryptedError,
    DocumentTimeoutError,
    DocumentTooLargeError,
    DocumentUnreadableError,
    DocumentUnsupportedError,
    Limits,
    OcrNotInstalledError,
    Parser,
)

Stored = Callable[[bytes | str], Path]

INVOICE = samples.text_at(70, 700, "Invoice number: R-4711")

ENTITY_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><x>&j;</x>"
)

# Revision 3 of the standard handler: only the shape matters, no password opens it.
ENCRYPTION = f"/Filter /Standard /V 2 /R 3 /Length 128 /P -44 /O <{'ab' * 32}> /U <{'cd' * 32}>"


@pytest.fixture(scope="module")
async def strict() -> AsyncIterator[Parser]:
    """Limits that small documents reach."""
    limits = Limits(pages=5, cells=1000, memory_bytes=400 << 20, output_bytes=50_000, unpacked_bytes=20 << 20)
    parser = Parser(native_children=1, ocr_children=0, limits=limits)
    yield parser
    await parser.close()


async def test_a_pdf_of_ten_thousand_pages_is_too_large(parser: Parser, stored: Stored) -> None:
    with pytest.raises(DocumentTooLargeError, match="10,000 pages; 1,000 are allowed"):
        await parser.parse(stored(samples.pdf([INVOICE] * 10_000)), filename="a.pdf")


async def test_an_encrypted_pdf_is_named_so(parser: Parser, stored: Stored) -> None:
    content = samples.pdf([INVOICE]).replace(
        b"/Root 1 0 R", b"/Root 1 0 R /ID [<00> <00>] /Encrypt << %s >>" % ENCRYPTION.encode()
    )
    with pytest.raises(DocumentEncryptedError):
        await parser.parse(stored(content), filename="a.pdf")


@pytest.mark.parametrize("content", [b"%PDF-1.7\nnothing", samples.pdf([INVOICE])[:200], b"%PDF-1.4" + bytes(5000)])
async def test_a_broken_pdf_is_unreadable(parser: Parser, stored: Stored, content: bytes) -> None:
    with pytest.raises(DocumentUnreadableError):
        await parser.parse(stored(content), filename="a.pdf")


async def test_an_empty_file_is_unreadable(parser: Parser, stored: Stored) -> None:
    with pytest.raises(DocumentUnreadableError, match="empty"):
        await parser.parse(stored(b""), filename="a.pdf")


async def test_a_truncated_image_is_unreadable(parser: Parser, stored: Stored) -> None:
    content = samples.encoded(samples.picture("Invoice 4711"), "PNG")
    with pytest.raises(DocumentUnreadableError):
        await parser.parse(stored(content[: len(content) // 2]), filename="a.png")


async def test_an_image_of_four_hundred_megapixels_is_too_large(parser: Parser, stored: Stored) -> None:
    content = samples.png_of_zeros(20_000, 20_000)
    assert len(content) < 100_000
    with pytest.raises(DocumentTooLargeError, match="20,000 x 20,000"):
        await parser.parse(stored(content), filename="a.png")


async def test_an_image_just_under_the_limit_is_read(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(samples.png_of_zeros(10_000, 10_000)), filename="a.png")
    assert document.text == ""
    assert document.ocr_pages == 1


@pytest.mark.parametrize("part", ["word/document.xml", "word/media/image1.png"])
async def test_a_zip_bomb_is_too_large(parser: Parser, stored: Stored, part: str) -> None:
    bomb = samples.with_part(samples.word(), part, bytes(300 << 20))
    assert len(bomb) < 1 << 20
    with pytest.raises(DocumentTooLargeError, match="MB"):
        await parser.parse(stored(bomb), filename="a.docx")


async def test_a_zip_bomb_that_lies_about_its_size_does_no_harm(strict: Parser, stored: Stored) -> None:
    sheet = b"<worksheet><sheetData><row r='1'>" + b"<c><v>1</v></c>" * 4_000_000
    content = samples.with_part(samples.workbook({"A": {"A1": 1}}), "xl/worksheets/sheet1.xml", sheet)
    honest = len(sheet).to_bytes(4, "little")
    assert content.count(honest) == 2
    with pytest.raises((DocumentTooLargeError, DocumentUnreadableError)):
        await strict.parse(stored(content.replace(honest, (5000).to_bytes(4, "little"))), filename="a.xlsx")
    assert (await strict.parse(stored("still here"), filename="a.txt")).text == "still here"


@pytest.mark.parametrize(
    ("container", "part"),
    [
        (samples.word(), "word/document.xml"),
        (samples.word(), "word/styles.xml"),
        (samples.workbook({"A": {"A1": 1}}), "xl/worksheets/sheet1.xml"),
        (samples.workbook({"A": {"A1": 1}}), "xl/workbook.xml"),
    ],
)
async def test_xml_entities_in_an_office_document_are_refused(
    parser: Parser, stored: Stored, container: bytes, part: str
) -> None:
    with pytest.raises(DocumentUnreadableError, match=r"declares XML entities"):
        await parser.parse(stored(samples.with_part(container, part, ENTITY_BOMB)), filename="a")


@pytest.mark.parametrize("container", [samples.word(), samples.workbook({"A": {"A1": 1}})])
async def test_a_broken_office_document_is_unreadable(parser: Parser, stored: Stored, container: bytes) -> None:
    with pytest.raises(DocumentUnreadableError):
        await parser.parse(stored(container[: len(container) // 2]), filename="a.docx")
    main_part = "word/document.xml" if b"word/" in container else "xl/workbook.xml"
    with pytest.raises(DocumentUnreadableError):
        await parser.parse(stored(samples.with_part(container, main_part, b"<not xml")), filename="a.docx")


async def test_an_office_document_with_a_password_is_named_so(parser: Parser, stored: Stored) -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(512)
    with pytest.raises(DocumentEncryptedError):
        await parser.parse(stored(ole), filename="a.docx")


async def test_a_million_empty_rows_cost_nothing(parser: Parser, stored: Stored) -> None:
    rows = b"".join(b'<row r="%d"/>' % number for number in range(2, 1_048_577))
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    sheet += b'<row r="1"><c r="A1"><v>7</v></c></row>' + rows + b"</sheetData></worksheet>"
    content = samples.with_part(samples.workbook({"A": {"A1": 1}}), "xl/worksheets/sheet1.xml", sheet)
    document = await parser.parse(stored(content), filename="a.xlsx")
    assert document.text == "7"


async def test_two_cells_at_opposite_corners_are_too_large(parser: Parser, stored: Stored) -> None:
    content = samples.workbook({"A": {"A1": 1, "XFD1048576": 2}})
    with pytest.raises(DocumentTooLargeError):
        await parser.parse(stored(content), filename="a.xlsx")


async def test_cells_are_counted_over_all_sheets(strict: Parser, stored: Stored) -> None:
    sheets = {f"S{number}": {"A1": 1, "A300": 2} for number in range(4)}
    with pytest.raises(DocumentTooLargeError, match="1,000 cells"):
        await strict.parse(stored(samples.workbook(sheets)), filename="a.xlsx")


async def test_more_text_than_allowed_is_too_large(strict: Parser, stored: Stored) -> None:
    with pytest.raises(DocumentTooLargeError):
        await strict.parse(stored("x" * 50_001), filename="a.txt")
    with pytest.raises(DocumentTooLargeError):
        await strict.parse(stored(samples.workbook({"A": {f"A{n}": "x" * 1000 for n in range(1, 60)}})), filename="a")


async def test_memory_beyond_the_limit_is_too_large(strict: Parser, stored: Stored) -> None:
    paragraphs = b"<w:p/>" * 2_500_000
    body = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    bomb = samples.with_part(samples.word(), "word/document.xml", body + paragraphs + b"</w:body></w:document>")
    with pytest.raises(DocumentTooLargeError, match="memory"):
        await strict.parse(stored(bomb), filename="a.docx")
    assert (await strict.parse(stored("still here"), filename="a.txt")).text == "still here"


async def test_html_may_be_deep(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored("<html>" + "<div>" * 5000 + "deep"), filename="a.html")
    assert document.text == "deep"


async def test_work_that_takes_too_long_is_ended(stored: Stored) -> None:
    parser = Parser(native_children=1, ocr_children=0, limits=Limits(seconds=0.5))
    # An HTML parser's work grows with the square of the depth; this one would take minutes.
    with pytest.raises(DocumentTimeoutError):
        await parser.parse(stored("<html>" + "<div>" * 300_000), filename="a.html")
    assert (await parser.parse(stored("still here"), filename="a.txt")).text == "still here"
    await parser.close()


async def test_a_mail_nested_without_end_gets_a_clear_answer(parser: Parser, stored: Stored) -> None:
    head = "From: a@example.com\nTo: b@example.com\nSubject: x\n"
    content = head + "Content-Type: message/rfc822\n\n" * 20_000
    with pytest.raises(DocumentUnreadableError):
        await parser.parse(stored(content), filename="a.eml")


async def test_a_picture_without_the_ocr_extra_names_the_extra(strict: Parser, stored: Stored) -> None:
    path = stored(samples.encoded(samples.picture("Invoice"), "PNG"))
    with pytest.raises(OcrNotInstalledError) as raised:
        await strict.parse(path, filename="a.png")
    assert raised.value.code == "ocr_not_installed"
    assert "assay[ocr]" in (raised.value.hint or "")
    with pytest.raises(OcrNotInstalledError):
        await strict.parse(stored(samples.pdf([INVOICE])), filename="a.pdf", mode="ocr")


async def test_a_picture_has_no_native_text(parser: Parser, stored: Stored) -> None:
    path = stored(samples.encoded(samples.picture("Invoice"), "PNG"))
    with pytest.raises(DocumentUnsupportedError, match="no text of its own"):
        await parser.parse(path, filename="a.png", mode="native")


async def test_a_damaged_zip_directory_is_unreadable(parser: Parser, stored: Stored) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as container:
        container.writestr("word/document.xml", "<x/>")
    with pytest.raises(DocumentUnreadableError):
        await parser.parse(stored(file.getvalue()), filename="a.docx")
