"""`transform.set`: puts named values into one object."""

from typing import ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.base import Step, StepContext


class TransformSet(Step):
    """Put named values into one object.

    The output is `input` with every entry of `fields` added at its top level; an entry of the same name is replaced.
    """

    type_name = "transform.set"
    example: ClassVar[str] = """\
name: greeting
version: 1.0.0
inputs:
  - { name: customer, type: string, required: false, default: Ada }
steps:
  - name: letter
    type: transform.set
    with:
      input: { language: en, subject: none yet }
      fields:
        subject: Welcome
        text: 'Dear {{ input.customer }}, your account is open.'
output: '{{ steps.letter.output }}'
"""

    fields: dict[str, JsonValue] = Field(
        min_length=1,
        description="The values to set, by name. Templates keep their type: numbers, lists and objects too.",
    )
    input: dict[str, JsonValue] = Field(
        default_factory=dict[str, JsonValue], description="The object to start from. Nothing is taken over if absent."
    )

    @override
    async def run(self, context: StepContext) -> JsonValue:
        return {**self.input, **self.fields}
