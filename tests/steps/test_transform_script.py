from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import ValidationError
from tests.fakes.step_context import FakeStepContext

from assay import automations, sandbox
from assay.errors import InvalidValueError
from assay.steps import StepError
from assay.steps.builtin.transform_script import TransformScript


@pytest.fixture(scope="module")
async def scripts() -> AsyncGenerator[sandbox.Sandbox]:
    opened = sandbox.Sandbox()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def context(scripts: sandbox.Sandbox) -> FakeStepContext:
    return FakeStepContext(script_sandbox=scripts)


def configured(function: str, **config: Any) -> TransformScript:
    return TransformScript.model_validate({"function": function, **config})


@pytest.mark.parametrize(
    ("language", "function"),
    [
        ("typescript", "function script(a: number, b: string[]): { n: number } { return { n: a + b.length }; }"),
        ("javascript", "function script(a, b) { return { n: a + b.length }; }"),
        ("python", "def script(a: int, b: list[str]) -> dict[str, int]:\n    return {'n': a + len(b)}"),
    ],
)
async def test_a_function_gets_its_inputs_and_its_result_is_the_output(
    context: FakeStepContext, language: str, function: str
) -> None:
    step = configured(function, language=language, inputs={"a": 1, "b": ["x", "y"]})
    assert not step.problems()
    assert await step.run(context) == {"n": 3}


@pytest.mark.parametrize(
    ("language", "function", "code"),
    [
        ("typescript", "function script(a: number): {", "script_syntax"),
        ("python", "def script(a):\nreturn a", "script_syntax"),
        ("typescript", "function other(a: number): number { return a; }", "script_function_missing"),
        ("typescript", "async function script(a: number): Promise<number> { return a; }", "script_asynchronous"),
        ("typescript", "function script(b: number): number { return b; }", "script_parameters"),
        ("javascript", "function script(a, b) { return a; }", "script_parameters"),
        ("typescript", "function script(a: number) { return a; }", "script_return_type"),
    ],
)
async def test_what_can_be_seen_without_running_is_a_problem_and_never_runs(
    context: FakeStepContext, language: str, function: str, code: str
) -> None:
    step = configured(function, language=language, inputs={"a": 1})
    assert [problem[0::2] for problem in step.problems()] == [("function", code)]
    with pytest.raises(StepError) as failed:
        await step.run(context)
    assert failed.value.code == code


def test_problems_are_found_when_the_workflow_is_checked() -> None:
    broken = TransformScript.example.replace("function script(lines:", "function script(rows:")
    assert [(issue.field, issue.code) for issue in automations.parse_workflow(broken).issues] == [
        ("steps.0.with.function", "script_parameters")
    ]


async def test_an_error_names_the_line_of_the_source(context: FakeStepContext) -> None:
    step = configured("function script(): number {\n  const n: number = 1;\n  throw new Error('No rope');\n}")
    with pytest.raises(StepError, match=r"No rope \(line 3\)") as failed:
        await step.run(context)
    assert (failed.value.code, failed.value.category) == ("script_error", "business")


async def test_a_result_that_breaks_its_annotation_fails_the_step(context: FakeStepContext) -> None:
    step = configured("function script(a: any): { total: number }[] { return [{ total: a }]; }", inputs={"a": "x"})
    with pytest.raises(StepError, match="total") as failed:
        await step.run(context)
    assert (failed.value.code, failed.value.category) == ("script_result_invalid", "validation")


@pytest.mark.parametrize(
    ("body", "code", "category"),
    [
        ("for (;;) {}", "script_timeout", "timeout"),
        ("const a = []; for (;;) a.push('x'.repeat(1000) + a.length);", "script_memory_limit", "validation"),
    ],
)
async def test_limits_stop_the_function(context: FakeStepContext, body: str, code: str, category: str) -> None:
    step = configured(f"function script(): any {{ {body} }}", timeout=500, memoryLimit=2 << 20)
    with pytest.raises(StepError) as failed:
        await step.run(context)
    assert (failed.value.code, failed.value.category) == (code, category)


@pytest.mark.parametrize(
    "config", [{"inputs": {"a-b": 1}}, {"timeout": 0}, {"memoryLimit": (1 << 20) - 1}, {"language": "ruby"}]
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        configured("function script(): any { return 1; }", **config)


ASKING = {"timeout": 30_001, "memoryLimit": (50 << 20) + 1}
FOREVER = "function script(): number { for (;;) {} }"


def caps(monkeypatch: pytest.MonkeyPatch, **given: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"ASSAY_SCRIPT_MAX_{name.upper()}", value)


def test_more_than_the_server_allows_is_said_when_the_workflow_is_checked() -> None:
    source = TransformScript.example.replace("    with:\n", "    with:\n      timeout: 30001\n", 1)
    (issue,) = automations.parse_workflow(source).issues
    assert (issue.field, issue.code) == ("steps.0.with.timeout", "script_limit")
    assert "ASSAY_SCRIPT_MAX_SECONDS" in issue.message


async def test_more_than_the_server_allows_does_not_run(context: FakeStepContext) -> None:
    step = configured("function script(): number { return 1; }", **ASKING)
    assert [problem[0] for problem in step.problems()] == ["timeout", "memoryLimit"]
    with pytest.raises(StepError) as failed:
        await step.run(context)
    assert (failed.value.code, failed.value.category) == ("script_limit", "validation")


async def test_the_server_may_allow_more(context: FakeStepContext, monkeypatch: pytest.MonkeyPatch) -> None:
    caps(monkeypatch, seconds="31", memory_mb="51")
    assert await configured("function script(): number { return 1; }", **ASKING).run(context) == 1


async def test_a_default_above_what_the_server_allows_is_lowered(
    context: FakeStepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    caps(monkeypatch, seconds="0.2", memory_mb="2")
    step = configured(FOREVER)
    assert not step.problems()
    with pytest.raises(StepError) as failed:
        await step.run(context)
    assert failed.value.code == "script_timeout"
    hungry = configured("function script(): number { return 'x'.repeat(4 << 20).length; }")
    with pytest.raises(StepError) as failed:
        await hungry.run(context)
    assert failed.value.code == "script_memory_limit"


def test_a_setting_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    caps(monkeypatch, seconds="soon")
    with pytest.raises(InvalidValueError, match="ASSAY_SCRIPT_MAX_SECONDS"):
        configured(FOREVER).problems()
