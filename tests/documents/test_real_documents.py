import json
from pathlib import Path

import pytest

from assay.documents import Parser

DATA = Path(__file__).parents[3] / "shared" / "data"
INVOICES = sorted((DATA / "invoices" / "examples").glob("*"))
RECEIPTS = sorted((DATA / "receipts" / "examples").glob("*"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared documents are not here")


@pytest.mark.parametrize("example", INVOICES, ids=lambda example: example.name)
async def test_the_text_of_an_invoice_holds_its_number(parser: Parser, example: Path) -> None:
    (path,) = (example / "input").iterdir()
    expected = json.loads((example / "expected.json").read_text())
    document = await parser.parse(path, filename=path.name)
    assert document.strategy == "native"
    assert expected["invoice_number"] in document.text
    assert len(json.loads(document.words)) == len(document.pages)


@pytest.mark.parametrize("example", RECEIPTS[1:3], ids=lambda example: example.name)
async def test_ocr_finds_date_and_total_of_a_receipt(parser: Parser, example: Path) -> None:
    (path,) = (example / "input").iterdir()
    expected = json.loads((example / "expected.json").read_text())
    document = await parser.parse(path, filename=path.name)
    assert document.strategy == "ocr"
    assert expected["date"] in document.text
    assert expected["total"] in document.text
