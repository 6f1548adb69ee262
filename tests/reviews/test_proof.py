"""What settles a miss, and what does not: the rules by themselves, in any order of events."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from assay import datasets, reviews
from assay.reviews import example_guard, promotion, proof
from assay.reviews.model import Feedback

START = datetime(2026, 1, 1, tzinfo=UTC)
REASON = st.sampled_from([None, "it is fine"])
RATINGS = st.sampled_from([None, "pass", "fail", "partial"])
STATUSES = st.sampled_from([None, "open", "resolved", "ignored"])
HASHES = st.sampled_from(["g1", "g2"])
MISTAKEN = "g0"
"""Of an example that expects what the run made."""


def version(number: int, *, labelled: bool = True) -> proof.VersionPlace:
    label = f"1.{number}.0" if labelled else None
    place = [1, number, 0] if labelled else None
    return proof.VersionPlace(f"wfv_{number}", label, place, START + timedelta(days=number))


def trial(number: int = 1, **more: Any) -> proof.Trial:
    """A trial of version 1.<number>.0 that proves what is promoted as g1, but for `more`."""
    values: dict[str, Any] = {
        "experiment_id": f"evb_{number}",
        "version": version(number),
        "cancelled": False,
        "repeats": 1,
        "needed": 1,
        "verdict": "pass",
        "passes": 1,
        "score": 1.0,
        "scores": {"same": 1.0},
        "graded_hash": "g1",
        "evaluator_set_id": "evs_1",
        "evaluator_hash": "h1",
        "ended_at": START + timedelta(days=number),
    }
    return proof.Trial(**(values | more))


def miss(**more: Any) -> Feedback:
    values: dict[str, Any] = {"rating": "fail", "status": "open", "promoted_example_id": "evx_1"}
    return Feedback("exec_1", "org_1", "wf_1", 1, promoted_graded_hash="g1", **(values | more))


def case(feedback: Feedback) -> proof.Case:
    return proof.Case(feedback, version(0), {f"wfv_{number}": version(number) for number in range(9)})


def codes(feedback: Feedback, found: proof.Trial) -> list[str]:
    return [issue.code for issue in proof.shortcomings(case(feedback), found)]


@pytest.mark.parametrize(
    ("more", "lacks"),
    [
        ({}, []),
        ({"version": version(0)}, ["version_not_later"]),
        ({"graded_hash": "g2"}, ["example_changed"]),
        ({"cancelled": True}, ["experiment_cancelled"]),
        ({"verdict": "fail", "passes": 0}, ["example_failed"]),
        ({"verdict": "error", "passes": 0}, ["not_graded"]),
        ({"verdict": "ungraded", "passes": 0, "score": None}, ["not_graded"]),
        ({"score": None}, ["no_score"]),
        ({"needed": 3}, ["too_few_repeats"]),
        ({"needed": 3, "repeats": 3, "passes": 3}, []),
        # Enough by the experiment's own rule, not by ours.
        ({"needed": 3, "repeats": 5, "passes": 4}, ["example_failed"]),
    ],
)
def test_proof_lacks_nothing(more: Mapping[str, Any], lacks: list[str]):
    assert codes(miss(), trial(**more)) == lacks


def test_without_labels_it_is_the_version_that_was_pushed_later():
    early, late = version(1, labelled=False), version(2, labelled=False)
    assert late.is_later_than(early)
    assert not early.is_later_than(late)
    assert late.is_later_than(version(1))
    assert not version(1).is_later_than(version(1))
    assert version(10).is_later_than(version(9))


def test_what_is_missing_is_told_of_the_trial_that_came_closest():
    trials = [trial(1, score=None, cancelled=True), trial(2, needed=3), trial(3, graded_hash="g2", cancelled=True)]
    found = proof.closest(case(miss()), trials)
    assert found is not None
    assert (found[0].experiment_id, [issue.code for issue in found[1]]) == ("evb_2", ["too_few_repeats"])
    assert proof.closest(case(miss()), []) is None


def test_a_failure_opens_a_resolved_miss_again_with_what_fixed_and_what_broke_it():
    fixed = proof.proven(miss(), trial(3))
    failed = trial(5, verdict="fail", passes=0)
    assert proof.is_setback(case(fixed), failed)
    back = proof.regressed(case(fixed), failed)
    assert (back.status, back.evidence) == ("open", None)
    assert back.regressed == {
        "fixedBy": {"experimentId": "evb_3", "versionId": "wfv_3", "version": "1.3.0"},
        "brokenBy": {"versionId": "wfv_5", "version": "1.5.0"},
        "experimentId": "evb_5",
        "at": "2026-01-06T00:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("number", "more", "is_back"),
    [
        (2, {}, False),  # the version before the fix
        (3, {}, True),  # the fix did not hold
        (4, {}, True),
        (4, {"graded_hash": "g2"}, False),
        (4, {"verdict": "error"}, False),
        (4, {"verdict": "ungraded"}, False),
        (4, {"verdict": "cancelled"}, False),
    ],
)
def test_only_a_failure_of_the_fix_or_later_is_a_setback(number: int, more: Mapping[str, Any], is_back: bool):
    fixed = proof.proven(miss(), trial(3))
    assert proof.is_setback(case(fixed), trial(number, **({"verdict": "fail", "passes": 0} | dict(more)))) is is_back


def test_what_resolved_it_before_does_not_prove_it_after_it_came_back():
    fixed = proof.proven(miss(), trial(3))
    back = proof.regressed(case(fixed), trial(5, verdict="fail", passes=0))
    assert codes(back, trial(3)) == ["before_regression"]
    assert codes(back, trial(4, ended_at=START + timedelta(days=8))) == ["version_not_later"]
    assert codes(back, trial(6)) == []


def test_an_override_that_turns_out_wrong_is_opened_again_and_stays_marked():
    given = proof.overridden(miss(status="resolved"), "looked at it")
    assert proof.is_setback(case(given), trial(2, verdict="fail", passes=0))
    back = proof.regressed(case(given), trial(2, verdict="fail", passes=0))
    assert (back.status, back.override_reason, cast("Any", back.regressed)["fixedBy"]) == ("open", "looked at it", None)


def test_what_was_called_right_and_closed_is_open_once_it_is_called_wrong():
    closed = miss(rating="pass", status="resolved", promoted_example_id=None)
    found = proof.decide(closed, dataclasses.replace(closed, rating="fail"))
    assert isinstance(found, proof.Granted)
    assert found.feedback.status == "open"


class Loop(RuleBasedStateMachine):
    """One run's feedback, with everything that people and experiments can do to it."""

    @initialize()
    def begin(self) -> None:
        self.feedback = Feedback("exec_1", "org_1", "wf_1", 1)
        self.proofs = set[str]()
        self.overrides = set[str]()
        self.was_promoted_as_a_miss = False
        self.was_a_miss = False
        self.example: str | None = None
        self.days = 1

    def _write(self, after: Feedback) -> None:
        before = self.feedback
        stood_for_a_miss = before.promoted_graded_hash not in {None, MISTAKEN} and before.status is not None
        if stood_for_a_miss and before.rating != "pass" and before.promoted_graded_hash != after.promoted_graded_hash:
            assert after.override_reason is not None, "a miss got another expectation without a reason"
        if after.override_reason is not None:
            self.overrides.add(after.override_reason)
        self.feedback = after
        self.was_a_miss = self.was_a_miss or after.rating in proof.MISSES
        if after.promoted_example_id is not None and after.rating in proof.MISSES:
            self.was_promoted_as_a_miss = True

    @rule(change=st.fixed_dictionaries({}, optional={"rating": RATINGS, "status": STATUSES}), override=REASON)
    def say(self, change: Any, override: str | None) -> None:
        after = dataclasses.replace(self.feedback, **change)
        is_remark = after.rating is None and after.promoted_example_id is None and not self.was_a_miss
        found = proof.decide(self.feedback, after, override=override, is_remark=is_remark)
        if isinstance(found, proof.Granted):
            self._write(found.feedback)

    @rule(graded_hash=HASHES | st.just(MISTAKEN), override=REASON)
    def promote(self, graded_hash: str, override: str | None) -> None:
        example: Any = _Example("evx_1", "one", graded_hash)
        try:
            after = promotion.linked(
                self.feedback,
                self.feedback,
                example,
                expects_the_miss=graded_hash == MISTAKEN and self.feedback.rating in proof.MISSES,
                expected_anything=self.example is not None,
                override=override,
            )
        except reviews.ExampleUnresolvedError:
            return
        self.example = graded_hash
        self._write(after)

    @precondition(lambda self: self.example is not None)
    @rule(graded_hash=HASHES, override=REASON)
    def edit(self, graded_hash: str, override: str | None) -> None:
        assert self.example is not None
        change = datasets.ExampleChange("evx_1", "one", self.example, True, "one", graded_hash)
        if example_guard.refusal(self.feedback, change, override) is not None:
            return
        self.example = graded_hash
        self._write(example_guard.following(self.feedback, change, override))

    @precondition(lambda self: self.feedback.promoted_example_id is not None)
    @rule(
        number=st.integers(0, 4),
        outcome=st.sampled_from(["pass", "fail", "error", "ungraded"]),
        repeats=st.sampled_from([1, 3]),
        needed=st.sampled_from([1, 3]),
        cancelled=st.booleans(),
        score=st.sampled_from([1.0, None]),
        graded_hash=HASHES,
    )
    def end_experiment(self, number: int, outcome: str, repeats: int, graded_hash: str, **more: Any) -> None:
        self.days += 1
        passes = repeats if outcome == "pass" else 0
        ended = trial(
            number,
            experiment_id=f"evb_{self.days}",
            verdict=outcome,
            repeats=repeats,
            passes=passes,
            graded_hash=graded_hash,
            ended_at=START + timedelta(days=self.days),
            **more,
        )
        # What proof is, said once more.
        enough = repeats >= more["needed"] and more["score"] is not None and not more["cancelled"]
        if outcome == "pass" and enough and number > 0 and graded_hash == self.feedback.promoted_graded_hash:
            self.proofs.add(ended.experiment_id)
        if self.feedback.status == "open" and not proof.shortcomings(case(self.feedback), ended):
            self._write(proof.proven(self.feedback, ended))
        elif proof.is_setback(case(self.feedback), ended):
            self._write(proof.regressed(case(self.feedback), ended))

    @invariant()
    def a_miss_is_resolved_by_proof_or_override_alone(self) -> None:
        feedback = self.feedback
        if feedback.status != "resolved":
            return
        evidence: Any = feedback.evidence
        if evidence is not None:
            assert evidence["experimentId"] in self.proofs
            assert evidence["gradedHash"] == feedback.promoted_graded_hash or feedback.rating == "pass"
        elif feedback.rating in proof.MISSES or self.was_promoted_as_a_miss:
            assert feedback.override_reason is not None

    @invariant()
    def a_promoted_miss_is_never_forgotten(self) -> None:
        if self.was_promoted_as_a_miss:
            assert self.feedback.status is not None or self.feedback.override_reason is not None

    @invariant()
    def an_override_is_marked_for_ever(self) -> None:
        assert (self.feedback.override_reason is not None) == bool(self.overrides)


@dataclasses.dataclass
class _Example:
    example_id: str
    name: str
    graded_hash: str


TestLoop = Loop.TestCase
TestLoop.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
