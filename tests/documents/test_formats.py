import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.documents import samples

from assay.documents import DocumentUnsupportedError, Parser

Stored = Callable[[bytes | str], Path]

INVOICE = samples.text_at(70, 700, "Invoice number: R-4711") + samples.text_at(70, 600, "Total 9,00")


async def test_a_pdf_is_read_natively_with_its_rows_whole(parser: Parser, stored: Stored) -> None:
    content = samples.text_at(70, 700, "Total") + samples.text_at(400, 700, "9,00") + samples.text_at(70, 650, "End")
    document = await parser.parse(stored(samples.pdf([content, INVOICE])), filename="scan")
    assert document.kind == "pdf"
    assert document.strategy == "native"
    assert document.ocr_pages == 0
    assert [page.index for page in document.pages] == [0, 1]
    assert document.pages[0].text == "Total 9,00\nEnd"
    assert document.pages[0].confidence is None
    assert document.text == "Total 9,00\nEnd\n\nInvoice number: R-4711\nTotal 9,00"
    assert document.metadata["format"] == "pdf"


async def test_words_of_a_pdf_stand_where_they_are_printed(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(samples.pdf([INVOICE])), filename="a.pdf")
    (page,) = json.loads(document.words)
    assert (page["index"], page["width"], page["height"]) == (0, 595, 842)
    assert [word["text"] for word in page["words"]] == ["Invoice", "number:", "R-4711", "Total", "9,00"]
    first = page["words"][0]
    assert first["x0"] == pytest.approx(70, abs=2)
    assert first["y0"] < 842 - 700 < first["y1"]
    assert first["x0"] < first["x1"] < page["words"][1]["x0"]


async def test_words_of_a_turned_page_stand_where_a_reader_sees_them(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(samples.pdf([INVOICE], extra_page="/Rotate 90")), filename="a.pdf")
    (page,) = json.loads(document.words)
    assert (page["width"], page["height"]) == (842, 595)
    first = next(word for word in page["words"] if word["text"] == "Invoice")
    assert first["x0"] < 700 < first["x1"]
    assert first["y0"] == pytest.approx(70, abs=2)


async def test_glyphs_that_are_placed_one_by_one_stay_one_word(parser: Parser, stored: Stored) -> None:
    pieces = "BT /F1 12 Tf 70 700 Td [(Br) -140 (uttosumme) -600 (9,00)] TJ ET"
    document = await parser.parse(stored(samples.pdf([pieces])), filename="a.pdf")
    assert document.text == "Bruttosumme 9,00"


async def test_values_of_form_fields_are_part_of_the_text(parser: Parser, stored: Stored) -> None:
    appearance = b"BT /F1 12 Tf 2 4 Td (filled in) Tj ET"
    field = (
        b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (filled in) /Rect [70 500 300 520] /F 4 "
        b"/DA (/F1 12 Tf) /AP << /N 5 0 R >> >>"
    )
    stream = b"<< /Type /XObject /Subtype /Form /BBox [0 0 230 20] /Resources << /Font << /F1 3 0 R >> >> "
    stream += b"/Length %d >>\nstream\n%s\nendstream" % (len(appearance), appearance)
    content = samples.pdf(
        [INVOICE],
        extra_page="/Annots [4 0 R]",
        trailer="/AcroForm << /Fields [4 0 R] /DR << /Font << /F1 3 0 R >> >> >>",
        objects=[field, stream],
    )
    document = await parser.parse(stored(content), filename="form.pdf")
    assert "filled in" in document.text


async def test_a_word_document_keeps_header_paragraphs_and_rows(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(samples.word()), filename="letter")
    assert document.kind == "office"
    assert document.text == "Muster GmbH\nInvoice 4711\nTotal:\t9.00\tEUR\nspans two\tend\nThank you\u00a0all"
    assert json.loads(document.words) == []


async def test_a_workbook_has_one_page_a_sheet(parser: Parser, stored: Stored) -> None:
    content = samples.workbook({"Items": {"A1": "Pos", "B1": "Price", "A3": 1, "B3": 9.5}, "Notes": {"C2": True}})
    document = await parser.parse(stored(content), filename="book")
    assert document.kind == "office"
    assert [(page.index, page.name) for page in document.pages] == [(0, "Items"), (1, "Notes")]
    assert document.pages[0].text == "Pos\tPrice\n1\t9.5"
    assert document.pages[1].text == "TRUE"


@pytest.mark.parametrize(
    ("name", "content", "kind", "text"),
    [
        ("a.csv", "id;name\r\n1;Müller\r\n", "csv", "id;name\n1;Müller\n"),
        ("a.txt", "caf\u00e9\u00a012".encode("cp1252"), "plaintext", "café\u00a012"),
        ("a.txt", "\ufeffÜber".encode(), "plaintext", "Über"),
        ("a.txt", "Grüße".encode("utf-16"), "plaintext", "Grüße"),
        ("a.txt", "ä" * 8192, "plaintext", "ä" * 8192),
        ("a.json", '{"a": 1}', "plaintext", '{"a": 1}'),
        ("a.md", "# Title", "plaintext", "# Title"),
        ("a.xml", "<?xml version='1.0'?><a/>", "plaintext", "<?xml version='1.0'?><a/>"),
        ("a", "just words", "plaintext", "just words"),
    ],
)
async def test_text_files_are_read_as_they_are(
    parser: Parser, stored: Stored, name: str, content: bytes | str, kind: str, text: str
) -> None:
    document = await parser.parse(stored(content), filename=name)
    assert (document.kind, document.text) == (kind, text)


async def test_html_is_what_a_person_reads(parser: Parser, stored: Stored) -> None:
    source = """<!doctype html><title>Bill</title><script>alert(1)</script><body><h1>Bill</h1>
    <p>Dear<br>all&nbsp;there</p><table><tr><th>Total:</th><td><p>9.00</p></td></tr><tr><td></td><td>x</td></tr></table>
    <table><tr><td><p>one</p><p>two</p></td></tr></table>"""
    document = await parser.parse(stored(source), filename="page")
    assert document.kind == "html"
    assert document.text == "Bill\nDear\nall\u00a0there\nTotal:\t9.00\nx\none\ntwo"
    assert document.metadata["title"] == "Bill"


async def test_a_mail_shows_headers_body_and_attachments(parser: Parser, stored: Stored) -> None:
    mail = """From: =?utf-8?q?M=C3=BCller?= <m@example.com>\r\nTo: b@example.com\r\nSubject: Invoice 4711\r
MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r
<p>Total: 9.00</p>\r\n--x\r\nContent-Type: application/pdf; name="../a.pdf"\r
Content-Disposition: attachment; filename="../a.pdf"\r\n\r\nJVBERg==\r\n--x--\r\n"""
    document = await parser.parse(stored(mail), filename="message")
    assert document.kind == "email"
    assert document.text == (
        "From: Müller <m@example.com>\nTo: b@example.com\nSubject: Invoice 4711\n\nTotal: 9.00\n\nAttachments: ../a.pdf"
    )
    assert document.metadata["attachments"] == ["../a.pdf"]


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "WEBP"])
async def test_an_image_is_read_by_ocr(parser: Parser, stored: Stored, image_format: str) -> None:
    image = samples.picture("Invoice 4711", "Total 9.00")
    document = await parser.parse(stored(samples.encoded(image, image_format)), filename="x.pdf")
    assert (document.kind, document.strategy, document.ocr_pages) == ("image", "ocr", 1)
    assert document.text == "Invoice 4711\nTotal 9.00"
    assert document.pages[0].confidence is not None
    assert document.pages[0].confidence > 0.8
    (page,) = json.loads(document.words)
    assert (page["width"], page["height"]) == (900, 300)
    word = next(word for word in page["words"] if word["text"] == "4711")
    assert 150 < word["x0"] < word["x1"] < 450
    assert word["y0"] < 60 < word["y1"]
    assert 0 < word["confidence"] <= 1


async def test_every_frame_of_a_tiff_is_a_page(parser: Parser, stored: Stored) -> None:
    frames = [samples.picture("first"), samples.picture("second")]
    content = samples.encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    document = await parser.parse(stored(content), filename="fax.tif")
    assert [page.text for page in document.pages] == ["first", "second"]


async def test_a_photo_is_read_the_way_up_it_was_taken(parser: Parser, stored: Stored) -> None:
    sideways = samples.picture("Invoice 4711", "Total 9.00").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    document = await parser.parse(stored(samples.encoded(sideways, "JPEG", exif=exif)), filename="photo.jpg")
    assert document.text == "Invoice 4711\nTotal 9.00"
    (page,) = json.loads(document.words)
    assert (page["width"], page["height"]) == (900, 300)


async def test_text_on_a_transparent_ground_is_read(parser: Parser, stored: Stored) -> None:
    image = samples.picture("Invoice 4711").convert("L")
    drawn = Image.new("RGBA", image.size, (0, 0, 0, 0))
    drawn.putalpha(image.point(lambda value: 255 - value))
    document = await parser.parse(stored(samples.encoded(drawn, "PNG")), filename="x.png")
    assert document.text == "Invoice 4711"


async def test_content_decides_before_the_name(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(samples.pdf([INVOICE])), filename="table.csv", content_type="text/csv")
    assert document.kind == "pdf"


async def test_the_content_type_decides_where_the_name_says_nothing(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored("a,b\n"), filename="upload", content_type="text/csv; charset=utf-8")
    assert document.kind == "csv"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\x00.pdf", "/dev/null", "\ud800.csv", "x" * 5000, "", "a\n.csv"]
)
async def test_a_hostile_name_is_only_a_name(parser: Parser, stored: Stored, name: str) -> None:
    document = await parser.parse(stored("a,b\n"), filename=name)
    assert document.text == "a,b\n"


async def test_nul_becomes_the_replacement_character(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored("<html>a\x00b&#xD800;c</html>"), filename="a.html", content_type="text/html")
    assert "\x00" not in document.text
    assert document.text.encode()
    text = await parser.parse(stored("a" * 9000 + "\x00"), filename="a.txt")
    assert text.text.endswith("a\ufffd")


@pytest.mark.parametrize(
    "content", [b"\x7fELF\x02\x01\x01" + bytes(64), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)]
)
async def test_a_file_that_is_no_document_is_refused(parser: Parser, stored: Stored, content: bytes) -> None:
    with pytest.raises(DocumentUnsupportedError):
        await parser.parse(stored(content), filename="a.txt")


async def test_a_zip_archive_is_no_document(parser: Parser, stored: Stored) -> None:
    empty = b"PK\x05\x06" + bytes(18)
    with pytest.raises(DocumentUnsupportedError):
        await parser.parse(stored(empty), filename="a.docx")
