"""YAML becomes plain JSON, or issues that say where."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.yamltext import parse_yaml


def value_of(text: str) -> Any:
    document, issues = parse_yaml(text)
    assert document is not None, issues
    assert issues == []
    return document.value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("12:30:00", "12:30:00"),
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("1_000", "1_000"),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("-5", -5),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("1.2.0", "1.2.0"),
        ("'5'", "5"),
        ('"\\u00e9"', "é"),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_scalars_follow_the_core_schema(written: str, meant: object) -> None:
    value = value_of(f"a: {written}\n")["a"]
    assert (value, type(value)) == (meant, type(meant))


def test_a_folded_text_holds_nothing_but_what_was_written() -> None:
    assert value_of("a: >-\n  one\n  two\n\n  three\n    four\n") == {"a": "one two\nthree\n  four"}
    assert value_of("a: |\n  one\n  two\n") == {"a": "one\ntwo\n"}
    assert value_of('a: "\\a"\n') == {"a": "\a"}


def test_keys_are_text() -> None:
    assert value_of("1: a\ntrue: b\nnull: c\n") == {"1": "a", "true": "b", "null": "c"}


def test_aliases_are_expanded() -> None:
    text = "a: &x [1, &y {b: 2}]\nc: *x\nd: *y\n"
    assert value_of(text) == {"a": [1, {"b": 2}], "c": [1, {"b": 2}], "d": {"b": 2}}


def test_an_anchor_that_is_set_again_leaves_earlier_aliases_alone() -> None:
    assert value_of("a: &x 1\nb: &y [*x]\nc: &x 2\nd: *y\ne: *x\n")["d"] == [1]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "yaml_syntax", (1, 1)),
        ("# nothing\n", "yaml_syntax", (1, 1)),
        ("a: [1\nb: 2\n", "yaml_syntax", (2, 2)),
        ("a: 1\n\tb: 2\n", "yaml_syntax", (2, 1)),
        ("a: 'x\n", "yaml_syntax", (2, 1)),
        ("a: b: c\n", "yaml_syntax", (1, 5)),
        ("a: 1\nb: x\x00\n", "yaml_syntax", (2, 5)),
        ("a: \ud800\n", "yaml_syntax", (1, 4)),
        ('a: "\\0"\n', "invalid_value", (1, 4)),
        ('a: "\\ud800"\n', "invalid_value", (1, 4)),
        ("a: 1\n---\nb: 2\n", "yaml_syntax", (2, 1)),
        ("? [a]\n: 1\n", "yaml_syntax", (1, 3)),
        ("a: *b\n", "yaml_syntax", (1, 4)),
        ("a: &b [*b]\n", "yaml_syntax", (1, 8)),
        ("a: 1\nb: 2\na: 3\n", "duplicate_key", (3, 1)),
        ("a: !!python/object:os.system x\n", "yaml_tag", (1, 4)),
        ("a: !!binary aGk=\n", "yaml_tag", (1, 4)),
        ("a: .nan\n", "invalid_value", (1, 4)),
        ("a: -.inf\n", "invalid_value", (1, 4)),
        ("a: 1e999\n", "invalid_value", (1, 4)),
        (f"a: {'9' * 5000}\n", "invalid_value", (1, 4)),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, code: str, place: tuple[int, int]) -> None:
    _, issues = parse_yaml(text)
    assert [(issue.code, (issue.line, issue.column)) for issue in issues] == [(code, place)]


def test_a_duplicate_key_hides_nothing_behind_it() -> None:
    document, issues = parse_yaml("a: 1\na: {b: [1, {c: 2}]}\nd: .inf\n")
    assert document is not None
    assert document.value == {"a": 1, "d": None}
    assert [issue.code for issue in issues] == ["duplicate_key", "invalid_value"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "{a: " * 10_000,
        "- " * 10_000,
        "a:\n" + "".join(" " * depth + "a:\n" for depth in range(1, 1_000)),
        "a: 1\na: " + "[" * 10_000,
        "\n".join(
            f"{name}: &{name} [{', '.join(['*' + last] * 10) if last else 'x'}]"
            for last, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True)
        ),
        "- x\n" * 100_000,
        "x" * (1 << 20) + "x",
    ],
    ids=["flow lists", "flow maps", "block lists", "block maps", "in a duplicate", "alias bomb", "many values", "size"],
)
def test_what_is_too_much_ends_the_reading(text: str) -> None:
    document, issues = parse_yaml(text)
    assert document is None
    assert issues[-1].code == "yaml_limit"
    assert issues[-1].line is not None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: x {{ y }}", (1, 9)),
        ("a: 'x {{ y }}'", (1, 10)),
        ("b: 1\na: |\n  one\n  two {{ y }}\n", (4, 10)),
        ("b: 1\na: |-  # why\n  one\n  two {{ y }}\n", (4, 10)),
        ("b: 1\na: >\n  one\n  two {{ y }}\n", (2, 4)),
        ("b: &anchor 'x {{ y }}'\na: *anchor\n", (1, 18)),
    ],
)
def test_a_place_inside_a_text_is_found_in_the_file(text: str, place: tuple[int, int]) -> None:
    document, _ = parse_yaml(text)
    assert document is not None
    assert isinstance(document.value, dict)
    lines = str(document.value["a"]).split("\n")
    line = next(number for number, content in enumerate(lines) if "y" in content)
    assert document.position_within(("a",), line + 1, lines[line].index("y") + 1) == place


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values)
def test_json_is_yaml(value: object) -> None:
    text = json.dumps(value)
    document, issues = parse_yaml(text)
    if not issues:
        assert document is not None
        assert document.value == value
    assert all(issue.code == "invalid_value" for issue in issues), issues
