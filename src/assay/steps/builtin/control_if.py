"""`control.if`: runs one of two lists of steps."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, JsonValue, StrictBool
from typing_extensions import override

from assay.steps.base import BlockShape, ScopeEntry, Step, StepContext


class ControlIf(Step):
    """Run one list of steps or another, depending on a condition.

    Inner steps share the outer scope: later steps of the workflow see the outputs of those that ran.
    """

    type_name = "control.if"
    config_beside_type = True
    conditions = frozenset({"condition"})
    literals = frozenset({"then", "else"})
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "condition": {"type": "boolean", "description": "What the condition came to."},
            "branch": {"enum": ["then", "else"], "description": "The list that was chosen."},
            "result": {"description": "Output of the last inner step that ran; null if none did."},
        },
        "required": ["condition", "branch", "result"],
        "additionalProperties": False,
    }
    example: ClassVar[str] = """\
name: approval
version: 1.0.0
inputs:
  - { name: total, type: number, required: false, default: 1250 }
steps:
  - name: limit
    type: control.if
    condition: '{{ input.total > 1000 }}'
    then:
      - { name: manual, type: transform.set, with: { fields: { approval: manager } } }
    else:
      - { name: automatic, type: transform.set, with: { fields: { approval: none } } }
output:
  approval: '{{ steps.limit.output.result.approval }}'
"""

    condition: StrictBool = Field(
        description="A template or a boolean. Only false, null and what is missing are false; 0 and empty texts are "
        "true."
    )
    then: list[dict[str, JsonValue]] = Field(min_length=1, description="The steps to run when the condition is true.")
    otherwise: list[dict[str, JsonValue]] = Field(
        default_factory=list[dict[str, JsonValue]],
        alias="else",
        description="The steps to run when the condition is false. If absent, nothing runs and the result is null.",
    )

    @override
    @classmethod
    def blocks(cls, config: Mapping[str, JsonValue]) -> Sequence[BlockShape]:
        return tuple(BlockShape((name,)) for name in ("then", "else") if name in config)

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if self.condition:
            block = await context.run_block("then", scope=ScopeEntry("if-then", context.step_name))
            return {"condition": True, "branch": "then", "result": block.last}
        if not self.otherwise:
            return {"condition": False, "branch": "else", "result": None}
        block = await context.run_block("else", scope=ScopeEntry("if-else", context.step_name))
        return {"condition": False, "branch": "else", "result": block.last}
