"""A judge is measured against people, and its rate corrected only where that means something."""

import pytest

from assay.monitoring import JudgeCounts, judge, rogan_gladen


def counts(both_pass: int, only_judge: int, only_people: int, both_fail: int, passed: int, scored: int) -> JudgeCounts:
    return JudgeCounts("tone", both_pass, only_judge, only_people, both_fail, passed, scored)


def test_its_rates_come_with_intervals() -> None:
    found = judge(counts(45, 4, 5, 16, 900, 1000))
    assert found.tpr == pytest.approx(0.9)
    assert found.tnr == pytest.approx(0.8)
    assert found.tpr_interval.lower < 0.9 < found.tpr_interval.upper
    assert found.tnr_interval.lower < 0.8 < found.tnr_interval.upper


def test_what_it_lets_pass_is_corrected_for_its_errors() -> None:
    # Of 1,000 there are 800 right ones: it passes 90 % of these, and 20 % of the others.
    found = judge(counts(450, 40, 50, 160, 760, 1000))
    assert found.corrected == pytest.approx(0.8)
    assert found.corrected_interval is not None
    assert found.corrected_interval.lower < 0.8 < found.corrected_interval.upper


def test_too_few_reviews_or_a_judge_that_guesses_correct_nothing() -> None:
    assert judge(counts(45, 1, 5, 2, 900, 1000)).corrected is None
    assert judge(counts(25, 25, 25, 25, 500, 1000)).corrected is None
    assert rogan_gladen(0.5, 0.5, 0.5) is None


def test_without_wrong_results_nothing_is_said_of_finding_them() -> None:
    found = judge(counts(20, 0, 1, 0, 20, 21))
    assert found.tnr is None
    assert (found.tnr_interval.lower, found.tnr_interval.upper) == (0.0, 1.0)
