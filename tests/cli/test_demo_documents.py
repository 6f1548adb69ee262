"""What the demo may rely on: documents that can be made again, whose truth can be read in them."""

import json
from decimal import Decimal
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from assay.cli.demo_documents import DemoInvoice, make_invoices, score

EXAMPLE = Path(__file__).parents[2] / "examples" / "invoice-fields"
EXAMPLE_SEED = 7


@pytest.fixture(scope="module")
def invoices(tmp_path_factory: pytest.TempPathFactory) -> list[DemoInvoice]:
    return make_invoices(tmp_path_factory.mktemp("invoices"), seed=EXAMPLE_SEED)


def text_of(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def digital(invoices: list[DemoInvoice]) -> list[DemoInvoice]:
    return [invoice for invoice in invoices if not invoice.name.endswith("scan")]


def scans(invoices: list[DemoInvoice]) -> list[DemoInvoice]:
    return [invoice for invoice in invoices if invoice.name.endswith("scan")]


def test_the_same_seed_writes_the_same_bytes(invoices: list[DemoInvoice], tmp_path: Path):
    again = make_invoices(tmp_path / "new" / "folder", seed=EXAMPLE_SEED)

    assert [(one.name, one.truth) for one in again] == [(one.name, one.truth) for one in invoices]
    assert [one.path.read_bytes() for one in again] == [one.path.read_bytes() for one in invoices]


def test_making_them_twice_in_one_folder_leaves_one_set(tmp_path: Path):
    make_invoices(tmp_path, seed=3, count=4)
    made = make_invoices(tmp_path, seed=3, count=4)

    assert sorted(tmp_path.iterdir()) == sorted(invoice.path for invoice in made)


def test_another_seed_writes_other_invoices(invoices: list[DemoInvoice], tmp_path: Path):
    others = make_invoices(tmp_path, seed=EXAMPLE_SEED + 1, count=4)

    assert all(other.truth != invoice.truth for other, invoice in zip(others, invoices, strict=False))


@pytest.mark.parametrize("count", [0, 1, 5, 30])
def test_any_number_can_be_made(tmp_path: Path, count: int):
    made = make_invoices(tmp_path, seed=1, count=count)

    assert len({invoice.name for invoice in made}) == count
    assert all(invoice.path.is_file() for invoice in made)


def test_every_layout_comes_in_both_languages_and_as_a_scan_too(invoices: list[DemoInvoice]):
    kinds = {tuple(invoice.name.split("-")[1:3]) for invoice in invoices}

    assert kinds == {
        (layout, language) for layout in ("letter", "ledger", "columns", "receipt") for language in ("en", "de")
    }
    assert {invoice.name.split("-")[1] for invoice in scans(invoices)} == {"letter", "ledger", "columns", "receipt"}


def test_a_quarter_are_scans_in_three_file_types_without_any_text(invoices: list[DemoInvoice]):
    scanned = scans(invoices)

    assert len(scanned) == len(invoices) // 4
    assert {scan.media_type for scan in scanned} == {"application/pdf", "image/png", "image/jpeg"}
    for scan in scanned:
        if scan.media_type == "application/pdf":
            assert not text_of(scan.path).strip()
        else:
            with Image.open(scan.path) as image:
                assert image.get_format_mimetype() == scan.media_type


def test_some_take_several_pages(invoices: list[DemoInvoice]):
    pages: list[int] = []
    for invoice in digital(invoices):
        with pypdfium2.PdfDocument(invoice.path) as document:
            pages.append(len(document))

    assert min(pages) == 1
    assert 2 <= max(pages) <= 3


def test_names_umlauts_and_signs_survive_in_the_text(invoices: list[DemoInvoice]):
    for invoice in digital(invoices):
        text = " ".join(text_of(invoice.path).split())
        assert str(invoice.truth["invoice_number"]) in text
        assert str(invoice.truth["seller_name"]) in text
    everything = "".join(text_of(invoice.path) for invoice in digital(invoices))
    assert all(sign in everything for sign in "äöüß€£")


def test_amounts_are_written_as_the_language_does(invoices: list[DemoInvoice]):
    for invoice in digital(invoices):
        english = f"{Decimal(str(invoice.truth['total'])):,.2f}"
        german = english.translate(str.maketrans(",.", ".,"))
        assert (german if "-de" in invoice.name else english) in text_of(invoice.path)


def test_net_and_tax_make_the_total(invoices: list[DemoInvoice]):
    for invoice in invoices:
        net, tax, total = (Decimal(str(invoice.truth[key])) for key in ("net_total", "tax_total", "total"))
        assert net + tax == total


def test_an_eighth_ask_for_less_than_the_total(tmp_path: Path):
    made = make_invoices(tmp_path, seed=2026)
    asking = [one for one in digital(made) if any(word in text_of(one.path) for word in ("Amount due", "Zahlbetrag"))]

    assert len(asking) == len(made) // 8


def test_the_example_documents_are_what_the_generator_makes(invoices: list[DemoInvoice]):
    truths = {invoice.name: invoice.truth for invoice in invoices}
    documents = sorted((EXAMPLE / "documents").iterdir())

    assert [document.stem for document in documents] == [path.stem for path in sorted((EXAMPLE / "expected").iterdir())]
    for document in documents:
        expected = (EXAMPLE / "expected" / f"{document.stem}.json").read_text("utf-8")
        assert json.loads(expected) == truths[document.stem]
        assert document.stat().st_size < 60_000


@pytest.mark.parametrize(
    ("expected", "actual", "right"),
    [
        (1234.5, 1234.5, True),
        (1234.5, "1234.50", True),
        (0.1 + 0.2, 0.3, False),
        (19, 19.0, True),
        (1234.5, "1.234,50", False),
        (1234.5, None, False),
        (1.0, True, False),
        (1.0, [1.0], False),
        ("Brombach & Söhne GmbH", " brombach &\nsöhne  GMBH", True),
        ("2026-03-14", "2026-03-15", False),
        ("17", 17, True),
        ("EUR", "", False),
    ],
)
def test_a_field_is_right_when_its_value_is(expected: str | float, actual: object, right: bool):
    assert score({"field": expected}, {"field": actual}) == {"field": right}


def test_a_missing_field_is_wrong_and_an_extra_one_does_not_count():
    assert score({"total": 1.0}, {"difference": 0}) == {"total": False}
