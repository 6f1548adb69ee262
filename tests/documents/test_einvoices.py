import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.documents import samples
from tests.documents.einvoices import CII_INVOICE, UBL_CREDIT_NOTE, UBL_INVOICE, pdf_with

from assay.documents import (
    DocumentTooLargeError,
    DocumentUnreadableError,
    EInvoice,
    EInvoiceLine,
    EInvoiceNotFoundError,
    EInvoiceUnreadableError,
    Parser,
)

Stored = Callable[[bytes | str], Path]

INVOICES = sorted((Path(__file__).parents[3] / "shared" / "data" / "invoices" / "examples").glob("*"))

ROPE = EInvoiceLine(description="Rope", quantity=40.0, unit="KGM", unit_price=20.0, net_total=800.0, tax_rate=25.0)


@pytest.mark.skipif(not INVOICES, reason="the shared documents are not here")
@pytest.mark.parametrize("example", INVOICES, ids=lambda example: example.name)
async def test_the_xml_of_a_real_invoice_holds_every_fact(parser: Parser, example: Path) -> None:
    (path,) = (example / "input").iterdir()
    expected = json.loads((example / "expected.json").read_text())
    invoice = await parser.einvoice(path, filename=path.name)
    assert len(invoice.lines) == expected.pop("line_count")
    assert {name: getattr(invoice, name) for name in expected} == expected


async def test_a_ubl_invoice_is_read_whole(parser: Parser, stored: Stored) -> None:
    assert await parser.einvoice(stored(UBL_INVOICE), filename="invoice.xml") == EInvoice(
        syntax="ubl",
        type_code="380",
        invoice_number="2024-117",
        issue_date="2024-03-03",
        seller_name="Havn ApS",
        buyer_name="Køber A/S",
        currency="DKK",
        net_total=800.0,
        tax_total=200.0,
        total=1000.0,
        lines=(ROPE,),
    )


async def test_a_ubl_credit_note_is_read_like_an_invoice(parser: Parser, stored: Stored) -> None:
    invoice = await parser.einvoice(stored(UBL_CREDIT_NOTE), filename="note", content_type="application/xml")
    assert (invoice.type_code, invoice.lines, invoice.total) == ("381", (ROPE,), 1000.0)


async def test_what_a_cii_invoice_does_not_say_is_none(parser: Parser, stored: Stored) -> None:
    invoice = await parser.einvoice(stored(CII_INVOICE), filename="invoice.xml")
    assert (invoice.issue_date, invoice.total, invoice.tax_total) == ("2024-02-29", -12.0, -2.0)
    assert (invoice.buyer_name, invoice.type_code, invoice.lines) == (None, None, ())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1"])
async def test_the_encoding_is_the_one_that_the_xml_declares(parser: Parser, stored: Stored, encoding: str) -> None:
    declared = UBL_INVOICE.replace("UTF-8", encoding.removesuffix("-sig")).replace("&#248;", "ø")
    invoice = await parser.einvoice(stored(declared.encode(encoding)), filename="invoice.xml")
    assert invoice.buyer_name == "Køber A/S"


@pytest.mark.parametrize("name", ["factur-x.xml", "ZUGFeRD-invoice.xml", "xrechnung.xml", "rechnung-4711.XML"])
async def test_an_invoice_is_found_in_a_pdf_under_any_name(parser: Parser, stored: Stored, name: str) -> None:
    content = pdf_with({"a.pdf": b"%PDF-1.7", "a.xml": "<other/>", "b.xml": "<broken", name: CII_INVOICE})
    assert (await parser.einvoice(stored(content), filename="invoice.pdf")).invoice_number == "FA-9"


async def test_the_standard_name_wins_over_other_invoices(parser: Parser, stored: Stored) -> None:
    content = pdf_with({"a.xml": UBL_INVOICE, "factur-x.xml": CII_INVOICE})
    assert (await parser.einvoice(stored(content), filename="invoice.pdf")).invoice_number == "FA-9"


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (samples.pdf([samples.text_at(72, 720, "Invoice")]), "invoice.pdf"),
        (pdf_with({"order.xml": "<order/>"}), "invoice.pdf"),
        (pdf_with({"order.xml": "<broken"}), "invoice.pdf"),
        ("<order/>", "order.xml"),
        ("Invoice 2024-117", "invoice.txt"),
        ("<3 from Ada", "letter.txt"),
        ("<!doctype html><p>Invoice", "invoice.html"),
        (samples.encoded(samples.picture("Invoice"), "PNG"), "invoice.png"),
        (b"\x00\x01\x02\x03" * 100, "invoice.bin"),
    ],
)
async def test_a_document_without_an_invoice_says_so(
    parser: Parser, stored: Stored, content: bytes | str, filename: str
) -> None:
    with pytest.raises(EInvoiceNotFoundError):
        await parser.einvoice(stored(content), filename=filename)


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 100}">' for n in range(10))


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (UBL_INVOICE[:700], "no valid XML"),
        (UBL_INVOICE.replace("<ID>2024-117</ID>", "", 1), "no invoice number"),
        (UBL_INVOICE.replace("1000.00", "a lot"), "TaxInclusiveAmount .* no number: 'a lot'"),
        (UBL_INVOICE.replace("1000.00", "1e400"), "no number"),
        (UBL_INVOICE.replace("1000.00", "NaN"), "no number"),
        (UBL_INVOICE.replace("2024-03-03", "2024-02-30"), "IssueDate .* no date"),
        (UBL_INVOICE.replace("?>", '?><!DOCTYPE x [<!ENTITY e "x">]>', 1), "DTD"),
        (UBL_INVOICE.replace("?>", '?><!DOCTYPE x SYSTEM "http://localhost/x.dtd">', 1), "DTD"),
        (
            UBL_INVOICE.replace("?>", '?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 1).replace(
                "Rope", "&e;"
            ),
            "DTD",
        ),
        (UBL_INVOICE.replace("?>", f"?><!DOCTYPE x [{ENTITIES}]>", 1).replace("Rope", "&e9;"), "DTD|no valid XML"),
        (UBL_INVOICE.replace("Rope", "<x>" * 100_000), "no valid XML"),
    ],
)
async def test_an_invoice_that_breaks_the_rules_is_refused(
    parser: Parser, stored: Stored, xml: str, message: str
) -> None:
    with pytest.raises(EInvoiceUnreadableError, match=message):
        await parser.einvoice(stored(xml), filename="invoice.xml")
    with pytest.raises(EInvoiceUnreadableError, match=message):
        await parser.einvoice(stored(pdf_with({"factur-x.xml": xml})), filename="invoice.pdf")


async def test_an_invoice_that_is_too_large_is_refused(parser: Parser, stored: Stored) -> None:
    with pytest.raises(DocumentTooLargeError):
        await parser.einvoice(stored(UBL_INVOICE + " " * (32 << 20)), filename="invoice.xml")


async def test_a_pdf_with_too_many_attachments_is_refused(parser: Parser, stored: Stored) -> None:
    content = pdf_with({f"{number}.txt": "x" for number in range(1_001)})
    with pytest.raises(DocumentTooLargeError, match="attachments"):
        await parser.einvoice(stored(content), filename="invoice.pdf")


async def test_a_damaged_pdf_is_no_missing_invoice(parser: Parser, stored: Stored) -> None:
    with pytest.raises(DocumentUnreadableError):
        await parser.einvoice(stored(b"%PDF-1.7\nthis is no PDF"), filename="invoice.pdf")


async def test_thousands_of_lines_are_read(parser: Parser, stored: Stored) -> None:
    start, end = UBL_INVOICE.index("<a:InvoiceLine>"), UBL_INVOICE.index("</ubl:Invoice>")
    xml = UBL_INVOICE[:start] + UBL_INVOICE[start:end] * 30_000 + UBL_INVOICE[end:]
    invoice = await parser.einvoice(stored(xml), filename="invoice.xml")
    assert invoice.lines == (ROPE,) * 30_000
