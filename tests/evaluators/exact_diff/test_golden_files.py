"""Expected files, with real documents: which output file answers them, and when the content is the same."""

import io
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas
from tests.evaluators.exact_diff.grading import FilesContext, configured, mismatches

from assay import documents
from assay.evaluators import EvaluatorError, Grade, Subject

Files = Mapping[str, bytes]


@pytest.fixture(scope="module")
async def parser() -> AsyncGenerator[documents.Parser]:
    opened = documents.Parser(native_children=1, ocr_children=0)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def context(parser: documents.Parser, tmp_path: Path) -> FilesContext:
    return FilesContext(document_parser=parser, folder=tmp_path)


async def grade(
    context: FilesContext, golden: Files, output: Files, *, expected: Any = None, actual: Any = None, **config: Any
) -> Grade:
    subject = Subject(
        input={},
        output=actual or {},
        status="completed",
        has_expected=expected is not None,
        expected=expected,
        expected_files=[context.file(name, content) for name, content in golden.items()],
        output_files=[context.file(name, content) for name, content in output.items()],
    )
    return await configured(**config).grade(subject, context)


def paths(result: Grade) -> list[str]:
    return [mismatch["path"] for mismatch in mismatches(result)]


def word(*paragraphs: str, author: str = "") -> bytes:
    document = docx.Document()
    document.core_properties.author = author
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def workbook(sheets: Mapping[str, Sequence[Sequence[Any]]], *, creator: str = "") -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    book.properties.creator = creator
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def pdf(*lines: str, at: int = 72) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for number, line in enumerate(lines):
        canvas.drawString(at, 720 - 20 * number, line)
    canvas.save()
    return file.getvalue()


def picture(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(file, "PNG")
    return file.getvalue()


async def test_a_word_document_is_the_same_when_its_text_is(context: FilesContext) -> None:
    golden = {"letter.docx": word("Dear Ada", "9.00 EUR", author="a template")}
    result = await grade(context, golden, {"letter.docx": word("Dear Ada", "9.00 EUR", author="a workflow")})
    assert (result.score, result.details["totalFields"]) == (1.0, 1)
    result = await grade(context, golden, {"letter.docx": word("Dear Ada", "8.00 EUR")})
    assert result.score == 0.0
    (mismatch,) = mismatches(result)
    assert mismatch == {
        "path": "files/letter.docx",
        "expected": "9.00 EUR",
        "actual": "8.00 EUR",
        "reason": "line 2 is the first that differs",
    }


async def test_a_pdf_is_the_same_when_its_text_is(context: FilesContext) -> None:
    golden = {"invoice.pdf": pdf("Invoice 4711", "Total 9.00")}
    assert (await grade(context, golden, {"invoice.pdf": pdf("Invoice 4711", "Total 9.00", at=90)})).score == 1.0
    assert (await grade(context, golden, {"invoice.pdf": pdf("Invoice 4711", "Total 9.01")})).score == 0.0
    assert (await grade(context, golden, {"invoice.pdf": pdf("Invoice 4711")})).score == 0.0


async def test_a_workbook_is_the_same_when_its_cells_are(context: FilesContext) -> None:
    rows = [["sku", "total"], ["A", 9.5], [], ["B", 2]]
    golden = {"lines.xlsx": workbook({"Lines": rows, "Sums": [[11.5]]}, creator="a template")}
    assert (await grade(context, golden, {"lines.xlsx": workbook({"Lines": rows, "Sums": [[11.5]]})})).score == 1.0
    other = workbook({"Lines": [["sku", "total"], ["A", 9.5], [], ["B", 3, "new"]]})
    result = await grade(context, golden, {"lines.xlsx": other})
    assert paths(result) == ["files/lines.xlsx!Lines!B4", "files/lines.xlsx!Lines!C4", "files/lines.xlsx!Sums"]


async def test_a_text_file_is_the_same_whatever_its_line_ends(context: FilesContext) -> None:
    golden = {"notes.txt": b"one\n  two\n"}
    assert (await grade(context, golden, {"notes.txt": b"one  \r\n  two"})).score == 1.0
    assert (await grade(context, golden, {"notes.txt": b"one\ntwo\n"})).score == 0.0
    assert (await grade(context, golden, {"notes.txt": b""})).score == 0.0


async def test_other_files_are_the_same_when_their_bytes_are(context: FilesContext) -> None:
    golden = {"logo.png": picture("red")}
    assert (await grade(context, golden, {"logo.png": picture("red")})).score == 1.0
    assert context.opened == []
    result = await grade(context, golden, {"logo.png": picture("blue")})
    assert result.score == 0.0
    assert paths(result) == ["files/logo.png"]


async def test_pages_without_text_are_compared_by_their_bytes(context: FilesContext) -> None:
    assert (await grade(context, {"a.pdf": pdf("")}, {"a.pdf": pdf("", "")})).score == 0.0


async def test_an_output_of_the_same_stem_answers_with_its_text(context: FilesContext) -> None:
    golden = {"letter.docx": word("Dear Ada")}
    assert (await grade(context, golden, {"letter.pdf": pdf("Dear Ada")})).score == 1.0
    assert (await grade(context, golden, {"letter.pdf": pdf("Dear Bob")})).score == 0.0
    assert (await grade(context, golden, {"letters.pdf": pdf("Dear Ada")})).score == 0.0


async def test_the_same_name_is_preferred_and_a_file_answers_once(context: FilesContext) -> None:
    golden = {"a.txt": b"one", "a.docx": word("two")}
    assert (await grade(context, golden, {"a.docx": word("two"), "a.txt": b"one"})).score == 1.0
    result = await grade(context, {"a.txt": b"one", "a.docx": word("one")}, {"a.docx": word("one")})
    assert (result.details["matchedFields"], paths(result)) == (1, ["files/a.txt"])


async def test_a_file_may_be_named_like_the_field_that_refers_to_it(context: FilesContext) -> None:
    expected = {"report": {"$file": "expected/report/golden-1.txt"}, "total": 9}
    result = await grade(
        context, {"golden-1.txt": b"text"}, {"report.txt": b"text\n"}, expected=expected, actual={"total": 9}
    )
    assert (result.score, result.details["totalFields"]) == (1.0, 2)


async def test_each_golden_file_counts_beside_the_fields(context: FilesContext) -> None:
    expected = {"total": 9, "letter": {"$file": "expected/letter.txt"}, "note": None}
    result = await grade(context, {"letter.txt": b"a"}, {}, expected=expected, actual={"total": 9})
    assert (result.score, result.details["totalFields"], paths(result)) == (0.5, 2, ["files/letter.txt"])


async def test_a_file_that_only_an_ignored_place_refers_to_is_not_compared(context: FilesContext) -> None:
    expected = {"total": 9, "letter": {"$file": "expected/letter.txt"}}
    for config in ({"rules": {"letter": {"ignore": True}}}, {"paths": ["total"]}):
        result = await grade(context, {"letter.txt": b"a"}, {}, expected=expected, actual={"total": 9}, **config)
        assert (result.score, result.details["totalFields"]) == (1.0, 1)


async def test_a_file_that_a_compared_place_refers_to_too_is_compared(context: FilesContext) -> None:
    letter = {"$file": "expected/letter.txt"}
    expected = {"draft": letter, "letter": letter, "copy": letter}
    result = await grade(context, {"letter.txt": b"a"}, {}, expected=expected, rules={"letter": {}})
    assert (result.score, result.details["totalFields"]) == (0.0, 1)


async def test_a_file_has_the_weight_of_its_field(context: FilesContext) -> None:
    expected = {"total": 9, "letter": {"$file": "expected/letter.txt"}}
    result = await grade(
        context, {"letter.txt": b"a"}, {}, expected=expected, actual={"total": 9}, fieldWeights={"letter": 3}
    )
    assert result.score == 0.25


async def test_an_output_that_cannot_be_read_is_wrong(context: FilesContext) -> None:
    result = await grade(context, {"a.pdf": pdf("text")}, {"a.pdf": b"%PDF-1.7\nthis is no PDF"})
    assert result.score == 0.0
    (mismatch,) = mismatches(result)
    assert "cannot be read" in mismatch["reason"]


async def test_a_golden_file_that_cannot_be_read_is_an_error(context: FilesContext) -> None:
    with pytest.raises(EvaluatorError, match=r"expected file a\.pdf") as failed:
        await grade(context, {"a.pdf": b"%PDF-1.7\nthis is no PDF"}, {"a.pdf": pdf("text")})
    assert failed.value.code == "golden_file_unreadable"


async def test_a_parser_that_is_gone_is_an_error_and_no_mismatch(context: FilesContext) -> None:
    parser = documents.Parser(native_children=1, ocr_children=0)
    await parser.close()
    context.document_parser = parser
    with pytest.raises(EvaluatorError, match="closed"):
        await grade(context, {"a.txt": b"one"}, {"a.txt": b"two"})
