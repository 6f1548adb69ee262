"""Inputs that move are noticed; those that do not, are hardly ever said to, though one looks every day."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from assay.monitoring import InputDay, drift, stability_index

CHANCE = random.Random(11)
START = date(2026, 6, 1)


def days(shares: Sequence[float], count: int, *, runs: int = 40, start: date = START) -> list[InputDay]:
    found: list[InputDay] = []
    for number in range(count):
        drawn = Counter(CHANCE.choices([f"class {place}" for place in range(len(shares))], shares, k=runs))
        found.append(InputDay(start + timedelta(days=number), runs, {"type": drawn, "source": {"api": runs}}))
    return found


def test_looking_every_day_raises_few_false_alarms() -> None:
    alarms = 0
    for _ in range(40):
        past = days([0.6, 0.2, 0.1, 0.1], 60, runs=15)
        alarms += any(drift(past[:seen]).state == "drifted" for seen in range(2, 61))
    assert alarms <= 2


def test_a_new_kind_of_document_is_noticed_and_named_with_the_day_it_came() -> None:
    past = days([0.8, 0.2, 0.0], 28)
    found = drift([*past, *days([0.5, 0.2, 0.3], 14, start=START + timedelta(days=28))])
    assert found.state == "drifted"
    assert found.since is not None
    assert abs((found.since - (START + timedelta(days=28))).days) <= 2
    assert {one.feature for one in found.features if one.drifted} == {"type"}
    assert {(one.feature, one.value) for one in found.moved} == {("type", "class 0"), ("type", "class 2")}


def test_a_feature_without_data_is_no_drift() -> None:
    found = drift(days([0.7, 0.3], 30))
    assert found.state == "stable"
    assert {one.feature: one.psi for one in found.features}["language"] == 0.0
    assert found.moved == ()


def test_without_enough_days_or_runs_nothing_is_said() -> None:
    assert drift([]).state == "no_data"
    assert drift(days([1.0], 1)).state == "no_data"
    assert drift(days([1.0], 5, runs=2)).state == "no_data"


def test_a_source_that_names_each_run_anew_raises_no_alarm() -> None:
    past = [
        InputDay(START + timedelta(days=day), 30, {"source": {f"{day}-{n}": 1 for n in range(30)}}) for day in range(40)
    ]
    assert all(one.feature == "source" or not one.drifted for one in drift(past).features)


def test_the_stability_index_is_zero_for_the_same_shares_and_grows_with_the_distance() -> None:
    same, near, far = ({"a": a, "b": 1000 - a} for a in (500, 550, 900))
    assert stability_index(same, same) == 0.0
    assert 0.0 < stability_index(same, near) < 0.1
    assert stability_index(same, far) > 0.25
