import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.steps import StepError
from assay.steps.patterns import compile_pattern


def found(pattern: str, text: str, flags: str = "") -> list[str]:
    return [capture.text for capture in compile_pattern(pattern, flags).captures(text)]


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "expected"),
    [
        (r"total (\d+)", "", "total 1, total 2", ["1", "2"]),
        (r"TOTAL (\d+)", "i", "total 1", ["1"]),
        (r"(?<amount>\d+) (?:EUR|GBP)", "", "5 GBP", ["5"]),
        (r"(?<€uro>x)?(a)", "", "a", None),
        (r"a(x)|b(y)", "", "ax by", ["x", "y"]),
        (r"a(x)?", "", "a ax", ["", "x"]),
        (r"(a*)?(b)", "", "b", ["b"]),
        (r"(\w+)", "", "naïve", ["na", "ve"]),
        (r"(\W)", "", "aé1", ["é"]),
        (r"a(\s)b", "", "a\u3000b", ["\u3000"]),
        (r"a(\s)b", "", "a\u00a0b", [" "]),
        (r"a(\S+)", "", "a\u200bx b", ["\u200bx"]),
        (r"a([\s,]+)b", "", "a, \ufeffb", [", \ufeff"]),
        (r"a([^\s]+)", "", "ab\u2003c", ["b"]),
        (r"a( )b", "", "a\u202fb", [" "]),
        ("a(\u00a0)b", "", "a b", [" "]),
        (r"a(\u00a0)b", "", "a\u2007b", [" "]),
        (r"(.+)", "", "one\rtwo\u2028three\nfour", ["one", "two", "three", "four"]),
        (r"(.+)", "s", "one\ntwo", ["one\ntwo"]),
        (r"^(\w+)$", "", "a\n", []),
        (r"^(\w+)$", "m", "a\r\nb\rc\u2028d\n", ["a", "b", "c", "d"]),
        (r"a(\r?\n)b", "m", "a\r\nb", ["\n\n"]),
        (r"(\u0041\x42\cJ)", "", "AB\n", ["AB\n"]),
        (r"(\u{1F600})", "u", "😀", ["😀"]),
        (r"(\ud83d\ude00)", "", "😀", ["😀"]),
        (r"(.)", "", "😀", ["😀"]),
        (r"(\p{Lu}\p{Script=Greek}+)", "u", "Ωμέγα", ["Ωμέγα"]),
        (r"([\P{L}])", "u", "a1", ["1"]),
        (r"([^\d\n]*)1", "", "ab1", ["ab"]),
        (r"([\w.-]+)", "", "a-b.c d", ["a-b.c", "d"]),
        (r"([\d-x]+)", "", "1-x", ["1-x"]),
        (r"([[a]+)", "", "[a", ["[a"]),
        (r"([[:alpha:]])", "", "a]", ["a]"]),
        (r"([^]+)", "", "a\nb", ["a\nb"]),
        (r"x[]|(a)", "", "xa", ["a"]),
        (r"([\b])", "", "a\x08", ["\x08"]),
        (r"\b(\w+)\b", "", "one two", ["one", "two"]),
        (r"(a{2})", "", "aaa", ["aa"]),
        (r"(a{2,})", "", "aaa", ["aaa"]),
        (r"(a{1,2}?)", "", "aa", ["a", "a"]),
        (r"(a{,2})", "", "a{,2}", ["a{,2}"]),
        (r"(a{x})", "", "a{x}", ["a{x}"]),
        (r"(\$\.\/\-\_)", "", "$./-_", ["$./-_"]),
        (r"(\A\Q\z)", "", "AQz", ["AQz"]),
        (r"(]})", "", "]}", ["]}"]),
        (r"(\0)", "", "\0", []),
        (r"(\d+)", "gu", "1", ["1"]),
        (r"(?:(\d+),?)+", "", "1,2,3", ["3"]),
        (r"(\d),?", "y", "1,23 4", ["1", "2", "3"]),
        (r"(\d)", "y", " 1", []),
        (r"a(x)?", "dgy", "axaab", ["x", "", ""]),
        (r"(a?)", "y", "ab a", ["a", "", "", "a", ""]),
    ],
)
def test_a_pattern_means_what_it_means_in_javascript(
    pattern: str, flags: str, text: str, expected: list[str] | None
) -> None:
    if expected is None:
        with pytest.raises(StepError, match="group name"):
            found(pattern, text, flags)
    else:
        assert found(pattern, text, flags) == expected


@pytest.mark.parametrize(
    ("pattern", "flags", "words"),
    [
        (r"(\d+)(?= EUR)", "", "look-around"),
        (r"(?!x)(a)", "", "look-around"),
        (r"(?<=€)(\d+)", "", "look-around"),
        (r"(?<!€)(\d+)", "", "look-around"),
        (r"(a)\1", "", "back-references"),
        (r"(?<x>a)\k<x>", "", "back-references"),
        (r"(?i:a)(b)", "", "flags inside"),
        (r"(?i)(b)", "", "flags inside"),
        (r"(\p{L})", "", "flag u"),
        (r"(\u{41})", "", "flag u"),
        (r"(\p{Alphabetic})", "u", "Alphabetic"),
        (r"(\p{Emoji=Yes})", "u", "Emoji"),
        (r"(\012)", "", "octal"),
        (r"(\ud83d)", "", "surrogate"),
        (r"(a{1001})", "", "1000 repetitions"),
        (r"((?:(?:a{100}){100}){100})", "", "too large"),
        (r"(?:(a)|b)*", "", "may leave out"),
        (r"(?:(a)?b)+", "", "may leave out"),
        (r"(?:(a*))+", "", "find empty"),
        (r"(?:|a)*(b)", "", "rather empty"),
        (r"(?:a??)?(b)", "", "rather empty"),
        ("(" + "a" * 10_000 + ")", "", "10000 characters"),
    ],
)
def test_what_re2_cannot_match_exactly_is_refused_by_name(pattern: str, flags: str, words: str) -> None:
    with pytest.raises(StepError, match=words) as refused:
        compile_pattern(pattern, flags)
    assert refused.value.code == "pattern_unsupported"
    assert refused.value.category == "validation"


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        ("(a", ""), ("a)", ""), ("[a", ""), ("*a", ""), ("(?*)", ""), ("(a|+)", ""), ("({1})", ""),
        (r"(\b*)", ""), ("(a**)", ""), ("(a{2,1})", ""), ("([b-a])", ""), ("(a\\", ""),
        ("(?P<x>a)", ""), ("(?<x", ""), ("(?<1>a)", ""), ("(?#a)", ""), (r"(\_)", "u"), (r"(\u{110000})", "u"),
        (r"(\p{L", "u"), (r"(\p{$})", "u"), (r"(\c1)", ""),
    ],
)  # fmt: skip
def test_what_is_no_javascript_pattern_is_refused(pattern: str, flags: str) -> None:
    with pytest.raises(StepError) as refused:
        compile_pattern(pattern, flags)
    assert refused.value.code == "pattern_invalid"


def test_a_refused_pattern_leaves_nothing_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StepError):
        compile_pattern(r"(\p{Klingon})", "u")
    assert capfd.readouterr().err == ""


def test_positions_are_those_of_the_text_as_it_was_given() -> None:
    text = "é😀\u00a0Total:\u202f1\u00a0234\r\nx"
    capture = next(compile_pattern(r"total: ([\d ]+)$", "im").captures(text))
    assert text[capture.start : capture.end] == "1\u00a0234"
    assert capture.text == "1 234"


def test_a_catastrophic_pattern_ends() -> None:
    assert found(r"((?:x+x+)+y)", "x" * 20_000) == []


@given(st.text(alphabet="ab01(){}[]|?*+^$.,:<=!-\\dwsbpux€\u00a0"), st.text(alphabet="imsu", max_size=2))
def test_any_pattern_is_compiled_or_refused(pattern: str, flags: str) -> None:
    assert outcome(pattern, flags) in {"searched", "pattern_invalid", "pattern_unsupported"}


def outcome(pattern: str, flags: str) -> str:
    try:
        found(pattern, "ab 01\n€\u00a0b", flags)
    except StepError as refused:
        return refused.code
    return "searched"


@given(st.text(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_text_finds_itself_when_every_character_is_escaped(before: str, wanted: str) -> None:
    codes = "".join(rf"\u{{{ord(character):x}}}" for character in wanted)
    assert re.sub("[\u00a0\u202f\u2007]", " ", wanted) in found(f"({codes})", before + wanted, "u")
