"""What counts as a JavaScript pattern before a run is what JavaScript itself takes in the run."""

from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
import quickjs
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.sandbox import Sandbox
from assay.steps import StepError
from assay.steps.character_properties import BINARY_PROPERTIES, GENERAL_CATEGORIES, SCRIPTS
from assay.steps.pattern_grammar import NoPatternError, capture_groups
from assay.steps.patterns import SandboxedPattern, any_pattern

_JUDGE = """
(source, flags) => {
  try {
    new RegExp(source, flags);
  } catch {
    return -1;
  }
  return new RegExp(source + "|", flags).exec("").length - 1;
}
"""
_javascripts_groups = cast("Callable[[str, str], int]", quickjs.Context().eval(_JUDGE))

PIECES = st.sampled_from(
    [
        *"ab-0129(){}[]?*+|^$.,<>=!:_/é😀",
        *(
            "(?:",
            "(?=",
            "(?!",
            "(?<=",
            "(?<!",
            "(?<n>",
            "(?<m>",
            "(?<$1>",
            "(?<é>",
            r"(?<\u0061>",
            "(?<😀>",
            "(?<\U0001d49c>",
        ),
        *("(?i:", "(?-s:", "(?i-i:", "(?-:", "(?", "[^", "[a-z]", "[z-a]", r"[\d-z]", r"[\c]", r"[\k]", r"[\B]"),
        *(r"\k<n>", r"\k<m>", r"\k", r"\1", r"\2", r"\0", r"\07", r"\8", r"\c", r"\cA", r"\c1", r"\x41", r"\x"),
        *(
            r"\u0041",
            r"\u",
            r"\u{41}",
            r"\u{110000}",
            r"\ud83d",
            r"\ude00",
            r"\p{L}",
            r"\p{Greek}",
            r"\p",
            r"\P{sc=Latn}",
        ),
        *("{2}", "{2,1}", "{1,}", "{,2}", r"\d", r"\W", r"\b", r"\B", r"\-", r"\/", r"\_", r"\a", r"\t", "\\", "&&"),
    ]
)


def our_groups(source: str, flags: str) -> int:
    try:
        return capture_groups(source, flags)
    except NoPatternError:
        return -1


@settings(max_examples=3000, deadline=None)
@given(st.lists(PIECES, max_size=9).map("".join), st.sampled_from(["", "u", "i", "dgms", "uy"]))
def test_it_is_a_pattern_exactly_when_javascript_says_so(source: str, flags: str) -> None:
    assert our_groups(source, flags) == _javascripts_groups(source, flags)


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.sampled_from(["", "u"]))
def test_any_text_is_judged_as_javascript_does(text: str, flags: str) -> None:
    assert our_groups(text, flags) == _javascripts_groups(text, flags)


@pytest.mark.parametrize("flags", ["gg", "v", "uv", "q", "G"])
def test_flags_are_known_letters_each_once(flags: str) -> None:
    with pytest.raises(NoPatternError, match="flags"):
        capture_groups("a", flags)


def test_every_named_property_is_one_of_javascripts() -> None:
    named = [*GENERAL_CATEGORIES, *BINARY_PROPERTIES, *(f"Script={script}" for script in SCRIPTS)]
    unknown = [name for name in named if _javascripts_groups(rf"\p{{{name}}}", "u") < 0]
    assert unknown == []


@pytest.mark.parametrize(
    "source",
    ["(?:" * 3000 + ")" * 3000, "(?=" * 3000, "{1" * 5000, "a{" + "9" * 9000 + "}", "(?<a>)|" * 1400, "[" * 10_000],
)
def test_it_is_read_without_recursion_and_in_linear_time(source: str) -> None:
    our_groups(source, "")


@pytest.fixture
async def scripts() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    await sandbox.close()


@pytest.mark.parametrize(
    ("source", "flags", "text", "expected"),
    [
        (r"(?<=€ ?)(\d+)", "", "€ 12 and 7", ["12"]),
        (r"(\w)\1", "y", "aabbcddee", ["a", "b"]),
        (r"(?<d>\d)|(?<d>x)(?!y)", "", "1x", ["1", "x"]),
    ],
)
async def test_what_re2_cannot_match_is_matched_in_the_sandbox(
    scripts: Sandbox, source: str, flags: str, text: str, expected: list[str]
) -> None:
    pattern = any_pattern(source, flags)
    assert isinstance(pattern, SandboxedPattern)
    assert [capture.text for capture in await pattern.captures(scripts, text)] == expected


@pytest.mark.parametrize(
    ("source", "flags", "words"),
    [
        ("(?<=a)b(", "", "never closed"),
        ("(?=a)(?P<x>b)", "", "Python"),
        (r"(a)\2", "u", "no group 2"),
        (r"(?<x>a)\k<y>", "", "'y'"),
        ("(?<x>a)(?<x>b)(?=c)", "", "two groups"),
        ("(?<=a)*", "", "nothing to repeat"),
        (r"(?=a)\p{Klingon}", "u", "'Klingon'"),
        ("(?=a)[z-a]", "", "range"),
        ("(a)" * 255 + "(?=b)", "", "254"),
    ],
)
def test_what_only_the_sandbox_would_have_refused_is_refused_with_its_reason(
    source: str, flags: str, words: str
) -> None:
    with pytest.raises(StepError, match=words) as refused:
        any_pattern(source, flags)
    assert refused.value.code == "pattern_invalid"
