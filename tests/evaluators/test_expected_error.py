"""Runs that fail: as expected, otherwise, and for reasons that are nobody's workflow's."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import JsonValue
from tests.fakes.grading_context import FakeGradingContext

from assay import evaluators
from assay.evaluators import Subject

SET = evaluators.parse(
    """\
evaluators:
  - {name: a, type: exact-diff}
  - {name: b, type: llm-judge, config: {promptExtension: 'Is it nice to read?'}}
"""
)
ON_PURPOSE: Mapping[str, JsonValue] = {
    "code": "control_fail",
    "message": "We do not take JPY.",
    "step": "guard",
    "category": "business",
    "statusCode": 422,
}
FAILED = Subject(input={}, output=None, status="failed", failure=ON_PURPOSE)


async def judged(subject: Subject, evaluator_set: evaluators.EvaluatorSet = SET) -> evaluators.Judgement:
    return await evaluators.judge(evaluator_set, subject, FakeGradingContext())


@pytest.mark.parametrize(
    "expected",
    [
        {"code": 422},
        {"messageContains": "JPY"},
        {"step": "guard"},
        {"code": 422, "messageContains": "do not take", "step": "guard"},
    ],
)
async def test_every_field_that_is_set_fits_and_no_evaluator_is_asked(expected: dict[str, JsonValue]) -> None:
    found = await judged(replace(FAILED, expected_error=expected))
    assert [(result.score, result.passed, result.details["outcome"]) for result in found.results] == [
        (1.0, True, "matched"),
        (1.0, True, "matched"),
    ]
    assert found.verdict == evaluators.Verdict("pass", 1.0)


@pytest.mark.parametrize(
    ("expected", "path", "actual"),
    [
        ({"code": 400}, "$error.code", 422),
        ({"messageContains": "jpy"}, "$error.messageContains", "We do not take JPY."),
        ({"step": "Guard"}, "$error.step", "guard"),
        ({"code": 422, "step": "other"}, "$error.step", "guard"),
    ],
)
async def test_fields_that_do_not_fit_are_told(expected: dict[str, JsonValue], path: str, actual: JsonValue) -> None:
    found = await judged(replace(FAILED, expected_error=expected))
    details = found.results[0].details
    mismatch = {"path": path, "expected": expected[path.partition(".")[2]], "actual": actual}
    assert details == {"outcome": "mismatch", "mismatches": [mismatch]}
    assert (found.verdict.outcome, found.verdict.score) == ("fail", 0.0)


@pytest.mark.parametrize(
    ("subject", "outcome"),
    [
        (Subject(input={}, output={"a": 1}, status="completed"), "completed"),
        (Subject(input={}, output=None, status="rejected"), "ended_otherwise"),
        (replace(FAILED, failure={**ON_PURPOSE, "code": "document_unreadable", "statusCode": None}), "untyped"),
    ],
)
async def test_other_ends_are_told_apart(subject: Subject, outcome: str) -> None:
    found = await judged(replace(subject, expected_error={"code": 422}))
    assert [result.details["outcome"] for result in found.results] == [outcome, outcome]
    assert found.verdict.outcome == "fail"


async def test_a_failure_that_nobody_expected_has_failed_without_asking() -> None:
    found = await judged(FAILED)
    assert found.results == ()
    assert (found.verdict.outcome, found.verdict.passed) == ("fail", False)
    assert found.verdict.reason == "The run failed in step guard: We do not take JPY. (control_fail)"


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("worker_lost", "unknown"),
        ("internal_error", "unknown"),
        ("provider_timeout", "timeout"),
        ("provider_not_configured", "validation"),
        ("provider_rate_limited", "rate_limited"),
        ("http_failed", "temporarily_unavailable"),
        ("sandbox_unavailable", "temporarily_unavailable"),
    ],
)
@pytest.mark.parametrize("expected", [None, {"code": 422}])
async def test_a_failure_of_the_infrastructure_is_an_error_and_no_quality(
    code: str, category: str, expected: dict[str, JsonValue] | None
) -> None:
    failure = {"code": code, "message": "Away.", "step": "ask", "category": category, "statusCode": None}
    found = await judged(replace(FAILED, failure=failure, expected_error=expected))
    assert (found.results, found.verdict.outcome, found.verdict.passed) == ((), "error", None)


@pytest.mark.parametrize("code", ["provider_refused", "provider_rejected", "invalid_provider_output", "step_timeout"])
async def test_what_a_workflow_asks_of_a_model_is_its_own_quality(code: str) -> None:
    failure = {"code": code, "message": "No.", "step": "ask", "category": "validation", "statusCode": None}
    assert (await judged(replace(FAILED, failure=failure))).verdict.outcome == "fail"


async def test_a_cancelled_run_has_no_quality() -> None:
    cancelled = Subject(input={}, output=None, status="cancelled", expected_error={"code": 422})
    assert (await judged(cancelled)).verdict.outcome == "cancelled"


async def test_without_evaluators_nothing_is_graded() -> None:
    nobody = evaluators.parse("evaluators: []")
    assert (await judged(FAILED, nobody)).verdict.outcome == "ungraded"
    assert (await judged(Subject(input={}, output=1, status="completed"), nobody)).verdict.outcome == "ungraded"
