"""A step and an event as they are read back."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class StepTrace:
    """One executed or skipped step. `step_key` is its name and scope, unique within the run."""

    run_id: str
    step_key: str
    execution_order: int
    name: str
    type: str
    status: str
    skipped_reason: str | None
    override_mode: str | None
    scope: JsonValue
    config: JsonValue
    input: JsonValue
    output: JsonValue
    error: JsonValue
    usage: JsonValue
    attempts: JsonValue
    started_at: datetime
    completed_at: datetime

    @property
    def duration_ms(self) -> float:
        """Milliseconds, with microseconds behind the point."""
        return round((self.completed_at - self.started_at).total_seconds() * 1000, 3)


@dataclass(frozen=True, slots=True)
class NotedEvent:
    """Something out of the ordinary that the engine noted, such as a lost worker."""

    type: str
    created_at: datetime
    message: str | None
    metadata: JsonValue
