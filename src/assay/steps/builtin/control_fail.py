"""`control.fail`: ends the run as failed, on purpose."""

from typing import ClassVar

from pydantic import Field, JsonValue, StrictBool
from typing_extensions import override

from assay.steps.base import Step, StepContext, StepError


class ControlFail(Step):
    """End the run as failed, with a message of your own.

    The run's failure has the code `control_fail` and the category `business`. Who waits for the run is answered the
    status code. When the condition is false the workflow goes on, and the step's output is null.
    """

    type_name = "control.fail"
    config_beside_type = True
    conditions = frozenset({"condition"})
    example: ClassVar[str] = """\
name: known-currency
version: 1.0.0
inputs:
  - { name: currency, type: string, required: false, default: EUR }
steps:
  - name: guard
    type: control.fail
    condition: '{{ input.currency != "EUR" and input.currency != "GBP" }}'
    statusCode: 422
    message: 'We do not take {{ input.currency }}.'
output:
  currency: '{{ input.currency }}'
"""

    message: str = Field(
        min_length=1,
        coerce_numbers_to_str=True,
        description="Why the run fails, for the person who reads it. Templates are filled in.",
    )
    status_code: int = Field(
        default=422,
        ge=400,
        le=599,
        alias="statusCode",
        description="HTTP status of the answer to who waits for the run.",
    )
    condition: StrictBool = Field(
        default=True,
        description="Fail only if this is true: a template or a boolean. Only false, null and what is missing are "
        "false. If absent, the run always fails here.",
    )

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if not self.condition:
            return None
        raise StepError("control_fail", self.message, category="business", status_code=self.status_code)
