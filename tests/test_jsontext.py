"""What becomes of a value in the database, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import db, jsontext

ANY_TEXT = st.text(st.characters(categories=["Cs", "Cc", "L", "N", "P", "Zs", "So"]), max_size=20)
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
    | st.sampled_from(["NaN", "Infinity", "-Infinity", "\\u0000", "\x00", "\ud83d\ude00", "\ud83d"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=20,
)


def storable(value: Any) -> Any:
    if isinstance(value, str):
        return "".join("\ufffd" if char == "\x00" or "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list) else value


def nested(levels: int) -> Any:
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


@given(ANY_JSON)
def test_what_is_read_back_is_what_was_written_but_for_what_cannot_be_kept(value: Any) -> None:
    text = jsontext.dump(value)
    assert jsontext.load(text) == storable(value)
    assert json.loads(text) == storable(value)


@given(st.dictionaries(st.text("ab", max_size=3), st.none(), max_size=6))
def test_the_order_of_keys_is_kept(value: dict[str, None]) -> None:
    assert list(jsontext.load(jsontext.dump(value))) == list(value)


async def test_postgresql_takes_whatever_is_written(database: db.Database) -> None:
    values = [{"a\x00b": "\ud800\x00", "n": [1.5, 10**40, -0.0]}, "NaN \\u0000 \x1f\x7f", nested(jsontext.MAX_LEVELS)]
    async with database.single_statement() as tx:
        for value in values:
            kept = await tx.fetch_value("SELECT $1::json::text", jsontext.dump(value))
            assert jsontext.load(kept) == storable(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"a": float("-inf")}], object(), [object()]])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        jsontext.dump(value)


def test_nesting_ends_where_it_could_not_be_read_back_inside_an_answer() -> None:
    deepest = nested(jsontext.MAX_LEVELS)
    assert jsontext.load(jsontext.dump(deepest)) == deepest
    answer = {"steps": [{"output": deepest}]}
    assert json.loads(jsontext.write(answer)) == answer
    for levels in (jsontext.MAX_LEVELS + 1, 300, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            jsontext.dump(nested(levels))


def test_nothing_stays_nothing() -> None:
    assert jsontext.dump_or_none(None) is None
    assert jsontext.load(None) is None
    assert jsontext.dump(None) == "null"
    assert jsontext.dump_or_none(False) == "false"
