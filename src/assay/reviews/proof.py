"""When a miss is settled: which state follows which and at what price, and what counts as proof that it is fixed.

Nothing here reads or writes anything; `resolution` does, and asks here.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast

from pydantic import JsonValue
from typing_extensions import override

from assay.clock import iso
from assay.errors import Issue
from assay.reviews.model import Feedback

State = Literal["unreviewed", "open", "resolved", "ignored"]
Price = Literal["nothing", "proof", "reason", "not promoted"]

TRANSITIONS: Mapping[tuple[State, State], Price] = {
    ("unreviewed", "open"): "nothing",
    ("unreviewed", "resolved"): "proof",
    ("unreviewed", "ignored"): "reason",
    ("open", "resolved"): "proof",
    ("open", "ignored"): "reason",
    ("open", "unreviewed"): "not promoted",
    ("resolved", "open"): "nothing",
    ("resolved", "ignored"): "reason",
    ("resolved", "unreviewed"): "not promoted",
    ("ignored", "open"): "nothing",
    ("ignored", "resolved"): "proof",
    ("ignored", "unreviewed"): "not promoted",
}
"""What it takes to get from one state to another. A run that is called right needs no proof to be resolved."""

MISSES = frozenset({"fail", "partial"})

REPEATS = 1
REPEATS_WITH_MODEL = 3
"""How often an example has to pass, each time, where nobody has said otherwise (`required_repeats`).

A model that guesses right half the time passes three with 12.5 %.
"""


@dataclass(frozen=True, slots=True)
class VersionPlace:
    """Where a version stands among the others; without a label (`precedence` None) it is its time that counts."""

    id: str
    label: str | None
    precedence: Sequence[int] | None
    pushed_at: datetime

    def is_later_than(self, other: "VersionPlace") -> bool:
        """Whether it came after another one: higher by its label, or pushed later where one of them has none."""
        if self.id == other.id:
            return False
        if self.precedence is not None and other.precedence is not None:
            return tuple(self.precedence) > tuple(other.precedence)
        return self.pushed_at > other.pushed_at

    @override
    def __str__(self) -> str:
        """What people call it."""
        return self.label or self.id


@dataclass(frozen=True, slots=True)
class Trial:
    """How an example fared in an experiment that has ended, over its `repeats`; `needed` is how many it takes."""

    experiment_id: str
    version: VersionPlace
    cancelled: bool
    repeats: int
    needed: int
    verdict: str
    passes: int
    score: float | None
    scores: Mapping[str, JsonValue]
    graded_hash: str
    evaluator_set_id: str | None
    evaluator_hash: str | None
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """A promoted miss: what is said of it, the version that made it, and other versions that its record names."""

    feedback: Feedback
    missed_by: VersionPlace
    versions: Mapping[str, VersionPlace] = field(default_factory=dict[str, VersionPlace])


def state_of(feedback: Feedback) -> State:
    """Return where a run's review stands."""
    return feedback.status or "unreviewed"


def price(before: Feedback, after: Feedback) -> Price | None:
    """Return what the way from one state to another costs; None where the state stays."""
    return TRANSITIONS.get((state_of(before), state_of(after)))


def takes_back(before: Feedback, after: Feedback) -> bool:
    """Whether a promoted miss would be called one no longer."""
    if before.promoted_example_id is None or after.rating in MISSES:
        return False
    return before.rating in MISSES or (before.status == "open" and before.rating is None and after.rating == "pass")


def becomes_a_miss(before: Feedback, after: Feedback) -> bool:
    """Whether a promoted run is called wrong that was not when it was promoted."""
    return after.promoted_graded_hash is not None and before.rating not in MISSES and after.rating in MISSES


def is_what_it_made(
    expected: JsonValue, expected_files: Set[tuple[str, str]], output: JsonValue, made: Set[tuple[str, str]]
) -> bool:
    """Whether what is expected is nothing but what the run made; files are pairs of path and hash."""
    return (expected is None or expected == output) and expected_files <= made


def is_promoted_miss(feedback: Feedback) -> bool:
    """Whether an example stands for this miss, so that its expectation may not quietly become another one."""
    return feedback.promoted_example_id is not None and feedback.rating != "pass" and feedback.status is not None


def falls_short_of_another(feedback: Feedback, graded_hash: str | None) -> bool:
    """Whether an example of this hash is another one than the one that stands for this miss.

    Without a hash it expected what the run made, which was no expectation of this miss.
    """
    known = feedback.promoted_graded_hash
    return is_promoted_miss(feedback) and None not in {known, graded_hash} and graded_hash != known


def expecting_another(feedback: Feedback) -> Feedback:
    """Return a miss whose example has become another one: what settled it was the former, so it is open again."""
    return opened(feedback) if feedback.status == "resolved" else feedback


@dataclass(frozen=True, slots=True)
class Granted:
    """What is to be written, and whether it was proof or an override that settled it; None: neither was needed."""

    feedback: Feedback
    by: Literal["proof", "override"] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody's wish is not granted: about which field, and what is missing."""

    field: str
    message: str
    missing: Sequence[Issue] = ()


def needs_proof(before: Feedback, after: Feedback) -> bool:
    """Whether a wish depends on how the example fared: a run that is called right has nothing to prove."""
    return not takes_back(before, after) and price(before, after) == "proof" and after.rating != "pass"


def decide(
    before: Feedback,
    after: Feedback,
    *,
    override: str | None = None,
    found: Trial | Sequence[Issue] = (),
    is_remark: bool = False,
) -> Granted | Refused:
    """Return what becomes of a person's wish that feedback be `after`.

    `found` is the trial that proves the miss to be fixed, or what is missing; `is_remark` tells that nobody ever
    called the run wrong. Both are asked for where `needs_proof`. That a reason is there is checked by whoever asks.
    """
    if takes_back(before, after):
        return _taken_back(after, override)
    if before.status is None:
        after = _on_the_board(after)
    match price(before, after):
        case "proof" if after.rating == "pass" or is_remark:
            return Granted(replace(after, evidence=None, regressed=None))
        case "proof":
            return _resolved(after, override, found)
        case "not promoted" if after.promoted_example_id is not None and after.rating != "pass":
            message = "A promoted miss stays on the board until it is resolved or ignored; its status cannot be none."
            return Refused("status", message)
        case None if _was_free(before) and after.rating in MISSES:
            return Granted(opened(after))
        case None:
            return Granted(after)
        case _:
            return Granted(replace(after, evidence=None))


def _taken_back(after: Feedback, override: str | None) -> Granted | Refused:
    if override is None:
        return Refused("rating", "This miss was promoted; that it is none is not said without a reason.")
    settled = after.status in {"resolved", "ignored"} or after.rating is None
    return Granted(overridden(after if settled else replace(after, status="resolved"), override), "override")


def _resolved(after: Feedback, override: str | None, found: Trial | Sequence[Issue]) -> Granted | Refused:
    if isinstance(found, Trial):
        return Granted(proven(after, found), "proof")
    if override is None:
        return Refused("status", "Nothing proves that this miss is fixed.", found)
    return Granted(overridden(after, override), "override")


def _was_free(feedback: Feedback) -> bool:
    """Whether it is resolved because nothing was called wrong."""
    return feedback.status == "resolved" and feedback.evidence is None and feedback.rating not in MISSES


def _on_the_board(feedback: Feedback) -> Feedback:
    """Return the feedback with a promoted miss open, unless it is settled."""
    if feedback.promoted_example_id is None or feedback.rating not in MISSES or feedback.status is not None:
        return feedback
    return replace(feedback, status="open")


def opened(feedback: Feedback) -> Feedback:
    """Return the feedback open again; that it was overridden once stays."""
    return replace(feedback, status="open", evidence=None)


def proven(feedback: Feedback, trial: Trial) -> Feedback:
    """Return the feedback resolved by a trial that lacks nothing."""
    evidence: JsonValue = {
        "experimentId": trial.experiment_id,
        "versionId": trial.version.id,
        "version": trial.version.label,
        "score": trial.score,
        "scores": dict(trial.scores),
        "gradedHash": trial.graded_hash,
        "evaluatorSetId": trial.evaluator_set_id,
        "evaluatorHash": trial.evaluator_hash,
        "repeats": trial.repeats,
        "requiredRepeats": trial.needed,
        "at": iso(trial.ended_at),
    }
    return replace(feedback, status="resolved", evidence=evidence, regressed=None)


def overridden(feedback: Feedback, reason: str) -> Feedback:
    """Return the feedback with what somebody said instead of a proof."""
    return replace(feedback, override_reason=reason, evidence=None, regressed=None)


def regressed(case: Case, trial: Trial) -> Feedback:
    """Return the feedback open again, because its example failed after it was resolved."""
    evidence = _object(case.feedback.evidence)
    fixed_by = {name: evidence[name] for name in ("experimentId", "versionId", "version")} if evidence else None
    came_back: JsonValue = {
        "fixedBy": cast("JsonValue", fixed_by),
        "brokenBy": {"versionId": trial.version.id, "version": trial.version.label},
        "experimentId": trial.experiment_id,
        "at": iso(trial.ended_at),
    }
    return replace(opened(case.feedback), regressed=came_back)


def is_setback(case: Case, trial: Trial) -> bool:
    """Whether a resolved miss is back: its example failed, as it was promoted, in the version that fixed it or later.

    Where nothing but an override resolved it, any version after the one that missed will do. What could not be
    judged is none.
    """
    if case.feedback.status != "resolved" or trial.verdict != "fail":
        return False
    if trial.graded_hash != case.feedback.promoted_graded_hash:
        return False
    fixed_by = case.versions.get(str(_object(case.feedback.evidence).get("versionId")))
    if fixed_by is None:
        return trial.version.is_later_than(case.missed_by)
    return not fixed_by.is_later_than(trial.version)


def shortcomings(case: Case, trial: Trial) -> list[Issue]:
    """Return what a trial lacks to be the proof that a miss is fixed; nothing where it is one."""
    return [
        Issue("status", f"Experiment {trial.experiment_id} ({trial.version}): {words}", code)
        for code, words in (*_of_version(case, trial), *_of_outcome(case, trial))
    ]


def closest(case: Case, trials: Iterable[Trial]) -> tuple[Trial, list[Issue]] | None:
    """Return the trial that lacks least to be the proof, the latest of equal ones, with what it lacks."""
    ranked = [(len(lacks), -trial.ended_at.timestamp(), trial, lacks) for trial, lacks in _judged(case, trials)]
    return min(ranked, key=lambda one: one[:2])[2:] if ranked else None


def _judged(case: Case, trials: Iterable[Trial]) -> Iterable[tuple[Trial, list[Issue]]]:
    return ((trial, shortcomings(case, trial)) for trial in trials)


def _of_version(case: Case, trial: Trial) -> Iterable[tuple[str, str]]:
    if not trial.version.is_later_than(case.missed_by):
        yield "version_not_later", f"the version must be later than {case.missed_by}, which made the miss."
    came_back = _object(case.feedback.regressed)
    if not came_back:
        return
    broken_by = case.versions.get(str(_object(came_back.get("brokenBy")).get("versionId")))
    if iso(trial.ended_at) <= str(came_back.get("at")):
        yield "before_regression", "it ended before the miss came back."
    elif broken_by is not None and broken_by.is_later_than(trial.version):
        yield "version_not_later", f"the version is older than {broken_by}, in which the miss came back."


def _of_outcome(case: Case, trial: Trial) -> Iterable[tuple[str, str]]:
    if case.feedback.promoted_graded_hash is None:
        yield "expects_the_miss", "the example expects what the run made: correct it, and promote the run again."
    elif trial.graded_hash != case.feedback.promoted_graded_hash:
        yield "example_changed", "it ran the example in another form than the one that is promoted."
    if trial.cancelled:
        yield "experiment_cancelled", "it was cancelled."
    if trial.verdict in {"error", "ungraded", "cancelled"}:
        yield "not_graded", f"the example was not judged ({trial.verdict})."
    elif trial.passes < trial.repeats:
        yield (
            "example_failed",
            f"the example passed in {trial.passes} of {trial.repeats} repeats; it takes all of them.",
        )
    elif trial.score is None:
        yield "no_score", "no evaluator gave the example a score."
    if trial.repeats < trial.needed:
        yield (
            "too_few_repeats",
            f"it ran the example {trial.repeats} times; here it takes {trial.needed}.",
        )


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
