"""When an example has passed, over its repeats: k of n, and what is no quality never counts as a failure."""

from typing import Literal

Verdict = Literal["pass", "fail", "error", "ungraded", "cancelled"]


def verdict_of(*, passes: int, fails: int, errors: int, cancelled: int, required: int, ungraded: int = 0) -> Verdict:
    """Decide by the rule "at least `required` of the repeats pass"; `required` is at most the number of repeats.

    `errors` are repeats that say nothing about quality (a worker was lost, a provider or an evaluator
    failed), `ungraded` those that nothing judged, `cancelled` those that did not end.

    The verdict is `fail` only where those could not have changed it any more. Otherwise what kept them from
    being graded is the verdict: errors before cancellation before "nothing judges".
    """
    if passes >= required:
        return "pass"
    if errors and passes + errors >= required:
        return "error"
    if cancelled and passes + errors + cancelled >= required:
        return "cancelled"
    if not fails or passes + errors + cancelled + ungraded >= required:
        return "ungraded"
    return "fail"


def is_flaky(passes: int, fails: int) -> bool:
    """Whether repeats of the same example came out both ways."""
    return passes > 0 and fails > 0
