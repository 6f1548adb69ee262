"""The demo's documents: seeded invoices in several layouts and two languages, some scanned, with their true values."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, cast
from xml.sax.saxutils import escape

import pypdfium2
from babel.dates import format_date
from babel.numbers import format_decimal
from PIL import Image, ImageChops
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

Language = Literal["en", "de"]

_FIRST_DAY = date(2026, 1, 5)
_SCAN_DPI = 150
_SCAN_TIME = _FIRST_DAY.timetuple()
_SCAN_TYPES = ("jpg", "pdf", "png")
_MEDIA_TYPES = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg"}
_LOCALES: Mapping[Language, str] = {"en": "en_GB", "de": "de_DE"}
_SYMBOLS = {"EUR": "€", "GBP": "£"}


@dataclass(frozen=True, slots=True)
class DemoInvoice:
    """One document that was made, and what a perfect extraction would return for it.

    `truth` has the keys invoice_number, issue_date (ISO), seller_name, currency (ISO 4217),
    net_total, tax_total and total (in that currency).
    """

    name: str
    path: Path
    media_type: str
    truth: Mapping[str, str | float]


def make_invoices(folder: Path, *, seed: int, count: int = 24) -> list[DemoInvoice]:
    """Write `count` invoices into `folder`, which is made if need be, and return them in order.

    The same seed and count write the same bytes again, over what is there. A quarter are scans
    (PNG, JPEG or a PDF without text), an eighth were partly paid in advance, so that the amount
    due is not the total. Not to be called from two threads at once, because PDFium is not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)  # noqa: S311  # invented invoices, no secrets
    layouts = [list(_LAYOUTS)[index % len(_LAYOUTS)] for index in range(count)]
    on_account = [index for index, layout in enumerate(layouts) if layout != "receipt"]
    deposits = set(chance.sample(on_account, count // 8))
    return [_make(chance, folder, index, layout, index in deposits) for index, layout in enumerate(layouts)]


def score(truth: Mapping[str, str | float], output: Mapping[str, object]) -> dict[str, bool]:
    """Say for every field of `truth` whether `output` has it right.

    Numbers are compared as decimals, also when the output holds them as text; text without
    regard to case and whitespace. A missing field is wrong; fields beyond `truth` do not count.
    """
    return {field: _same(expected, output.get(field)) for field, expected in truth.items()}


def _make(chance: random.Random, folder: Path, index: int, layout: str, deposit: bool) -> DemoInvoice:
    row, column = divmod(index, len(_LAYOUTS))
    language: Language = "de" if row % 2 else "en"
    scan = _SCAN_TYPES[row % len(_SCAN_TYPES)] if column == row % len(_LAYOUTS) else None
    invoice = _invent(chance, language, _MOST_LINES_SCANNED if scan else _MOST_LINES[layout], deposit)
    document = _typeset(invoice, layout)
    name = f"{index + 1:02}-{layout}-{language}{'-scan' if scan else ''}"
    path = folder / f"{name}.{scan or 'pdf'}"
    if scan:
        _write_scan(chance, path, document)
    else:
        path.write_bytes(document)
    return DemoInvoice(name, path, _MEDIA_TYPES[path.suffix], invoice.truth)


def _same(expected: str | float, actual: object) -> bool:
    if actual is None or isinstance(actual, bool):
        return False
    if isinstance(expected, str):
        return _folded(expected) == _folded(str(actual))
    try:
        return Decimal(str(expected)) == Decimal(str(actual))
    except InvalidOperation:
        return False


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()


@dataclass(frozen=True, slots=True)
class _Company:
    name: str
    street: str
    town: str
    goods: tuple[str, ...] = ()
    currency: str = "EUR"
    tax_percent: int = 19
    prefix: str = ""


_SELLERS: Mapping[Language, tuple[_Company, ...]] = {
    "en": (
        _Company(
            "Quillbourne Stationery Ltd", "14 Tanner's Row", "Leeds LS1 9QX",
            ("Copy paper A4, 500 sheets", "Lever arch file, blue", "Whiteboard marker set", "Envelopes C5, box of 250",
             "Gel pen, black", "Desk organiser, oak"), "GBP", 20, "INV-2026-"),
        _Company(
            "Marrowfield Catering Limited", "3 Orchard Lane", "Bristol BS3 8ZW",
            ("Lunch buffet, per head", "Coffee and pastries", "Waiting staff, hour", "Table linen hire",
             "Vegetarian menu, per head", "Delivery and set-up"), "GBP", 20, "MC/26/"),
        _Company(
            "Tidewick Systems LLP", "Unit 7, Harbour Court", "Cork T12 X0X0",
            ("Network switch, 24 ports", "On-site installation, hour", "Patch cable 2 m", "Firewall licence, year",
             "Remote support, hour", "Rack shelf, 19 inch"), "EUR", 23, "TW-"),
    ),
    "de": (
        _Company(
            "Brombach & Söhne Möbelwerk GmbH", "Am Sägewerk 12", "72250 Freudenstadt",
            ("Schreibtisch Eiche, geölt", "Rollcontainer, abschließbar", "Bürostuhl „Höhenzug“", "Kabelführung, Stück",
             "Aufbau vor Ort, Stunde", "Tischplatte nach Maß"), prefix="RE-2026-"),
        _Company(
            "Lindenrätsel Druckerei GmbH & Co. KG", "Gutenbergstraße 8", "04103 Leipzig",
            ("Broschüre A5, 16 Seiten", "Visitenkarten, 250 Stück", "Plakat A2, farbig", "Satz und Gestaltung, Stunde",
             "Briefpapier, 1000 Blatt", "Expresszuschlag"), prefix="2026/"),
        _Company(
            "Kesselgrün Großküchen AG", "Röstereigasse 3", "50667 Köln",
            ("Mühle für Röstkaffee", "Gewürzkiste, groß", "Wärmebehälter Edelstahl", "Spülkorb, Gläser",
             "Wartung, Stunde", "Öl für Fritteuse, 10 l"), tax_percent=7, prefix="KG26-"),
    ),
}  # fmt: skip
_BUYERS: Mapping[Language, tuple[_Company, ...]] = {
    "en": (
        _Company("Pennymoor Primary School", "Station Road", "York YO1 0ZZ"),
        _Company("Aldersyke Dental Practice", "88 High Street", "Kendal LA9 0ZZ"),
        _Company("The Gorse & Heather Inn", "Moor End", "Whitby YO22 0ZZ"),
    ),
    "de": (
        _Company("Gemeinde Überlauf, Bauamt", "Rathausplatz 1", "78999 Überlauf"),
        _Company("Praxis Dr. Weißenfels", "Bäckerstraße 21", "99084 Erfurt"),
        _Company("Wanderheim Steinbühl e.V.", "Waldweg 5", "79888 Steinbühl"),
    ),
}


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    quantity: int
    price: Decimal

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class _Invoice:
    language: Language
    seller: _Company
    buyer: _Company
    number: str
    issued: date
    lines: tuple[_Line, ...]
    deposit: Decimal

    @property
    def net(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal())

    @property
    def tax(self) -> Decimal:
        return (self.net * self.seller.tax_percent / 100).quantize(Decimal("0.01"))

    @property
    def total(self) -> Decimal:
        return self.net + self.tax

    @property
    def truth(self) -> dict[str, str | float]:
        return {
            "invoice_number": self.number,
            "issue_date": self.issued.isoformat(),
            "seller_name": self.seller.name,
            "currency": self.seller.currency,
            "net_total": float(self.net),
            "tax_total": float(self.tax),
            "total": float(self.total),
        }

    def say(self, english: str, german: str) -> str:
        return german if self.language == "de" else english

    def day(self, day: date, style: Literal["long", "medium"] = "long") -> str:
        return format_date(day, style, locale=_LOCALES[self.language])

    def figure(self, amount: Decimal) -> str:
        return format_decimal(amount, "#,##0.00", locale=_LOCALES[self.language])

    def money(self, amount: Decimal) -> str:
        symbol, sign = _SYMBOLS[self.seller.currency], "-" if amount < 0 else ""
        return self.say(f"{sign}{symbol}{self.figure(abs(amount))}", f"{self.figure(amount)} {symbol}")


def _invent(chance: random.Random, language: Language, most_lines: int, deposit: bool) -> _Invoice:
    seller = chance.choice(_SELLERS[language])
    prices = {text: Decimal(chance.randint(180, 12_900)) / 100 for text in seller.goods}
    count = chance.randint(max(2, most_lines // 4), most_lines)
    lines = tuple(_Line(text, chance.randint(1, 9), prices[text]) for text in chance.choices(seller.goods, k=count))
    invoice = _Invoice(
        language=language,
        seller=seller,
        buyer=chance.choice(_BUYERS[language]),
        number=f"{seller.prefix}{chance.randint(10_000, 99_999)}",
        issued=_FIRST_DAY + timedelta(days=chance.randint(0, 300)),
        lines=lines,
        deposit=Decimal(),
    )
    return replace(invoice, deposit=(invoice.total * 3 / 10).quantize(Decimal(1))) if deposit else invoice


_TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=10, leading=14)
_SERIF = ParagraphStyle("serif", parent=_TEXT, fontName="Times-Roman", fontSize=11)
_SERIF_BOLD = ParagraphStyle("serif-bold", parent=_SERIF, fontName="Times-Bold", fontSize=13, leading=18)
_TYPED = ParagraphStyle("typed", parent=_TEXT, fontName="Courier", fontSize=9, leading=11, alignment=TA_CENTER)
_TITLE = ParagraphStyle("title", parent=_TEXT, fontName="Helvetica-Bold", fontSize=18, leading=26)


_TableCommand = tuple[Any, ...]


def _typeset(invoice: _Invoice, layout: str) -> bytes:
    story = _LAYOUTS[layout](invoice)
    small = layout == "receipt"
    size = (80 * mm, (70 + 9 * len(invoice.lines)) * mm) if small else A4
    margin = (4 if small else 20) * mm
    target = BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=size,
        leftMargin=margin,
        rightMargin=margin,
        topMargin=margin,
        bottomMargin=margin,
        title=invoice.number,
        invariant=1,
    )
    document.build(story)
    return target.getvalue()


def _letter(invoice: _Invoice) -> list[Flowable]:
    say, seller = invoice.say, invoice.seller
    issued, due = invoice.day(invoice.issued), invoice.day(invoice.issued + timedelta(days=14))
    place = seller.town.split()[1]
    items = [(f"{line.quantity} x {line.text}", invoice.money(line.amount)) for line in invoice.lines]
    sums = [
        (say("Net amount", "Nettobetrag"), invoice.money(invoice.net)),
        (say(f"VAT {seller.tax_percent}%", f"zzgl. {seller.tax_percent} % MwSt."), invoice.money(invoice.tax)),
        (say("Total", "Gesamtbetrag"), invoice.money(invoice.total)),
        *_settlement(invoice),
    ]
    return [
        *_paragraphs(_SERIF, *_address(seller)),
        Spacer(0, 12 * mm),
        *_paragraphs(_SERIF, *_address(invoice.buyer)),
        Spacer(0, 8 * mm),
        *_paragraphs(_SERIF, say(f"Date: {issued}", f"{place}, den {issued}")),
        Spacer(0, 8 * mm),
        *_paragraphs(_SERIF_BOLD, say(f"Invoice No. {invoice.number}", f"Rechnung Nr. {invoice.number}")),
        *_paragraphs(
            _SERIF,
            say(
                "Thank you for your order. We have supplied the following and ask for payment as stated below.",
                "vielen Dank für Ihren Auftrag. Wir haben für Sie ausgeführt und erlauben uns zu berechnen:",
            ),
        ),
        Spacer(0, 4 * mm),
        _table(
            [*items, *sums],
            (110, 50),
            ("FONT", (0, 0), (-1, -1), "Times-Roman", 11),
            ("LINEABOVE", (0, len(items)), (-1, len(items)), 0.7, colors.black),
        ),
        Spacer(0, 6 * mm),
        *_paragraphs(
            _SERIF,
            say(f"Payable by {due} without deduction.", f"Zahlbar bis {due} ohne Abzug."),
            say("Yours faithfully", "Mit freundlichen Grüßen"),
        ),
    ]


def _ledger(invoice: _Invoice) -> list[Flowable]:
    """Everything in ruled tables, long enough to need several pages; the due date stands beside the issue date."""
    say, seller = invoice.say, invoice.seller
    issued, due = invoice.issued, invoice.issued + timedelta(days=30)
    ruled = ("GRID", (0, 0), (-1, -1), 0.4, colors.grey)
    shaded = ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#dde4ea"))
    facts = [
        (
            *(say("Invoice number", "Rechnungsnummer"), invoice.number),
            *(say("Invoice date", "Rechnungsdatum"), invoice.day(issued, "medium")),
        ),
        (
            *(say("Customer", "Kunde"), invoice.buyer.name),
            *(say("Due date", "Fällig am"), invoice.day(due, "medium")),
        ),
    ]
    heading = say("Pos,Description,Qty,Unit price,VAT %,Amount", "Pos,Bezeichnung,Menge,Einzelpreis,MwSt. %,Betrag")
    items = [
        (
            str(position),
            line.text,
            str(line.quantity),
            invoice.figure(line.price),
            str(seller.tax_percent),
            invoice.figure(line.amount),
        )
        for position, line in enumerate(invoice.lines, 1)
    ]
    sums = [
        (say("Subtotal", "Zwischensumme"), f"{invoice.figure(invoice.net)} {seller.currency}"),
        (
            say(f"VAT {seller.tax_percent}.0%", f"MwSt. {seller.tax_percent},0 %"),
            f"{invoice.figure(invoice.tax)} {seller.currency}",
        ),
        (say("Invoice total", "Rechnungsbetrag"), f"{invoice.figure(invoice.total)} {seller.currency}"),
        *_settlement(invoice),
    ]
    return [
        *_paragraphs(_TITLE, say("INVOICE", "RECHNUNG")),
        *_paragraphs(_TEXT, ", ".join(_address(seller))),
        Spacer(0, 6 * mm),
        _table(facts, (33, 62, 33, 42), ruled),
        Spacer(0, 6 * mm),
        _table([tuple(heading.split(",")), *items], (12, 62, 16, 28, 22, 30), ruled, shaded, headings=1),
        Spacer(0, 4 * mm),
        _table(sums, (45, 40), ruled),
    ]


def _columns(invoice: _Invoice) -> list[Flowable]:
    """The seller on the left of the head and the facts on the right, so that one line of text holds both."""
    say, seller = invoice.say, invoice.seller
    issued, supplied = invoice.issued, invoice.issued - timedelta(days=3)
    left = [*_address(seller), ""]
    right = [
        (say("Invoice no.", "Rechnungs-Nr."), invoice.number),
        (say("Date", "Datum"), invoice.day(issued)),
        (say("Delivery date", "Leistungsdatum"), invoice.day(supplied)),
        (say("Currency", "Währung"), seller.currency),
    ]
    items = [
        (line.text, f"{line.quantity} x {invoice.figure(line.price)}", invoice.figure(line.amount))
        for line in invoice.lines
    ]
    sums = [
        ("", say("Net total", "Summe netto"), invoice.figure(invoice.net)),
        ("", say(f"{seller.tax_percent}% VAT", f"USt. {seller.tax_percent} %"), invoice.figure(invoice.tax)),
        ("", say("Total", "Gesamtsumme"), invoice.money(invoice.total)),
        *(("", *row) for row in _settlement(invoice)),
    ]
    blue = colors.HexColor("#1f4e79")
    return [
        _table(
            [(text, *fact) for text, fact in zip(left, right, strict=True)],
            (80, 45, 45),
            ("FONTNAME", (0, 0), (0, 0), "Helvetica-Bold"),
            ("LINEBELOW", (0, -1), (-1, -1), 1.5, blue),
        ),
        Spacer(0, 8 * mm),
        *_paragraphs(_TEXT, say("Bill to", "Rechnungsempfänger"), *_address(invoice.buyer)),
        Spacer(0, 8 * mm),
        _table(
            [(say("Item", "Leistung"), say("Quantity", "Menge"), say("Price", "Preis")), *items, *sums],
            (85, 45, 40),
            ("TEXTCOLOR", (0, 0), (-1, 0), colors.white),
            ("BACKGROUND", (0, 0), (-1, 0), blue),
            ("LINEABOVE", (1, len(items) + 1), (-1, len(items) + 1), 0.7, blue),
            headings=1,
        ),
    ]


def _receipt(invoice: _Invoice) -> list[Flowable]:
    """A narrow till receipt in a typewriter face, each item over two lines."""
    say, seller = invoice.say, invoice.seller
    items = [
        row
        for line in invoice.lines
        for row in ((line.text, ""), (f"  {line.quantity} x {invoice.figure(line.price)}", invoice.figure(line.amount)))
    ]
    sums = [
        (say("Net", "Netto"), invoice.figure(invoice.net)),
        (say(f"VAT {seller.tax_percent}%", f"MwSt {seller.tax_percent}%"), invoice.figure(invoice.tax)),
        (f"{say('TOTAL', 'SUMME')} {seller.currency}", invoice.figure(invoice.total)),
    ]
    return [
        *_paragraphs(_TYPED, *_address(seller)),
        Spacer(0, 3 * mm),
        _table(
            [
                (say("Receipt no.", "Rechnung Nr."), invoice.number),
                (say("Date", "Datum"), invoice.day(invoice.issued, "medium")),
                *items,
                *sums,
            ],
            (42, 28),
            ("FONT", (0, 0), (-1, -1), "Courier", 8),
            ("FONT", (0, -1), (-1, -1), "Courier-Bold", 9),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
            ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ),
        Spacer(0, 3 * mm),
        *_paragraphs(_TYPED, say("Paid by card. Thank you!", "Bezahlt mit Karte. Vielen Dank!")),
    ]


def _settlement(invoice: _Invoice) -> list[tuple[str, str]]:
    """What is left to pay, on an invoice that was partly paid in advance; otherwise nothing."""
    if not invoice.deposit:
        return []
    return [
        (invoice.say("Deposit received", "Bereits gezahlt"), invoice.money(-invoice.deposit)),
        (invoice.say("Amount due", "Zahlbetrag"), invoice.money(invoice.total - invoice.deposit)),
    ]


def _address(company: _Company) -> list[str]:
    return [company.name, company.street, company.town]


def _paragraphs(style: ParagraphStyle, *texts: str) -> list[Paragraph]:
    return [Paragraph(escape(text), style) for text in texts]


def _table(
    rows: Sequence[tuple[str, ...]], widths: Sequence[float], *commands: _TableCommand, headings: int = 0
) -> Table:
    """Set rows in columns of `widths` millimetres, the last one aligned to the right."""
    style: list[_TableCommand] = [("FONTSIZE", (0, 0), (-1, -1), 9.5), ("ALIGN", (-1, 0), (-1, -1), "RIGHT"), *commands]
    return Table(rows, [width * mm for width in widths], style=TableStyle(style), repeatRows=headings)


_Layout = Callable[[_Invoice], list[Flowable]]
_LAYOUTS: Mapping[str, _Layout] = {"letter": _letter, "ledger": _ledger, "columns": _columns, "receipt": _receipt}
_MOST_LINES = {"letter": 6, "ledger": 100, "columns": 36, "receipt": 8}
_MOST_LINES_SCANNED = 8


def _write_scan(chance: random.Random, path: Path, document: bytes) -> None:
    """Write `document` as if it had been printed and laid on a scanner: grey, a little askew, speckled."""
    with pypdfium2.PdfDocument(document) as printed:
        pages = [_scanned(chance, page) for page in printed]
    if path.suffix == ".pdf":
        pages[0].save(
            path, "PDF", save_all=True, append_images=pages[1:], resolution=_SCAN_DPI, quality=60,
            creationDate=_SCAN_TIME, modDate=_SCAN_TIME,
        )  # fmt: skip
    else:
        pages[0].save(path, quality=60)


def _scanned(chance: random.Random, page: pypdfium2.PdfPage) -> Image.Image:
    clean = cast("Image.Image", cast("Any", page).render(scale=_SCAN_DPI / 72, grayscale=True).to_pil())
    askew = clean.rotate(chance.uniform(-0.7, 0.7), Image.Resampling.BICUBIC, fillcolor=255)
    speckles = Image.frombytes("L", askew.size, chance.randbytes(askew.width * askew.height))
    return ImageChops.subtract(askew, speckles.point([value // 12 for value in range(256)]))
