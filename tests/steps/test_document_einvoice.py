from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.documents.einvoices import CII_INVOICE, UBL_INVOICE, pdf_with
from tests.fakes.step_context import FakeStepContext

from assay import documents
from assay.steps import StepError
from assay.steps.builtin.document_einvoice import DocumentEinvoice


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


async def read(context: FakeStepContext, path: Path, content: bytes | str, **config: Any) -> Any:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    step = DocumentEinvoice.model_validate({"input": context.add_file(path, "application/octet-stream"), **config})
    output = await step.run(context)
    jsonschema_rs.validator_for(dict(DocumentEinvoice.output_schema or {})).validate(output)
    return output


async def test_an_invoice_comes_out_in_one_shape(context: FakeStepContext, tmp_path: Path) -> None:
    output = await read(context, tmp_path / "invoice.xml", UBL_INVOICE)
    assert output["line_count"] == 1
    assert output["lines"] == [
        {
            "description": "Rope",
            "quantity": 40.0,
            "unit": "KGM",
            "unit_price": 20.0,
            "net_total": 800.0,
            "tax_rate": 25.0,
        }
    ]
    other = await read(context, tmp_path / "invoice.pdf", pdf_with({"factur-x.xml": CII_INVOICE}))
    assert other.keys() == output.keys()
    assert (other["invoice_number"], other["lines"]) == ("FA-9", [])


async def test_a_document_without_an_invoice_fails_the_step(context: FakeStepContext, tmp_path: Path) -> None:
    with pytest.raises(StepError) as failed:
        await read(context, tmp_path / "letter.txt", "Dear Ada")
    assert (failed.value.code, failed.value.category) == ("einvoice_not_found", "not_found")
    assert failed.value.hint


async def test_a_document_without_an_invoice_is_null_where_none_is_required(
    context: FakeStepContext, tmp_path: Path
) -> None:
    assert await read(context, tmp_path / "letter.txt", "Dear Ada", required=False) is None


async def test_a_damaged_invoice_fails_even_where_none_is_required(context: FakeStepContext, tmp_path: Path) -> None:
    with pytest.raises(StepError) as failed:
        await read(context, tmp_path / "invoice.xml", UBL_INVOICE[:500], required=False)
    assert (failed.value.code, failed.value.category) == ("einvoice_unreadable", "validation")


async def test_what_names_no_file_of_the_run_is_refused(context: FakeStepContext) -> None:
    with pytest.raises(StepError) as failed:
        await DocumentEinvoice.model_validate({"input": "invoice.pdf"}).run(context)
    assert failed.value.code == "file_required"
