import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openpyxl import Workbook
from PIL import Image, ImageDraw, ImageFont
from reportlab.pdfgen.canvas import Canvas
from tests.fakes.step_context import FakeStepContext

from assay import documents
from assay.steps import Effect, StepError
from assay.steps.builtin.ai_parse import AiParse


@pytest.fixture(scope="module")
async def parser() -> AsyncGenerator[documents.Parser]:
    opened = documents.Parser(native_children=1, ocr_children=1, limits=documents.Limits())
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def context(parser: documents.Parser) -> FakeStepContext:
    return FakeStepContext(document_parser=parser, name="parse")


async def parse(context: FakeStepContext, path: Path, content_type: str, **config: Any) -> dict[str, Any]:
    step = AiParse.model_validate({"input": context.add_file(path, content_type), **config})
    output = await step.run(context)
    assert isinstance(output, dict)
    assert AiParse.output_schema is not None
    jsonschema_rs.validator_for(dict(AiParse.output_schema)).validate(output)
    return output


async def test_a_text_is_one_page(context: FakeStepContext, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada,\nyour invoice is paid.\n")
    output = await parse(context, path, "text/plain")
    assert "your invoice is paid." in output["text"]
    assert [page["pageIndex"] for page in output["pages"]] == [0]
    assert (output["parserType"], output["processingStrategy"], output["pageCount"]) == ("plaintext", "native", 1)
    assert not context.usage


async def test_words_of_a_pdf_are_kept_as_an_artifact_that_the_output_names(
    context: FakeStepContext, tmp_path: Path
) -> None:
    path = tmp_path / "invoice.pdf"
    canvas = Canvas(str(path))
    canvas.drawString(72, 720, "Invoice number: 2024-117")
    canvas.save()
    output = await parse(context, path, "application/pdf")
    assert "Invoice number: 2024-117" in output["text"]
    assert output["parserType"] == "pdf"
    assert output["words"] == {"$file": "debug/parse/words.json"}
    (page,) = json.loads(context.artifacts["debug/parse/words.json"])
    assert "2024-117" in [word["text"] for word in page["words"]]


async def test_sheets_are_pages_with_names(context: FakeStepContext, tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    book = Workbook()
    for title in ("Items", "Sums"):
        book.create_sheet(title).append([title, 1])
    book.remove(book.worksheets[0])
    book.save(path)
    output = await parse(context, path, "application/octet-stream")
    assert [page["pageName"] for page in output["pages"]] == ["Items", "Sums"]
    assert output["parserType"] == "office"


async def test_pages_read_by_ocr_are_counted_and_say_how_sure_it_was(context: FakeStepContext, tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    image = Image.new("RGB", (900, 200), "white")
    ImageDraw.Draw(image).text((40, 60), "INVOICE 2024-117", fill="black", font=ImageFont.load_default(size=64))
    image.save(path)
    output = await parse(context, path, "image/png")
    assert "2024-117" in output["text"]
    assert 0.5 < output["pages"][0]["confidence"] <= 1
    assert (output["parserType"], output["processingStrategy"]) == ("ocr", "ocr")
    assert context.usage == {"ocrPagesProcessed": 1}


async def test_a_broken_document_fails_the_step_with_its_own_code(context: FakeStepContext, tmp_path: Path) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7\nthis is no PDF")
    with pytest.raises(StepError) as failed:
        await parse(context, path, "application/pdf")
    assert (failed.value.code, failed.value.category) == ("document_unreadable", "validation")
    assert not context.artifacts


async def test_what_names_no_file_of_the_run_is_refused(context: FakeStepContext) -> None:
    with pytest.raises(StepError) as failed:
        await AiParse.model_validate({"input": "invoice.pdf"}).run(context)
    assert failed.value.code == "file_required"


def test_a_parsed_document_is_committed_at_once() -> None:
    assert AiParse.effect is Effect.READ
