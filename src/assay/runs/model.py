"""What a run is: where it came from, where it stands, what it left."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from assay.engine import RunStatus
from assay.files import Artifact

RunMode = Literal["live", "shadow", "eval"]
ReviewState = Literal["ignored", "regressed", "open", "passed", "failed", "unreviewed"]
TriggerType = Literal["api", "cli", "manual", "eval", "email", "webhook", "schedule"]

Standing = tuple[str | None, str | None]
"""Status and rating of a run's feedback."""

SAMPLE_BITS = 53


def sample_rank(organization_id: str, run_id: str) -> float:
    """Return the run's place in [0, 1): the first 53 bits of SHA-256 of `<organization>:<run>` over 2^53.

    A run is in the sample of rate r when its rank is below r, so raising the rate keeps earlier members.
    """
    digest = hashlib.sha256(f"{organization_id}:{run_id}".encode()).digest()
    return (int.from_bytes(digest[:8]) >> (64 - SAMPLE_BITS)) / 2**SAMPLE_BITS


@dataclass(frozen=True, slots=True)
class Chosen:
    """The exact version that serves a call, and why."""

    automation_id: str
    kind: str
    version_id: str
    version_label: str | None
    requested_ref: str | None
    reason: str
    concurrency_limit: int | None


@dataclass(frozen=True, slots=True)
class NewRun:
    """Everything that is known of a run when it starts. `input` is what the steps will read."""

    id: str
    organization_id: str
    chosen: Chosen
    mode: RunMode
    trigger_type: TriggerType
    triggered_by: str | None
    input: Mapping[str, JsonValue]
    overrides: JsonValue = None
    metadata: JsonValue = None
    artifacts: Sequence[Artifact] = ()
    routing_key: str | None = None
    parent_run_id: str | None = None
    parent_waits: bool = False
    root_run_id: str | None = None
    retry_number: int = 0
    previous_run_id: str | None = None
    awaited: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """Who started a run."""

    id: str
    name: str | None
    email: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, and what its caller is answered."""

    code: str
    message: str
    step: str | None
    category: str
    status_code: int | None


@dataclass(frozen=True, slots=True)
class BatchRun:
    """A run of an example as it is written: rejected, if there is a failure already."""

    id: str
    example_id: str
    example_name: str
    input: Mapping[str, JsonValue]
    artifacts: Sequence[Artifact]
    overrides: JsonValue
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as lists show it: no payload."""

    id: str
    kind: str
    status: RunStatus
    mode: RunMode
    automation_id: str
    automation_slug: str
    automation_name: str | None
    current_version: str | None
    version_id: str
    version_label: str | None
    requested_ref: str | None
    version_reason: str
    routing_key: str | None
    parent_run_id: str | None
    root_run_id: str
    batch_id: str | None
    example_id: str | None
    example_name: str | None
    trigger_type: str
    triggered_by: Person | None
    sample_rank: float
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    schema_valid: bool | None
    error: str | None
    retry_number: int
    previous_run_id: str | None
    next_run_id: str | None
    next_run_status: str | None
    score: float | None
    passed: bool | None
    review_state: ReviewState | None
    sampled: bool
    is_reviewed: bool

    @property
    def duration_ms(self) -> int | None:
        """Milliseconds from start to end, None while it runs or if it never did."""
        if self.started_at is None or self.completed_at is None:
            return None
        return round((self.completed_at - self.started_at).total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run with what it left."""

    summary: RunSummary
    output: JsonValue = None
    output_sources: JsonValue = None
    failure: Failure | None = None
    usage: JsonValue = None
    output_files: Sequence[Artifact] = ()


@dataclass(frozen=True, slots=True)
class RunInput:
    """What a run was given."""

    input: Mapping[str, JsonValue]
    overrides: JsonValue
    metadata: JsonValue


@dataclass(frozen=True, slots=True)
class RunFilters:
    """Which runs a list shows; None or empty means all. Several values of one filter are alternatives.

    What is said of feedback is what everybody sees of it. `standings` are pairs of its status and rating that are
    wanted, each None where it has none; no pair at all means no run. `feedback_contains` is a part of its body, in
    capitals or not. `since_last_resolved` shows, of each automation, what was created after the newest run whose
    feedback is resolved. `error_codes` and `error_steps` say why and where runs failed. `sample_rate` shows the sample
    of that rate, `sampled` what was drawn when the run ended.
    """

    kinds: Sequence[str] = ()
    automations: Sequence[str] = ()
    statuses: Sequence[str] = ()
    triggers: Sequence[str] = ()
    triggered_by: Sequence[str] = ()
    version_labels: Sequence[str] = ()
    modes: Sequence[str] = ()
    error_codes: Sequence[str] = ()
    error_steps: Sequence[str] = ()
    batch_ids: Sequence[str] = ()
    example_ids: Sequence[str] = ()
    example_id_contains: str | None = None
    experiments: bool = True
    created_after: datetime | None = None
    created_before: datetime | None = None
    completed_after: datetime | None = None
    completed_before: datetime | None = None
    ids: Sequence[str] | None = None
    has_example: bool | None = None
    review_states: Sequence[ReviewState] = ()
    sampled: bool | None = None
    sample_rate: float | None = None
    has_feedback: bool | None = None
    standings: Sequence[Standing] | None = None
    has_expected: bool | None = None
    has_expected_json: bool | None = None
    has_expected_files: bool | None = None
    has_corrections: bool | None = None
    is_promoted: bool | None = None
    promoted_example_names: Sequence[str] = ()
    feedback_contains: str | None = None
    feedback_created_after: datetime | None = None
    feedback_created_before: datetime | None = None
    feedback_updated_after: datetime | None = None
    feedback_updated_before: datetime | None = None
    feedback_resolved_after: datetime | None = None
    feedback_resolved_before: datetime | None = None
    since_last_resolved: bool = False


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of a list; `next_cursor` is None at its end."""

    runs: Sequence[RunSummary] = field(default_factory=list[RunSummary])
    next_cursor: str | None = None


SYSTEM = "__system__"
"""The filter value that stands for runs nobody started."""
