"""The forms of a document's text, and the places of figures in it."""

import io
from collections.abc import Callable
from html import unescape
from pathlib import Path

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from selectolax.lexbor import LexborHTMLParser
from tests.documents import samples

from assay.documents import DocumentUnreadableError, Parser, TextForm, languages_without_ocr, with_descriptions
from assay.documents.layout import aligned
from assay.documents.markup import marked_up

Stored = Callable[[bytes | str], Path]


def drawn(draw: Callable[[Canvas], None], size: tuple[float, float] = (400, 400)) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=size)
    draw(canvas)
    canvas.save()
    return file.getvalue()


def square(color: str = "red", side: int = 60) -> ImageReader:
    return ImageReader(Image.new("RGB", (side, side), color))


def report(canvas: Canvas) -> None:
    """A heading, two lines of text, a table without rules, and two items; a figure after the text."""
    canvas.setFont("Helvetica-Bold", 20)
    canvas.drawString(50, 350, "A report")
    canvas.setFont("Helvetica", 10)
    canvas.drawString(50, 320, "Before it stands")
    canvas.drawString(50, 308, "this text.")
    canvas.drawImage(square(), 50, 220, 80, 80)
    for y, cells in ((200, ("Item", "Price")), (188, ("Desk", "9,00")), (176, ("A long chair", "12,50"))):
        canvas.drawString(50, y, cells[0])
        canvas.drawString(250, y, cells[1])
    canvas.drawString(50, 150, "• one")
    canvas.drawString(50, 138, "• two")


def word_report() -> bytes:
    document = docx.Document()
    document.add_heading("A report", 1)
    document.add_paragraph("Costs 5 * 3 # not more")
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("two", style="List Bullet")
    document.add_paragraph("first", style="List Number")
    document.add_heading("Prices", 2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        (*table.rows[0].cells, *table.rows[1].cells), ("Item", "Price", "Desk|top", "9"), strict=True
    ):
        cell.text = text
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


PAGE = (
    "<html><body><h1>A report</h1><p>Costs 5 * 3 # not more</p><ul><li><p>one</p></li><li>two</li></ul>"
    "<ol><li>first</li></ol><h2>Prices</h2><table><tr><td>Item</td><td>Price</td></tr>"
    "<tr><td>Desk|top</td><td>9</td></tr></table></body></html>"
)
IN_FORM: dict[TextForm, str] = {
    "markdown": "# A report\n\nCosts 5 \\* 3 # not more\n\n- one\n- two\n\n1. first\n\n## Prices\n\n"
    "| Item | Price |\n|---|---|\n| Desk\\|top | 9 |",
    "djot": "# A report\n\nCosts 5 \\* 3 # not more\n\n- one\n- two\n\n1. first\n\n## Prices\n\n"
    "| Item | Price |\n|---|---|\n| Desk\\|top | 9 |",
    "html": "<h1>A report</h1>\n\n<p>Costs 5 * 3 # not more</p>\n\n<ul><li>one</li><li>two</li></ul>\n\n"
    "<ol><li>first</li></ol>\n\n<h2>Prices</h2>\n\n<table>\n<tr><td>Item</td><td>Price</td></tr>\n"
    "<tr><td>Desk|top</td><td>9</td></tr>\n</table>",
    "plain": "A report\nCosts 5 * 3 # not more\none\ntwo\nfirst\nPrices\nItem\tPrice\nDesk|top\t9",
    "layout": "A report\nCosts 5 * 3 # not more\none\ntwo\nfirst\nPrices\nItem      Price\nDesk|top  9",
}


@pytest.mark.parametrize("form", IN_FORM)
async def test_a_word_document_shows_its_structure(parser: Parser, stored: Stored, form: TextForm) -> None:
    document = await parser.parse(stored(word_report()), filename="a.docx", form=form)
    assert document.text == IN_FORM[form]


@pytest.mark.parametrize("form", IN_FORM)
async def test_a_web_page_shows_the_same_structure(parser: Parser, stored: Stored, form: TextForm) -> None:
    document = await parser.parse(stored(PAGE), filename="a.html", form=form)
    assert document.text == IN_FORM[form]


async def test_sheets_and_csv_files_are_tables(parser: Parser, stored: Stored) -> None:
    table = "| Item | Price |\n|---|---|\n| Desk | 9 |"
    book = samples.workbook({"Sums": {"A1": "Item", "B1": "Price", "A2": "Desk", "B2": 9}})
    assert (await parser.parse(stored(book), filename="a.xlsx", form="djot")).text == table
    assert (await parser.parse(stored("Item;Price\nDesk;9\n"), filename="a.csv", form="djot")).text == table
    laid_out = await parser.parse(stored('Item,Price\n"Desk, oak",9\n'), filename="a.csv", form="layout")
    assert laid_out.text == "Item       Price\nDesk, oak  9"


async def test_a_csv_file_with_an_endless_cell_is_unreadable(parser: Parser, stored: Stored) -> None:
    with pytest.raises(DocumentUnreadableError):
        await parser.parse(stored('a,"' + "x" * 200_000 + '"'), filename="a.csv", form="markdown")


async def test_a_markdown_file_is_markdown_already(parser: Parser, stored: Stored) -> None:
    assert (await parser.parse(stored("# *Title*"), filename="a.md", form="markdown")).text == "# *Title*"


async def test_headings_and_items_of_a_pdf_are_told_by_size_and_bullet(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(drawn(report)), filename="a.pdf", form="markdown")
    assert document.text.startswith("# A report\n\nBefore it stands\nthis text.\n\n")
    assert document.text.endswith("\n\n- one\n- two")


async def test_columns_of_a_pdf_keep_their_place(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(drawn(report)), filename="a.pdf", form="layout")
    rows = {line.split("  ")[0]: line for line in document.text.splitlines()}
    assert "A long chair" in rows
    assert rows["Item"].index("Price") == rows["Desk"].index("9,00") == rows["A long chair"].index("12,50")


async def test_columns_that_ocr_reads_keep_their_place(parser: Parser, stored: Stored) -> None:
    image = samples.picture("Desk             9.00", "Chair            12.50", size=(1200, 300))
    document = await parser.parse(stored(samples.encoded(image, "PNG")), filename="a.png", form="layout")
    assert document.ocr_pages == 1
    first, second = (line for line in document.text.splitlines() if line.strip())
    assert abs(first.index("9.00") - second.index("12.50")) <= 3
    assert first.index("9.00") > len("Desk") + 3


@pytest.mark.parametrize("form", ["plain", "layout", "markdown", "djot", "html"])
async def test_a_figure_is_described_where_it_stands(parser: Parser, stored: Stored, form: TextForm) -> None:
    document = await parser.parse(stored(drawn(report)), filename="a.pdf", form=form, figures=True)
    (figure,) = document.figures
    assert (figure.page, figure.box) == (0, pytest.approx((50, 100, 130, 180), abs=5))
    text = with_descriptions(document.text, ["a red <square>"], form)
    before, after = text.split("&lt;square&gt;" if form == "html" else "<square>")
    assert before.index("this text.") < before.index("a red")
    assert "Item" in after
    plain = with_descriptions(document.text, [None], form)
    assert "\ufdd3" not in plain
    assert "red" not in plain


async def test_a_figure_is_described_among_the_lines_that_ocr_read(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(drawn(report)), filename="a.pdf", mode="ocr", figures=True)
    assert (document.ocr_pages, len(document.figures)) == (1, 1)
    lines = with_descriptions(document.text, ["a red square"], "plain").splitlines()
    place = lines.index("[Figure: a red square]")
    assert "this text" in lines[place - 1]
    assert "Item" in lines[place + 1]


async def test_a_figure_inside_of_a_form_is_found_where_it_is_shown(parser: Parser, stored: Stored) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.beginForm("stamp")
        canvas.drawImage(square(), 10, 10, 50, 50)
        canvas.endForm()
        canvas.translate(200, 50)
        canvas.scale(2, 1)
        canvas.doForm("stamp")

    document = await parser.parse(stored(drawn(draw)), filename="a.pdf", mode="native", figures=True)
    (figure,) = document.figures
    assert figure.box == pytest.approx((220, 290, 320, 340), abs=5)


async def test_a_figure_of_a_rotated_page_is_found_where_it_is_shown(parser: Parser, stored: Stored) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(90)
        canvas.drawImage(square("blue"), 0, 0, 100, 50)

    path = stored(drawn(draw, (400, 300)))
    document = await parser.parse(path, filename="a.pdf", mode="native", figures=True)
    (figure,) = document.figures
    assert figure.box == pytest.approx((0, 0, 50, 100), abs=5)
    pictures = await parser.pictures(path, filename="a.pdf")
    jpeg = await pictures.jpeg(0, scale=2, quality=85, box=figure.box)
    image = Image.open(io.BytesIO(jpeg))
    middle = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(middle, tuple)
    assert middle[2] > middle[0]
    assert image.width < image.height


async def test_a_picture_cut_into_strips_is_one_figure(parser: Parser, stored: Stored) -> None:
    def draw(canvas: Canvas) -> None:
        for strip in range(20):
            canvas.drawImage(square(), 100, 100 + strip * 5, 150, 5)

    document = await parser.parse(stored(drawn(draw)), filename="a.pdf", mode="native", figures=True)
    assert len(document.figures) == 1


async def test_neither_a_scan_nor_a_background_nor_an_icon_is_a_figure(parser: Parser, stored: Stored) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(square("white"), 0, 0, 400, 400)
        canvas.drawImage(square(), 100, 100, 10, 10)
        canvas.drawImage(square(), 200, 200, 60, 60)

    document = await parser.parse(stored(drawn(draw)), filename="a.pdf", mode="native", figures=True)
    assert [figure.box for figure in document.figures] == [pytest.approx((200, 140, 260, 200), abs=5)]


async def test_ten_thousand_tiny_images_are_no_figures_and_take_no_time(parser: Parser, stored: Stored) -> None:
    def draw(canvas: Canvas) -> None:
        image = square(side=1)
        for number in range(10_000):
            canvas.drawImage(image, 20 + number % 100 * 10, 20 + number // 100 * 10, 2, 2)

    path = stored(drawn(draw, (1200, 1200)))
    document = await parser.parse(path, filename="a.pdf", mode="native", figures=True)
    assert (document.figures, document.figures_left_out) == ((), 0)


async def test_of_many_figures_on_a_page_the_largest_are_found_and_the_others_counted(
    parser: Parser, stored: Stored
) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(30):
            side = 80 if number == 29 else 50
            canvas.drawImage(square(), number % 6 * 100, number // 6 * 100, side, side)

    document = await parser.parse(stored(drawn(draw, (600, 600))), filename="a.pdf", mode="native", figures=True)
    assert (len(document.figures), document.figures_left_out) == (20, 10)
    assert max(figure.area for figure in document.figures) > 80 * 80


async def test_a_document_cannot_make_places_of_figures_itself(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored("\ufdd30\n\ufdd01Title"), filename="a.txt", form="plain")
    assert with_descriptions(document.text, ["spoofed"], "plain") == "\ufffd0\n\ufffd1Title"


async def test_without_ocr_pages_are_left_for_somebody_else(parser: Parser, stored: Stored) -> None:
    document = await parser.parse(stored(drawn(report)), filename="a.pdf", mode="ocr", with_ocr=False, figures=True)
    assert [page.unread for page in document.pages] == [True]
    assert (document.ocr_pages, len(document.figures)) == (0, 1)


def test_ocr_says_which_languages_it_cannot_read() -> None:
    assert languages_without_ocr(["de", "pt-BR", "zh-Hant", "ru", "vi"]) == ["ru", "vi"]


def test_a_very_long_cell_does_not_push_all_others_away() -> None:
    assert aligned("a\tb\n" + "x" * 1000 + "\tc").splitlines()[0] == "a" + " " * 31 + "b"


LINES = st.lists(st.text(st.sampled_from("ab1.)-+*_#>|`~[]()<&;:=!\\{}^$\"' "), min_size=1, max_size=12), max_size=4)


def words_of(html: str) -> list[str]:
    body = LexborHTMLParser(html).body
    return (body.text() if body else "").split()


@given(LINES)
def test_no_line_of_text_becomes_markup_in_markdown(lines: list[str]) -> None:
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(marked_up("\n".join(lines), "markdown"))
    assert {node.tag for node in LexborHTMLParser(shown).css("body *")} <= {"p"}
    assert words_of(shown) == "\n".join(lines).split()


@given(LINES)
def test_no_line_of_text_becomes_markup_in_html(lines: list[str]) -> None:
    shown = marked_up("\n".join(lines), "html")
    assert (
        unescape(shown.replace("<p>", "").replace("</p>", "").replace("<br>", " ")).split() == "\n".join(lines).split()
    )
