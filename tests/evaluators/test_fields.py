"""Evaluators that compare single fields, each in its own way, and the one that asks for a form."""

import json
from typing import Any

import pytest
from tests.evaluators.invoices import subject
from tests.fakes.grading_context import FakeGradingContext

from assay import evaluators
from assay.evaluators import InvalidEvaluatorsError, Result, Subject


async def graded(kind: str, expected: Any, actual: Any, **config: Any) -> Result:
    text = json.dumps({"evaluators": [{"name": "e", "type": kind, "config": config}]})
    (found,) = await evaluators.grade_all(evaluators.parse(text), subject(actual, expected), FakeGradingContext())
    return found


async def score(kind: str, expected: Any, actual: Any, **config: Any) -> float | None:
    found = await graded(kind, {"a": expected}, {"a": actual}, **config)
    assert found.error is None
    return found.score


FIELDS = [
    ("numeric-tolerance", {"fields": {"a": {}, "b[].c": {"weight": 3}}}),
    ("text-similarity", {"fields": {"a": 1, "b[].c": 3}}),
    ("date-and-money", {"fields": {"a": {"type": "money"}, "b[].c": {"type": "money", "weight": 3}}}),
]


@pytest.mark.parametrize(("kind", "config"), FIELDS)
class TestFields:
    async def test_paths_count_by_their_weight_and_values_of_a_path_alike(
        self, kind: str, config: dict[str, Any]
    ) -> None:
        expected = {"a": 1, "b": [{"c": 2}, {"c": 3}]}
        found = await graded(kind, expected, {"a": 1, "b": [{"c": 2}, {"x": 3}]}, **config)
        assert found.score == pytest.approx((1 + 3 * 0.5) / 4)
        assert found.details["fields"] == {"a": 1.0, "b[].c": 0.5}
        assert found.details["mismatches"] == [{"path": "b[1].c", "expected": 3, "actual": None, "reason": "missing"}]

    @pytest.mark.parametrize("expected", [{}, {"a": None}, {"a": "", "b": []}, {"b": {"c": 1}}, [], None, "text"])
    async def test_where_nothing_is_expected_there_is_no_score(
        self, kind: str, config: dict[str, Any], expected: Any
    ) -> None:
        found = await graded(kind, expected, {"a": 1}, **config)
        assert (found.score, found.error, found.details["noExpectedData"]) == (None, None, True)

    @pytest.mark.parametrize("actual", [None, [], "text", 5, {"a": [], "b": 1}, {"a": {}, "b": [1]}])
    async def test_an_output_of_another_form_matches_nothing(
        self, kind: str, config: dict[str, Any], actual: Any
    ) -> None:
        assert (await graded(kind, {"a": 1, "b": [{"c": 2}]}, actual, **config)).score == 0

    def test_a_path_that_is_none_is_refused_where_it_stands(self, kind: str, config: dict[str, Any]) -> None:
        fields = {"a..b": config["fields"]["a"]}
        text = json.dumps({"evaluators": [{"name": "e", "type": kind, "config": {"fields": fields}}]})
        with pytest.raises(InvalidEvaluatorsError) as refused:
            evaluators.parse(text)
        assert [issue.code for issue in refused.value.issues] == ["invalid_path"]


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "near"),
    [
        (1, 1.01, {"absolute": 0.01}, True),
        (1, 1.0101, {"absolute": 0.01}, False),
        (100, 101, {"relative": 0.01}, True),
        (100, 101.1, {"relative": 0.01}, False),
        (-100, -101, {"relative": 0.01}, True),
        (100, 103, {"relative": 0.01, "absolute": 3}, True),
        (0, 0.001, {"relative": 0.5}, False),
        (0.3, 0.3, {}, True),
        (119, "119,00 €", {}, True),
        ("1.190,50", 1190.5, {}, True),
        (1, "one", {"absolute": 5}, False),
        (1, True, {"absolute": 5}, False),
    ],
)
async def test_numbers_are_near_enough_or_not(
    expected: Any, actual: Any, tolerance: dict[str, float], near: bool
) -> None:
    assert await score("numeric-tolerance", expected, actual, fields={"a": tolerance}) == float(near)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("numeric-tolerance", {"fields": {"a": {}}}),
        ("date-and-money", {"fields": {"a": {"type": "date"}}}),
        ("date-and-money", {"fields": {"a": {"type": "money"}}}),
        ("text-similarity", {"fields": {"a": 1}}),
    ],
)
async def test_an_expectation_that_cannot_be_read_is_an_error(kind: str, config: dict[str, Any]) -> None:
    found = await graded(kind, {"a": ["x"]}, {"a": 1}, **config)
    assert found.score is None
    assert "a" in (found.error or "")


@pytest.mark.parametrize(
    ("expected", "actual", "config", "likeness"),
    [
        ("Nordwind GmbH", "Nordwind GmbH", {}, 1),
        ("Nordwind GmbH", "  nordwind\n gmbh ", {}, 1),
        ("Nordwind", "nordwind", {"ignoreCase": False}, 0.875),
        ("abcd", "abxx", {}, 0.5),
        ("abcd", "", {}, 0),
        ("GmbH Nordwind", "Nordwind GmbH", {"measure": "words"}, 1),
        (12, "12", {}, 1),
        (True, "true", {}, 1),
        ("x", ["x"], {}, 0),
    ],
)
async def test_texts_are_as_alike_as_their_characters(
    expected: Any, actual: Any, config: dict[str, Any], likeness: float
) -> None:
    assert await score("text-similarity", expected, actual, fields={"a": 1}, **config) == pytest.approx(likeness)


async def test_texts_that_are_too_long_are_not_compared() -> None:
    found = await graded("text-similarity", {"a": "x"}, {"a": "x" * 100_001}, fields={"a": 1})
    assert "(text_too_long)" in (found.error or "")


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("2026-03-04", "4.3.2026", True),
        ("2026-03-04", "March 4, 2026", True),
        ("2026-03-04", "4. März 2026", True),
        ("04/03/2026", "2026-03-04", True),
        ("2026-03-04", "2026-04-03", False),
        ("2026-03-04", "soon", False),
        ("2026-03-04", None, False),
    ],
)
async def test_dates_are_days(expected: Any, actual: Any, same: bool) -> None:
    assert await score("date-and-money", expected, actual, fields={"a": {"type": "date"}}) == float(same)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (1190, "1.190,00 €", True),
        ("EUR 1,190.00", "1190,00 €", True),
        ("1190 EUR", "1190 USD", False),
        ("$1,190.00", "1190 €", False),
        ("$1,190.00", "1190", True),
        (10, 10.005, True),
        (10, 10.006, False),
        ("(5.00)", -5, True),
        (10, "ten", False),
        (1, True, False),
    ],
)
async def test_money_is_an_amount_and_a_currency_if_both_name_one(expected: Any, actual: Any, same: bool) -> None:
    assert await score("date-and-money", expected, actual, fields={"a": {"type": "money"}}) == float(same)


class TestJsonSchema:
    @pytest.mark.parametrize(
        ("schema", "output", "holds"),
        [
            ({"type": "object", "required": ["a"]}, {"a": 1}, True),
            ({"type": "object", "required": ["a"]}, {}, False),
            ({"properties": {"a": {"format": "date"}}}, {"a": "tomorrow"}, False),
            ({"properties": {"a": {"maxItems": 0}}}, {"a": []}, True),
            ({"properties": {"a": {"maxItems": 0}}}, {"a": [1]}, False),
            ({"not": {"required": ["a"]}}, {"a": None}, False),
            ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "null"}}}, None, True),
        ],
    )
    async def test_the_output_satisfies_it_or_not(self, schema: dict[str, Any], output: Any, holds: bool) -> None:
        assert (await graded("json-schema", {}, output, schema=schema)).score == float(holds)

    async def test_nothing_needs_to_be_expected_and_what_is_wrong_is_told(self) -> None:
        rules = {"a": {"items": {"type": "string"}}, "sure": {"const": True}, "kind": {"enum": ["x", "y"]}}
        text = json.dumps({"properties": rules})
        found = evaluators.parse(f"evaluators: [{{name: e, type: json-schema, config: {{schema: {text}}}}}]")
        about = Subject(input={}, output={"a": ["x", 2], "sure": False, "kind": "z"}, status="completed")
        (result,) = await evaluators.grade_all(found, about, FakeGradingContext())
        assert result.score == 0
        assert result.details["mismatches"] == [
            {
                "path": "a[1]",
                "expected": "properties/a/items/type",
                "actual": 2,
                "reason": '2 is not of type "string"',
            },
            {"path": "sure", "expected": True, "actual": False, "reason": "true was expected"},
            {
                "path": "kind",
                "expected": {"enum": ["x", "y"]},
                "actual": "z",
                "reason": '"z" is not one of "x" or "y"',
            },
        ]

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "nothing"},
            {"$ref": "http://127.0.0.1:9/x.json"},
            {"$ref": "file:///etc/passwd"},
            {"enum": ["x" * 200_000]},
        ],
    )
    def test_a_schema_that_is_none_or_would_fetch_is_refused(self, schema: dict[str, Any]) -> None:
        text = json.dumps({"evaluators": [{"name": "e", "type": "json-schema", "config": {"schema": schema}}]})
        with pytest.raises(InvalidEvaluatorsError) as refused:
            evaluators.parse(text)
        assert [issue.code for issue in refused.value.issues] == ["schema_invalid"]
