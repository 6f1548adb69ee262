"""`control.foreach`: runs its steps once for each item, one after the other."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.base import BlockShape, SkippedError, Step, StepContext
from assay.steps.iteration import ITERATION_OUTPUT, Items, Name, RawSteps, iterated, iteration_shape, run_iteration


class ControlForeach(Step):
    """Run the same steps for each item of a list, one item after the other.

    Each item runs in a scope of its own: its steps see the item and everything before the loop, and nothing of
    other items. An empty list skips the steps; the output then has no items.
    """

    type_name = "control.foreach"
    config_beside_type = True
    literals = frozenset({"steps", "as", "indexAs"})
    output_schema: ClassVar[Mapping[str, Any] | None] = ITERATION_OUTPUT
    example: ClassVar[str] = """\
name: line-totals
version: 1.0.0
inputs:
  - name: lines
    type: array
    items: { type: object }
    required: false
    default: [{ quantity: 2, price: 5 }, { quantity: 1, price: 7.5 }]
steps:
  - name: each
    type: control.foreach
    items: '{{ input.lines }}'
    as: line
    steps:
      - name: total
        type: transform.set
        with: { fields: { total: '{{ line.quantity | times: line.price }}' } }
output:
  totals: '{{ steps.each.output.items }}'
"""

    items: Items = Field(description="The list to go through: a template that gives an array.")
    as_: Name = Field(alias="as", description="What the steps call the item.")
    index_as: Name = Field(default="index", alias="indexAs", description="What the steps call its place, from 0.")
    steps: RawSteps = Field(min_length=1, description="The steps to run for each item.")

    @override
    @classmethod
    def blocks(cls, config: Mapping[str, JsonValue]) -> Sequence[BlockShape]:
        return iteration_shape(config)

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if not self.items:
            raise SkippedError("empty", iterated([]))
        results = [
            await run_iteration(context, "foreach-iteration", self.as_, self.index_as, index, item)
            for index, item in enumerate(self.items)
        ]
        return iterated(results)
