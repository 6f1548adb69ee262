"""`action.invoke-workflow`: uses another workflow as a step."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import AliasChoices, Field, JsonValue
from typing_extensions import override

from assay.steps.base import Effect, Step, StepContext, StepError

DEFAULT_TIMEOUT_MS = 300_000
PATIENCE = 0.25
"""Of the time that a child has taken, the next look at it waits this much longer: each one reads what the run has."""
LONGEST_PAUSE_SECONDS = 30.0


class ActionInvokeWorkflow(Step):
    """Run another workflow, inside this run or as a run of its own.

    Inline, its steps become part of this run's trace. As a child it is a run of its own that this one waits for
    (without holding a worker) or not. Either way its current version is used, and a circle of calls is refused.

    The output is that of the workflow. Files in it are files of this run, and `files` lists all that its steps made
    (unless its output has a field of that name, or is no object). With `wait: false` the output is `{id, status}`.

    A child that is waited for does not outlive the waiting: when this run is cancelled or fails, because `timeout`
    passed (`child_timeout`) or for any other reason, the child is cancelled too, and so is what it waits for itself.
    With `wait: false` it goes on.
    """

    type_name = "action.invoke-workflow"
    example: ClassVar[str] = """\
name: delegate
version: 1.0.0
inputs:
  - { name: workflow, type: string, required: false, default: '' }
steps:
  - name: call
    type: action.invoke-workflow
    if: '{{ input.workflow != "" }}'
    with:
      workflow: '{{ input.workflow }}'
      input: { text: hello }
output:
  called: '{{ steps.call.status }}'
"""

    workflow: str = Field(
        min_length=1,
        max_length=200,
        # The name that older files use.
        validation_alias=AliasChoices("workflow", "workflowId"),
        description="Name of the workflow, or its id. Older files call it `workflowId`.",
    )
    execution: Literal["inline", "child"] = Field(
        default="inline", description="`inline`: as part of this run. `child`: as a run of its own."
    )
    input: dict[str, JsonValue] = Field(
        default_factory=dict[str, JsonValue], description="The workflow's inputs. Keys it does not declare are refused."
    )
    wait: bool = Field(default=True, description="For a child: whether this run goes on only when the child ended.")
    timeout: int = Field(
        default=DEFAULT_TIMEOUT_MS, ge=1, description="For a child: how long to wait for it, in milliseconds."
    )
    poll_interval: int = Field(
        default=1000,
        ge=100,
        alias="pollInterval",
        description="For a child: how soon it is looked at again, in milliseconds; a long one less and less often. Its"
        " end is told as well, and then the run goes on at once.",
    )

    @override
    @classmethod
    def invoked_workflow(cls, config: Mapping[str, JsonValue]) -> str | None:
        name = config.get("workflow", config.get("workflowId"))
        return name if isinstance(name, str) and "{{" not in name and "{%" not in name else None

    @override
    def effect_now(self) -> Effect:
        return Effect.PURE if self.execution == "inline" else Effect.WRITE

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if self.execution == "inline":
            return await context.invoke(self.workflow, self.input)
        run_id = await context.start_child(self.workflow, self.input, waited_for=self.wait)
        if not self.wait:
            return {"id": run_id, "status": (await context.child(run_id)).status}
        return await self._ended(context, run_id)

    async def _ended(self, context: StepContext, run_id: str) -> JsonValue:
        while True:
            child = await context.child(run_id)
            if child.finished:
                break
            if context.elapsed * 1000 >= self.timeout:
                message = f"{self.workflow} ({run_id}) did not end within {self.timeout} ms."
                raise StepError("child_timeout", message, category="timeout")
            pause = max(self.poll_interval / 1000, min(context.elapsed * PATIENCE, LONGEST_PAUSE_SECONDS))
            await context.wait(min(context.elapsed + pause, self.timeout / 1000))
        if child.status != "completed":
            message = f"{self.workflow} ({run_id}) ended as {child.status}: {child.error or 'no message'}"
            raise StepError("child_failed", message, category="business")
        return await context.take_over(run_id, child.output)
