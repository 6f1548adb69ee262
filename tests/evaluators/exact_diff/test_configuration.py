"""What may be configured, and what a grade says."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.evaluators.exact_diff.grading import FilesContext, configured, grade

from assay.evaluators import Subject, catalogue, parse
from assay.evaluators.builtin.exact_diff import ExactDiff


@pytest.mark.parametrize(
    ("config", "where", "code"),
    [
        ({"rules": {"a": {}}, "paths": ["a"]}, "rules", "rules_mixed"),
        ({"rules": {}, "allowExtraFields": True}, "rules", "rules_mixed"),
        ({"rules": {"a": {}}, "numericTolerance": 0, "unorderedPaths": ["a"]}, "rules", "rules_mixed"),
        ({"rules": {"a[0]": {}}}, "rules.a[0]", "invalid_path"),
        ({"rules": {"a..b": {}}}, "rules.a..b", "invalid_path"),
        ({"rules": {"a": {}, "$.a": {}}}, "rules.$.a", "duplicate_path"),
        ({"rules": {"a": {"ignore": True, "items": "exactly"}}}, "rules.a", "ignore_not_alone"),
        ({"rules": {"a[]": {"order": "unordered"}}}, "rules.a[]", "array_rule_on_items"),
        ({"rules": {"a": {"matchBy": "id"}}}, "rules.a.matchBy", "match_by_ordered"),
        ({"rules": {"a": {"order": "ordered", "matchBy": "id"}}}, "rules.a.matchBy", "match_by_ordered"),
        ({"rules": {"$": {"order": "unordered"}, "a": {"matchBy": "id"}}}, "rules.a.matchBy", "match_by_ordered"),
        ({"rules": {"a": {"order": "unordered", "matchBy": []}}}, "rules.a.matchBy", "match_by_empty"),
        ({"rules": {"a": {"order": "unordered", "matchBy": "b[].c"}}}, "rules.a.matchBy", "invalid_path"),
        ({"paths": ["a", "a."]}, "paths.1", "invalid_path"),
        ({"unorderedPaths": ["[]"]}, "unorderedPaths.0", "invalid_path"),
        ({"mustBeEmpty": ["a b]"]}, "mustBeEmpty.0", "invalid_path"),
    ],
)
def test_a_configuration_that_contradicts_itself_says_where(config: dict[str, Any], where: str, code: str) -> None:
    problems = ExactDiff.model_validate(config).problems()
    assert [(path, problem) for path, _, problem in problems] == [(where, code)]


@pytest.mark.parametrize(
    "config",
    [
        {"numericTolerance": -1},
        {"numericTolerance": "1"},
        {"numericTolerance": float("nan")},
        {"allowExtraFields": "yes"},
        {"paths": []},
        {"passThreshold": 1.1},
        {"fieldWeights": {"a": -1}},
        {"rules": {"a": {"ignore": False}}},
        {"rules": {"a": {"order": "random"}}},
        {"rules": {"a": {"tolerance": 1}}},
        {"tolerance": 1},
    ],
)
def test_values_that_mean_nothing_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExactDiff.model_validate(config)


def test_the_example_is_a_set_of_evaluators() -> None:
    assert catalogue()["exact-diff"] is ExactDiff
    (entry,) = parse(ExactDiff.example).entries
    assert isinstance(entry.evaluator, ExactDiff)


async def test_without_expected_data_there_is_no_score() -> None:
    subject = Subject(input={}, output={"a": 1}, status="completed")
    result = await configured(mustBeEmpty=["a"]).grade(subject, FilesContext())
    assert result.score is None
    assert result.details == {"noExpectedData": True, "matchedFields": 0, "totalFields": 0, "mismatches": []}


async def test_expected_data_that_asks_for_nothing_gives_no_score() -> None:
    result = await grade({"a": None, "b": ""}, {"a": 1})
    assert (result.score, result.details["noExpectedData"]) == (None, True)


async def test_the_score_is_the_share_of_fields_that_are_right() -> None:
    result = await grade({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 1, "b": 2, "c": 3, "d": 5})
    assert result.score == 0.75
    assert result.details == {
        "noExpectedData": False,
        "matchedFields": 3,
        "totalFields": 4,
        "mismatches": [{"path": "d", "expected": 4, "actual": 5}],
    }


async def test_fields_count_by_their_weights() -> None:
    result = await grade({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 9, "c": 9}, fieldWeights={"a": 2, "b": 0, "x": 7})
    assert result.score == pytest.approx(2 / 3)
    assert (result.details["matchedFields"], result.details["totalFields"]) == (1, 3)


async def test_fields_that_all_weigh_nothing_give_no_score() -> None:
    result = await grade({"a": 1}, {"a": 2}, fieldWeights={"a": 0})
    assert (result.score, result.details["totalFields"]) == (None, 1)


async def test_what_is_absent_is_told_from_null() -> None:
    result = await grade({"a": 1, "b": 2}, {"a": None}, allowExtraFields=False)
    assert result.details["mismatches"] == [
        {"path": "a", "expected": 1, "actual": None},
        {"path": "b", "expected": 2, "actual": None, "reason": "missing"},
    ]
