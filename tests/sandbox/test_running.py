import asyncio
import math

import pytest
from pydantic import JsonValue

from assay.sandbox import (
    Language,
    Sandbox,
    SandboxUnavailableError,
    ScriptError,
    ScriptFunctionMissingError,
    ScriptLimits,
    ScriptMemoryLimitError,
    ScriptResultInvalidError,
    ScriptSyntaxError,
)

INVOICE = """
type Line = {text: string; amount: number};
interface Total { vendor: string; total: number; big: Line[] }

function cents(value: number): number {
  return Math.round(value * 100) / 100;
}

function script(vendor: string, lines: Line[]): Total {
  const total = lines.reduce((sum, line) => sum + line.amount, 0) as number;
  return {vendor: vendor.trim(), total: cents(total), big: lines.filter(l => l.amount > 100)!};
}
"""


async def javascript(sandbox: Sandbox, expression: str, **arguments: JsonValue) -> object:
    source = f"function script({', '.join(arguments)}) {{ return {expression}; }}"
    return await sandbox.run(language="javascript", source=source, function="script", arguments=arguments)


async def python(sandbox: Sandbox, source: str, **arguments: JsonValue) -> object:
    return await sandbox.run(language="python", source=source, function="script", arguments=arguments)


async def test_typescript_computes_an_invoice(sandbox: Sandbox) -> None:
    lines: list[JsonValue] = [{"text": "a", "amount": 99.95}, {"text": "b", "amount": 200.1}]
    result = await sandbox.run(
        language="typescript", source=INVOICE, function="script", arguments={"vendor": " ACME ", "lines": lines}
    )
    assert result == {"vendor": "ACME", "total": 300.05, "big": [lines[1]]}


async def test_python_computes_an_invoice(sandbox: Sandbox) -> None:
    source = """
import re
from decimal import Decimal

def script(vendor: str, lines: list) -> dict:
    total = sum(Decimal(line["amount"]) for line in lines)
    return {"vendor": re.sub(r"\\s+", " ", vendor).strip(), "total": float(total), "count": len(lines)}
"""
    result = await python(sandbox, source, vendor=" ACME   Ltd", lines=[{"amount": "0.10"}, {"amount": "0.20"}])
    assert result == {"vendor": "ACME Ltd", "total": 0.3, "count": 2}


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 1.5, "", 'é😀\n"\\', [], {}, [1, [2, {"a": None}]], {"__proto__": 1, "a-b": [True]}, 2**53 - 1],
    ids=repr,
)
@pytest.mark.parametrize("language", ["javascript", "python"])
async def test_json_passes_unchanged(sandbox: Sandbox, language: Language, value: JsonValue) -> None:
    source = {"javascript": "function script(a) { return a }", "python": "def script(a): return a"}[language]
    result = await sandbox.run(language=language, source=source, function="script", arguments={"a": value})
    assert (result, type(result)) == (value, type(value))


async def test_the_order_of_keys_survives(sandbox: Sandbox) -> None:
    assert await javascript(sandbox, "Object.keys(a)", a={"z": 1, "a": 2, "m": 3}) == ["z", "a", "m"]


async def test_arguments_arrive_in_their_order_whatever_they_are_called(sandbox: Sandbox) -> None:
    source = "function script(x, y) { return [x, y] }"
    arguments: dict[str, JsonValue] = {"b": 1, "a": 2}
    assert await sandbox.run(language="javascript", source=source, function="script", arguments=arguments) == [1, 2]


async def test_any_top_level_function_can_be_called(sandbox: Sandbox) -> None:
    for source in ("function scoreScript() { return 1 }", "const scoreScript = () => 1", "var scoreScript = Math.cosh"):
        result = await sandbox.run(language="javascript", source=source, function="scoreScript", arguments={"a": 0})
        assert result == 1


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("{a: undefined, b: [undefined]}", {"b": [None]}),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("-0", 0),
        ("1e21", 1e21),
        ("5.0", 5),
        ("'\\ud800'", "\ufffd"),
        ("{toJSON() { return 7 }}", 7),
        ("Object.create({inherited: 1})", {}),
    ],
)
async def test_results_become_json_as_in_javascript(sandbox: Sandbox, expression: str, result: object) -> None:
    assert await javascript(sandbox, expression) == result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("undefined", "nothing"),
        ("NaN", "NaN"),
        ("{a: [1 / 0]}", 'Infinity at "0"'),
        ("{total: NaN}", 'NaN at "total"'),
        ("() => 1", "function"),
        ("Symbol()", "symbol"),
        ("{a: 1n}", 'BigInt; use Number or String at "a"'),
        ("Promise.resolve(1)", "synchronous"),
        ("{a: new Map()}", "Object.fromEntries"),
        ("new Set()", "Array.from"),
    ],
)
async def test_what_is_not_json_is_refused_by_name(sandbox: Sandbox, expression: str, message: str) -> None:
    with pytest.raises(ScriptResultInvalidError) as caught:
        await javascript(sandbox, expression)
    assert message in caught.value.message


@pytest.mark.parametrize("expression", ["float('nan')", "{1, 2}", "b'x'", "script", "lambda: 1", "[object()]", "1j"])
async def test_what_is_not_json_is_refused_in_python_too(sandbox: Sandbox, expression: str) -> None:
    with pytest.raises(ScriptError) as caught:
        await python(sandbox, f"def script():\n  return {expression}")
    assert caught.value.code in {"script_result_invalid", "script_error", "script_syntax"}


@pytest.mark.parametrize(
    ("language", "source", "code", "line", "message"),
    [
        ("javascript", "function script() {\n  let a = ;\n}", "script_syntax", 2, "unexpected token"),
        ("javascript", "\nfunction script() {\n\n  throw new Error('no total')\n}", "script_error", 4, "no total"),
        ("javascript", "function script() {\n  return f()\n}\nfunction f() {\n  null.x }", "script_error", 5, "null"),
        ("javascript", "function script() {\n\n  return JSON.parse('{')\n}", "script_error", 3, "JSON"),
        ("javascript", "const a = 1;\nundefinedName", "script_error", 2, "undefinedName is not defined"),
        ("javascript", "function script() { throw 'text' }", "script_error", None, "text"),
        ("javascript", "function script() { throw {a: 1} }", "script_error", None, "object"),
        ("javascript", "const script = 1", "script_function_missing", None, "does not declare"),
        ("javascript", "", "script_function_missing", None, "does not declare"),
        (
            "typescript",
            "type A = {\n  a: number\n}\nfunction script(): A {\n  throw new Error('x') }",
            "script_error",
            5,
            "x",
        ),
        ("typescript", "interface A {}\nfunction script(a: {) {}", "script_syntax", 2, "Unexpected token"),
        (
            "typescript",
            "enum E { A }\n\nfunction script(): E { return (1 as any).b.c }",
            "script_error",
            3,
            "undefined",
        ),
        ("python", "def script():\n  a = = 1", "script_syntax", 2, "expression"),
        ("python", "\ndef script():\n\n  raise ValueError('no total')", "script_error", 4, "ValueError: no total"),
        ("python", "def f(): return 1 / 0\ndef script():\n  return f()", "script_error", 1, "ZeroDivisionError"),
        ("python", "a = 1\nundefined_name", "script_error", 2, "undefined_name"),
        ("python", "def script():\n", "script_syntax", 2, ""),
        ("python", "def other(): pass", "script_function_missing", None, "does not declare"),
        ("python", "", "script_function_missing", None, "does not declare"),
    ],
)
async def test_errors_name_the_line_of_the_source_as_it_was_written(
    sandbox: Sandbox, language: Language, source: str, code: str, line: int | None, message: str
) -> None:
    with pytest.raises(ScriptError) as caught:
        await sandbox.run(language=language, source=source, function="script", arguments={})
    error = caught.value
    assert (error.code, error.line, error.issues[0].line) == (code, line, line)
    assert message in error.message
    assert line is None or f"(line {line})" in error.message


async def test_a_missing_argument_is_the_scripts_error(sandbox: Sandbox) -> None:
    with pytest.raises(ScriptError, match="missing 1 required positional argument"):
        await python(sandbox, "def script(a, b): return 1", a=1)
    assert await sandbox.run(
        language="javascript",
        source="function script(a, b) { return b === undefined }",
        function="script",
        arguments={},
    )


@pytest.mark.parametrize("language", ["javascript", "python"])
async def test_a_script_sees_no_time_zone(sandbox: Sandbox, language: Language) -> None:
    source = {
        "javascript": "function script() { return new Date(2024, 6, 1).toISOString() }",
        "python": "from datetime import datetime, timezone\n"
        "def script(): return datetime(2024, 7, 1).astimezone(timezone.utc).isoformat()[:19] + '.000Z'",
    }[language]
    result = await sandbox.run(language=language, source=source, function="script", arguments={})
    assert result == "2024-07-01T00:00:00.000Z"


@pytest.mark.parametrize("function", ["", "a b", "f()", "a.b", "f;g", "1", "ф\n", "\0"])
async def test_only_a_name_is_called(sandbox: Sandbox, function: str) -> None:
    with pytest.raises(ScriptSyntaxError, match="cannot be the name"):
        await sandbox.run(language="javascript", source="", function=function, arguments={})


@pytest.mark.parametrize("language", ["javascript", "python"])
async def test_arguments_count_against_the_memory(sandbox: Sandbox, language: Language) -> None:
    source = {"javascript": "function script(a) { return 1 }", "python": "def script(a): return 1"}[language]
    for size in (3 << 20, 700_000):
        many: list[JsonValue] = [["x"] for _ in range(size // 5)]
        with pytest.raises(ScriptMemoryLimitError):
            await sandbox.run(
                language=language,
                source=source,
                function="script",
                arguments={"a": many},
                limits=ScriptLimits(memory_bytes=1 << 20),
            )


async def test_arguments_that_are_no_json_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ScriptError, match="arguments"):
        await javascript(sandbox, "1", a=math.nan)


async def test_a_large_result_arrives_whole(sandbox: Sandbox) -> None:
    limits = ScriptLimits(memory_bytes=50 << 20, output_bytes=8 << 20)
    source = "function script(n) { return Array.from({length: n}, (_, i) => 'row ' + i) }"
    result = await sandbox.run(
        language="javascript", source=source, function="script", arguments={"n": 300_000}, limits=limits
    )
    assert isinstance(result, list)
    assert (len(result), result[-1]) == (300_000, "row 299999")


async def test_many_scripts_run_side_by_side(sandbox: Sandbox) -> None:
    languages: list[Language] = ["javascript", "typescript", "python"]
    sources = {"python": "def script(a): return a * a"}
    default = "function script(a) { return a * a }"
    results = await asyncio.gather(
        *(
            sandbox.run(
                language=languages[number % 3],
                source=sources.get(languages[number % 3], default),
                function="script",
                arguments={"a": number},
            )
            for number in range(60)
        )
    )
    assert results == [number * number for number in range(60)]


async def test_a_closed_sandbox_refuses_and_closes_again() -> None:
    closed = Sandbox()
    await javascript(closed, "1")
    await python(closed, "def script(): return 1")
    await closed.close()
    await closed.close()
    for language in ("javascript", "python"):
        with pytest.raises(SandboxUnavailableError, match="closed"):
            await closed.run(language=language, source="", function="script", arguments={})


async def test_a_function_may_be_missing_only_by_name(sandbox: Sandbox) -> None:
    with pytest.raises(ScriptFunctionMissingError):
        await sandbox.run(language="javascript", source="function other() {}", function="script", arguments={})
