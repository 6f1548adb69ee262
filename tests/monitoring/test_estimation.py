"""The figure for quality keeps its promise, whatever people pick; the naive one does not."""

import random
from collections import Counter

import pytest

from assay.monitoring import Drawn, estimate
from assay.statistics import wilson

REPEATS = 400


def drawn(groups: dict[tuple[str, float], Counter[str]], waiting: int = 0) -> list[Drawn]:
    return [
        Drawn(stratum, probability, counts.total() + waiting, counts["pass"], counts["fail"], 0)
        for (stratum, probability), counts in groups.items()
    ]


@pytest.mark.parametrize(
    ("strata", "runs"),
    [
        pytest.param([("", 1.0, 0.05, [0.15])], 1500, id="one rate"),
        pytest.param([("", 1.0, 0.05, [0.15, 0.10, 0.05])], 1500, id="rates that came down"),
        pytest.param([("", 0.9, 0.01, [0.05]), ("unsure", 0.1, 0.4, [1.0])], 1500, id="the risky drawn more"),
        pytest.param([("", 0.9, 0.02, [0.5]), ("new", 0.1, 0.3, [0.05])], 1500, id="the risky drawn less"),
    ],
)
def test_under_biased_picking_it_covers_nominally_and_the_naive_figure_breaks(
    strata: list[tuple[str, float, float, list[float]]], runs: int
) -> None:
    chance = random.Random(7)
    truth = sum(share * (1 - missed) for _, share, missed, _ in strata)
    covered = naively = 0
    for _ in range(REPEATS):
        groups: dict[tuple[str, float], Counter[str]] = {}
        everything: Counter[str] = Counter()
        for name, share, missed, rates in strata:
            for rate in rates:
                for _ in range(int(runs * share / len(rates))):
                    verdict = "fail" if chance.random() < missed else "pass"
                    if chance.random() < rate:
                        groups.setdefault((name, rate), Counter())[verdict] += 1
                        everything[verdict] += 1
                    # People find the wrong ones, and report them.
                    elif verdict == "fail" and chance.random() < 0.5:
                        everything[verdict] += 1
        found = estimate(drawn(groups))
        assert found is not None
        covered += found.interval.lower <= truth <= found.interval.upper
        plain = wilson(everything["pass"], everything.total())
        naively += plain.lower <= truth <= plain.upper
    assert 0.92 <= covered / REPEATS <= 0.99
    assert naively / REPEATS < 0.75


def test_with_one_rate_it_is_wilsons_interval() -> None:
    found = estimate([Drawn("", 0.1, 50, 45, 4, 1)])
    plain = wilson(45, 50)
    assert found is not None
    assert found.share == pytest.approx(0.9)
    assert (found.interval.lower, found.interval.upper) == pytest.approx((plain.lower, plain.upper))


def test_a_stratum_whose_reviews_lag_keeps_its_weight() -> None:
    found = estimate([Drawn("", 0.1, 90, 90, 0, 0), Drawn("unsure", 0.1, 90, 5, 5, 0)])
    assert found is not None
    assert found.share == pytest.approx(0.75)


def test_a_stratum_without_a_review_may_be_anything() -> None:
    found = estimate([Drawn("", 0.1, 100, 100, 0, 0), Drawn("unsure", 1.0, 1000, 0, 0, 0)])
    assert found is not None
    assert (found.share, found.unseen) == (1.0, 0.5)
    assert found.interval.lower < 0.5
    assert found.interval.upper == 1.0


def test_without_a_review_nothing_is_estimated() -> None:
    assert estimate([Drawn("", 0.1, 10, 0, 0, 0)]) is None
    assert estimate([]) is None
