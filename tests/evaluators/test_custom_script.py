"""Scripts of strangers as judges: what they may return, and what becomes of everything else."""

import json
from typing import Any

import pytest
from pydantic import JsonValue
from tests.evaluators.invoices import RIGHT, subject
from tests.fakes.grading_context import FakeGradingContext

from assay import evaluators, sandbox
from assay.evaluators import InvalidEvaluatorsError, Result, Subject

HEAD = "function scoreScript(expected: any, actual: any): number"


def the_set(**config: Any) -> evaluators.EvaluatorSet:
    return evaluators.parse(json.dumps({"evaluators": [{"name": "s", "type": "custom-script", "config": config}]}))


async def graded(scripts: sandbox.Sandbox, about: Subject | None = None, **config: Any) -> Result:
    context = FakeGradingContext(script_sandbox=scripts)
    (found,) = await evaluators.grade_all(the_set(**config), about or subject(RIGHT), context)
    return found


@pytest.mark.parametrize(
    ("language", "function"),
    [
        ("typescript", f"type T = {{ a: number }};\n{HEAD} {{ return actual.total === expected.total ? 0.25 : 1 }}"),
        ("javascript", "function scoreScript(expected, actual) { return actual.total === expected.total ? 0.25 : 1 }"),
        ("python", "def score_script(expected, actual):\n    return 0.25 if actual == expected else 1"),
    ],
)
async def test_both_arguments_are_plain_data(scripts: sandbox.Sandbox, language: str, function: str) -> None:
    assert (await graded(scripts, language=language, function=function)).score == 0.25


async def test_nothing_expected_is_null(scripts: sandbox.Sandbox) -> None:
    about = Subject(input={}, output={"a": 1}, status="completed")
    found = await graded(scripts, about, function=f"{HEAD} {{ return expected === null ? 1 : 0 }}")
    assert found.score == 1


@pytest.mark.parametrize(
    "config",
    [
        {"function": f"{HEAD} {{ throw new Error('lines are missing') }}"},
        {
            "language": "python",
            "function": "def score_script(expected, actual):\n    raise ValueError('lines are missing')",
        },
    ],
)
async def test_a_script_that_throws_scores_nothing_and_its_words_are_kept(
    scripts: sandbox.Sandbox, config: dict[str, Any]
) -> None:
    found = await graded(scripts, **config)
    assert (found.score, found.error) == (0.0, None)
    assert "lines are missing" in str(found.details["error"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("return NaN", "script_result_invalid"),
        ("return Infinity", "script_result_invalid"),
        ("return Promise.resolve(1) as any", "script_result_invalid"),
        ("return undefined as any", "script_result_invalid"),
        ("return null as any", "script_score_invalid"),
        ("return '1' as any", "script_score_invalid"),
        ("return true as any", "script_score_invalid"),
        ("return 7", "script_score_invalid"),
        ("return -0.1", "script_score_invalid"),
        ("for (;;);", "script_timeout"),
        ("const a = []; for (;;) a.push('x'.repeat(1e5)); ", "script_memory_limit"),
        ("return 'x'.repeat(2e6) as any", "script_output_limit"),
    ],
)
async def test_whatever_is_no_score_is_an_error(scripts: sandbox.Sandbox, body: str, code: str) -> None:
    found = await graded(scripts, function=f"{HEAD} {{ {body} }}", timeoutMs=500)
    assert found.score is None
    assert found.error is not None
    assert found.error.endswith(f"({code})")


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "None", "'1'", "2"])
async def test_the_same_holds_in_python(scripts: sandbox.Sandbox, value: str) -> None:
    found = await graded(
        scripts, language="python", function=f"def score_script(expected, actual):\n    return {value}"
    )
    assert found.score is None
    assert found.error is not None


async def test_a_script_has_neither_network_nor_files(scripts: sandbox.Sandbox) -> None:
    body = "return [typeof fetch, typeof require, typeof process].every(one => one === 'undefined') ? 1 : 0"
    assert (await graded(scripts, function=f"{HEAD} {{ {body} }}")).score == 1


async def test_the_older_form_is_a_body_that_sees_the_input_and_may_explain_itself(scripts: sandbox.Sandbox) -> None:
    about = Subject(input={"language": "de"}, output={"a": 1}, status="completed", has_expected=True, expected={"a": 1})
    code = "const same = actual.a === expected.a;\nreturn { score: same / 2, label: input.language, rationale: 'x' };"
    found = await graded(scripts, about, code=code)
    assert (found.score, found.label, found.details) == (0.5, "de", {"rationale": "x"})
    assert (await graded(scripts, about, code="return 1")).score == 1
    assert "(line 2)" in str((await graded(scripts, about, code="let a;\nthrow new Error('no')")).details["error"])


@pytest.mark.parametrize(
    ("config", "field", "code"),
    [
        ({}, "config", "script_missing"),
        ({"function": f"{HEAD} {{ return 1 }}", "code": "return 1"}, "config", "script_missing"),
        ({"function": "const a = 1"}, "config.function", "script_function_missing"),
        ({"function": f"{HEAD} {{"}, "config.function", "script_syntax"),
        ({"code": "return ("}, "config.code", "script_syntax"),
        ({"function": f"async {HEAD} {{ return 1 }}"}, "config.function", "script_asynchronous"),
        ({"function": "function scoreScript(actual, expected) { return 1 }"}, "config.function", "script_parameters"),
        (
            {"function": "function scoreScript(expected: any, actual: any): string { return '' }"},
            "config.function",
            "script_return_type",
        ),
        ({"function": f"{HEAD} {{ return 1 }}//{'x' * 10_000}"}, "config.function", "script_limit"),
        ({"function": f"{HEAD} {{ return 1 }}", "timeoutMs": 30_001}, "config.timeoutMs", "script_limit"),
        ({"function": f"{HEAD} {{ return 1 }}", "memoryLimitMb": 51}, "config.memoryLimitMb", "script_limit"),
        ({"language": "python", "code": "return 1"}, "config.code", "script_language"),
        (
            {"language": "python", "function": "def score_script(a, b):\n    return 1"},
            "config.function",
            "script_parameters",
        ),
    ],
)
def test_what_cannot_run_is_refused_when_it_is_written(config: dict[str, JsonValue], field: str, code: str) -> None:
    with pytest.raises(InvalidEvaluatorsError) as refused:
        the_set(**config)
    assert [(issue.field, issue.code) for issue in refused.value.issues] == [(f"evaluators.0.{field}", code)]
