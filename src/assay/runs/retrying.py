"""Whether a failed attempt of a step is repeated, and when."""

from dataclasses import dataclass
from typing import Literal

from assay import steps

Reason = Literal["retry", "non_retryable", "unsafe_to_replay", "attempts_exhausted", "retry_after_exceeds_budget"]

PASSING_CATEGORIES = frozenset({"timeout", "rate_limited", "temporarily_unavailable"})
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 60.0
OPERATOR_CEILING = 10


@dataclass(frozen=True, slots=True)
class Decision:
    """`delay` is how many seconds to wait before the next attempt; None ends the attempts."""

    reason: Reason
    delay: float | None = None


def decide(policy: steps.RetryPolicy | None, step: steps.Step, error: steps.StepError, attempt: int) -> Decision:
    """Decide after the attempt of this number (from 1): passing failures of safe steps are tried again.

    The delay doubles from 250 ms to at most a minute; a longer `Retry-After` is not waited for.
    """
    if error.category not in PASSING_CATEGORIES:
        return Decision("non_retryable")
    if policy is None or not step.replay_safe:
        return Decision("unsafe_to_replay" if policy is not None else "non_retryable")
    if attempt >= min(policy.max_attempts, OPERATOR_CEILING):
        return Decision("attempts_exhausted")
    asked_for = (error.retry_after_ms or 0) / 1000
    if asked_for > LONGEST_DELAY_SECONDS:
        return Decision("retry_after_exceeds_budget")
    return Decision("retry", max(asked_for, min(FIRST_DELAY_SECONDS * 2 ** (attempt - 1), LONGEST_DELAY_SECONDS)))
