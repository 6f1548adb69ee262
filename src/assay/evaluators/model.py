"""A set of configured evaluators, what each said about a run, and what that amounts to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import JsonValue

from assay.evaluators.base import Evaluator

DEFAULT_THRESHOLD = 0.7

Outcome = Literal["pass", "fail", "error", "ungraded", "cancelled"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One evaluator of a set. `weight` 0: its score is kept and counts for nothing."""

    name: str
    description: str | None
    type_name: str
    weight: float
    evaluator: Evaluator
    evaluator_version: str
    """Version of the type, a plus sign, and 12 digits of the hash of the whole configuration."""


@dataclass(frozen=True, slots=True)
class EvaluatorSet:
    """What an `evaluators.yaml` says; entries in its order, names unique.

    `pass_threshold` is the one in force. `written_threshold` is the one that the file names for the whole set, if any.
    With `require_all`, each evaluator that counts must reach the threshold, not only their mean. `content_hash` covers
    what a verdict rests on: not descriptions, comments or the order.
    """

    source: str
    entries: tuple[Entry, ...]
    pass_threshold: float
    written_threshold: float | None
    require_all: bool
    content_hash: str

    def as_json(self) -> dict[str, Any]:
        """Write it as the API does: `{evaluators: [{name, description, type, weight, config}], passThreshold}`."""
        shown = [
            {
                "name": entry.name,
                "description": entry.description,
                "type": entry.type_name,
                "weight": entry.weight,
                "config": entry.evaluator.model_dump(mode="json", by_alias=True, exclude_unset=True),
                "version": entry.evaluator_version,
            }
            for entry in self.entries
        ]
        return {
            "evaluators": shown,
            "passThreshold": self.pass_threshold,
            "require": "all" if self.require_all else "mean",
        }


@dataclass(frozen=True, slots=True)
class Result:
    """What one evaluator said: a score from 0 to 1, or None where it had nothing to judge or could not (`error`).

    `passed` compares the score with the one threshold of the set; None without a score.
    """

    entry: Entry
    score: float | None
    passed: bool | None
    label: str | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    error: str | None = None

    @property
    def evaluator_version(self) -> str:
        """Which judge this was."""
        return self.entry.evaluator_version


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a run; `reason` says why it was not graded, or not to the end."""

    outcome: Outcome
    score: float | None = None
    reason: str | None = None

    @property
    def passed(self) -> bool | None:
        """Whether the run passed, where that is known."""
        return {"pass": True, "fail": False}.get(self.outcome)


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that grading a run leaves."""

    results: tuple[Result, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class StoredSet:
    """A text that is, or was, an automation's evaluators; numbers count from 1 and the highest is in force."""

    id: str
    automation_id: str
    number: int
    source: str
    content_hash: str
    created_by: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PastSet:
    """A text that is, or was, an automation's evaluators, without the text."""

    id: str
    number: int
    content_hash: str
    created_by: str | None
    created_at: datetime
