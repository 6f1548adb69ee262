import pytest

from assay.sandbox import Capture, Match, Sandbox, ScriptLimits, ScriptSyntaxError, ScriptTimeoutError


async def found(sandbox: Sandbox, pattern: str, text: str, flags: str = "") -> list[str]:
    return [match.whole.text for match in await sandbox.match(pattern, flags, text)]


async def test_captures_come_with_their_places(sandbox: Sandbox) -> None:
    assert await sandbox.match(r"(\w+)=(\d+)?", "", "a=1 bc=") == [
        Match(Capture("a=1", 0, 3), (Capture("a", 0, 1), Capture("1", 2, 3))),
        Match(Capture("bc=", 4, 7), (Capture("bc", 4, 6), None)),
    ]


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "expected"),
    [
        (r"(?<=€ ?)\d+", "", "€ 12 and 7", ["12"]),
        (r"\d+(?! USD)\b", "", "12 USD 7 EUR", ["7"]),
        (r"(\w)\1", "", "bookkeeper", ["oo", "kk", "ee"]),
        (r"caf\u00e9", "", "un café", ["café"]),
        (r"total", "i", "Total TOTAL", ["Total", "TOTAL"]),
        (r"^\w+$", "m", "a\nb", ["a", "b"]),
        (r"a.b", "s", "a\nb", ["a\nb"]),
        (r"\p{Lu}", "u", "aÉ", ["É"]),
        (r"[\p{L}--[a-z]]", "v", "aÉ", ["É"]),
        (r"x", "gy", "xxax", ["x", "x"]),
        (r"(?<year>\d{4})", "", "in 2024", ["2024"]),
        (r"", "", "ab", ["", "", ""]),
        (r"none", "", "ab", []),
        (r"a", "", "", []),
    ],
)
async def test_patterns_mean_what_javascript_means(
    sandbox: Sandbox, pattern: str, flags: str, text: str, expected: list[str]
) -> None:
    assert await found(sandbox, pattern, text, flags) == expected


async def test_places_count_characters_also_behind_emoji_and_lone_surrogates(sandbox: Sandbox) -> None:
    text = "😀 \ud800 \0 é x=1 😀x=2"
    for match in await sandbox.match(r"x=(\d)", "", text):
        assert text[match.whole.start : match.whole.end] == match.whole.text
        assert match.whole.text.startswith("x=")
    assert await found(sandbox, r"x=\d", text) == ["x=1", "x=2"]


@pytest.mark.parametrize(
    ("pattern", "flags"), [("(", ""), ("a", "q"), ("a", "uv"), ("[", ""), ("(?<a", ""), ("\0", "")]
)
async def test_what_is_no_pattern_is_refused(sandbox: Sandbox, pattern: str, flags: str) -> None:
    with pytest.raises(ScriptSyntaxError):
        await sandbox.match(pattern, flags, "text")


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|aa)+\1$", r"(?=(a+)+b)c", r"^(\w+\s?)*$"])
async def test_a_pattern_that_explodes_is_interrupted(sandbox: Sandbox, pattern: str) -> None:
    with pytest.raises(ScriptTimeoutError):
        await sandbox.match(pattern, "", "a" * 60 + "!", limits=ScriptLimits(seconds=0.3))
    assert await found(sandbox, "b", "abc") == ["b"]
