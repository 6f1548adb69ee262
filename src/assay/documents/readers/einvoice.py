"""Where the XML invoice in a document is, and which of its elements hold which fact.

CII is the syntax of ZUGFeRD, Factur-X and one half of XRechnung, UBL that of Peppol and the other half. ZUGFeRD 1.0 is
an older CII with other names. Elements are looked up by local name: the namespaces of parts differ between versions.
"""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final, Literal, Protocol, cast

from lxml import etree

from assay.documents.detection import detect
from assay.documents.einvoice import EInvoice, EInvoiceLine
from assay.documents.errors import (
    DocumentTooLargeError,
    DocumentUnsupportedError,
    EInvoiceNotFoundError,
    EInvoiceUnreadableError,
)
from assay.documents.model import DocumentKind, Limits
from assay.documents.protocol import Reading, Request
from assay.documents.readers.pdf import read_attachments

_XML_BYTES: Final = 32 << 20
_NAMES: Final = frozenset({"factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml"})
_BLANKS_AND_MARKS: Final = b" \t\r\n\x00" + codecs.BOM_UTF8 + codecs.BOM_UTF16_LE
_UBL_NAMESPACE: Final = "{urn:oasis:names:specification:ubl:schema:xsd:"
_NUMBER: Final = re.compile(r"[+-]?(?=\.?[0-9])[0-9]{0,24}(\.[0-9]{0,24})?")
_DATE: Final = re.compile(r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2}).*")


class _Element(Protocol):
    @property
    def tag(self) -> str: ...
    def get(self, key: str) -> str | None: ...
    def find(self, path: str) -> "_Element | None": ...
    def iterfind(self, path: str) -> Iterator["_Element"]: ...
    def itertext(self) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class _Syntax:
    """Where each fact stands: paths from the root, or from a line; of several, the first that has a text."""

    name: Literal["cii", "ubl"]
    number: str
    type_code: tuple[str, ...]
    issued: str
    seller: tuple[str, ...]
    buyer: tuple[str, ...]
    currency: str
    net_total: str
    tax_total: str
    total: str
    lines: tuple[str, ...]
    line_description: tuple[str, ...]
    line_quantity: tuple[str, ...]
    line_price: str
    line_price_basis: str
    line_net_total: str
    line_tax_rate: str


_CII: Final = _Syntax(
    name="cii",
    number="ExchangedDocument/ID",
    type_code=("ExchangedDocument/TypeCode",),
    issued="ExchangedDocument/IssueDateTime/DateTimeString",
    seller=("SupplyChainTradeTransaction/ApplicableHeaderTradeAgreement/SellerTradeParty/Name",),
    buyer=("SupplyChainTradeTransaction/ApplicableHeaderTradeAgreement/BuyerTradeParty/Name",),
    currency="SupplyChainTradeTransaction/ApplicableHeaderTradeSettlement/InvoiceCurrencyCode",
    net_total="SupplyChainTradeTransaction/ApplicableHeaderTradeSettlement/"
    "SpecifiedTradeSettlementHeaderMonetarySummation/TaxBasisTotalAmount",
    tax_total="SupplyChainTradeTransaction/ApplicableHeaderTradeSettlement/"
    "SpecifiedTradeSettlementHeaderMonetarySummation/TaxTotalAmount",
    total="SupplyChainTradeTransaction/ApplicableHeaderTradeSettlement/"
    "SpecifiedTradeSettlementHeaderMonetarySummation/GrandTotalAmount",
    lines=("SupplyChainTradeTransaction/IncludedSupplyChainTradeLineItem",),
    line_description=(
        "SpecifiedTradeProduct/Name",
        "SpecifiedTradeProduct/Description",
        "AssociatedDocumentLineDocument/IncludedNote/Content",
    ),
    line_quantity=("SpecifiedLineTradeDelivery/BilledQuantity",),
    line_price="SpecifiedLineTradeAgreement/NetPriceProductTradePrice/ChargeAmount",
    line_price_basis="SpecifiedLineTradeAgreement/NetPriceProductTradePrice/BasisQuantity",
    line_net_total="SpecifiedLineTradeSettlement/SpecifiedTradeSettlementLineMonetarySummation/LineTotalAmount",
    line_tax_rate="SpecifiedLineTradeSettlement/ApplicableTradeTax/RateApplicablePercent",
)
_ZUGFERD_1: Final = _Syntax(
    name="cii",
    number="HeaderExchangedDocument/ID",
    type_code=("HeaderExchangedDocument/TypeCode",),
    issued="HeaderExchangedDocument/IssueDateTime/DateTimeString",
    seller=("SpecifiedSupplyChainTradeTransaction/ApplicableSupplyChainTradeAgreement/SellerTradeParty/Name",),
    buyer=("SpecifiedSupplyChainTradeTransaction/ApplicableSupplyChainTradeAgreement/BuyerTradeParty/Name",),
    currency="SpecifiedSupplyChainTradeTransaction/ApplicableSupplyChainTradeSettlement/InvoiceCurrencyCode",
    net_total="SpecifiedSupplyChainTradeTransaction/ApplicableSupplyChainTradeSettlement/"
    "SpecifiedTradeSettlementMonetarySummation/TaxBasisTotalAmount",
    tax_total="SpecifiedSupplyChainTradeTransaction/ApplicableSupplyChainTradeSettlement/"
    "SpecifiedTradeSettlementMonetarySummation/TaxTotalAmount",
    total="SpecifiedSupplyChainTradeTransaction/ApplicableSupplyChainTradeSettlement/"
    "SpecifiedTradeSettlementMonetarySummation/GrandTotalAmount",
    lines=("SpecifiedSupplyChainTradeTransaction/IncludedSupplyChainTradeLineItem",),
    line_description=(
        "SpecifiedTradeProduct/Name",
        "SpecifiedTradeProduct/Description",
        "AssociatedDocumentLineDocument/IncludedNote/Content",
    ),
    line_quantity=("SpecifiedSupplyChainTradeDelivery/BilledQuantity",),
    line_price="SpecifiedSupplyChainTradeAgreement/NetPriceProductTradePrice/ChargeAmount",
    line_price_basis="SpecifiedSupplyChainTradeAgreement/NetPriceProductTradePrice/BasisQuantity",
    line_net_total="SpecifiedSupplyChainTradeSettlement/SpecifiedTradeSettlementMonetarySummation/LineTotalAmount",
    line_tax_rate="SpecifiedSupplyChainTradeSettlement/ApplicableTradeTax/ApplicablePercent",
)
_UBL: Final = _Syntax(
    name="ubl",
    number="ID",
    type_code=("InvoiceTypeCode", "CreditNoteTypeCode"),
    issued="IssueDate",
    seller=(
        "AccountingSupplierParty/Party/PartyLegalEntity/RegistrationName",
        "AccountingSupplierParty/Party/PartyName/Name",
    ),
    buyer=(
        "AccountingCustomerParty/Party/PartyLegalEntity/RegistrationName",
        "AccountingCustomerParty/Party/PartyName/Name",
    ),
    currency="DocumentCurrencyCode",
    net_total="LegalMonetaryTotal/TaxExclusiveAmount",
    tax_total="TaxTotal/TaxAmount",
    total="LegalMonetaryTotal/TaxInclusiveAmount",
    lines=("InvoiceLine", "CreditNoteLine"),
    line_description=("Item/Name", "Item/Description", "Note"),
    line_quantity=("InvoicedQuantity", "CreditedQuantity"),
    line_price="Price/PriceAmount",
    line_price_basis="Price/BaseQuantity",
    line_net_total="LineExtensionAmount",
    line_tax_rate="Item/ClassifiedTaxCategory/Percent",
)


def read_einvoice(path: Path, request: Request) -> Reading:
    """Find the invoice and return it as JSON in the reading's content.

    Raises:
        EInvoiceNotFoundError: There is none.
        EInvoiceUnreadableError: There is one, but it breaks the rules of XML or of its format.
        DocumentTooLargeError: It is too large.
    """
    try:
        file_format = detect(path, request.filename, request.content_type).format
    except DocumentUnsupportedError as error:
        raise EInvoiceNotFoundError from error
    kind: DocumentKind = "pdf" if file_format == "pdf" else "plaintext"
    if file_format == "pdf":
        invoice = _in_pdf(path, request.limits)
    elif file_format in {"xml", "txt"}:
        invoice = _in_text(path, is_xml=file_format == "xml")
    else:
        raise EInvoiceNotFoundError
    content = json.dumps(asdict(invoice)).encode()
    if len(content) > request.limits.output_bytes:
        raise DocumentTooLargeError("The electronic invoice holds too many lines.")
    return Reading(kind, [], content=content)


def _in_pdf(path: Path, limits: Limits) -> EInvoice:
    found = read_attachments(path, lambda name: name.lower().endswith(".xml"), limits)
    # A file of a standard name is the invoice, and must be readable; others may be anything.
    for name, content in sorted(found, key=lambda attachment: attachment[0].lower() not in _NAMES):
        try:
            invoice = _invoice(content)
        except EInvoiceUnreadableError:
            if name.lower() in _NAMES:
                raise
            continue
        if invoice:
            return invoice
    raise EInvoiceNotFoundError


def _in_text(path: Path, *, is_xml: bool) -> EInvoice:
    if path.stat().st_size > _XML_BYTES:
        raise _too_large()
    content = path.read_bytes()
    if not is_xml and not content.lstrip(_BLANKS_AND_MARKS).startswith(b"<"):
        raise EInvoiceNotFoundError
    try:
        invoice = _invoice(content)
    except EInvoiceUnreadableError as error:
        # What merely begins like markup was never meant to be an invoice.
        raise error if is_xml else EInvoiceNotFoundError from error
    if invoice is None:
        raise EInvoiceNotFoundError
    return invoice


def _invoice(content: bytes) -> EInvoice | None:
    if len(content) > _XML_BYTES:
        raise _too_large()
    root = _root(content)
    namespace, _, name = root.tag.rpartition("}")
    if name == "CrossIndustryInvoice":
        return _read(root, _CII)
    if name == "CrossIndustryDocument":
        return _read(root, _ZUGFERD_1)
    if name in {"Invoice", "CreditNote"} and namespace.startswith(_UBL_NAMESPACE):
        return _read(root, _UBL)
    return None


def _too_large() -> DocumentTooLargeError:
    return DocumentTooLargeError(f"The electronic invoice is larger than {_XML_BYTES >> 20} MB.")


def _root(content: bytes) -> _Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise EInvoiceUnreadableError(f"The electronic invoice is no valid XML: {str(error)[:300]}.") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise EInvoiceUnreadableError("The electronic invoice has a DTD, which no invoice format allows.")
    return cast("_Element", root)


def _read(root: _Element, syntax: _Syntax) -> EInvoice:
    number, currency = _text(root, syntax.number), _text(root, syntax.currency)
    if number is None:
        raise EInvoiceUnreadableError("The electronic invoice has no invoice number.")
    return EInvoice(
        syntax=syntax.name,
        type_code=_text(root, *syntax.type_code),
        invoice_number=number,
        issue_date=_date(root, syntax.issued),
        seller_name=_text(root, *syntax.seller),
        buyer_name=_text(root, *syntax.buyer),
        currency=currency,
        net_total=_number(root, syntax.net_total),
        tax_total=_tax_total(root, syntax.tax_total, currency),
        total=_number(root, syntax.total),
        lines=tuple(_line(line, syntax) for path in syntax.lines for line in root.iterfind(_any_namespace(path))),
    )


def _line(line: _Element, syntax: _Syntax) -> EInvoiceLine:
    quantities = (line.find(_any_namespace(path)) for path in syntax.line_quantity)
    quantity = next((element for element in quantities if element is not None), None)
    price, basis = _decimal(line, syntax.line_price), _decimal(line, syntax.line_price_basis)
    return EInvoiceLine(
        description=_text(line, *syntax.line_description),
        quantity=_number(line, *syntax.line_quantity),
        unit=None if quantity is None else quantity.get("unitCode"),
        unit_price=None if price is None else float(price / basis if basis else price),
        net_total=_number(line, syntax.line_net_total),
        tax_rate=_number(line, syntax.line_tax_rate),
    )


def _tax_total(root: _Element, path: str, currency: str | None) -> float | None:
    """Return the tax in the invoice's currency: it may stand there a second time in the country's own."""
    for element in root.iterfind(_any_namespace(path)):
        if element.get("currencyID") in {None, currency}:
            return _number(element, ".")
    return None


def _text(element: _Element, *paths: str) -> str | None:
    for path in paths:
        found = element.find(_any_namespace(path))
        text = "" if found is None else " ".join("".join(found.itertext()).split())
        if text:
            return text
    return None


def _number(element: _Element, *paths: str) -> float | None:
    found = _decimal(element, *paths)
    return None if found is None else float(found)


def _decimal(element: _Element, *paths: str) -> Decimal | None:
    text = _text(element, *paths)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise EInvoiceUnreadableError(f"{_place(paths)} of the electronic invoice is no number: {text[:50]!r}.")
    return Decimal(text)


def _date(element: _Element, path: str) -> str | None:
    text = _text(element, path)
    if text is None:
        return None
    found = _DATE.fullmatch(text)
    with suppress(ValueError):
        if found:
            return date(int(found[1]), int(found[3]), int(found[4])).isoformat()
    raise EInvoiceUnreadableError(f"{_place((path,))} of the electronic invoice is no date: {text[:50]!r}.")


def _place(paths: Sequence[str]) -> str:
    return paths[-1].rpartition("/")[2]


@cache
def _any_namespace(path: str) -> str:
    return path if path == "." else "/".join(f"{{*}}{name}" for name in path.split("/"))
