"""The example that reads an invoice from its XML, else from its pages, as a worker runs it."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from tests.documents import samples
from tests.documents.einvoices import UBL_INVOICE, pdf_with
from tests.runs.conftest import Desk

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "invoice-extraction" / "workflow.yaml").read_text("utf-8")
INVOICES = sorted((ROOT.parent / "shared" / "data" / "invoices" / "examples").glob("*"))

NUMBERS = itertools.count()

PAGE = "".join(
    samples.text_at(x, y, text)
    for x, y, text in (
        (72, 760, "Acme Ltd"),
        (72, 700, "Invoice no."),
        (200, 700, "Invoice date"),
        (72, 680, "INV-2024-9"),
        (200, 680, "3 March 2024"),
        (72, 600, "Subtotal"),
        (400, 600, "1,000.00"),
        (72, 580, "VAT 20 %"),
        (400, 580, "200.00"),
        (72, 560, "Total"),
        (370, 560, "GBP"),
        (400, 560, "1,200.00"),
    )
)


async def extracted(desk: Desk, filename: str, content: bytes | str) -> Any:
    raw = content.encode() if isinstance(content, str) else content
    flow = await desk.push_text(EXAMPLE.replace("name: invoice-extraction", f"name: extraction-{next(NUMBERS)}", 1))
    run = await desk.run(
        flow, {"document": {"$inline": {"filename": filename, "base64": base64.b64encode(raw).decode()}}}
    )
    assert run.summary.status == "completed", run.summary
    return run.output


async def test_the_xml_is_taken_where_there_is_one(desk: Desk) -> None:
    output = await extracted(desk, "invoice.pdf", pdf_with({"factur-x.xml": UBL_INVOICE}))
    assert output == {
        "invoice_number": "2024-117",
        "issue_date": "2024-03-03",
        "seller_name": "Havn ApS",
        "buyer_name": "Køber A/S",
        "currency": "DKK",
        "net_total": 800.0,
        "tax_total": 200.0,
        "total": 1000.0,
        "line_count": 1,
        "source": "xml",
    }


async def test_the_pages_are_read_where_there_is_no_xml(desk: Desk) -> None:
    output = await extracted(desk, "invoice.pdf", samples.pdf([PAGE]))
    assert output == {
        "invoice_number": "INV-2024-9",
        "issue_date": "2024-03-03",
        "seller_name": None,
        "buyer_name": None,
        "currency": "GBP",
        "net_total": 1000.0,
        "tax_total": 200.0,
        "total": 1200.0,
        "line_count": None,
        "source": "pages",
    }


async def test_a_document_that_is_no_invoice_has_no_values(desk: Desk) -> None:
    output = await extracted(desk, "letter.txt", "Dear Ada")
    assert {name: value for name, value in output.items() if value is not None} == {"source": "pages"}


@pytest.mark.skipif(not INVOICES, reason="the shared documents are not here")
async def test_real_invoices_come_out_as_they_should(desk: Desk) -> None:
    for example in INVOICES[::12]:
        (path,) = (example / "input").iterdir()
        output = await extracted(desk, path.name, path.read_bytes())
        expected = json.loads((example / "expected.json").read_text("utf-8"))
        assert output == {**expected, "source": "xml"}
