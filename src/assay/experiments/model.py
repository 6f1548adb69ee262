"""What an experiment is: a version run over examples as they were, and graded by evaluators as they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from assay.ids import derived_id

Status = Literal["queued", "running", "completed"]
RunVerdict = Literal["pass", "fail", "error", "ungraded", "cancelled"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody asks for. `example_ids` None is the whole dataset; `repeats` runs of each example.

    An example passes when `required_passes` of its repeats do (None: all of them). `concurrency` None
    leaves it to the workers how many runs go on at once.
    """

    example_ids: Sequence[str] | None = None
    concurrency: int | None = None
    repeats: int = 1
    required_passes: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many runs of an experiment ended, and how: `failed` is what was graded and found wrong.

    What could not be judged is in `errors`, never in `failed`; what nobody grades is in `ungraded`.
    """

    completed: int
    passed: int
    failed: int
    errors: int
    ungraded: int
    cancelled: int
    avg_score: float | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment with everything that is pinned, so that it can be explained a year later."""

    id: str
    organization_id: str
    automation_id: str
    automation_kind: str
    status: Status
    version_id: str
    version_label: str | None
    requested_ref: str | None
    dataset_revision: int
    dataset_hash: str
    whole_dataset: bool
    evaluator_set_id: str | None
    models: Mapping[str, JsonValue] | None
    examples: int
    repeats: int
    required_passes: int
    concurrency: int | None
    runs: int
    startable: int
    admitted: int
    next_position: int
    cancel_requested_at: datetime | None
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    counts: Counts
    summary: JsonValue


@dataclass(frozen=True, slots=True)
class ExperimentRun:
    """A run of an experiment, as its list shows it."""

    id: str
    status: str
    example_id: str
    example_name: str
    repeat: int
    verdict: RunVerdict | None
    score: float | None
    passed: bool | None
    error: str | None
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Score:
    """What one evaluator said of one run."""

    run_id: str
    automation_id: str
    position: int
    evaluator_name: str
    evaluator_type: str
    evaluator_version: str
    score: float | None
    passed: bool | None
    label: str | None
    weight: float
    pass_threshold: float | None
    description: str | None
    details: JsonValue
    error: str | None
    created_at: datetime

    @property
    def id(self) -> str:
        """The one id that belongs to this run and this place among its evaluators."""
        return derived_id("evr", self.created_at, f"{self.run_id}/{self.position}")


@dataclass(frozen=True, slots=True)
class Graded:
    """All scores of a run, to be written with its end."""

    run_id: str
    verdict: RunVerdict
    score: float | None
    passed: bool | None
    scores: Sequence[Score]
