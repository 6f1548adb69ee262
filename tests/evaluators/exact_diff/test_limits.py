"""What is too large is said so, what is large holds nobody up, and what is shown stays small."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.evaluators.exact_diff.grading import grade, matches, mismatches

from assay import jsontext
from assay.evaluators import EvaluatorError

UNORDERED: dict[str, Any] = {"rules": {"a": {"order": "unordered"}}}


def numbered(count: int, **more: Any) -> list[Any]:
    return [{"id": index, **more} for index in range(count)]


async def test_more_than_1000_unordered_items_are_refused_with_a_way_out() -> None:
    with pytest.raises(EvaluatorError) as refused:
        await grade({"a": numbered(1_001)}, {"a": []}, **UNORDERED)
    assert refused.value.code == "comparison_too_large"
    assert "1,000" in refused.value.message
    assert "matchBy" in (refused.value.hint or "")


async def test_1000_unordered_items_are_compared() -> None:
    assert await matches({"a": numbered(1_000)}, {"a": numbered(1_000)[::-1]}, **UNORDERED)


async def test_more_than_a_million_pairs_are_refused() -> None:
    rules = {"a": {"order": "unordered"}, "b": {"order": "unordered"}}
    expected: Any = {"a": numbered(1_000), "b": [1]}
    with pytest.raises(EvaluatorError, match="1,000,000 pairs"):
        await grade(expected, expected, rules=rules)


async def test_more_than_two_million_comparisons_are_refused() -> None:
    expected: Any = {"a": [{"x": {"y": {"z": index}}} for index in range(1_000)]}
    actual: Any = {"a": [{"x": {"y": {"z": -index - 5}}} for index in range(1_000)]}
    with pytest.raises(EvaluatorError, match="2,000,000 comparisons"):
        await grade(expected, actual, **UNORDERED)


async def test_items_that_are_paired_by_a_value_have_no_limit() -> None:
    items = numbered(5_000, text="x")
    rules = {"a": {"order": "unordered", "matchBy": "id"}}
    assert await matches({"a": items}, {"a": items[::-1]}, rules=rules)


async def test_items_in_order_have_no_limit() -> None:
    assert await matches({"a": numbered(50_000)}, {"a": numbered(50_000)})


async def test_the_event_loop_goes_on_during_a_long_comparison() -> None:
    ticks = 0
    done = False

    async def tick() -> None:
        nonlocal ticks
        while not done:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    expected: Any = {"a": numbered(300)}
    await grade(expected, {"a": numbered(300, extra=1)}, **UNORDERED)
    done = True
    await ticking
    assert ticks > 1


def nested(level: int, inside: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(level):
        value = inside(value)
    return value


@pytest.mark.parametrize("inside", [lambda value: [value], lambda value: {"a": value}])
async def test_what_is_nested_too_deeply_is_refused(inside: Callable[[Any], Any]) -> None:
    assert await matches(nested(140, inside), nested(140, inside))
    for rules in ({}, {"$": {"order": "unordered"}}):
        with pytest.raises(EvaluatorError) as refused:
            await grade(nested(160, inside), nested(160, inside), rules=rules)
        assert refused.value.code == "comparison_too_deep"


@pytest.mark.parametrize(
    ("items", "said"),
    [([{"id": 1}, {"id": 1}], "Items 0 and 1"), ([{"id": 1}, {}], "Item 1 "), (["__any__"], "Item 0 ")],
)
async def test_expected_items_that_cannot_be_told_apart_are_an_error(items: Any, said: str) -> None:
    with pytest.raises(EvaluatorError, match=said) as refused:
        await grade({"a": items}, {"a": []}, rules={"a": {"order": "unordered", "matchBy": "id"}})
    assert refused.value.code == "identity_not_unique"


async def test_200_mismatches_are_kept_and_all_are_counted() -> None:
    expected: Any = {f"f{index}": index for index in range(300)}
    result = await grade(expected, {})
    assert len(mismatches(result)) == 200
    assert (result.details["matchedFields"], result.details["totalFields"]) == (0, 300)


async def test_details_can_be_kept_whatever_differs() -> None:
    long = "ü\x01" * 100_000
    expected: Any = {f"{long}{index}": [long] for index in range(300)}
    actual: Any = {name: nested(148, lambda value: [value]) for name in expected}
    result = await grade({**expected, **{f"a{index}": long for index in range(99)}}, actual)
    assert len(jsontext.dump(dict(result.details))) < 256 * 1024
    assert len(json.dumps(result.details, ensure_ascii=False)) < 210_000


async def test_long_values_are_shortened() -> None:
    result = await grade({"a": "x" * 1_000}, {"a": {"b": ["y" * 1_000]}})
    (mismatch,) = mismatches(result)
    assert mismatch["expected"] == "x" * 300 + "…"
    assert mismatch["actual"].startswith('{"b": ["yyy')
    assert len(mismatch["actual"]) == 301
