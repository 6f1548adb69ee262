import pytest
from pydantic import ValidationError
from tests.fakes.step_context import FakeStepContext

from assay.steps.builtin.transform_set import TransformSet


async def test_fields_are_added_to_the_input_and_replace_what_it_had() -> None:
    step = TransformSet.model_validate({"input": {"a": 1, "b": {"x": 1}}, "fields": {"b": [2], "c": None}})
    assert await step.run(FakeStepContext()) == {"a": 1, "b": [2], "c": None}


async def test_without_an_input_the_fields_are_all_there_is() -> None:
    assert await TransformSet.model_validate({"fields": {"a": True}}).run(FakeStepContext()) == {"a": True}


@pytest.mark.parametrize("config", [{}, {"fields": {}}, {"fields": []}, {"fields": {"a": 1}, "input": [1]}])
def test_a_wrong_configuration_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TransformSet.model_validate(config)
