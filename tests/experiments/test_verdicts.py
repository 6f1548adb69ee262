"""The k-of-n rule, and what is counted apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.experiments.verdicts import is_flaky, verdict_of

COUNT = st.integers(0, 3)


@pytest.mark.parametrize(
    ("passes", "fails", "errors", "cancelled", "ungraded", "required", "expected"),
    [
        (1, 0, 0, 0, 0, 1, "pass"),
        (0, 1, 0, 0, 0, 1, "fail"),
        (0, 0, 1, 0, 0, 1, "error"),
        (0, 0, 0, 1, 0, 1, "cancelled"),
        (0, 0, 0, 0, 1, 1, "ungraded"),
        (2, 1, 0, 0, 0, 2, "pass"),
        (1, 2, 0, 0, 0, 2, "fail"),
        (2, 0, 1, 0, 0, 2, "pass"),
        (1, 1, 1, 0, 0, 2, "error"),
        (0, 2, 1, 0, 0, 2, "fail"),
        (1, 0, 0, 2, 0, 2, "cancelled"),
        (0, 2, 0, 1, 0, 2, "fail"),
        (1, 0, 1, 1, 0, 3, "cancelled"),
        (1, 0, 0, 0, 2, 2, "ungraded"),
    ],
)
def test_an_example_passes_when_enough_repeats_do(
    passes: int, fails: int, errors: int, cancelled: int, ungraded: int, required: int, expected: str
) -> None:
    found = verdict_of(
        passes=passes, fails=fails, errors=errors, cancelled=cancelled, ungraded=ungraded, required=required
    )
    assert found == expected


def graded(passes: int, fails: int, required: int) -> str:
    return verdict_of(passes=passes, fails=fails, errors=0, cancelled=0, required=required)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, st.integers(1, 15))
def test_an_outcome_is_given_only_where_ungraded_repeats_could_not_change_it(
    passes: int, fails: int, errors: int, cancelled: int, ungraded: int, required: int
) -> None:
    repeats = passes + fails + errors + cancelled + ungraded
    if required > repeats:
        return
    outcome = verdict_of(
        passes=passes, fails=fails, errors=errors, cancelled=cancelled, ungraded=ungraded, required=required
    )
    best, worst = graded(repeats - fails, fails, required), graded(passes, repeats - passes, required)
    if outcome in {"pass", "fail"}:
        assert best == worst == outcome
    else:
        assert (best, worst) == ("pass", "fail")


def test_flaky_is_what_came_out_both_ways() -> None:
    assert is_flaky(1, 2)
    assert not is_flaky(3, 0)
    assert not is_flaky(0, 3)
