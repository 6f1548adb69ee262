"""`control.parallel`: runs several lists of steps at once."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from assay.steps.base import BlockShape, ScopeEntry, Step, StepContext
from assay.steps.together import all_of


class Branch(BaseModel):
    """A list of steps that runs beside the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", max_length=64, description="Name of the branch.")
    steps: list[dict[str, JsonValue]] = Field(min_length=1, description="The steps of the branch, in order.")


class ControlParallel(Step):
    """Run several lists of steps at the same time.

    A branch sees what came before the step and its own earlier steps, and nothing of the other branches. When one
    branch fails, the others come to their end and then the run fails, naming the step.
    """

    type_name = "control.parallel"
    config_beside_type = True
    literals = frozenset({"branches"})
    example: ClassVar[str] = """\
name: two-views
version: 1.0.0
inputs:
  - { name: text, type: string, required: false, default: 'Total: 12' }
steps:
  - name: both
    type: control.parallel
    branches:
      - name: loud
        steps:
          - { name: upper, type: transform.set, with: { fields: { text: '{{ input.text | upcase }}' } } }
      - name: quiet
        steps:
          - { name: lower, type: transform.set, with: { fields: { text: '{{ input.text | downcase }}' } } }
output:
  loud: '{{ steps.both.output.loud.upper.text }}'
  quiet: '{{ steps.both.output.quiet.lower.text }}'
"""

    branches: list[Branch] = Field(min_length=1, max_length=50, description="The lists of steps, each with a name.")

    @override
    @classmethod
    def blocks(cls, config: Mapping[str, JsonValue]) -> Sequence[BlockShape]:
        branches = config.get("branches")
        count = len(branches) if isinstance(branches, list) else 0
        return [BlockShape(("branches", index, "steps"), isolated=True) for index in range(count)]

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        names = [branch.name for branch in self.branches]
        return [
            (f"branches.{index}.name", f"There are two branches named {name!r}.", "invalid_value")
            for index, name in enumerate(names)
            if name in names[:index]
        ]

    @override
    async def run(self, context: StepContext) -> JsonValue:
        async def one(index: int, branch: Branch) -> JsonValue:
            scope = ScopeEntry("parallel-branch", context.step_name, branch.name, {"branchName": branch.name})
            block = await context.run_block(f"branches.{index}.steps", scope=scope)
            return dict(block.outputs)

        outputs = await all_of([one(index, branch) for index, branch in enumerate(self.branches)])
        return {branch.name: output for branch, output in zip(self.branches, outputs, strict=True)}
