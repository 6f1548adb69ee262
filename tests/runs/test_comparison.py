"""Two runs side by side."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from assay import runs
from assay.traces import StepTrace

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 0.5]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def found(before: JsonValue, after: JsonValue) -> list[tuple[str, str, JsonValue, JsonValue]]:
    return [(one.path, one.kind, one.before, one.after) for one in runs.differences(before, after)]


def test_places_are_named_by_json_pointers_in_reading_order() -> None:
    before: JsonValue = {"a": 1, "b": [1, {"c": 2}], "d/e~f": None, "gone": False}
    after: JsonValue = {"b": [1, {"c": 3}, "new"], "a": "1", "d/e~f": 0, "came": None}
    assert found(before, after) == [
        ("/a", "changed", 1, "1"),
        ("/b/1/c", "changed", 2, 3),
        ("/b/2", "added", None, "new"),
        ("/d~1e~0f", "changed", None, 0),
        ("/gone", "removed", False, None),
        ("/came", "added", None, None),
    ]


def test_one_is_one_point_zero_and_not_true() -> None:
    assert found({"a": 1, "b": 1.0}, {"a": 1.0, "b": 1}) == []
    assert found(1, True) == [("", "changed", 1, True)]
    assert found([0], [False]) == [("/0", "changed", 0, False)]


def test_a_list_of_differences_ends_at_its_limit() -> None:
    assert len(runs.differences(list(range(1000)), list(range(1, 1001)), limit=7)) == 7


@given(JSON)
def test_a_value_does_not_differ_from_itself(value: JsonValue) -> None:
    assert runs.differences(value, copy.deepcopy(value)) == []


@given(JSON, JSON)
def test_turning_the_sides_turns_every_difference(one: JsonValue, other: JsonValue) -> None:
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    there = {(path, turned[kind], repr(after), repr(before)) for path, kind, before, after in found(one, other)}
    assert there == {(path, kind, repr(before), repr(after)) for path, kind, before, after in found(other, one)}


def step(key: str, output: Any = None, *, status: str = "success", milliseconds: float = 1) -> StepTrace:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    values: dict[str, Any] = dict.fromkeys(StepTrace.__dataclass_fields__)
    values |= {"run_id": "exec_1", "step_key": key, "name": key.rsplit("/", maxsplit=1)[-1], "type": "transform.set"}
    values |= {"status": status, "output": output, "attempts": 1, "execution_order": 0, "started_at": began}
    values["completed_at"] = began + timedelta(milliseconds=milliseconds)
    return StepTrace(**values)


def test_steps_are_matched_by_name_and_place() -> None:
    before = [step("a", 1, milliseconds=2), step("loop/foreach:0/b", 1), step("gone")]
    after = [step("came"), step("loop/foreach:0/b", 2), step("a", 1, milliseconds=3.5)]
    compared = runs.compare_steps(before, after)
    assert [(one.step_key, one.name, one.before_status, one.after_status, one.same) for one in compared] == [
        ("a", "a", "success", "success", True),
        ("loop/foreach:0/b", "b", "success", "success", False),
        ("gone", "gone", "success", None, False),
        ("came", "came", None, "success", False),
    ]
    assert [one.duration_delta_ms for one in compared] == [1.5, 0, None, None]
    assert [len(one.differences) for one in compared] == [0, 1, 0, 0]


def test_a_step_that_ends_otherwise_is_not_the_same() -> None:
    (compared,) = runs.compare_steps([step("a")], [step("a", status="failure")])
    assert not compared.same
