"""When a run failed the way its example expects, and when a failure says nothing about quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from assay.evaluators.base import Grade, Subject

Failure = Mapping[str, JsonValue]

_OURS = frozenset({"internal_error", "worker_lost"})
_PASSING = frozenset({"rate_limited", "temporarily_unavailable"})
_PROVIDER = "provider_"
# What a provider refuses is a matter of the question, and so of the workflow.
_OF_THE_WORKFLOW = frozenset({"provider_refused", "provider_rejected"})


@dataclass(frozen=True, slots=True)
class ErrorMatch:
    """How a run ended beside the error that was expected.

    `matched`; `mismatch` (it failed on purpose, in another way); `untyped` (it failed, but no `control.fail` made it);
    `completed`; `ended_otherwise` (cancelled or rejected). Mismatches are those of the fields that are set.
    """

    outcome: Literal["matched", "mismatch", "untyped", "completed", "ended_otherwise"]
    mismatches: Sequence[Mapping[str, JsonValue]] = ()

    def as_grade(self) -> Grade:
        """Score 1 for a match and 0 for everything else."""
        details: dict[str, JsonValue] = {"outcome": self.outcome, "mismatches": [dict(one) for one in self.mismatches]}
        return Grade(1.0 if self.outcome == "matched" else 0.0, details=details)


def match_error(subject: Subject) -> ErrorMatch:
    """Hold the failure of a run against `expected_error`, which must be there: each field that is set must fit."""
    expected = subject.expected_error
    assert expected is not None, "the example expects no error"
    if subject.status == "completed":
        return ErrorMatch("completed", [_mismatch("$error", dict(expected), "The run completed.")])
    failure = subject.failure
    if subject.status != "failed" or failure is None:
        return ErrorMatch("ended_otherwise", [_mismatch("$error", dict(expected), f"The run is {subject.status}.")])
    if failure.get("statusCode") is None:
        return ErrorMatch("untyped", [_mismatch("$error", dict(expected), dict(failure))])
    mismatches = _mismatches(expected, failure)
    return ErrorMatch("mismatch" if mismatches else "matched", mismatches)


def is_infrastructure(failure: Failure | None) -> bool:
    """Tell whether a run failed for reasons that running it again may not meet: our own, or those of a provider."""
    if failure is None:
        return False
    code, category = str(failure.get("code")), failure.get("category")
    of_provider = code.startswith(_PROVIDER) and code not in _OF_THE_WORKFLOW
    return code in _OURS or category in _PASSING or of_provider


def _mismatches(expected: Failure, failure: Failure) -> Sequence[Mapping[str, JsonValue]]:
    found: list[Mapping[str, JsonValue]] = []
    code, step, part = expected.get("code"), expected.get("step"), expected.get("messageContains")
    if code is not None and code != failure.get("statusCode"):
        found.append(_mismatch("$error.code", code, failure.get("statusCode")))
    if isinstance(part, str) and part not in str(failure.get("message")):
        found.append(_mismatch("$error.messageContains", part, failure.get("message")))
    if step is not None and step != failure.get("step"):
        found.append(_mismatch("$error.step", step, failure.get("step")))
    return found


def _mismatch(path: str, expected: JsonValue, actual: JsonValue) -> Mapping[str, JsonValue]:
    return {"path": path, "expected": expected, "actual": actual}
