"""What the advisor may say: its bounds hold however often one looks, and its estimates lean to no side."""

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay import reviews
from assay.reviews import DrawnGroup, Evidence, SamplingPolicy

LOOKS = 10_000
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
VERSION = reviews.CurrentVersion("wfv_1", "1.0.0", SINCE)


def group(reviewed: int, missed: int = 0, *, name: str = "", clean: int | None = None, **more: Any) -> DrawnGroup:
    """What was reviewed of a sample of 15 %, of which nothing waits."""
    values: dict[str, Any] = {
        "stratum": name,
        "sampled": reviewed,
        "population": reviewed / 0.15,
        "per_day": 100.0,
        "reviewed": reviewed,
        "failed": missed,
        "partial": 0,
        "weight": reviewed / 0.15,
        "missed_weight": missed / 0.15,
        "clean": reviewed if not missed else clean or 0,
        "waiting": 0,
        "overdue": 0,
        "last_missed_at": SINCE + timedelta(days=2) if missed else None,
    }
    return DrawnGroup(**{**values, **more})


def advice(*groups: DrawnGroup, policy: SamplingPolicy | None = None, **more: Any) -> reviews.Advice:
    values: dict[str, Any] = {
        "mode": "live",
        "version": VERSION,
        "groups": groups,
        "has_traffic": True,
        "rate_changed_at": SINCE + timedelta(days=1),
        "rate_decided_at": SINCE + timedelta(days=1),
        **more,
    }
    return reviews.advice_from(policy or SamplingPolicy(), Evidence(**values))


# --- however often one looks


def _fewest(is_enough: Callable[[int], bool], start: int) -> int:
    """Find where a condition begins to hold that goes on to hold, looking in growing steps from `start`."""
    step, high = 64, start
    while not is_enough(high):
        high, step = high + step, step * 2
    low = max(start - 1, high - step // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _limits(rate: float, most_misses: int) -> tuple[list[int], list[int]]:
    """With so many misses: from how many reviews on the rate is said to be lower, and up to how many higher."""
    lower_from, higher_until = [1], [0]
    for missed in range(most_misses + 1):

        def is_lower(reviewed: int, missed: int = missed) -> bool:
            return reviews.miss_rate([group(reviewed, missed)]).always.upper < rate

        def is_not_higher(reviewed: int, missed: int = missed) -> bool:
            return reviews.miss_rate([group(reviewed, missed)]).always.lower <= rate

        lower_from.append(_fewest(is_lower, max(lower_from[-1], missed)))
        higher_until.append(_fewest(is_not_higher, max(higher_until[-1], missed)) - 1)
    return lower_from[1:], higher_until[1:]


def test_ten_thousand_daily_looks_raise_at_most_one_false_alarm_in_twenty() -> None:
    rate, paths = 0.01, 2000
    lower_from, higher_until = _limits(rate, 160)
    chance = random.Random(11)
    false_alarms = 0
    for _ in range(paths):
        reviewed, missed = 0, 0
        while reviewed < LOOKS:
            following = reviewed + math.ceil(math.log(1 - chance.random()) / math.log(1 - rate))
            # A look after each review; what is said changes for the worse only before and at a miss.
            if min(following - 1, LOOKS) >= lower_from[missed] or (missed and reviewed <= higher_until[missed]):
                false_alarms += 1
                break
            reviewed, missed = following, missed + 1
    assert false_alarms / paths <= 0.05


def test_the_bound_for_one_look_would_not_bear_daily_looks() -> None:
    rate, paths = 0.05, 400
    lower_from = [1]
    for missed in range(150):

        def is_lower(reviewed: int, missed: int = missed) -> bool:
            return reviews.miss_rate([group(reviewed, missed)]).upper_once < rate

        lower_from.append(_fewest(is_lower, max(lower_from[-1], missed)))
    chance = random.Random(12)
    false_alarms = 0
    for _ in range(paths):
        reviewed = 0
        for limit in lower_from[1:]:
            following = reviewed + math.ceil(math.log(1 - chance.random()) / math.log(1 - rate))
            if following - 1 >= limit:
                false_alarms += 1
                break
            reviewed = following
    assert false_alarms / paths > 0.15


# --- strata


def _simulated(chance: random.Random, strata: Sequence[tuple[str, int, float, float]]) -> list[DrawnGroup]:
    """Draw and review a population of (name, runs, rate, miss rate) strata."""
    found: list[DrawnGroup] = []
    for name, runs, rate, miss_rate in strata:
        drawn = [chance.random() < miss_rate for _ in range(runs) if chance.random() < rate]
        found.append(
            group(
                len(drawn),
                sum(drawn),
                name=name,
                population=len(drawn) / rate,
                weight=len(drawn) / rate,
                missed_weight=sum(drawn) / rate,
            )
        )
    return found


STRATA = [("", 900, 0.1, 0.02), ("unsure", 100, 1.0, 0.4)]
TRUE_RATE = (900 * 0.02 + 100 * 0.4) / 1000


def test_the_weights_of_strata_give_an_unbiased_estimate_where_the_plain_share_is_far_off() -> None:
    chance = random.Random(5)
    estimates, plain = list[float](), list[float]()
    for _ in range(1500):
        groups = _simulated(chance, STRATA)
        found = reviews.miss_rate(groups).estimate
        assert found is not None
        estimates.append(found)
        plain.append(sum(one.missed for one in groups) / sum(one.reviewed for one in groups))
    mean = sum(estimates) / len(estimates)
    spread = math.sqrt(sum((one - mean) ** 2 for one in estimates) / len(estimates))
    assert abs(mean - TRUE_RATE) < 4 * spread / math.sqrt(len(estimates))
    assert sum(plain) / len(plain) > 3 * TRUE_RATE


def test_the_bounds_over_strata_cover_the_rate_of_all_runs() -> None:
    chance = random.Random(6)
    found = [reviews.miss_rate(_simulated(chance, STRATA)) for _ in range(300)]
    assert sum(one.upper_once >= TRUE_RATE for one in found) / len(found) >= 0.95
    assert sum(one.always.lower <= TRUE_RATE <= one.always.upper for one in found) / len(found) >= 0.95


def test_a_stratum_nobody_reviewed_counts_with_all_it_might_be() -> None:
    sure = group(300, name="")
    unknown = group(0, name="new", sampled=50, population=sure.population)
    assert reviews.miss_rate([sure, unknown]).upper_once > 0.5


# --- steps


@pytest.mark.parametrize(("rate", "below"), [(0.5, 0.15), (0.15, 0.10), (0.10, 0.05), (0.05, 0.01), (0.01, 0.0)])
def test_so_many_clean_reviews_as_it_says_earn_the_step_down(rate: float, below: float) -> None:
    policy = SamplingPolicy(rate=rate)
    step = advice(group(10), policy=policy).next_step
    assert step is not None
    assert step.rate == below
    assert step.clean_reviews is not None
    assert advice(group(10 + step.clean_reviews - 1), policy=policy).action == "keep"
    earned = advice(group(10 + step.clean_reviews), policy=policy)
    assert (earned.action, earned.recommended_rate) == ("lower", below)


def test_runs_that_were_drawn_and_none_reviewed_yet_are_advised_on_like_none() -> None:
    found = advice(group(0, sampled=30, population=200.0, waiting=30))
    assert (found.action, found.miss_rate.estimate) == ("keep", None)
    assert found.next_step is not None
    assert found.next_step.clean_reviews is not None


def test_at_zero_with_traffic_nothing_is_measured() -> None:
    none = advice(policy=SamplingPolicy(rate=0.0))
    assert not none.measured
    assert none.next_step is None
    assert "not measured" in none.sentence
    assert advice(policy=SamplingPolicy(rate=0.0), has_traffic=False).measured


def test_a_miss_since_the_last_change_asks_for_one_step_up() -> None:
    policy = SamplingPolicy(rate=0.01)
    raised = advice(group(2000, 1, clean=100), policy=policy)
    assert (raised.action, raised.recommended_rate, raised.reasons[0].code) == ("raise", 0.05, "miss")
    known = advice(group(2000, 1, clean=100), policy=policy, rate_changed_at=SINCE + timedelta(days=3))
    assert known.action == "keep"


def test_after_a_miss_clean_reviews_must_follow_that_show_it_by_themselves() -> None:
    since = SINCE + timedelta(days=3)
    few = advice(group(1000, 1, clean=5), policy=SamplingPolicy(rate=0.10), rate_changed_at=since)
    assert few.action == "keep"
    assert few.next_step is not None
    assert few.next_step.clean_reviews == 54  # 59 show 5 %
    enough = advice(group(1000, 1, clean=59), policy=SamplingPolicy(rate=0.10), rate_changed_at=since)
    assert enough.action == "lower"


def test_another_version_asks_for_the_first_rate_again() -> None:
    newer = reviews.CurrentVersion("wfv_2", "2.0.0", SINCE + timedelta(days=5))
    found = advice(policy=SamplingPolicy(rate=0.01), version=newer)
    assert (found.action, found.recommended_rate, found.reasons[0].code) == ("raise", 0.15, "new_version")
    decided = advice(policy=SamplingPolicy(rate=0.01), version=newer, rate_changed_at=SINCE + timedelta(days=6))
    assert decided.action == "keep"


def test_drift_asks_for_a_step_up_and_lets_none_be_taken_down() -> None:
    drift = reviews.Drift(SINCE + timedelta(days=2), "Three times as many documents are in Polish.")
    up = advice(group(2000), policy=SamplingPolicy(rate=0.05), drift=drift)
    assert (up.action, up.recommended_rate) == ("raise", 0.10)
    later = SINCE + timedelta(days=3)
    unaware = advice(group(2000), policy=SamplingPolicy(rate=0.05), drift=drift, rate_changed_at=later)
    assert unaware.action == "raise"
    held = advice(group(2000), policy=SamplingPolicy(rate=0.05), drift=drift, rate_decided_at=later)
    assert (held.action, held.reasons[0].code) == ("keep", "drift")
    assert "Polish" in held.sentence


def test_runs_that_wait_too_long_for_a_verdict_hold_the_step_down_back() -> None:
    found = advice(group(2000, overdue=3))
    assert (found.action, found.reasons[0].code) == ("keep", "reviews_overdue")


def test_the_floor_holds_whatever_was_shown() -> None:
    found = advice(group(5000), policy=SamplingPolicy(rate=1.0, floor=1.0))
    assert (found.action, found.rate, found.reasons[0].code) == ("keep", 1.0, "floor")


def test_more_misses_than_are_tolerated_ask_for_the_first_rate() -> None:
    found = advice(group(200, 40), policy=SamplingPolicy(rate=0.05))
    assert (found.action, found.recommended_rate) == ("raise", 0.15)
    assert found.reasons[0].code == "too_many_misses"
    assert advice(group(200, 40)).action == "keep"


def test_a_run_that_is_right_in_part_is_a_miss() -> None:
    assert group(10, 1, partial=2).missed == 3
