"""What holds for every value, whatever it is."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.evaluators.exact_diff.grading import configured, matches

from assay.evaluators.comparison_rules import parse_path, write_path
from assay.evaluators.json_difference import difference

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["yes", "no", "true", "1", "1.0", "007", "1e3", "__any__", ""]),
)
names = st.text(alphabet="abc$x", min_size=1, max_size=2)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4))


values = st.recursive(leaves, _nested, max_leaves=25)
objects = st.dictionaries(names, values, max_size=5)
tolerances = st.one_of(st.none(), st.floats(0, 10))
array_rules = st.fixed_dictionaries(
    {"order": st.sampled_from(["ordered", "unordered"]), "items": st.sampled_from(["at-least", "at-most", "exactly"])}
)
wholes = st.fixed_dictionaries({"numericTolerance": tolerances, "allowExtraFields": st.booleans()})


def _same(expected: JsonValue, actual: JsonValue, **config: Any) -> bool:
    return all(difference(expected, actual, configured(**config).place).fields.values())


@given(values, array_rules, wholes)
@settings(max_examples=150, deadline=None)
def test_every_value_equals_itself(value: Any, arrays: dict[str, Any], whole: dict[str, Any]) -> None:
    assert _same(value, value, **{name: setting for name, setting in whole.items() if setting is not None})
    assert _same(value, value, rules={"$": {**arrays, **whole}})


@given(
    st.lists(values, max_size=8), st.sampled_from(["at-least", "at-most", "exactly"]), st.randoms(use_true_random=False)
)
@settings(max_examples=150, deadline=None)
def test_every_shuffle_of_unordered_items_passes(items: list[Any], which: str, source: random.Random) -> None:
    shuffled = source.sample(items, len(items))
    assert _same({"a": items}, {"a": shuffled}, rules={"a": {"order": "unordered", "items": which}})


@given(st.dictionaries(st.integers(), values, max_size=8), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_every_shuffle_of_identified_items_passes(items: dict[int, Any], source: random.Random) -> None:
    expected: list[Any] = [{"id": key, "value": value} for key, value in items.items()]
    shuffled = source.sample(expected, len(expected))
    rules = {"a": {"order": "unordered", "items": "exactly", "matchBy": "id"}}
    assert _same({"a": expected}, {"a": shuffled}, rules=rules)


@given(
    st.lists(st.integers(0, 20), max_size=6),
    st.lists(st.integers(0, 20), max_size=6),
    array_rules,
    st.floats(0, 5),
    st.floats(0, 5),
)
@settings(max_examples=150, deadline=None)
def test_a_larger_tolerance_never_loses_a_match(
    expected: list[Any], actual: list[Any], arrays: dict[str, Any], tolerance: float, more: float
) -> None:
    def same(least: float) -> bool:
        return _same({"a": expected}, {"a": actual}, rules={"a": {**arrays, "numericTolerance": least}})

    assert same(tolerance + more) or not same(tolerance)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 100), st.floats(0, 100))
@settings(max_examples=150, deadline=None)
def test_a_larger_tolerance_never_parts_two_numbers(left: float, right: float, tolerance: float, more: float) -> None:
    wide = _same({"a": left}, {"a": right}, numericTolerance=tolerance + more)
    assert wide or not _same({"a": left}, {"a": right}, numericTolerance=tolerance)


@given(objects, objects, st.dictionaries(names, values, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_more_keys_in_the_output_never_lose_a_match(
    expected: dict[str, Any], actual: dict[str, Any], more: dict[str, Any]
) -> None:
    for before in (actual, expected):
        fields = difference(expected, before, configured().place).fields
        after = difference(expected, {**more, **before}, configured().place).fields
        missing = more.keys() - before.keys()
        assert {name: same for name, same in fields.items() if name not in missing}.items() <= after.items()


@given(objects, objects)
@settings(max_examples=150, deadline=None)
def test_a_field_is_wrong_exactly_if_a_mismatch_says_so(expected: dict[str, Any], actual: dict[str, Any]) -> None:
    compared = difference(expected, actual, configured().place)
    assert all(compared.fields.values()) == (not compared.mismatches)


@given(leaves, leaves)
@settings(max_examples=500, deadline=None)
def test_no_two_leaves_are_too_odd_to_be_compared(expected: Any, actual: Any) -> None:
    assert _same({"a": expected}, {"a": actual}) in {True, False}
    assert _same({"a": expected}, {"a": actual}, numericTolerance=0.5) in {True, False}


@given(objects)
@settings(max_examples=100, deadline=None)
async def test_what_is_ignored_is_not_compared(value: dict[str, Any]) -> None:
    assert await matches(value, {}, rules={"$": {"ignore": True}})


@given(st.lists(st.one_of(st.text(alphabet="ab ü", min_size=1), st.sampled_from(["[]", "[0]", "[12]"])), max_size=5))
def test_a_path_that_is_written_reads_as_the_same(parts: list[str]) -> None:
    text = "$" + "".join(part if part.startswith("[") else f".{part}" for part in parts)
    path = parse_path(text)
    assert len(path) == len(parts)
    assert parse_path(write_path(path)) == path
