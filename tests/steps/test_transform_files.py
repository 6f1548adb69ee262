"""`transform.json-to-xlsx`, `xlsx-to-json`, `template` and `pdf-embed`: what becomes of files."""

import io
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import jsonschema_rs
import openpyxl
import pytest
from pydantic import ValidationError
from tests.documents.samples import encoded, pdf, picture, text_at
from tests.fakes.step_context import FakeStepContext

from assay import automations, documents, jsontext
from assay.steps import Step, StepError
from assay.steps.builtin.transform_json_to_xlsx import TransformJsonToXlsx
from assay.steps.builtin.transform_pdf_embed import TransformPdfEmbed
from assay.steps.builtin.transform_template import TransformTemplate
from assay.steps.builtin.transform_xlsx_to_json import TransformXlsxToJson

PRICES = [{"Article": "Rope", "Price": 20}, {"Article": "Hook", "Price": 5.5}]


@pytest.fixture(scope="module")
async def parser() -> AsyncGenerator[documents.Parser]:
    opened = documents.Parser(native_children=1, ocr_children=0)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def context(parser: documents.Parser) -> FakeStepContext:
    return FakeStepContext(document_parser=parser)


async def run(context: FakeStepContext, step_type: type[Step], **config: Any) -> Any:
    output = await step_type.model_validate(config).run(context)
    jsonschema_rs.validator_for(dict(step_type.output_schema or {})).validate(output)
    return output


async def workbook(context: FakeStepContext, folder: Path, rows: Any, **config: Any) -> Any:
    """Write a workbook; return the reference under which the fake run has it."""
    output = await run(context, TransformJsonToXlsx, rows=rows, **config)
    return placed(context, folder, output["fileId"])


def placed(context: FakeStepContext, folder: Path, reference: Any) -> Any:
    """Make an artifact that a step kept a file that other steps can open."""
    path = folder / reference["filename"]
    path.write_bytes(context.artifacts[reference["$file"]])
    return context.add_file(path, reference["mimeType"])


def cells(content: bytes, sheet: int = 0) -> list[list[Any]]:
    worksheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[sheet]
    return [list(row) for row in worksheet.iter_rows(values_only=True)]


async def test_rows_survive_a_workbook(context: FakeStepContext, tmp_path: Path) -> None:
    reference = await workbook(context, tmp_path, PRICES)
    assert await run(context, TransformXlsxToJson, input=reference) == {"rows": PRICES}


async def test_the_workbook_is_an_output_of_the_run(context: FakeStepContext) -> None:
    output = await run(context, TransformJsonToXlsx, rows=PRICES, filename="prices")
    content = context.artifacts["output/step/prices.xlsx"]
    assert output["fileId"] == {
        "$file": "output/step/prices.xlsx",
        "filename": "prices.xlsx",
        "mimeType": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "size": len(content),
    }
    assert output["sheets"] == [{"name": "Sheet1", "rowCount": 2, "columnCount": 2}]


async def test_columns_say_which_values_stand_where(context: FakeStepContext) -> None:
    columns = [{"key": "Price", "header": "EUR", "format": "0.00", "width": 12}, "gone", "Article"]
    await run(context, TransformJsonToXlsx, rows=PRICES, columns=columns)
    content = context.artifacts["output/step/workbook.xlsx"]
    assert cells(content) == [["EUR", "gone", "Article"], [20, None, "Rope"], [5.5, None, "Hook"]]
    worksheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    assert (worksheet["A2"].number_format, worksheet.column_dimensions["A"].width) == ("0.00", 12)


async def test_sheets_get_names_that_spreadsheets_allow(context: FakeStepContext) -> None:
    sheets = [{"name": name, "rows": [[1]]} for name in ("a/b", "A b", "x" * 40, "x" * 41, "[]")]
    output = await run(context, TransformJsonToXlsx, sheets=sheets)
    assert [sheet["name"] for sheet in output["sheets"]] == ["a b", "A b 2", "x" * 31, "x" * 29 + " 2", "Sheet"]
    assert cells(context.artifacts["output/step/workbook.xlsx"], 4) == [[1]]


@pytest.mark.parametrize("limits", [{"maxRows": 1}, {"maxCells": 3}])
async def test_a_workbook_beyond_its_limits_is_not_written(context: FakeStepContext, limits: dict[str, int]) -> None:
    with pytest.raises(StepError) as failed:
        await run(context, TransformJsonToXlsx, rows=PRICES, limits=limits)
    assert failed.value.code == "workbook_too_large"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"rows": [], "sheets": [{"name": "a", "rows": []}]},
        {"sheets": [{"name": "a", "rows": []}], "columns": ["b"]},
    ],
)
async def test_a_workbook_is_described_in_one_way(context: FakeStepContext, config: dict[str, Any]) -> None:
    assert TransformJsonToXlsx.model_validate(config).problems()
    with pytest.raises(StepError):
        await run(context, TransformJsonToXlsx, **config)


async def test_columns_are_read_by_header_or_number(context: FakeStepContext, tmp_path: Path) -> None:
    reference = await workbook(context, tmp_path, PRICES)
    columns = [{"key": "price", "index": 1}, {"key": "name", "header": " ARTICLE "}]
    output = await run(context, TransformXlsxToJson, input=reference, columns=columns)
    assert output["rows"][0] == {"price": 20, "name": "Rope"}


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        ({}, [{"a": 1, "B": None, "a_2": "x"}]),
        ({"blankCells": "omit"}, [{"a": 1, "a_2": "x"}]),
        ({"blankCells": "empty", "valueMode": "displayed"}, [{"a": "1", "B": "", "a_2": "x"}]),
        ({"blankRows": "keep"}, [{"a": None, "B": None, "a_2": None}, {"a": 1, "B": None, "a_2": "x"}]),
        ({"headerRow": 0, "range": "A3:B3"}, [{"A": 1, "B": None}]),
        ({"headerRow": 3, "range": "A3:C3"}, []),
    ],
)
async def test_blanks_headers_and_ranges_are_read_as_told(
    context: FakeStepContext, tmp_path: Path, config: dict[str, Any], rows: Any
) -> None:
    reference = await workbook(context, tmp_path, [["a", None, "a"], [], [1, None, "x"]])
    assert (await run(context, TransformXlsxToJson, input=reference, **config))["rows"] == rows


async def test_the_rows_are_kept_as_csv_on_demand(context: FakeStepContext, tmp_path: Path) -> None:
    reference = await workbook(context, tmp_path, PRICES, filename="prices.xlsx")
    output = await run(context, TransformXlsxToJson, input=reference, outputCsv=True)
    assert output["fileId"]["filename"] == "prices.csv"
    assert context.artifacts["output/step/prices.csv"] == b"Article,Price\r\nRope,20\r\nHook,5.5\r\n"


async def test_the_sheet_is_described_on_demand(context: FakeStepContext, tmp_path: Path) -> None:
    reference = await workbook(context, tmp_path, PRICES)
    output = await run(context, TransformXlsxToJson, input=reference, includeMetadata=True, sheet="sheet1")
    assert output["sheet"] == {"name": "Sheet1", "index": 0, "rowCount": 3, "columnCount": 2}
    assert output["diagnostics"] == {"columns": ["Article", "Price"], "headerRow": 1, "blankRows": 0}


@pytest.mark.parametrize(
    ("config", "code", "category"),
    [
        ({"sheet": "gone"}, "sheet_not_found", "not_found"),
        ({"sheet": 7}, "sheet_not_found", "not_found"),
        ({"columns": [{"key": "a", "header": "gone"}]}, "column_not_found", "not_found"),
        ({"columns": [{"key": "a", "index": 9}]}, "column_not_found", "not_found"),
        ({"headerRow": 99}, "column_not_found", "not_found"),
        ({"limits": {"maxRows": 1}}, "document_too_large", "validation"),
    ],
)
async def test_what_is_not_in_the_workbook_fails_the_step(
    context: FakeStepContext, tmp_path: Path, config: dict[str, Any], code: str, category: str
) -> None:
    reference = await workbook(context, tmp_path, PRICES)
    with pytest.raises(StepError) as failed:
        await run(context, TransformXlsxToJson, input=reference, **config)
    assert (failed.value.code, failed.value.category) == (code, category)


@pytest.mark.parametrize("column", [{"key": "a"}, {"key": "a", "index": 0, "header": "b"}])
def test_a_column_is_named_in_one_way(column: dict[str, Any]) -> None:
    step = TransformXlsxToJson.model_validate({"input": {}, "columns": [column]})
    assert [problem[0] for problem in step.problems()] == ["columns.0"]


@pytest.mark.parametrize("config", [{"range": "A1"}, {"range": "A0:B2"}, {"valueMode": "x"}, {"headerRow": -1}])
def test_a_wrong_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TransformXlsxToJson.model_validate({"input": {}, **config})


async def test_a_template_is_filled_in_and_missing_values_are_counted(context: FakeStepContext, tmp_path: Path) -> None:
    form = [["{{ customer.name }}", "{{ total }}"], ["{{ order }}", "of {{ customer.name }}"]]
    reference = await workbook(context, tmp_path, form, filename="form.xlsx")
    data = {"customer": {"name": "Ada"}, "total": 800}
    output = await run(
        context, TransformTemplate, template=reference, data=data, outputFilename="invoice", notFoundText="?"
    )
    assert output["fileId"]["filename"] == "invoice.xlsx"
    assert output["missingCount"] == 1
    assert cells(context.artifacts["output/step/invoice.xlsx"]) == [["Ada", 800], ["?", "of Ada"]]


@pytest.mark.parametrize("highlighted", [True, False])
async def test_highlighting_can_be_switched_off(
    context: FakeStepContext,
    tmp_path: Path,
    highlighted: bool,
) -> None:
    reference = await workbook(context, tmp_path, [["{{ gone }}"]], filename="form.xlsx")
    await run(context, TransformTemplate, template=reference, data={}, highlightNotFound=highlighted)
    worksheet = openpyxl.load_workbook(io.BytesIO(context.artifacts["output/step/form.xlsx"])).worksheets[0]
    assert worksheet["A1"].value == "NOT FOUND"
    assert (worksheet["A1"].fill.fill_type == "solid") is highlighted


async def test_data_may_be_named_anything(context: FakeStepContext, tmp_path: Path) -> None:
    reference = await workbook(context, tmp_path, [["{{ self }}", "a {{ data }}"]], filename="form.xlsx")
    await run(context, TransformTemplate, template=reference, data={"self": 1, "data": 2, "a-b": 3})
    assert cells(context.artifacts["output/step/form.xlsx"])[0][1] == "a 2"


@pytest.mark.parametrize(
    ("name", "kept"),
    [("a", "a.xlsx"), ("A.XLSX", "A.XLSX"), ("a.docx", "a.xlsx"), ("Invoice no. 5", "Invoice no. 5.xlsx")],
)
async def test_a_file_gets_the_ending_of_its_kind(context: FakeStepContext, name: str, kept: str) -> None:
    assert (await run(context, TransformJsonToXlsx, rows=[], filename=name))["filename"] == kept


async def test_a_template_beside_the_workflow_is_named_by_its_path(context: FakeStepContext, tmp_path: Path) -> None:
    reference = await workbook(context, tmp_path, [["{{ name }}"]], filename="form.xlsx")
    context.version_files["templates/form.xlsx"] = await context.open_file(reference)
    output = await run(context, TransformTemplate, template="templates/form.xlsx", data={"name": "Ada"})
    assert cells(context.artifacts[output["fileId"]["$file"]]) == [["Ada"]]


@pytest.mark.parametrize("path", ["", "/form.docx", "../form.docx", "./form.docx", "a//b.docx", "a\\b.docx"])
def test_a_path_that_leads_elsewhere_is_no_template(path: str) -> None:
    config: dict[str, Any] = {"template": path, "data": {}}
    problems = TransformTemplate.model_validate(config).problems()
    assert [problem[0::2] for problem in problems] == [("template", "file_required")]
    assert TransformTemplate.named_files(config) == []


def test_a_path_that_a_run_decides_is_not_looked_for_beforehand() -> None:
    named = [TransformTemplate.named_files({"template": value}) for value in ("{{ input.form }}", "a.docx", {}, None)]
    assert named == [[], [("template", "a.docx")], [], []]
    assert automations.parse_workflow(TransformTemplate.example).issues == ()


async def test_a_badly_written_template_names_its_cell(context: FakeStepContext, tmp_path: Path) -> None:
    reference = await workbook(context, tmp_path, [["{{ a b }}"]])
    with pytest.raises(StepError, match="A1 of Sheet1") as failed:
        await run(context, TransformTemplate, template=reference, data={})
    assert failed.value.code == "template_invalid"


async def test_a_scan_becomes_a_pdf_with_text(context: FakeStepContext, tmp_path: Path) -> None:
    scan, words = tmp_path / "scan.png", tmp_path / "words.json"
    scan.write_bytes(encoded(picture("Total", size=(400, 200)), "PNG"))
    word = {"text": "Total", "x0": 20, "y0": 30, "x1": 120, "y1": 60, "confidence": 0.75}
    words.write_text(jsontext.dump([{"index": 0, "width": 400, "height": 200, "words": [word]}]), encoding="utf-8")
    parsed = {"text": "Total", "words": context.add_file(words, "application/json"), "pages": []}
    reference = context.add_file(scan, "image/png")
    output = await run(context, TransformPdfEmbed, input=reference, parseResult=parsed)
    assert (output["pageCount"], output["wordCount"], output["text"]) == (1, 1, "Total")
    assert output["fileId"]["filename"] == "scan.pdf"
    found = await context.parser.parse(
        _written(tmp_path / "out.pdf", context.artifacts["output/step/scan.pdf"]), filename="out.pdf", mode="native"
    )
    assert found.text.strip() == "Total"
    output = await run(context, TransformPdfEmbed, input=reference, parseResult=parsed, confidenceThreshold=0.8)
    assert output["wordCount"] == 0


async def test_words_that_a_pdf_has_as_text_are_not_added_again(context: FakeStepContext, tmp_path: Path) -> None:
    path = _written(tmp_path / "letter.pdf", pdf([text_at(50, 800, "Dear Ada")]))
    parsed = await context.parser.parse(path, filename="letter.pdf", mode="native")
    words = context.add_file(_written(tmp_path / "words.json", parsed.words), "application/json")
    reference = context.add_file(path, "application/pdf")
    output = await run(context, TransformPdfEmbed, input=reference, parseResult={"text": "", "words": words})
    assert output["wordCount"] == 0


@pytest.mark.parametrize(
    ("step_type", "config"),
    [
        (TransformXlsxToJson, {"input": None}),
        (TransformTemplate, {"template": "form.docx", "data": {}}),
        (TransformPdfEmbed, {"input": {"$file": "gone"}, "parseResult": {"words": None}}),
    ],
)
async def test_what_names_no_file_of_the_run_is_refused(
    context: FakeStepContext, step_type: type[Step], config: dict[str, Any]
) -> None:
    with pytest.raises(StepError) as failed:
        await run(context, step_type, **config)
    assert failed.value.code == "file_required"


@pytest.mark.parametrize(
    ("step_type", "name", "rest"),
    [
        (TransformXlsxToJson, "input", {}),
        (TransformTemplate, "template", {"data": {}}),
        (TransformPdfEmbed, "input", {"parseResult": {"words": {"$file": "input/words.json"}}}),
    ],
)
async def test_a_file_of_another_kind_is_refused(
    context: FakeStepContext, tmp_path: Path, step_type: type[Step], name: str, rest: dict[str, Any]
) -> None:
    letter = context.add_file(_written(tmp_path / "letter.txt", b"Dear Ada"), "text/plain")
    context.add_file(_written(tmp_path / "words.json", b"[]"), "application/json")
    with pytest.raises(StepError) as failed:
        await run(context, step_type, **{name: letter}, **rest)
    assert (failed.value.code, failed.value.category) == ("document_unsupported", "validation")


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
