"""`control.wait`: lets time pass."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps.base import Step, StepContext

MAX_DURATION_MS = 30 * 24 * 3600 * 1000


class ControlWait(Step):
    """Wait before the next step.

    No worker is held meanwhile, and a restart loses nothing: the run is `waiting` and goes on when the time has come.
    """

    type_name = "control.wait"
    config_beside_type = True
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {"waited": {"type": "number", "description": "Milliseconds."}},
        "required": ["waited"],
        "additionalProperties": False,
    }
    example: ClassVar[str] = """\
name: patient
version: 1.0.0
steps:
  - { name: pause, type: control.wait, duration: 50 }
output:
  waited: '{{ steps.pause.output.waited }}'
"""

    duration: float = Field(ge=0, le=MAX_DURATION_MS, description="How long, in milliseconds; at most 30 days.")

    @override
    async def run(self, context: StepContext) -> JsonValue:
        await context.wait(self.duration / 1000)
        return {"waited": self.duration}
