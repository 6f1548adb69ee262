"""`transform.remove`: takes named fields out of an object."""

from typing import ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.base import Step, StepContext


class TransformRemove(Step):
    """Take named fields out of an object.

    The output is `input` without the entries that `fields` names, at its top level only. A name it does not have
    changes nothing.
    """

    type_name = "transform.remove"
    example: ClassVar[str] = """\
name: without-secrets
version: 1.0.0
inputs:
  - name: customer
    type: object
    required: false
    default: { name: Ada, iban: DE02 1203 0000 0000 2020 51 }
steps:
  - name: shown
    type: transform.remove
    with:
      input: '{{ input.customer }}'
      fields: [iban]
output: '{{ steps.shown.output }}'
"""

    fields: tuple[str, ...] = Field(min_length=1, description="Names of the entries to leave out.")
    input: dict[str, JsonValue] = Field(
        default_factory=dict[str, JsonValue], description="The object to start from. Empty if absent."
    )

    @override
    async def run(self, context: StepContext) -> JsonValue:
        unwanted = frozenset(self.fields)
        return {name: value for name, value in self.input.items() if name not in unwanted}
