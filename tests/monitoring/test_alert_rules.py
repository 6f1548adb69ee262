"""An alert tells of each change once, and of what lasts only if it is asked to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.monitoring import AlertRule
from assay.monitoring.alert_rules import Standing, step

START = datetime(2026, 11, 1, tzinfo=UTC)


def course(values: list[float | None], renotify: int | None = None) -> list[tuple[str, str | None]]:
    rule = AlertRule(metric="failure_rate", threshold=0.1, renotifyMinutes=renotify)
    standing, seen = Standing(), list[tuple[str, str | None]]()
    for minute, value in enumerate(values):
        moved = step(rule, standing, value, START + timedelta(minutes=minute))
        standing = moved.standing
        seen.append((standing.state, moved.told))
    return seen


def test_it_fires_once_and_resolves_once() -> None:
    assert course([0.0, 0.1, 0.2, 0.3, 0.1, 0.0]) == [
        ("ok", None),
        ("ok", None),
        ("firing", "alert.firing"),
        ("firing", None),
        ("ok", "alert.resolved"),
        ("ok", None),
    ]


def test_what_lasts_is_told_again_if_asked_for() -> None:
    told = [told for _, told in course([0.2] * 12, renotify=5)]
    assert [minute for minute, one in enumerate(told) if one] == [0, 5, 10]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([None, 0.0, None], [None, None, None]),
        ([None, 0.2], [None, "alert.firing"]),
        ([0.2, None, 0.2], ["alert.firing", "alert.resolved", "alert.firing"]),
        ([0.2, None, 0.0], ["alert.firing", "alert.resolved", None]),
    ],
)
def test_no_data_is_a_state_of_its_own_that_ends_what_fires(values: list[float | None], told: list[str]) -> None:
    assert [one for _, one in course(values)] == told


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_firing_and_resolved_take_turns(values: list[float | None]) -> None:
    told = [one for _, one in course(values) if one]
    assert told == ["alert.firing", "alert.resolved"] * (len(told) // 2) + ["alert.firing"] * (len(told) % 2)
