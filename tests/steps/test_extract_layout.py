import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.fakes.step_context import FakeStepContext

from assay.steps import StepError
from assay.steps.builtin.extract_layout import ExtractLayout

Placed = tuple[str, float, float]


async def extract(given: Any, fields: Mapping[str, Any], context: FakeStepContext | None = None) -> Any:
    step = ExtractLayout.model_validate({"input": given, "fields": fields})
    return await step.run(context or FakeStepContext())


def page(*words: Placed, index: int = 0) -> dict[str, Any]:
    """A page of words in a fixed pitch of 5, at (x, y) of their upper left corner, 10 high."""
    boxes = [{"text": text, "x0": x, "y0": y, "x1": x + 5 * len(text), "y1": y + 10} for text, x, y in words]
    return {"index": index, "width": 600, "height": 800, "words": boxes}


async def extract_placed(pages: Sequence[Any], fields: Mapping[str, Any], tmp_path: Path) -> Any:
    path = tmp_path / "words.json"
    path.write_text(json.dumps(pages))
    context = FakeStepContext()
    reference = context.add_file(path, "application/json")
    return await extract({"text": "", "pages": [], "words": reference}, fields, context)


NUMBER = {"number": {"labels": ["Invoice no."], "type": "id"}}
TOTAL = {"total": {"labels": ["Total"], "type": "money"}}
DATE = {"date": {"labels": ["Date"], "type": "date"}}


@pytest.mark.parametrize(
    ("text", "fields", "value"),
    [
        ("Invoice no. INV-7", NUMBER, "INV-7"),
        ("INVOICE No: INV-7", NUMBER, "INV-7"),
        ("InvoiceNo:INV-7", NUMBER, "INV-7"),
        ("Inv oice no. INV-7", NUMBER, "INV-7"),
        ("Invo1ce no. INV-7", NUMBER, "INV-7"),
        ("Invoice no.     Customer\nINV-7           C-9", NUMBER, "INV-7"),
        ("Total 1.190,00 EUR", TOTAL, 1190.0),
        ("Total EUR 1,190.00", TOTAL, 1190.0),
        ("Total (5 items) 1 190,50 €", TOTAL, 1190.5),
        ("Total 3 Stk. 25,00 75,00", TOTAL, 75.0),
        ("Total -8,79", TOTAL, -8.79),
        ("Total 19 % 5,00", TOTAL, 5.0),
        ("Date 3 March 2024", DATE, "2024-03-03"),
        ("Date: 03.03.2024.", DATE, "2024-03-03"),
        ("Numéro de Facture: FA-9", {"n": {"labels": ["numero de facture"], "type": "id"}}, "FA-9"),
        ("Sold to   Ada Lovelace    Page 1", {"n": {"labels": ["Sold to"]}}, "Ada Lovelace"),
    ],
)
async def test_a_value_is_found_beside_or_below_its_label(text: str, fields: Any, value: Any) -> None:
    output = await extract(text, fields)
    (name,) = fields
    assert (output[name], output["_unmatched"]) == (value, [])


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Invoice no. pending", NUMBER),
        ("Invoices are 7", NUMBER),
        ("Total to be agreed", TOTAL),
        ("Subtotal 5,00", TOTAL),
        ("Total VAT-ID ESA12345674", TOTAL),
        ("Date 30.02.2024", DATE),
        ("", DATE),
    ],
)
async def test_what_does_not_fit_is_unmatched(text: str, fields: Any) -> None:
    output = await extract(text, fields)
    (name,) = fields
    assert (output[name], output["_unmatched"], output["_evidence"]) == (None, [name], {})


async def test_the_longer_label_of_another_field_holds_its_place() -> None:
    text = "Due date 17.03.2024\nDate 03.03.2024"
    fields = {**DATE, "due": {"labels": ["Due date"], "type": "date"}}
    output = await extract(text, fields)
    assert (output["date"], output["due"]) == ("2024-03-03", "2024-03-17")


async def test_a_label_does_not_reach_past_the_next_one() -> None:
    fields = {**TOTAL, "paid": {"labels": ["Paid"], "type": "money"}}
    output = await extract("Total       Paid 20,00", fields)
    assert (output["total"], output["paid"]) == (None, 20.0)


async def test_a_label_in_parentheses_is_a_remark() -> None:
    fields = {**TOTAL, "tax": {"labels": ["VAT"], "type": "money"}}
    output = await extract("Total (incl. VAT) 119,00", fields)
    assert (output["total"], output["tax"]) == (119.0, None)


async def test_stars_and_gaps_in_a_label_stand_for_letters_and_words() -> None:
    text = "Handelsrechnung (380) Nr. 471102 vom 05.03.2018"
    fields = {
        "number": {"labels": ["*rechnung ... Nr."], "type": "id"},
        "date": {"labels": ["*rechnung ... Nr. ... vom"], "type": "date"},
    }
    output = await extract(text, fields)
    assert (output["number"], output["date"]) == ("471102", "2018-03-05")


async def test_an_earlier_label_is_preferred() -> None:
    text = "Amount due 20,00\nGrand total 119,00"
    fields = {"total": {"labels": ["Grand total", "Amount due"], "type": "money"}}
    assert (await extract(text, fields))["total"] == 119.0


async def test_of_equals_the_first_is_taken() -> None:
    assert (await extract("Total 1,00\n\nTotal 2,00", TOTAL))["total"] == 1.0


@pytest.mark.parametrize(("position", "value"), [("right", 5.0), ("below", 7.0)])
async def test_the_position_says_where_the_value_stands(position: str, value: float) -> None:
    fields = {"total": {"labels": ["Total"], "type": "money", "position": position}}
    assert (await extract("Total 5,00\n7,00", fields))["total"] == value


async def test_a_pattern_restricts_what_a_value_is() -> None:
    fields = {"currency": {"labels": ["Total"], "pattern": "[A-Z]{3}"}}
    output = await extract("Total 1.190,00 EUR", fields)
    assert output["currency"] == "EUR"
    found = await extract("Order A1 BX-77", {"n": {"labels": ["Order"], "type": "id", "pattern": r"BX-\d+"}})
    assert found["n"] == "BX-77"


async def test_columns_are_told_apart_by_where_words_stand(tmp_path: Path) -> None:
    words = [("Date", 50.0, 100.0), ("Due", 200, 100), ("3.4.2024", 205, 115), ("1.4.2024", 52, 115)]
    fields = {**DATE, "due": {"labels": ["Due"], "type": "date"}}
    output = await extract_placed([page(*words)], fields, tmp_path)
    assert (output["date"], output["due"]) == ("2024-04-01", "2024-04-03")


async def test_words_of_a_sloping_line_are_one_row(tmp_path: Path) -> None:
    words = [("Total", 50.0, 100.0), ("of", 150, 104), ("all", 250, 108), ("75,00", 350, 112)]
    assert (await extract_placed([page(*words)], TOTAL, tmp_path))["total"] == 75.0


async def test_the_evidence_is_the_place_of_the_value(tmp_path: Path) -> None:
    pages = [page(("Hello", 50, 50)), page(("Total", 50, 100), ("75,00", 80, 100), index=1)]
    output = await extract_placed(pages, TOTAL, tmp_path)
    evidence = output["_evidence"]["total"]
    assert 0.9 < evidence.pop("score") <= 1
    box = {"x0": 80, "y0": 100, "x1": 105, "y1": 110}
    assert evidence == {"pageIndex": 1, "box": box, "text": "75,00", "label": "Total"}


async def test_a_text_without_positions_has_evidence_without_a_box() -> None:
    parsed = {"text": "x", "pages": [{"pageIndex": 4, "text": "Total 5,00"}], "words": None, "parserType": "office"}
    evidence = (await extract(parsed, TOTAL))["_evidence"]["total"]
    assert (evidence["pageIndex"], evidence["box"]) == (4, None)


@pytest.mark.parametrize(("where", "value"), [("first", 1.0), ("last", 3.0)])
async def test_only_the_named_page_is_searched(where: str, value: float) -> None:
    pages = [{"text": f"Total {number},00"} for number in (1, 2, 3)]
    fields = {"total": {"labels": ["Total"], "type": "money", "page": where}}
    assert (await extract({"text": "", "pages": pages}, fields))["total"] == value


async def test_hostile_pages_end_in_time() -> None:
    fields = {**TOTAL, **DATE, "any": {"labels": ["a ... b ... c", "*a* *b*"], "type": "text"}}
    for text in ("a b c Total " * 3_000, "Total\n" * 5_000, "x" * 1_000_000, "((((" * 100_000, "a " * 20_000):
        assert set(await extract(text, fields)) >= {"total", "date", "any"}


async def test_too_much_text_is_refused(tmp_path: Path) -> None:
    for text in ("x" * 5_000_001, "x " * 100_001):
        with pytest.raises(StepError) as failed:
            await extract(text, TOTAL)
        assert (failed.value.code, failed.value.category) == ("text_too_large", "validation")
    with pytest.raises(StepError) as failed:
        await extract_placed(["x" * (32 << 20)], TOTAL, tmp_path)
    assert failed.value.code == "text_too_large"


async def test_a_file_that_holds_no_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StepError) as failed:
        await extract_placed([{"words": "none"}], TOTAL, tmp_path)
    assert failed.value.code == "words_unreadable"


@pytest.mark.parametrize("label", ["", "...", " - ", "*", "x" * 201])
def test_a_label_without_words_is_refused(label: str) -> None:
    with pytest.raises(ValidationError):
        ExtractLayout.model_validate({"input": "", "fields": {"a": {"labels": [label]}}})


def test_a_wrong_pattern_is_a_problem_of_its_field() -> None:
    step = ExtractLayout.model_validate({"input": "", "fields": {"a": {"labels": ["a"], "pattern": "("}}})
    assert [(path, code) for path, _, code in step.problems()] == [("fields.a.pattern", "pattern_invalid")]
