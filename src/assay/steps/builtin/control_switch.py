"""`control.switch`: runs the steps of the case that matches a value."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool
from typing_extensions import override

from assay.steps.base import BlockShape, ScopeEntry, Step, StepContext

RawSteps = list[dict[str, JsonValue]]


class Case(BaseModel):
    """One value, and the steps that run for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: str | StrictBool | int | float = Field(description="The value this case is for. Compared as text.")
    steps: RawSteps = Field(min_length=1, description="The steps to run when the value is this one.")


class ControlSwitch(Step):
    """Run the steps of the first case whose value matches.

    Values are compared as text, so `1` matches `'1'` and `true` matches `'true'`. Inner steps share the outer scope.
    """

    type_name = "control.switch"
    config_beside_type = True
    literals = frozenset({"cases", "default"})
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "matched": {"description": "The value of the case that matched; null if none did."},
            "branch": {"enum": ["case", "default", "none"], "description": "What ran."},
            "result": {"description": "Output of the last inner step that ran; null if none did."},
        },
        "required": ["matched", "branch", "result"],
        "additionalProperties": False,
    }
    example: ClassVar[str] = """\
name: route-by-kind
version: 1.0.0
inputs:
  - { name: kind, type: string, required: false, default: invoice }
steps:
  - name: route
    type: control.switch
    on: '{{ input.kind }}'
    cases:
      - when: invoice
        steps:
          - { name: invoice, type: transform.set, with: { fields: { team: accounting } } }
      - when: contract
        steps:
          - { name: contract, type: transform.set, with: { fields: { team: legal } } }
    default:
      - { name: other, type: transform.set, with: { fields: { team: front desk } } }
output:
  team: '{{ steps.route.output.result.team }}'
"""

    on: JsonValue = Field(description="The value to look at: a template, text, a number or a boolean.")
    cases: list[Case] = Field(min_length=1, max_length=100, description="The cases, tried in order.")
    default: RawSteps = Field(
        default_factory=RawSteps, description="The steps to run when no case matches. If absent, nothing runs."
    )

    @override
    @classmethod
    def blocks(cls, config: Mapping[str, JsonValue]) -> Sequence[BlockShape]:
        cases = config.get("cases")
        count = len(cases) if isinstance(cases, list) else 0
        shapes = [BlockShape(("cases", index, "steps")) for index in range(count)]
        return [*shapes, BlockShape(("default",))] if "default" in config else shapes

    @override
    async def run(self, context: StepContext) -> JsonValue:
        wanted = as_text(self.on)
        for index, case in enumerate(self.cases):
            if as_text(case.when) == wanted:
                scope = ScopeEntry("switch-case", context.step_name, str(index), {"when": case.when})
                block = await context.run_block(f"cases.{index}.steps", scope=scope)
                return {"matched": case.when, "branch": "case", "result": block.last}
        if not self.default:
            return {"matched": None, "branch": "none", "result": None}
        block = await context.run_block("default", scope=ScopeEntry("switch-case", context.step_name, "default"))
        return {"matched": None, "branch": "default", "result": block.last}


def as_text(value: JsonValue) -> str:
    """Write a value as it stands in a file: `true`, `1`, `null`; texts as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
