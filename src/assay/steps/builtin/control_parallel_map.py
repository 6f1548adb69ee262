"""`control.parallel_map`: runs its steps for several items at once."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.base import BlockShape, SkippedError, Step, StepContext
from assay.steps.iteration import ITERATION_OUTPUT, Items, Name, RawSteps, iterated, iteration_shape, run_iteration
from assay.steps.together import all_of


class ControlParallelMap(Step):
    """Run the same steps for each item of a list, several items at a time.

    Results stand in the order of the items, whichever is ready first. Each item runs in a scope of its own. When one
    item fails, no further items are begun and the run fails.
    """

    type_name = "control.parallel_map"
    config_beside_type = True
    literals = frozenset({"steps", "as", "indexAs"})
    output_schema: ClassVar[Mapping[str, Any] | None] = ITERATION_OUTPUT
    example: ClassVar[str] = """\
name: shout
version: 1.0.0
inputs:
  - { name: words, type: array, items: { type: string }, required: false, default: [hello, world] }
steps:
  - name: each
    type: control.parallel_map
    items: '{{ input.words }}'
    as: word
    concurrency: 2
    steps:
      - { name: loud, type: transform.set, with: { fields: { text: '{{ word | upcase }}!' } } }
output:
  texts: '{{ steps.each.output.items | map: "loud" | map: "text" }}'
"""

    items: Items = Field(description="The list to go through: a template that gives an array.")
    as_: Name = Field(alias="as", description="What the steps call the item.")
    index_as: Name = Field(default="index", alias="indexAs", description="What the steps call its place, from 0.")
    concurrency: int = Field(default=5, ge=1, le=50, description="How many items are worked on at once.")
    steps: RawSteps = Field(min_length=1, description="The steps to run for each item.")

    @override
    @classmethod
    def blocks(cls, config: Mapping[str, JsonValue]) -> Sequence[BlockShape]:
        return iteration_shape(config)

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if not self.items:
            raise SkippedError("empty", iterated([]))
        places = asyncio.Semaphore(self.concurrency)
        failed = asyncio.Event()

        async def one(index: int, item: JsonValue) -> JsonValue:
            async with places:
                if failed.is_set():
                    return None
                try:
                    return await run_iteration(context, "parallel-map-iteration", self.as_, self.index_as, index, item)
                except Exception:
                    failed.set()
                    raise

        return iterated(await all_of([one(index, item) for index, item in enumerate(self.items)]))
