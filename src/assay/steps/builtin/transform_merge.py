"""`transform.merge`: gathers the values of several steps."""

from typing import ClassVar

from pydantic import Field, JsonValue, field_validator
from typing_extensions import override

from assay.steps.base import Step, StepContext


class TransformMerge(Step):
    """Gather the values of several steps.

    The output has the values of `inputs` as the list `items`, how many they are as `count` and, while port names are
    preserved, the values by name under `merged` (or the name that `outputKey` gives).
    """

    type_name = "transform.merge"
    example: ClassVar[str] = """\
name: both-addresses
version: 1.0.0
inputs:
  - { name: home, type: string, required: false, default: London }
  - { name: work, type: string, required: false, default: Cambridge }
steps:
  - name: addresses
    type: transform.merge
    with:
      inputs:
        home: '{{ input.home }}'
        work: '{{ input.work }}'
      outputKey: by_kind
output:
  all: '{{ steps.addresses.output.items }}'
  by_kind: '{{ steps.addresses.output.by_kind }}'
"""

    inputs: dict[str, JsonValue] = Field(
        min_length=1, max_length=1000, description="The values, usually templates, each under its port's name."
    )
    preserve_port_names: bool = Field(
        default=True, alias="preservePortNames", description="Whether the values can be read by name too."
    )
    output_key: str = Field(
        default="merged",
        alias="outputKey",
        pattern="^[^.]{1,200}$",
        description="Where the values stand by name; not `items` or `count`.",
    )

    @field_validator("output_key")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in {"items", "count"}:
            raise ValueError(f"{name!r} is taken by another part of the output.")
        return name

    @override
    async def run(self, context: StepContext) -> JsonValue:
        gathered: dict[str, JsonValue] = {"items": list(self.inputs.values()), "count": len(self.inputs)}
        if self.preserve_port_names:
            gathered[self.output_key] = dict(self.inputs)
        return gathered
