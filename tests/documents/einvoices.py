"""Electronic invoices, made on the spot."""

from collections.abc import Mapping

from tests.documents import samples

UBL = "urn:oasis:names:specification:ubl:schema:xsd"

UBL_INVOICE = f"""<?xml version="1.0" encoding="UTF-8"?>
<ubl:Invoice xmlns:ubl="{UBL}:Invoice-2" xmlns:a="{UBL}:CommonAggregateComponents-2"
    xmlns="{UBL}:CommonBasicComponents-2">
  <ID>2024-117</ID>
  <IssueDate>2024-03-03</IssueDate>
  <InvoiceTypeCode>380</InvoiceTypeCode>
  <DocumentCurrencyCode>DKK</DocumentCurrencyCode>
  <a:AccountingSupplierParty><a:Party>
    <a:PartyName><Name>Havn</Name></a:PartyName>
    <a:PartyLegalEntity><RegistrationName>Havn
        ApS</RegistrationName></a:PartyLegalEntity>
  </a:Party></a:AccountingSupplierParty>
  <a:AccountingCustomerParty><a:Party><a:PartyName><Name>K&#248;ber A/S</Name></a:PartyName></a:Party>
  </a:AccountingCustomerParty>
  <a:TaxTotal><TaxAmount currencyID="EUR">26.80</TaxAmount></a:TaxTotal>
  <a:TaxTotal><TaxAmount currencyID="DKK">200.00</TaxAmount></a:TaxTotal>
  <a:LegalMonetaryTotal>
    <TaxExclusiveAmount currencyID="DKK">800.00</TaxExclusiveAmount>
    <TaxInclusiveAmount currencyID="DKK">1000.00</TaxInclusiveAmount>
    <PayableAmount currencyID="DKK">900.00</PayableAmount>
  </a:LegalMonetaryTotal>
  <a:InvoiceLine>
    <ID>1</ID>
    <InvoicedQuantity unitCode="KGM">40</InvoicedQuantity>
    <LineExtensionAmount currencyID="DKK">800.00</LineExtensionAmount>
    <a:Item><Name>Rope</Name><a:ClassifiedTaxCategory><Percent>25</Percent></a:ClassifiedTaxCategory></a:Item>
    <a:Price><PriceAmount currencyID="DKK">200</PriceAmount><BaseQuantity unitCode="KGM">10</BaseQuantity></a:Price>
  </a:InvoiceLine>
</ubl:Invoice>
"""

UBL_CREDIT_NOTE = (
    UBL_INVOICE.replace("InvoiceLine", "CreditNoteLine")
    .replace("InvoicedQuantity", "CreditedQuantity")
    .replace("InvoiceTypeCode>380</Invoice", "CreditNoteTypeCode>381</CreditNote")
    .replace("ubl:Invoice", "ubl:CreditNote")
    .replace(":Invoice-2", ":CreditNote-2")
)

CII_INVOICE = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
    xmlns="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
    xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
  <rsm:ExchangedDocument>
    <ID>FA-9</ID>
    <IssueDateTime><udt:DateTimeString format="102">20240229</udt:DateTimeString></IssueDateTime>
  </rsm:ExchangedDocument>
  <rsm:SupplyChainTradeTransaction>
    <ApplicableHeaderTradeAgreement><SellerTradeParty><Name>Au bon moulin</Name></SellerTradeParty>
    </ApplicableHeaderTradeAgreement>
    <ApplicableHeaderTradeSettlement>
      <InvoiceCurrencyCode>EUR</InvoiceCurrencyCode>
      <SpecifiedTradeSettlementHeaderMonetarySummation>
        <TaxBasisTotalAmount>-10.00</TaxBasisTotalAmount>
        <TaxTotalAmount currencyID="EUR">-2.00</TaxTotalAmount>
        <GrandTotalAmount>-12.00</GrandTotalAmount>
      </SpecifiedTradeSettlementHeaderMonetarySummation>
    </ApplicableHeaderTradeSettlement>
  </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
"""


def pdf_with(attachments: Mapping[str, bytes | str], *, text: str = "Invoice") -> bytes:
    """Build a PDF of one page that carries files."""
    objects: list[bytes] = []
    names: list[str] = []
    for name, content in sorted(attachments.items()):
        raw = content.encode() if isinstance(content, str) else content
        objects.append(b"<< /Type /EmbeddedFile /Length %d >>\nstream\n%s\nendstream" % (len(raw), raw))
        objects.append(f"<< /Type /Filespec /F ({name}) /UF ({name}) /EF << /F {3 + len(objects)} 0 R >> >>".encode())
        names.append(f"({name}) {3 + len(objects)} 0 R")
    trailer = f"/Names << /EmbeddedFiles << /Names [{' '.join(names)}] >> >>"
    return samples.pdf([samples.text_at(72, 720, text)], trailer=trailer, objects=objects)
