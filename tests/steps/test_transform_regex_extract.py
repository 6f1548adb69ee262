import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue, ValidationError
from tests.fakes.step_context import FakeStepContext

from assay.sandbox import Sandbox
from assay.steps import StepError, patterns
from assay.steps.builtin.transform_regex_extract import MATCH_LIMIT, TEXT_LIMIT, TransformRegexExtract


async def extract(text: JsonValue, fields: dict[str, Any], **settings: Any) -> dict[str, Any]:
    step = TransformRegexExtract.model_validate({"input": text, "fields": fields, **settings})
    output = await step.run(FakeStepContext())
    assert isinstance(output, dict)
    return output


async def value_of(text: JsonValue, rule: dict[str, Any], **settings: Any) -> JsonValue:
    return (await extract(text, {"field": rule}, **settings))["field"]


NUMBERS = "n=20 n=3 n=100 n=3"


async def test_a_found_field_has_its_value_and_its_evidence() -> None:
    output = await extract("Total: 1.190,00 EUR", {"total": {"pattern": r"Total: ([\d.,]+)", "format": "iso-number"}})
    assert output == {
        "total": 1190.0,
        "_evidence": {"total": {"pageIndex": 0, "matchOffset": 7, "raw": "1.190,00"}},
        "_unmatched": [],
    }


async def test_an_unmatched_field_is_null_and_listed() -> None:
    output = await extract("nothing", {"total": {"pattern": r"(\d+)"}, "vat": {"pattern": r"(\d+)", "max": "all"}})
    assert output == {"total": None, "vat": None, "_evidence": {}, "_unmatched": ["total", "vat"]}


async def test_a_default_is_the_value_but_the_field_stays_listed() -> None:
    output = await extract("nothing", {"total": {"pattern": r"(\d+)", "default": 0}})
    assert output == {"total": 0, "_evidence": {}, "_unmatched": ["total"]}


async def test_evidence_names_the_page_and_the_place_on_it() -> None:
    pages: list[JsonValue] = [{"pageIndex": 4, "text": "first"}, {"pageIndex": 5, "text": "Total 7"}]
    output = await extract({"text": "first\nTotal 7", "pages": pages}, {"total": {"pattern": r"Total (\d)"}})
    assert output["_evidence"]["total"] == {"pageIndex": 5, "matchOffset": 6, "raw": "7"}


async def test_a_match_does_not_reach_into_the_next_page() -> None:
    pages: list[JsonValue] = [{"pageIndex": 0, "text": "Total"}, {"pageIndex": 1, "text": " 7"}]
    assert await value_of({"text": "Total 7", "pages": pages}, {"pattern": r"(Total\s+7)"}) is None


async def test_a_document_without_pages_is_searched_as_a_whole() -> None:
    assert await value_of({"text": "Total 7", "pages": [], "metadata": {}}, {"pattern": r"(\d)"}) == "7"


async def test_raw_is_the_text_as_it_stands_on_the_page() -> None:
    output = await extract("Sum 1\u00a0234", {"sum": {"pattern": r"Sum ([\d ]+)", "format": "iso-number"}})
    assert output["sum"] == 1234
    assert output["_evidence"]["sum"]["raw"] == "1\u00a0234"


async def test_context_shows_what_stands_around() -> None:
    output = await extract("abcdefgh", {"x": {"pattern": "(de)", "contextChars": 2}})
    assert output["_evidence"]["x"]["context"] == "bcdefg"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "20"),
        ({"max": 1}, "20"),
        ({"max": 2}, ["20", "3"]),
        ({"max": "all"}, ["20", "3", "100", "3"]),
        ({"select": "all"}, ["20", "3", "100", "3"]),
        ({"select": "all", "max": 1}, ["20"]),
        ({"select": "first", "max": "all"}, "20"),
        ({"select": "last"}, "3"),
        ({"select": "last", "max": "all"}, "3"),
        ({"select": "last", "max": 3}, "100"),
        ({"select": "max"}, "3"),
        ({"select": "max", "format": "iso-number"}, 100),
        ({"select": "min", "format": "iso-number"}, 3),
        ({"select": "min", "max": 1, "format": "iso-number"}, 20),
    ],
)
async def test_max_limits_what_is_considered_and_select_chooses(settings: dict[str, Any], expected: JsonValue) -> None:
    assert await value_of(NUMBERS, {"pattern": r"n=(\d+)", **settings}) == expected


async def test_a_list_has_a_list_of_evidence() -> None:
    output = await extract(NUMBERS, {"n": {"pattern": r"n=(\d+)", "max": 2}})
    assert output["_evidence"]["n"] == [
        {"pageIndex": 0, "matchOffset": 2, "raw": "20"},
        {"pageIndex": 0, "matchOffset": 7, "raw": "3"},
    ]


@pytest.mark.parametrize(
    ("normalize", "expected"),
    [
        ("strip-spaces", "Ab-c.D"),
        ("strip-punct", "  Ab c \tD "),
        ("collapse-whitespace", "Ab- c. D"),
        ("lower", "  ab- c. \td "),
        ("upper", "  AB- C. \tD "),
        ("trim", "Ab- c. \tD"),
        (["strip-punct", "strip-spaces", "upper"], "ABCD"),
    ],
)
async def test_normalize_changes_the_text_in_order(normalize: JsonValue, expected: str) -> None:
    assert await value_of("[  Ab- c. \tD ]", {"pattern": r"\[(.*)\]", "normalize": normalize}) == expected


@pytest.mark.parametrize(
    ("form", "expected"), [("iso-date", "2024-02-01"), ("lower", "01.02.2024"), ("trim", "01.02.2024")]
)
async def test_format_reads_the_text(form: str, expected: str) -> None:
    assert await value_of("on 01.02.2024", {"pattern": r"on (.*)", "format": form}) == expected


async def test_what_cannot_be_read_is_passed_over() -> None:
    rule = {"pattern": r"on (\S+)", "format": "iso-date"}
    assert await value_of("on time, on 31.02.2024 on 01.03.2024", rule) == "2024-03-01"


async def test_an_empty_capture_is_passed_over() -> None:
    assert await value_of("Name: \nName: Ada", {"pattern": r"Name:(.*)", "normalize": "trim"}) == "Ada"


@pytest.mark.parametrize("excluded", ["0,00", "0.0"])
async def test_excluded_values_are_passed_over_as_text_and_as_value(excluded: str) -> None:
    rule = {"pattern": r"([\d,]+)", "format": "iso-number", "exclude": [excluded]}
    assert await value_of("0,00 or 7,50", rule) == 7.5


async def test_flags_of_a_field_replace_those_of_the_step() -> None:
    fields = {"a": {"pattern": "(X)"}, "b": {"pattern": "(X)", "flags": ""}}
    output = await extract("x", fields, flags="i")
    assert output["a"] == "x"
    assert output["_unmatched"] == ["b"]


async def test_the_search_window_counts_over_pages() -> None:
    pages: list[JsonValue] = [{"pageIndex": 0, "text": "x" * 90}, {"pageIndex": 1, "text": "total 123456"}]
    rule = {"pattern": r"(\d+)"}
    assert await value_of({"text": "", "pages": pages}, rule, searchWindow=100) == "1234"


def problems(pattern: str, **settings: Any) -> list[tuple[str, str]]:
    step = TransformRegexExtract.model_validate({"input": "", "fields": {"f": {"pattern": pattern, **settings}}})
    return [(path, code) for path, _, code in step.problems()]


def test_problems_name_every_pattern_that_cannot_be_used() -> None:
    assert problems(r"(\d+)") == []
    assert problems(r"(\d+)(?= EUR)") == []
    assert problems(r"(\d+)", flags="y") == []
    assert problems(r"(?<=a)(b") == [("fields.f.pattern", "pattern_invalid")]
    assert problems(r"(?<=[(] )\d+\(") == [("fields.f.pattern", "pattern_without_group")]
    assert problems(r"(a", flags="i") == [("fields.f.pattern", "pattern_invalid")]
    assert problems(r"\d+") == [("fields.f.pattern", "pattern_without_group")]


async def test_a_pattern_that_came_from_a_template_fails_the_step() -> None:
    with pytest.raises(StepError) as failed:
        await value_of("", {"pattern": r"(a"})
    assert (failed.value.code, failed.value.category) == ("pattern_invalid", "validation")


@pytest.fixture
async def scripts() -> AsyncIterator[Sandbox]:
    started = Sandbox(concurrency=1)
    yield started
    await started.close()


async def sandboxed(scripts: Sandbox, text: JsonValue, rule: dict[str, Any]) -> dict[str, Any]:
    step = TransformRegexExtract.model_validate({"input": text, "fields": {"f": rule}})
    output = await step.run(FakeStepContext(script_sandbox=scripts))
    assert isinstance(output, dict)
    return output


@pytest.mark.parametrize(
    ("rule", "text", "expected", "place"),
    [
        ({"pattern": r"(?<=€\s?)([\d.,]+)", "format": "iso-number"}, "😀 € 1.234,50", 1234.5, 4),
        ({"pattern": r"(\d+)(?! USD)\b"}, "12 USD 7 EUR", "7", 7),
        ({"pattern": r"(\w)\1", "max": "all"}, "bookkeeper", ["o", "k", "e"], None),
        ({"pattern": r"(?<=caf\u00e9 )(\w+)"}, "café noir", "noir", 5),
        ({"pattern": r"(?<=Sum\u00a0)(\d+)"}, "Sum 5", "5", 4),
        ({"pattern": r"(?<=Sum )(\d+)"}, "Sum\u00a05", "5", 4),
        ({"pattern": r"(?<=^b: )(.*)$", "flags": "m"}, "a: 1\r\nb: 2\r\n", "2", 9),
        ({"pattern": r"(?:(x)|(y))(?=!)"}, "x y!", "y", 2),
        ({"pattern": r"(?<=q)(z)", "default": "none"}, "nothing", "none", None),
    ],
)
async def test_what_re2_cannot_match_is_matched_in_the_sandbox(
    scripts: Sandbox, rule: dict[str, Any], text: str, expected: JsonValue, place: int | None
) -> None:
    output = await sandboxed(scripts, text, rule)
    assert output["f"] == expected
    if place is not None:
        assert output["_evidence"]["f"]["matchOffset"] == place


async def test_in_the_sandbox_too_the_page_is_named_and_no_page_more_is_searched(scripts: Sandbox) -> None:
    explosive = "a" * 60 + "!"
    pages: list[JsonValue] = [{"text": "none"}, {"text": "total: 7"}, {"text": explosive}]
    output = await sandboxed(scripts, {"text": "", "pages": pages}, {"pattern": r"(?:(?<=total: )(\d)|^(a+)+$)"})
    assert (output["f"], output["_evidence"]["f"]["pageIndex"]) == ("7", 1)


@pytest.mark.parametrize(
    ("pattern", "text", "code"),
    [
        (r"(?=(a+)+b)c", "a" * 60 + "!", "pattern_timeout"),
        (r"(?<=x)(", "text", "pattern_invalid"),
        (r"(?=(x))", "x" * 200_000, "pattern_too_costly"),
        (r"(?=(x))", "x" * (MATCH_LIMIT + 1), "too_many_matches"),
    ],
)
async def test_what_the_sandbox_refuses_or_stops_fails_the_step(
    scripts: Sandbox, monkeypatch: pytest.MonkeyPatch, pattern: str, text: str, code: str
) -> None:
    monkeypatch.setattr(patterns, "_SANDBOX_LIMITS", replace(patterns._SANDBOX_LIMITS, seconds=1.0))
    with pytest.raises(StepError) as failed:
        await sandboxed(scripts, text, {"pattern": pattern, "select": "all"})
    assert (failed.value.code, failed.value.category) == (code, "validation")
    assert (await sandboxed(scripts, "xy", {"pattern": "(?<=x)(y)"}))["f"] == "y"


async def test_the_longest_text_is_searched_in_the_sandbox(scripts: Sandbox) -> None:
    text = "é" * (TEXT_LIMIT - 2) + "€1"
    assert (await sandboxed(scripts, text, {"pattern": r"(?<=€)(\d)"}))["f"] == "1"


async def test_too_much_text_is_refused() -> None:
    with pytest.raises(StepError) as failed:
        await value_of("x" * (TEXT_LIMIT + 1), {"pattern": "(y)"})
    assert failed.value.code == "text_too_large"


async def test_too_many_matches_are_refused() -> None:
    with pytest.raises(StepError) as failed:
        await value_of("x" * (MATCH_LIMIT + 1), {"pattern": "(x)", "max": "all"})
    assert failed.value.code == "too_many_matches"


def test_a_long_search_leaves_the_loop_free_and_ends_with_its_step() -> None:
    async def cancel_a_search() -> None:
        # Every match of this pattern reads the text to its end: minutes for all of them.
        search = asyncio.create_task(value_of("x" * TEXT_LIMIT, {"pattern": "(x+y|x)", "max": "all"}))
        await asyncio.sleep(0)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search

    asyncio.run(cancel_a_search())  # waits for the threads of its executor


@pytest.mark.parametrize(
    "settings",
    [
        {"fields": {}},
        {"fields": {"_evidence": {"pattern": "(a)"}}},
        {"fields": {"": {"pattern": "(a)"}}},
        {"fields": {"f": {}}},
        {"fields": {"f": {"pattern": "(a)", "flags": "x"}}},
        {"fields": {"f": {"pattern": "(a)", "max": 0}}},
        {"fields": {"f": {"pattern": "(a)", "select": "middle"}}},
        {"fields": {"f": {"pattern": "(a)", "contextChars": 2001}}},
        {"fields": {"f": {"pattern": "(a)", "unknown": 1}}},
        {"fields": {"f": {"pattern": "(a)"}}, "searchWindow": 99},
        {"fields": {"f": {"pattern": "(a)"}}, "input": {"pages": []}},
        {"fields": {"f": {"pattern": "(a)"}}, "input": None},
    ],
)
def test_a_wrong_configuration_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TransformRegexExtract.model_validate({"input": "", **settings})
