from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import JsonValue, ValidationError
from tests.fakes.step_context import FakeStepContext

from assay.steps import BlockShape, ScopeEntry, StepError
from assay.steps.builtin.control_if import ControlIf

INNER: list[dict[str, JsonValue]] = [{"name": "inner", "type": "transform.set", "with": {"fields": {"a": 1}}}]


async def outputs(block: str, variables: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    assert not variables
    return {"first": 1, "second": {"then": "yes", "else": "no"}[block]}


async def decide(**config: Any) -> tuple[JsonValue, list[ScopeEntry]]:
    context = FakeStepContext(run_inner=outputs, name="decide")
    output = await ControlIf.model_validate({"then": INNER, **config}).run(context)
    return output, context.scopes


async def test_a_true_condition_runs_then_and_gives_its_last_output() -> None:
    output, scopes = await decide(condition=True)
    assert output == {"condition": True, "branch": "then", "result": "yes"}
    assert scopes == [ScopeEntry("if-then", "decide")]


async def test_a_false_condition_runs_else() -> None:
    output, scopes = await decide(**{"condition": False, "else": INNER})
    assert output == {"condition": False, "branch": "else", "result": "no"}
    assert scopes == [ScopeEntry("if-else", "decide")]


@pytest.mark.parametrize("rest", [{}, {"else": []}])
async def test_without_else_nothing_runs(rest: dict[str, Any]) -> None:
    output, scopes = await decide(condition=False, **rest)
    assert output == {"condition": False, "branch": "else", "result": None}
    assert scopes == []


async def test_a_block_whose_steps_are_all_skipped_has_no_result() -> None:
    step = ControlIf.model_validate({"condition": True, "then": INNER})
    assert await step.run(FakeStepContext()) == {"condition": True, "branch": "then", "result": None}


async def test_a_failing_inner_step_fails_the_step() -> None:
    async def fail(block: str, variables: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        raise StepError("inner_failed", f"{block} {variables}")

    with pytest.raises(StepError, match="then"):
        await ControlIf.model_validate({"condition": True, "then": INNER}).run(FakeStepContext(run_inner=fail))


def test_blocks_are_found_where_they_are_written() -> None:
    assert ControlIf.blocks({"then": []}) == (BlockShape(("then",)),)
    assert ControlIf.blocks({"then": [], "else": []}) == (BlockShape(("then",)), BlockShape(("else",)))


@pytest.mark.parametrize("config", [{}, {"condition": "yes", "then": INNER}, {"condition": True, "then": []}])
def test_a_wrong_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ControlIf.model_validate(config)
