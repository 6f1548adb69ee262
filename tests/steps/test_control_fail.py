from typing import Any

import pytest
from pydantic import ValidationError
from tests.fakes.step_context import FakeStepContext

from assay.steps import StepError
from assay.steps.builtin.control_fail import ControlFail


async def failure(**config: Any) -> StepError:
    with pytest.raises(StepError) as failed:
        await ControlFail.model_validate(config).run(FakeStepContext())
    return failed.value


async def test_without_a_condition_the_run_fails_with_its_message_and_422() -> None:
    error = await failure(message="No total found.")
    assert (error.code, error.message, error.status_code, error.category) == (
        "control_fail",
        "No total found.",
        422,
        "business",
    )


async def test_the_status_code_is_the_one_that_is_written() -> None:
    assert (await failure(message="Gone.", statusCode=410, condition=True)).status_code == 410


async def test_a_message_that_came_to_a_number_is_shown() -> None:
    assert (await failure(message=42)).message == "42"


async def test_a_false_condition_lets_the_workflow_go_on() -> None:
    step = ControlFail.model_validate({"message": "No.", "condition": False})
    assert await step.run(FakeStepContext()) is None


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"message": ""},
        {"message": "No.", "statusCode": 399},
        {"message": "No.", "statusCode": 600},
        {"message": "No.", "condition": "no"},
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ControlFail.model_validate(config)
