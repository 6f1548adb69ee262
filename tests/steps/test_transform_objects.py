"""`transform.remove`, `combine`, `split` and `merge`: what becomes of objects, lists and texts."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.fakes.step_context import FakeStepContext

from assay.steps import StepError
from assay.steps.builtin.transform_combine import TransformCombine
from assay.steps.builtin.transform_merge import TransformMerge
from assay.steps.builtin.transform_remove import TransformRemove
from assay.steps.builtin.transform_split import TransformSplit


async def combined(*sources: Any, target: str = "$", **config: Any) -> Any:
    step = TransformCombine.model_validate({"sources": list(sources), "target": target, **config})
    return await step.run(FakeStepContext())


async def split(**config: Any) -> Any:
    return await TransformSplit.model_validate(config).run(FakeStepContext())


async def merged(**config: Any) -> Any:
    return await TransformMerge.model_validate(config).run(FakeStepContext())


async def test_named_fields_are_removed_and_missing_names_change_nothing() -> None:
    step = TransformRemove.model_validate({"input": {"a": 1, "b": {"a": 2}, "c": None}, "fields": ["a", "c", "zzz"]})
    assert await step.run(FakeStepContext()) == {"b": {"a": 2}}


async def test_merging_lets_later_sources_win() -> None:
    assert await combined({"a": 1, "b": {"x": 1}}, None, {"b": {"y": 2}}) == {"a": 1, "b": {"y": 2}}


async def test_merging_deeply_keeps_what_a_later_source_does_not_name() -> None:
    known = {"a": [1], "b": {"x": 1, "z": {"q": 0}}}
    assert await combined(known, {"a": [2], "b": {"y": 2, "z": {"r": 1}}}, mode="deep") == {
        "a": [2],
        "b": {"x": 1, "z": {"q": 0, "r": 1}, "y": 2},
    }
    assert known == {"a": [1], "b": {"x": 1, "z": {"q": 0}}}


async def test_concatenating_makes_a_list_of_lists_and_single_values() -> None:
    assert await combined([1, 2], None, "x", [[3]], mode="concat") == [1, 2, "x", [3]]


async def test_the_combined_value_stands_at_its_target() -> None:
    assert await combined([1], target="data.rows", mode="concat") == {"data": {"rows": [1]}}


async def test_what_is_no_object_is_not_merged() -> None:
    with pytest.raises(StepError) as failed:
        await combined({"a": 1}, [2])
    assert failed.value.code == "object_required"


@pytest.mark.parametrize("target", ["", ".", "a.", ".a", "a..b"])
def test_a_target_that_names_nothing_is_refused(target: str) -> None:
    with pytest.raises(ValidationError):
        TransformCombine.model_validate({"sources": [{}], "target": target})


@pytest.mark.parametrize(
    ("config", "pieces"),
    [
        ({"input": "a,b,,c"}, ["a", "b", "", "c"]),
        ({"source": "a; b", "by": "; "}, ["a", "b"]),
        ({"input": "a|b|c", "delimiter": "|", "limit": 2}, ["a", "b"]),
        ({"input": ""}, [""]),
    ],
)
async def test_a_text_is_cut_at_its_delimiter(config: dict[str, Any], pieces: list[str]) -> None:
    assert await split(**config) == pieces


async def test_an_object_is_cut_in_two() -> None:
    assert await split(input={"a": 1, "b": 2, "c": 3}, keys=["c", "zzz", "a"]) == {
        "extracted": {"c": 3, "a": 1},
        "remaining": {"b": 2},
    }


@pytest.mark.parametrize("config", [{"input": {"a": 1}}, {"input": "a,b", "keys": ["a"]}, {"input": "," * 100_001}])
async def test_what_cannot_be_cut_fails_the_step(config: dict[str, Any]) -> None:
    with pytest.raises(StepError):
        await split(**config)


@pytest.mark.parametrize("config", [{}, {"input": "a", "source": "b"}, {"input": "a", "by": ",", "delimiter": ";"}])
def test_an_ambiguous_split_is_a_problem(config: dict[str, Any]) -> None:
    assert TransformSplit.model_validate(config).problems()


async def test_values_are_gathered_in_order_and_by_name() -> None:
    assert await merged(inputs={"b": [1], "a": None}) == {
        "items": [[1], None],
        "count": 2,
        "merged": {"b": [1], "a": None},
    }


async def test_the_names_can_be_dropped_or_put_elsewhere() -> None:
    assert await merged(inputs={"a": 1}, preservePortNames=False) == {"items": [1], "count": 1}
    assert await merged(inputs={"a": 1}, outputKey="named") == {"items": [1], "count": 1, "named": {"a": 1}}


@pytest.mark.parametrize("name", ["items", "count", ""])
def test_the_names_cannot_take_the_place_of_something_else(name: str) -> None:
    with pytest.raises(ValidationError):
        TransformMerge.model_validate({"inputs": {"a": 1}, "outputKey": name})
