"""A schema that could make a check take very long is known before it is used, however its parts are strung together."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from assay import schema_work
from assay.jsonschemas import MAX_SHOWN_ERRORS, first_errors
from assay.schema_work import MAX_WORK, TooMuchWorkError

AGAIN = {"$ref": "#/$defs/t"}


def chain(length: int, keyword: str, *, deeper: bool = False, width: int = 2) -> dict[str, Any]:
    """Definitions that each offer the next one several times."""

    def node(number: int) -> dict[str, Any]:
        choice = {keyword: [{"$ref": f"#/$defs/d{number + 1}"}] * width}
        return {"properties": {"x": choice}} if deeper else choice

    definitions = {f"d{number}": node(number) for number in range(length)} | {f"d{length}": {"type": "string"}}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions}


def circle(definition: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": AGAIN}, "$defs": {"t": definition}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {f"k{number}": {"type": "string"} for number in range(3000)}},
        {"anyOf": [{"const": number} for number in range(500)]},
        chain(100, "allOf", width=1),
        chain(5, "oneOf"),
        circle({"properties": {"left": AGAIN, "right": AGAIN, "more": {"type": "array", "items": AGAIN}}}),
        circle({"properties": {"next": {"anyOf": [AGAIN, {"type": "null"}]}}}),
        {"properties": {"children": {"items": {"$ref": "#"}}}},
    ],
    ids=["wide", "choices", "chain", "few", "tree", "nullable circle", "root"],
)
def test_what_people_write_is_accepted(schema: dict[str, Any]) -> None:
    assert 0 < schema_work.bound(schema) <= MAX_WORK


@pytest.mark.parametrize(
    "schema",
    [
        *(chain(20, keyword) for keyword in ("allOf", "anyOf", "oneOf")),
        chain(60, "anyOf", deeper=True),
        chain(400, "allOf", width=1),
        chain(3000, "allOf", width=1),
        circle({"additionalProperties": {"anyOf": [AGAIN, AGAIN]}}),
        circle({"patternProperties": {"a": AGAIN, "b": AGAIN}}),
        circle({"anyOf": [AGAIN, {"type": "null"}]}),
        {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}},
        {"items": {"$ref": "#x"}, "$defs": {"q": {"$anchor": "x", "items": {"oneOf": [{"$ref": "#x"}] * 2}}}},
        {
            "items": {"$ref": "#/$defs/a~1b"},
            "$defs": {"a/b": {"anyOf": [{"items": {"not": {"$ref": "#"}}}] * 9}},
        },
    ],
)
def test_what_multiplies_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(TooMuchWorkError):
        schema_work.bound(schema)


LEAVES = (
    st.none() | st.booleans() | st.sampled_from(["#", "#/$defs/t", "#/properties/a", "#x", "#/anyOf/0", "a", "#/%"])
)
KEYS = st.sampled_from(
    [
        *("$ref", "$dynamicRef", "$anchor", "$defs", "properties", "patternProperties", "items", "anyOf", "allOf"),
        *("oneOf", "not", "if", "prefixItems", "additionalProperties", "dependentSchemas", "t", "a", "x"),
    ]
)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5))


@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_any_json_is_bounded_or_refused(schema: dict[str, Any]) -> None:
    with suppress(TooMuchWorkError):
        assert 0 < schema_work.bound(schema) <= MAX_WORK


def test_errors_are_listed_where_that_is_cheap_and_else_the_first_is_named() -> None:
    few: list[JsonValue] = [1] * 12
    many: list[JsonValue] = [1] * 5000
    fitting: list[JsonValue] = ["x"] * 5000
    schema = chain(7, "anyOf")
    schema["properties"] = {"a": {"type": "array", "items": schema["properties"]["a"]}}
    assert len(first_errors(schema, {"a": few})) == MAX_SHOWN_ERRORS
    assert len(first_errors(schema, {"a": many})) == 1
    assert first_errors(schema, {"a": fitting}) == []


def test_a_pattern_that_explodes_counts_as_not_matching() -> None:
    schema = {"type": "object", "properties": {"a": {"pattern": r"^(?=(a+)+$)b|(a|aa)+\1!$"}}}
    assert len(first_errors(schema, {"a": "a" * 60 + "b"})) == 1
