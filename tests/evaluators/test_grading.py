"""What one evaluator does to the others (nothing), and what all scores amount to."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import PrivateAttr
from tests.evaluators.invoices import RIGHT, subject
from tests.fakes.grading_context import FakeGradingContext
from typing_extensions import override

from assay.evaluators import (
    Entry,
    Evaluator,
    EvaluatorError,
    EvaluatorSet,
    Grade,
    GradingContext,
    Result,
    Subject,
    Verdict,
    aggregate,
    grade_all,
    judge,
)

Answer = Callable[[], Awaitable[Grade]]


class Scripted(Evaluator):
    """Does what the test says."""

    type_name = "scripted"
    _answer: Answer = PrivateAttr()

    @override
    async def grade(self, subject: Subject, context: GradingContext) -> Grade:
        return await self._answer()


class Hasty(Scripted):
    """May take the twentieth of a second."""

    seconds = 0.05


def entry(name: str, answer: Answer | None = None, weight: float = 1, kind: type[Scripted] = Scripted) -> Entry:
    evaluator = kind()
    if answer is not None:
        evaluator._answer = answer
    return Entry(name, None, "scripted", weight, evaluator, "1+0")


def gives(grade: Grade) -> Answer:
    async def answer() -> Grade:
        return grade

    return answer


def raises(error: BaseException) -> Answer:
    async def answer() -> Grade:
        raise error

    return answer


def the_set(*entries: Entry, threshold: float = 0.7, require_all: bool = False) -> EvaluatorSet:
    return EvaluatorSet("", entries, threshold, threshold, require_all, "hash")


def result(score: float | None, *, weight: float = 1, failed: bool = False) -> Result:
    return Result(entry("e", weight=weight), score, None, error="it broke" if failed else None)


async def one(answer: Answer) -> Result:
    (found,) = await grade_all(the_set(entry("e", answer)), subject(RIGHT), FakeGradingContext())
    return found


async def test_results_come_in_the_order_of_the_set_each_with_the_one_threshold() -> None:
    evaluator_set = the_set(
        entry("late", gives(Grade(0.7, label="fine", details={"a": 1}))), entry("b", gives(Grade(0.69)))
    )
    found = await grade_all(evaluator_set, subject(RIGHT), FakeGradingContext())
    assert [(one.entry.name, one.score, one.passed, one.label) for one in found] == [
        ("late", 0.7, True, "fine"),
        ("b", 0.69, False, None),
    ]
    assert (found[0].details, found[0].evaluator_version) == ({"a": 1}, "1+0")


@pytest.mark.parametrize(
    ("error", "words"),
    [(EvaluatorError("No idea."), "No idea. (evaluator_failed)"), (ZeroDivisionError(), "ZeroDivisionError")],
)
async def test_an_evaluator_that_fails_is_a_result_and_the_others_go_on(error: Exception, words: str) -> None:
    evaluator_set = the_set(entry("bad", raises(error)), entry("good", gives(Grade(1.0))))
    bad, good = await grade_all(evaluator_set, subject(RIGHT), FakeGradingContext())
    assert (bad.score, bad.passed) == (None, None)
    assert words in (bad.error or "")
    assert (good.score, good.error) == (1.0, None)


async def test_an_evaluator_that_takes_too_long_is_ended() -> None:
    ended = asyncio.Event()

    async def wait() -> Grade:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    hasty = the_set(entry("e", wait, kind=Hasty))
    (found,) = await grade_all(hasty, subject(RIGHT), FakeGradingContext())
    assert "evaluator_timeout" in (found.error or "")
    assert ended.is_set()


@pytest.mark.parametrize("score", [-0.01, 1.01, 7, math.nan, math.inf, True])
async def test_what_is_no_score_is_an_error(score: float) -> None:
    found = await one(gives(Grade(score)))
    assert found.score is None
    assert "score_out_of_range" in (found.error or "")


@pytest.mark.parametrize("details", [{"a": math.nan}, {"a": "x" * 300_000}])
async def test_details_that_cannot_be_kept_are_left_out_and_the_score_stays(details: dict[str, Any]) -> None:
    found = await one(gives(Grade(1.0, details=details)))
    assert (found.score, [*found.details]) == (1.0, ["omitted"])


@pytest.mark.parametrize("others", [0, 1])
async def test_a_cancellation_passes_through(others: int) -> None:
    started = asyncio.Event()

    async def wait() -> Grade:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    entries = [entry("waiting", wait), *[entry(str(index), gives(Grade(1.0))) for index in range(others)]]
    grading = asyncio.create_task(judge(the_set(*entries), subject(RIGHT), FakeGradingContext()))
    await started.wait()
    grading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await grading


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([], Verdict("ungraded", None, "No evaluator that counts had anything to judge.")),
        ([result(None)], Verdict("ungraded", None, "No evaluator that counts had anything to judge.")),
        ([result(1, weight=0)], Verdict("ungraded", None, "No evaluator that counts had anything to judge.")),
        ([result(1), result(None), result(0, weight=0)], Verdict("pass", 1.0)),
        ([result(1, weight=3), result(0)], Verdict("pass", 0.75)),
        ([result(1), result(0)], Verdict("fail", 0.5)),
        ([result(0.7), result(0.7), result(0.7)], Verdict("pass", 0.7)),
        ([result(None, weight=0, failed=True), result(1)], Verdict("pass", 1.0)),
        (
            [result(None, weight=3, failed=True), result(1)],
            Verdict("error", 1.0, "Evaluators failed that could decide: e."),
        ),
        ([result(None, failed=True)], Verdict("error", None, "Evaluators failed that could decide: e.")),
        ([result(None, failed=True), result(1, weight=3)], Verdict("pass", 1.0)),
        ([result(None, failed=True), result(0, weight=3)], Verdict("fail", 0.0)),
    ],
)
def test_the_mean_by_weight_decides(results: Sequence[Result], verdict: Verdict) -> None:
    found = aggregate(the_set(threshold=0.7), results)
    assert (found.outcome, found.reason) == (verdict.outcome, verdict.reason)
    assert found.score == pytest.approx(verdict.score)
    assert found.passed == {"pass": True, "fail": False}.get(verdict.outcome)


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ([result(1), result(0.7)], "pass"),
        ([result(1, weight=100), result(0.69)], "fail"),
        ([result(1), result(0, weight=0)], "pass"),
        ([result(1), result(None, failed=True)], "error"),
        ([result(0), result(None, failed=True)], "fail"),
    ],
)
def test_with_require_all_each_that_counts_must_reach_the_threshold(results: Sequence[Result], outcome: str) -> None:
    assert aggregate(the_set(require_all=True), results).outcome == outcome


SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 100)), max_size=4)


@given(SCORES, SCORES, st.floats(0, 1), st.booleans())
def test_a_verdict_despite_errors_is_the_one_that_any_scores_in_their_place_would_give(
    known: list[tuple[float, float]], lost: list[tuple[float, float]], threshold: float, require_all: bool
) -> None:
    evaluator_set = the_set(threshold=threshold, require_all=require_all)
    scored = [result(score, weight=weight) for score, weight in known]
    verdict = aggregate(evaluator_set, [*scored, *[result(None, weight=weight, failed=True) for _, weight in lost]])
    instead = aggregate(evaluator_set, [*scored, *[result(score, weight=weight) for score, weight in lost]])
    if verdict.passed is not None:
        assert instead.outcome == verdict.outcome
    if not lost:
        assert verdict.outcome != "error"


@given(SCORES, st.floats(0, 1))
def test_the_score_lies_among_the_scores(known: list[tuple[float, float]], threshold: float) -> None:
    verdict = aggregate(the_set(threshold=threshold), [result(score, weight=weight) for score, weight in known])
    if verdict.score is not None:
        assert min(score for score, _ in known) - 1e-9 <= verdict.score <= max(score for score, _ in known) + 1e-9
