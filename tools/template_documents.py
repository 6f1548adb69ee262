"""Makes the documents that `assay init --template pdf-extraction` writes: the same bytes every time.

`python -m tools.template_documents [FOLDER]` writes them, with what is expected of each, over what is there.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

EXAMPLES = Path(__file__).parents[1] / "src/assay/workflow_templates/pdf-extraction/dataset/examples"
Mark = tuple[float, float, str]


@dataclass(frozen=True)
class Document:
    """A PDF: for each page the texts on it, each with its distance in points from the left and from the top."""

    name: str
    pages: Sequence[Sequence[Mark]]
    expected: Mapping[str, Any]
    annotation: str
    title: str = "Invoice"


def _invoice(number: str, day: str, total: float) -> Mapping[str, Any]:
    return {"invoice_number": number, "issue_date": day, "total": total}


DOCUMENTS = (
    Document(
        "labels-beside",
        [
            [
                (60, 70, "Harbour Paper Ltd"),
                (60, 88, "14 Quay Street, Bristol"),
                (60, 150, "Invoice number"),
                (180, 150, "HP-20417"),
                (60, 168, "Invoice date"),
                (180, 168, "4 March 2026"),
                (60, 230, "20 reams of paper, 80 g"),
                (400, 230, "92.00"),
                (60, 250, "Delivery"),
                (400, 250, "8.50"),
                (60, 290, "Total due"),
                (400, 290, "GBP 100.50"),
            ]
        ],
        _invoice("HP-20417", "2026-03-04", 100.5),
        "Each value stands beside its label.",
    ),
    Document(
        "labels-above",
        [
            [
                (60, 70, "Linden & Daughters Joinery"),
                (60, 140, "Invoice no."),
                (220, 140, "Date of issue"),
                (380, 140, "Amount due"),
                (60, 158, "2026/0088"),
                (220, 158, "17/02/2026"),
                (380, 158, "1,240.00"),
                (60, 240, "One oak table, made to measure"),
            ]
        ],
        _invoice("2026/0088", "2026-02-17", 1240.0),
        "Each value stands below its label.",
    ),
    Document(
        "german",
        [
            [
                (60, 70, "Bäckerei Sonnenblume e. K."),
                (60, 150, "Rechnungsnummer: RE-311"),
                (60, 168, "Rechnungsdatum: 09.01.2026"),
                (60, 230, "450 Brötchen"),
                (400, 230, "202,50 €"),
                (60, 270, "Gesamtbetrag"),
                (400, 270, "1.202,50 €"),
            ]
        ],
        _invoice("RE-311", "2026-01-09", 1202.5),
        "Another language, and another way to write numbers.",
    ),
    Document(
        "two-pages",
        [
            [
                (60, 70, "North Sea Charter Ltd"),
                (60, 150, "Invoice number: NSC-7731"),
                (60, 168, "Invoice date: 28 November 2025"),
                (60, 230, "Charter of the ketch Marigold, five days"),
                (400, 230, "2,900.00"),
                (60, 780, "Carried over"),
                (400, 780, "2,900.00"),
            ],
            [
                (60, 70, "Fuel"),
                (400, 70, "184.20"),
                (60, 120, "Total due"),
                (400, 120, "3,084.20"),
            ],
        ],
        _invoice("NSC-7731", "2025-11-28", 3084.2),
        "The total stands on the second page.",
    ),
    Document(
        "no-invoice",
        [
            [
                (60, 70, "Harbour Paper Ltd"),
                (60, 150, "Dear customer,"),
                (60, 180, "our office is closed from 24 December to 2 January."),
                (60, 210, "Merry Christmas!"),
            ]
        ],
        {"$error": {"code": 422, "messageContains": "no invoice number", "step": "require-number"}},
        "A letter. It must fail, and say why.",
        title="Letter",
    ),
)


def main(examples: Path) -> None:
    """Write all examples into a folder."""
    for order, document in enumerate(DOCUMENTS, 1):
        folder = examples / document.name
        (folder / "input").mkdir(parents=True, exist_ok=True)
        path = f"input/{document.name}.pdf"
        _write_pdf(folder / path, document)
        _write_json(folder / "input.json", {"document": {"$file": path}})
        _write_json(folder / "expected.json", document.expected)
        _write_json(folder / "meta.json", {"rowOrder": order, "annotation": document.annotation})


def _write_pdf(path: Path, document: Document) -> None:
    canvas = Canvas(str(path), pagesize=A4, invariant=True)
    canvas.setTitle(document.title)
    for page in document.pages:
        canvas.setFont("Helvetica", 11)
        for left, top, text in page:
            canvas.drawString(left, A4[1] - top, text)
        canvas.showPage()
    canvas.save()


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES)
