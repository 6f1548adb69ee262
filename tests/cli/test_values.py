"""How values are laid out in a trace."""

from io import StringIO

import pytest
from rich.console import Console

from assay.cli.values import EVERYTHING, Block, Known, Layout, Limits


def text_of(value: object, limits: Limits = EVERYTHING, known: Known | None = None) -> str:
    return "\n".join(line.plain for line in Layout(limits, known or Known()).lines(value))


def test_objects_and_lists_are_laid_out_as_yaml() -> None:
    value = {"name": "x", "lines": ["a", {"b": 1, "c": [1]}], "empty": {}, "none": None}
    assert text_of(value) == "name: x\nlines:\n  - a\n  - b: 1\n    c:\n      - 1\nempty: {}\nnone: null"


def test_a_small_object_stays_on_one_line() -> None:
    assert text_of({"evidence": {"page": 0, "raw": "£"}}) == "evidence: {page: 0, raw: £}"


@pytest.mark.parametrize(("value", "text"), [("5", '"5"'), ("true", '"true"'), ("", '""'), (" x", '" x"'), ("x", "x")])
def test_a_string_that_reads_as_something_else_is_quoted(value: str, text: str) -> None:
    assert text_of({"v": value}) == f"v: {text}"


def test_what_is_left_out_is_counted() -> None:
    limits = Limits(characters=5, lines=2, items=2, depth=2)
    assert text_of("abcdefgh", limits) == "abcde … 3 more characters"
    assert text_of("a\nb\nc", limits) == "a\nb\n… 1 more line"
    assert text_of([1, 2, 3, 4], limits) == "- 1\n- 2\n… 2 more items"
    assert text_of({"a": {"b": {"c": {"d": [1]}}}}, limits) == "a:\n  b: … 1 field"


def test_a_long_value_that_was_shown_is_named_instead() -> None:
    known = Known()
    text = "x" * 100
    known.add("steps.parse.output", {"text": text, "small": 1})
    assert text_of({"input": {"text": text, "small": 1}, "t": text, "n": 1}, EVERYTHING, known) == (
        "input: = steps.parse.output\nt: = steps.parse.output.text\nn: 1"
    )


def test_a_line_that_is_too_long_keeps_its_indentation() -> None:
    out = StringIO()
    block = Block(Layout(EVERYTHING, Known()).lines({"a": {"pattern": "word " * 20}}), 2)
    Console(file=out, width=40).print(block)
    lines = out.getvalue().splitlines()
    assert len(lines) > 2
    assert all(line.startswith("    ") for line in lines[1:])


def test_escape_codes_of_a_document_are_shown_and_not_obeyed() -> None:
    assert text_of({"\x1bkey": "a\x1b[31m"}) == "\\x1bkey: a\\x1b[31m"
