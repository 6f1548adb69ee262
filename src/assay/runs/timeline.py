"""A run's life as a list of events, told from its row, its steps and what the engine noted.

Event types: `run.created`, `run.started`, `step.completed`, `step.failed`, `step.skipped`,
`step.cancelled`, `step.waiting`, `run.input_ignored`, `run.redelivered`, `run.cancel_requested`, and `run.completed`,
`run.failed`, `run.cancelled` or `run.rejected` at the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from assay.engine import FINISHED
from assay.runs.model import RunDetail
from assay.traces import NotedEvent, StepTrace

_STEP_EVENTS = {
    "success": "step.completed",
    "failure": "step.failed",
    "skipped": "step.skipped",
    "cancelled": "step.cancelled",
    "waiting": "step.waiting",
}

_PLACES = {"run.created": 0, **{f"run.{status.value}": 2 for status in FINISHED}}


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a run's life; `status` is the run's or the step's from then on."""

    type: str
    at: datetime
    status: str | None = None
    message: str | None = None
    metadata: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


def timeline(run: RunDetail, steps: Sequence[StepTrace], noted: Sequence[NotedEvent]) -> list[Event]:
    """Tell a run's life in order of time; it begins and ends as it did, whatever the clocks of its workers say."""
    told = [*_of_run(run), *map(_of_step, steps), *map(_of_note, noted)]
    return sorted(told, key=lambda event: (_PLACES.get(event.type, 1), event.at))


def _of_run(run: RunDetail) -> Iterator[Event]:
    summary = run.summary
    yield Event("run.created", summary.created_at, "pending", metadata={"trigger": summary.trigger_type})
    if summary.started_at is not None:
        version: dict[str, JsonValue] = {"version": summary.version_label, "reason": summary.version_reason}
        yield Event("run.started", summary.started_at, "running", metadata=version)
    if summary.cancel_requested_at is not None:
        yield Event("run.cancel_requested", summary.cancel_requested_at)
    if summary.completed_at is not None:
        failure = run.failure
        about: dict[str, JsonValue] = {} if failure is None else {"code": failure.code, "step": failure.step}
        kind = f"run.{summary.status.value}"
        yield Event(kind, summary.completed_at, summary.status.value, summary.error, about)


def _of_step(step: StepTrace) -> Event:
    error = step.error if isinstance(step.error, dict) else {}
    message = error.get("message")
    about: dict[str, JsonValue] = {"step": step.name, "type": step.type, "durationMs": step.duration_ms}
    said = message if isinstance(message, str) else None
    return Event(_STEP_EVENTS[step.status], step.completed_at, step.status, said, about)


def _of_note(note: NotedEvent) -> Event:
    about = note.metadata if isinstance(note.metadata, dict) else {}
    return Event(note.type, note.created_at, None, note.message, about)
