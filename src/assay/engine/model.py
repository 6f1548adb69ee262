"""What the engine knows of a run: its states, a worker's claim on it, its step rows and how it can end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import JsonValue

from assay.db import Transaction


class RunStatus(StrEnum):
    """Where a run stands."""

    CREATED = "created"
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def finished(self) -> bool:
        """Whether nothing will happen to the run any more."""
        return self in FINISHED


FINISHED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.REJECTED})

TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.CREATED: frozenset({RunStatus.PENDING, RunStatus.CANCELLED, RunStatus.REJECTED}),
    RunStatus.PENDING: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset(
        {
            RunStatus.RUNNING,  # another worker takes over a lost run
            RunStatus.PENDING,  # handed back by a worker that stops
            RunStatus.WAITING,
            RunStatus.FINALIZING,
            RunStatus.COMPLETED,
            RunStatus.FAILED,
            RunStatus.CANCELLED,
        }
    ),
    RunStatus.WAITING: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED}),
    RunStatus.FINALIZING: frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
    RunStatus.REJECTED: frozenset(),
}
"""The legal changes of a run's state; `queries.sql` makes no others (a test watches every change)."""

StepStatus = Literal["success", "failure", "skipped", "cancelled", "waiting"]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step that ended, or waits: checkpoint and trace in one.

    The fields from `scope` to `attempts` are JSON texts as `jsontext.dump` writes them, so that a
    payload is serialised once.
    """

    step_key: str
    execution_order: int
    name: str
    type: str
    status: StepStatus
    started_at: datetime
    completed_at: datetime
    scope: str | None = None
    config: str | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    usage: str | None = None
    attempts: str | None = None
    skipped_reason: str | None = None
    override_mode: str | None = None


@dataclass(slots=True)
class Claim:
    """A run as this worker holds it, until another one claims it."""

    run_id: str
    organization_id: str
    automation_id: str
    kind: str
    version_id: str
    mode: str
    created_at: datetime
    started_at: datetime
    delivery: int
    lost_deliveries: int
    input: JsonValue
    overrides: JsonValue
    metadata: JsonValue
    batch_id: str | None = None
    example_id: str | None = None
    parent_run_id: str | None = None
    trigger_type: str = "api"
    input_size: int = 0
    """Characters of the input's JSON."""
    file_type: str | None = None
    """Media type of the first input file by path; None without files."""
    file_size: int = 0
    recorded: Mapping[str, StepRecord] = field(default_factory=dict[str, StepRecord])
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


Attachment = Callable[[Transaction], Awaitable[None]]
"""Something to be written in the same transaction as a step's row, or as the run's end."""


@dataclass(frozen=True, slots=True)
class Draw:
    """How an ended run stands in the review sample; drawn once. Sampled, it is queued for review as `item_id`.

    `rate` is the one of its `stratum` (None: the automation's own), `probability` that of getting into the sample.
    """

    rate: float
    probability: float
    sampled: bool
    stratum: str | None = None
    item_id: str | None = None
    reason: str = "random"
    priority: int = 0
    slots: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is written with the end of a run beside its result. `features` is JSON text."""

    attachment: Attachment | None = None
    features: str | None = None
    draw: Draw | None = None


@dataclass(frozen=True, slots=True)
class Completed(Ending):
    """The run reached its end. `output`, `output_sources` and `usage` are JSON texts."""

    output: str
    output_sources: str | None = None
    schema_valid: bool | None = None
    usage: str | None = None


@dataclass(frozen=True, slots=True)
class Failed(Ending):
    """The run ended with an error; `status_code` is what a waiting caller is answered."""

    code: str
    message: str
    step: str | None = None
    category: str = "unknown"
    status_code: int | None = None
    usage: str | None = None


@dataclass(frozen=True, slots=True)
class Cancelled(Ending):
    """The run stopped because somebody asked for it."""

    usage: str | None = None


@dataclass(frozen=True, slots=True)
class Suspended:
    """The run waits: it is queued again, and goes on from its recorded steps at this moment."""

    until: datetime


Outcome = Completed | Failed | Cancelled | Suspended


class SupersededError(Exception):
    """Another worker holds the run now, or it is finished: this one writes no more."""
