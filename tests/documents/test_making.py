"""Rows of sheets, filled-in templates, workbooks and PDFs with text: what children make of documents."""

import io
import zipfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest
from docx.enum.text import WD_COLOR_INDEX
from openpyxl.worksheet.worksheet import Worksheet
from tests.documents.samples import encoded, pdf, picture, text_at, with_part, word, workbook

from assay import documents, jsontext
from assay.documents import MakingTask

Stored = Callable[[bytes | str], Path]


@pytest.fixture(scope="module")
async def parser() -> AsyncGenerator[documents.Parser]:
    opened = documents.Parser(native_children=1, ocr_children=0)
    try:
        yield opened
    finally:
        await opened.close()


async def table(parser: documents.Parser, path: Path, **arguments: Any) -> Any:
    wanted: dict[str, Any] = {
        "sheet": 0,
        "range": None,
        "header_row": None,
        "columns": None,
        "displayed": False,
        "blank_cells": "null",
        "keep_blank_rows": False,
        "max_rows": 1000,
        "max_cells": 10_000,
    }
    made = await parser.make("table", {**wanted, **arguments}, path=path, filename="a.xlsx")
    return {**jsontext.load(made.content.decode()), **made.facts}


async def filled(parser: documents.Parser, path: Path, filename: str, **data: Any) -> documents.Made:
    arguments = {"data": data, "missing": "NOT FOUND", "highlight": True}
    return await parser.make("form", arguments, path=path, filename=filename)


def word_form(*paragraphs: str) -> bytes:
    document = docx.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def first_sheet(content: bytes) -> Worksheet:
    return openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]


async def test_a_table_may_begin_anywhere_in_its_sheet(parser: documents.Parser, stored: Stored) -> None:
    content = workbook({"Data": {"B3": "Name", "C3": "Price", "B4": "Rope", "C4": 20, "C6": 1.5}})
    found = await table(parser, stored(content))
    assert found["rows"] == [{"A": None, "Name": "Rope", "Price": 20}, {"A": None, "Name": None, "Price": 1.5}]
    assert (found["headerRow"], found["rowCount"], found["columnCount"], found["blankRows"]) == (3, 6, 3, 1)
    found = await table(parser, stored(content), range="B3:B4", sheet="data")
    assert found["rows"] == [{"Name": "Rope"}]


async def test_an_empty_sheet_has_no_rows(parser: documents.Parser, stored: Stored) -> None:
    found = await table(parser, stored(workbook({"Data": {}})))
    assert (found["rows"], found["headerRow"], found["rowCount"]) == ([], None, 0)


async def test_a_million_rows_without_a_value_are_nothing(parser: documents.Parser, stored: Stored) -> None:
    rows = "".join(f'<row r="{number}" ht="20" customHeight="1"/>' for number in range(2, 1_048_577))
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook({"Data": {"A1": "Name"}}))) as source,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.infolist():
            part = source.read(member).decode()
            target.writestr(member, part.replace("</sheetData>", rows + "</sheetData>"))
    path = stored(content.getvalue())
    found = await table(parser, path)
    assert (found["columns"], found["rows"], found["rowCount"]) == (["Name"], [], 1)
    assert (await parser.parse(path, filename="a.xlsx")).text == "Name"


async def test_cells_that_only_lie_far_apart_are_refused(parser: documents.Parser, stored: Stored) -> None:
    path = stored(workbook({"Data": {"A1048576": 1, "XFD1048576": 1}}))
    with pytest.raises(documents.DocumentTooLargeError):
        await table(parser, path)
    with pytest.raises(documents.DocumentTooLargeError):
        await parser.parse(path, filename="a.xlsx")


@pytest.mark.parametrize("arguments", [{"max_rows": 2}, {"max_cells": 4}])
async def test_a_table_with_more_than_was_asked_for_is_refused(
    parser: documents.Parser, stored: Stored, arguments: dict[str, int]
) -> None:
    cells = {f"{letter}{row}": row for letter in "AB" for row in range(1, 5)}
    with pytest.raises(documents.DocumentTooLargeError):
        await table(parser, stored(workbook({"Data": cells})), **arguments)


async def test_what_is_no_workbook_has_no_table(parser: documents.Parser, stored: Stored) -> None:
    with pytest.raises(documents.DocumentUnsupportedError):
        await table(parser, stored("Name;Price"))


async def test_texts_of_a_workbook_stay_texts_and_numbers_keep_their_digits(parser: documents.Parser) -> None:
    column = {"header": None, "width": None, "format": None}
    rows: list[Any] = [["=1+1", 10**15, True], [{"a": [1]}, 2.5, "a\x00b"]]
    made = await parser.make("workbook", {"sheets": [{"name": "Data", "columns": [column] * 3, "rows": rows}]})
    sheet = first_sheet(made.content)
    assert [list(row) for row in sheet.iter_rows(values_only=True)] == [
        ["=1+1", "1000000000000000", True],
        ['{"a": [1]}', 2.5, "a\ufffdb"],
    ]
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(made.content)).read("xl/worksheets/sheet1.xml")


async def test_a_text_that_no_cell_can_hold_is_refused(parser: documents.Parser) -> None:
    with pytest.raises(documents.DocumentTooLargeError, match="A1 of Data"):
        await parser.make("workbook", {"sheets": [{"name": "Data", "columns": [], "rows": [["x" * 32_768]]}]})


async def test_a_word_template_is_filled_in_and_what_is_missing_is_highlighted(
    parser: documents.Parser, stored: Stored
) -> None:
    form = word_form("Dear {{ name }}, from {{ sender.city }}!", "{% for line in lines %}{{ line.x }};{% endfor %}")
    made = await filled(parser, stored(form), "a.docx", name="A & <B>", sender=None, lines=[{"x": 1}, {}])
    document = docx.Document(io.BytesIO(made.content))
    assert [paragraph.text for paragraph in document.paragraphs] == [
        "Dear A & <B>, from NOT FOUND!",
        "1;NOT FOUND;",
    ]
    runs = [run for paragraph in document.paragraphs for run in paragraph.runs]
    assert [run.text for run in runs if run.font.highlight_color == WD_COLOR_INDEX.YELLOW] == ["NOT FOUND"] * 2
    assert made.facts == {"format": "docx", "missingCount": 2}


async def test_a_word_template_keeps_its_looks_and_fills_headers_and_tables(
    parser: documents.Parser, stored: Stored
) -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "No. {{ number }}"
    document.add_paragraph().add_run("{{ gone }}!").bold = True
    rows = document.add_table(rows=3, cols=1)
    for number, text in enumerate(["{%tr for line in lines %}", "{{ line }}", "{%tr endfor %}"]):
        rows.cell(number, 0).text = text
    content = io.BytesIO()
    document.save(content)
    made = await filled(parser, stored(content.getvalue()), "a.docx", number=7, lines=["a\nb", "c"])
    document = docx.Document(io.BytesIO(made.content))
    assert document.sections[0].header.paragraphs[0].text == "No. 7"
    assert [(run.text, run.bold) for run in document.paragraphs[0].runs] == [("NOT FOUND", True), ("!", True)]
    assert [row.cells[0].text for row in document.tables[0].rows] == ["a\nb", "c"]


async def test_a_workbook_template_keeps_types_and_formulas(parser: documents.Parser, stored: Stored) -> None:
    cells = {"A1": "{{ total }}", "A2": "Dear {{ name }}", "A3": "=A1*2", "A4": "{{ gone }}", "A5": "{{ sum }}"}
    made = await filled(parser, stored(workbook({"Data": cells})), "a.xlsx", total=2.5, name="Ada", sum="=1+1")
    sheet = first_sheet(made.content)
    assert [sheet[f"A{row}"].value for row in range(1, 5)] == [2.5, "Dear Ada", "=A1*2", "NOT FOUND"]
    assert sheet["A3"].data_type == "f"
    assert sheet["A4"].fill.start_color.rgb == "FFFFFF00"
    assert b"<f>1+1</f>" not in zipfile.ZipFile(io.BytesIO(made.content)).read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lines.append(1) }}",
        "{{ '%s' | attr('__class__') }}",
        "{% include '/etc/passwd' %}",
        "{% for n in range(100000000) %}{% endfor %}",
        "{% if %}",
        "{{ 1 / 0 }}",
    ],
)
@pytest.mark.parametrize("kind", ["docx", "xlsx"])
async def test_placeholders_reach_nothing_but_the_data(
    parser: documents.Parser, stored: Stored, kind: str, source: str
) -> None:
    content = word_form(source) if kind == "docx" else workbook({"Data": {"A1": source}})
    with pytest.raises(documents.FormInvalidError):
        await filled(parser, stored(content), f"a.{kind}", lines=[])


@pytest.mark.parametrize("source", ["{{ 'a' * 9999999999 }}", "{{ lines * 999999999 }}"])
async def test_a_template_that_grows_without_end_is_stopped(
    parser: documents.Parser, stored: Stored, source: str
) -> None:
    with pytest.raises(documents.DocumentTooLargeError):
        await filled(parser, stored(word_form(source)), "a.docx", lines=[1])
    assert (await filled(parser, stored(word_form("{{ a }}")), "a.docx", a=1)).facts["missingCount"] == 0


async def test_a_template_with_entities_is_refused(parser: documents.Parser, stored: Stored) -> None:
    evil = with_part(word(), "word/evil.xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>')
    with pytest.raises(documents.DocumentUnreadableError):
        await filled(parser, stored(evil), "a.docx")


@pytest.mark.parametrize("content", ["text", b"%PDF-1.4", encoded(picture("a"), "PNG")])
async def test_only_office_documents_are_templates(
    parser: documents.Parser, stored: Stored, content: str | bytes
) -> None:
    with pytest.raises(documents.DocumentUnsupportedError):
        await filled(parser, stored(content), "a.docx")


def scan(rotation: int) -> bytes:
    return pdf(["q 0.5 0 0 0.5 0 0 cm"], extra_page=f"/Rotate {rotation} /CropBox [50 40 550 800]")


async def with_words(parser: documents.Parser, path: Path, filename: str, page: dict[str, Any]) -> documents.Made:
    words = path.with_name("words.json")
    words.write_text(jsontext.dump([{"index": 0, **page}]), encoding="utf-8")
    arguments: dict[str, Any] = {"words": str(words), "confidence": 0.7}
    task: MakingTask = "text-layer"
    return await parser.make(task, arguments, path=path, filename=filename)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
async def test_words_are_found_again_where_they_were_read(
    parser: documents.Parser, stored: Stored, rotation: int
) -> None:
    width, height = (760, 500) if rotation in {90, 270} else (500, 760)
    words = [
        {"text": "Žluťoučký", "x0": 100, "y0": 50, "x1": 180, "y1": 62, "confidence": 0.9},
        {"text": "kůň", "x0": 300, "y0": 400, "x1": 330, "y1": 412, "confidence": 0.8},
        {"text": "unsure", "x0": 10, "y0": 10, "x1": 50, "y1": 20, "confidence": 0.5},
        {"text": "native", "x0": 10, "y0": 10, "x1": 50, "y1": 20},
    ]
    page = {"width": width, "height": height, "words": words}
    made = await with_words(parser, stored(scan(rotation)), "a.pdf", page)
    assert made.facts == {"pageCount": 1, "wordCount": 2}
    parsed = await parser.parse(stored(made.content), filename="a.pdf", mode="native")
    [found] = jsontext.load(parsed.words.decode())
    assert [again["text"] for again in found["words"]] == ["Žluťoučký", "kůň"]
    for again, expected in zip(found["words"], words, strict=False):
        for side in ("x0", "y0", "x1", "y1"):
            assert again[side] == pytest.approx(expected[side], abs=3)


async def test_what_a_pdf_says_already_stays(parser: documents.Parser, stored: Stored) -> None:
    word = {"text": "added", "x0": 10, "y0": 100, "x1": 50, "y1": 112, "confidence": 1.0}
    page = {"width": 595, "height": 842, "words": [word]}
    made = await with_words(parser, stored(pdf([text_at(50, 800, "before")])), "a.pdf", page)
    assert (await parser.parse(stored(made.content), filename="a.pdf", mode="native")).text.split() == [
        "before",
        "added",
    ]


async def test_an_image_becomes_a_pdf_of_its_size(parser: documents.Parser, stored: Stored) -> None:
    word = {"text": "Total", "x0": 20, "y0": 30, "x1": 120, "y1": 60, "confidence": 1.0}
    image = encoded(picture("Total", size=(400, 200)), "PNG")
    made = await with_words(parser, stored(image), "a.png", {"width": 400, "height": 200, "words": [word]})
    parsed = await parser.parse(stored(made.content), filename="a.pdf", mode="native")
    [found] = jsontext.load(parsed.words.decode())
    assert (found["width"], found["height"]) == (400, 200)
    assert found["words"][0]["x1"] == pytest.approx(120, abs=3)


@pytest.mark.parametrize("content", [b"%PDF-1.4\nnothing", scan(0)[:200]])
async def test_a_damaged_pdf_is_refused(parser: documents.Parser, stored: Stored, content: bytes) -> None:
    with pytest.raises(documents.DocumentUnreadableError):
        await with_words(parser, stored(content), "a.pdf", {"width": 1, "height": 1, "words": []})
