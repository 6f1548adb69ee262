"""What the loops have in common: their scope, their limits and the shape of their output."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from assay.steps.base import BlockShape, ScopeEntry, StepContext

MAX_ITEMS = 100_000
Items = Annotated[list[JsonValue], Field(max_length=MAX_ITEMS)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
RawSteps = list[dict[str, JsonValue]]

ITERATION_OUTPUT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {"type": "object"},
            "description": "For each item, the output of its last step under that step's name.",
        },
        "count": {"type": "integer", "description": "How many items have a result."},
        "totalIterations": {"type": "integer", "description": "How many items there were."},
    },
    "required": ["items", "count", "totalIterations"],
    "additionalProperties": False,
}


def iteration_shape(config: Mapping[str, JsonValue]) -> Sequence[BlockShape]:
    """Say what the steps of a loop can see: the item and its place, also by the names everybody knows."""
    names = [config.get("as"), config.get("indexAs", "index"), "item", "index"]
    variables = tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
    return (BlockShape(("steps",), variables, isolated=True),)


async def run_iteration(
    context: StepContext,
    kind: Literal["foreach-iteration", "parallel-map-iteration"],
    as_: str,
    index_as: str,
    index: int,
    item: JsonValue,
) -> JsonValue:
    """Run the steps for one item; return the last step's output under its name.

    Raises:
        StepError: one of the steps failed.
    """
    scope = ScopeEntry(kind, context.step_name, str(index), {"iterationIndex": index})
    variables: dict[str, JsonValue] = {"item": item, "index": index, as_: item, index_as: index}
    block = await context.run_block("steps", scope=scope, variables=variables)
    last = list(block.outputs)[-1:]
    return {name: block.outputs[name] for name in last}


def iterated(results: Sequence[JsonValue]) -> JsonValue:
    """Build the output of a loop."""
    return {"items": list(results), "count": len(results), "totalIterations": len(results)}
