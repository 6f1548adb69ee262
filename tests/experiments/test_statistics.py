"""Intervals and tests against the reference libraries, and what they promise against exact computation."""

import math
from random import Random
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa as reference_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from assay import statistics

COUNTS = [(0, 1), (1, 1), (0, 30), (3, 30), (45, 50), (20, 20), (190, 200), (999, 1000), (19_000, 20_000)]


def probability(successes: int, total: int, rate: float) -> float:
    return float(scipy.stats.binom.pmf(successes, total, rate))


# One rate.


@pytest.mark.parametrize(("successes", "total"), COUNTS)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_intervals_of_a_rate_equal_the_references(successes: int, total: int, confidence: float) -> None:
    wilson = statistics.wilson(successes, total, confidence)
    assert (wilson.lower, wilson.upper) == pytest.approx(
        proportion_confint(successes, total, 1 - confidence, method="wilson"), abs=1e-9
    )
    exact = statistics.clopper_pearson(successes, total, confidence)
    assert (exact.lower, exact.upper) == pytest.approx(
        proportion_confint(successes, total, 1 - confidence, method="beta"), abs=1e-9
    )


@pytest.mark.parametrize(("successes", "total"), COUNTS)
def test_one_sided_bounds_equal_the_reference(successes: int, total: int) -> None:
    above = scipy.stats.binomtest(successes, total, alternative="greater").proportion_ci(0.95, "exact")
    below = scipy.stats.binomtest(successes, total, alternative="less").proportion_ci(0.95, "exact")
    assert statistics.rate_at_least(successes, total) == pytest.approx(above.low, abs=1e-9)
    assert statistics.rate_at_most(successes, total) == pytest.approx(below.high, abs=1e-9)


def test_without_observations_nothing_is_known() -> None:
    everything = statistics.Interval(0.0, 1.0)
    assert statistics.wilson(0, 0) == statistics.clopper_pearson(0, 0) == statistics.rate_sequence(0, 0) == everything
    assert (statistics.rate_at_least(0, 0), statistics.rate_at_most(0, 0)) == (0.0, 1.0)
    assert statistics.paired_difference(0, 0, 0) == statistics.Interval(-1.0, 1.0)
    assert statistics.paired_bootstrap([]) is None
    assert statistics.smallest_detectable(0) is None
    assert statistics.cohens_kappa([]) is None


@pytest.mark.parametrize("total", [1, 10, 30, 59, 100])
def test_clopper_pearson_covers_at_least_its_level_at_every_rate(total: int) -> None:
    intervals = [statistics.clopper_pearson(successes, total) for successes in range(total + 1)]
    at_least = [statistics.rate_at_least(successes, total) for successes in range(total + 1)]
    rates = np.linspace(0.001, 0.999, 499)
    chances = scipy.stats.binom.pmf(np.arange(total + 1)[:, None], total, rates[None, :])
    inside = np.array([[one.lower <= rate <= one.upper for rate in rates] for one in intervals])
    above = np.array([[bound <= rate for rate in rates] for bound in at_least])
    assert (chances * inside).sum(axis=0).min() >= 0.95
    assert (chances * above).sum(axis=0).min() >= 0.95


@pytest.mark.parametrize("total", [50, 100, 300])
def test_wilson_covers_its_level_on_average_within_a_point(total: int) -> None:
    intervals = [statistics.wilson(successes, total) for successes in range(total + 1)]
    rates = (np.arange(1000) + 0.5) / 1000
    chances = scipy.stats.binom.pmf(np.arange(total + 1)[:, None], total, rates[None, :])
    inside = np.array([[one.lower <= rate <= one.upper for rate in rates] for one in intervals])
    assert (chances * inside).sum(axis=0).mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("bar", "needed"), [(0.90, 29), (0.95, 59), (0.97, 99), (0.98, 149), (0.99, 299), (0.0, 1), (0.5, 5)]
)
def test_so_many_successes_in_a_row_show_a_rate(bar: float, needed: int) -> None:
    assert statistics.fewest_to_show(bar) == needed
    assert statistics.rate_at_least(needed, needed) >= bar
    assert bar == 0 or statistics.rate_at_least(needed - 1, needed - 1) < bar


# A rate that is looked at all the time.


def sequence_contains(rate: float, successes: int, total: int, prior: tuple[float, float]) -> bool:
    bounds = statistics.rate_sequence(successes, total, prior=prior)
    return bounds.lower <= rate <= bounds.upper


def chance_of_ever_leaving(rate: float, looks: int, prior: tuple[float, float]) -> float:
    """Follow all streams at once: those that the bounds have left are taken out, and their share added up."""
    alive = [1.0]
    left = 0.0
    for total in range(1, looks + 1):
        chances = [0.0] * (total + 1)
        for successes, chance in enumerate(alive):
            chances[successes] += chance * (1 - rate)
            chances[successes + 1] += chance * rate
        for successes, chance in enumerate(chances):
            if chance > 1e-9 and not sequence_contains(rate, successes, total, prior):
                left += chance
                chances[successes] = 0.0
        alive = chances
    return left


@pytest.mark.parametrize(
    ("rate", "prior"), [(0.02, (0.5, 0.5)), (0.5, (0.5, 0.5)), (0.9, (0.5, 0.5)), (0.1, (1.0, 20.0))]
)
def test_the_confidence_sequence_holds_at_all_times_at_once(rate: float, prior: tuple[float, float]) -> None:
    assert chance_of_ever_leaving(rate, 200, prior) <= 0.05


def test_the_confidence_sequence_holds_on_long_streams() -> None:
    random = Random(7)
    left = 0
    for _ in range(150):
        successes = 0
        for total in range(1, 2001):
            successes += random.random() < 0.95
            if total % 20 == 0 and not sequence_contains(0.95, successes, total, (0.5, 0.5)):
                left += 1
                break
    assert left / 150 <= 0.05


def test_daily_looks_break_an_ordinary_interval() -> None:
    alive, left = {0: 1.0}, 0.0
    for total in range(1, 201):
        chances: dict[int, float] = {}
        for successes, chance in alive.items():
            chances[successes] = chances.get(successes, 0.0) + chance / 2
            chances[successes + 1] = chances.get(successes + 1, 0.0) + chance / 2
        if total % 10 == 0:
            for successes in list(chances):
                bounds = statistics.wilson(successes, total)
                if not bounds.lower <= 0.5 <= bounds.upper:
                    left += chances.pop(successes)
        alive = chances
    assert left > 0.15


def test_the_confidence_sequence_narrows_to_the_rate() -> None:
    bounds = statistics.rate_sequence(95_000, 100_000)
    assert 0.945 < bounds.lower < 0.95 < bounds.upper < 0.955


# Pairs.


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (5, 0), (0, 6), (9, 2), (3, 3), (1, 2), (40, 61), (700, 800)]
)
def test_mcnemar_equals_the_references(only_first: int, only_second: int) -> None:
    reference: Any = reference_mcnemar([[10, only_first], [only_second, 10]], exact=True)
    assert statistics.mcnemar(only_first, only_second) == pytest.approx(reference.pvalue, rel=1e-9)
    if only_first + only_second:
        expected = scipy.stats.binomtest(only_first, only_first + only_second).pvalue
        assert statistics.mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-9)


def test_five_flips_one_way_prove_nothing_and_six_do() -> None:
    assert statistics.mcnemar(5, 0) == statistics.mcnemar(0, 5) == 0.0625
    assert statistics.mcnemar(6, 0) == 0.03125
    assert statistics.mcnemar(9, 2) == pytest.approx(0.065, abs=0.001)


DIFFERENCES = {
    "flips": lambda random: random.choice([0] * 8 + [1, 1, -1]),
    "quarters": lambda random: random.choice([-0.25, 0, 0, 0.25, 0.5, 0.75]),
    "scores": lambda random: random.gauss(0.05, 0.2),
    "scores and outliers": lambda random: random.gauss(0, 0.01) + (1 if random.random() < 0.02 else 0),
}


@pytest.mark.parametrize("kind", DIFFERENCES)
@pytest.mark.parametrize("pairs", [40, 500])
def test_the_bootstrap_equals_the_reference(kind: str, pairs: int) -> None:
    random = Random(f"{kind} {pairs}")
    differences = [float(DIFFERENCES[kind](random)) for _ in range(pairs)]
    ours = statistics.paired_bootstrap(differences)
    assert ours is not None
    theirs = scipy.stats.bootstrap(
        (np.array(differences),),
        np.mean,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    # A quantile of so many resamples is itself uncertain by about a fifteenth of the standard error.
    tolerance = 0.2 * float(np.std(differences)) / math.sqrt(pairs)
    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), abs=tolerance)


def test_the_bootstrap_gives_the_same_interval_again_in_any_order() -> None:
    differences = [Random(1).gauss(0, 1) for _ in range(50)] + [0.5, -0.25] * 20
    shuffled = differences.copy()
    Random(2).shuffle(shuffled)
    assert statistics.paired_bootstrap(differences) == statistics.paired_bootstrap(shuffled)


@pytest.mark.parametrize(("only_first", "only_second"), [(0.08, 0.15), (0.1, 0.1), (0.05, 0.25)])
def test_the_bootstrap_covers_its_level_within_two_points(only_first: float, only_second: float) -> None:
    pairs = 100
    covered = seen = 0.0
    for worse in range(pairs + 1):
        for better in range(pairs + 1 - worse):
            chance = probability(worse, pairs, only_first)
            chance *= probability(better, pairs - worse, only_second / (1 - only_first)) if chance > 1e-5 else 0
            if chance < 1e-4:
                continue
            flips = [-1.0] * worse + [1.0] * better + [0.0] * (pairs - worse - better)
            bounds = statistics.paired_bootstrap(flips, resamples=1_000)
            assert bounds is not None
            seen += chance
            covered += chance * (bounds.lower - 1e-9 <= only_second - only_first <= bounds.upper + 1e-9)
    assert seen > 0.97
    assert covered / seen == pytest.approx(0.95, abs=0.02)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60))
@example([0.0, 1.0, 0.5, 0.75, 0.625, 0.875, 0.9375, 0.25, 0.375, 0.125, 0.1875, 4.6e-224, 9.2e-244])
def test_the_bootstrap_stays_among_the_values(differences: list[float]) -> None:
    bounds = statistics.paired_bootstrap(differences, resamples=50)
    assert bounds is not None
    assert min(differences) - 0.2 <= bounds.lower <= bounds.upper <= max(differences) + 0.2


def test_the_score_interval_equals_a_published_one() -> None:
    # Airway hyper-responsiveness before and after (Bentur 2009), as worked out by Fagerland, Lydersen and Laake 2014.
    bounds = statistics.paired_difference(only_first=7, only_second=1, pairs=21)
    assert (bounds.lower, bounds.upper) == pytest.approx((-0.517, -0.026), abs=0.0005)


@pytest.mark.parametrize(("only_first", "only_second", "pairs"), [(3, 9, 60), (0, 4, 40), (12, 12, 100), (1, 0, 30)])
def test_the_score_bound_is_where_the_likelihood_puts_it(only_first: int, only_second: int, pairs: int) -> None:
    bound = statistics.difference_at_least(only_first, only_second, pairs)

    def unlikelihood(rate: float) -> float:
        rates = [max(rate, 1e-12), max(rate + bound, 1e-12), max(1 - 2 * rate - bound, 1e-12)]
        counts = [only_first, only_second, pairs - only_first - only_second]
        return -sum(count * math.log(rate) for count, rate in zip(counts, rates, strict=True))

    found: Any = scipy.optimize.minimize_scalar(
        unlikelihood, bounds=(max(0, -bound), (1 - bound) / 2), method="bounded", options={"xatol": 1e-10}
    )
    variance = pairs * (2 * found.x + bound - bound * bound)
    z = (only_second - only_first - pairs * bound) / math.sqrt(variance)
    assert z == pytest.approx(scipy.stats.norm.ppf(0.95), abs=1e-3)


def test_the_score_bound_covers_its_level_about() -> None:
    pairs, only_first, only_second = 60, 0.06, 0.04
    covered = 0.0
    for worse in range(20):
        for better in range(20):
            chance = probability(worse, pairs, only_first)
            chance *= probability(better, pairs - worse, only_second / (1 - only_first))
            if chance > 1e-7:
                bound = statistics.difference_at_least(worse, better, pairs)
                covered += chance * (bound <= only_second - only_first)
    assert covered == pytest.approx(0.95, abs=0.015)


def test_no_flips_do_not_prove_that_nothing_changed() -> None:
    bounds = statistics.paired_difference(0, 0, 50)
    assert -bounds.lower == bounds.upper == pytest.approx(0.0713, abs=0.0001)


# What could have been found.


def simulated_power(difference: float, pairs: int, discordance: float) -> float:
    generator = np.random.default_rng(5)
    discordance = max(discordance, difference)
    draws = 20_000
    discordant = generator.binomial(pairs, discordance, draws)
    better = generator.binomial(discordant, (1 + difference / discordance) / 2)
    found = sum(
        statistics.mcnemar(int(count - up), int(up)) <= 0.05 and up > count / 2
        for count, up in zip(discordant, better, strict=True)
    )
    return found / draws


@pytest.mark.parametrize(("pairs", "discordance"), [(6, 0.0), (30, 0.0), (50, 0.1), (200, 0.2)])
def test_the_smallest_detectable_change_is_found_four_times_of_five(pairs: int, discordance: float) -> None:
    smallest = statistics.smallest_detectable(pairs, discordance)
    assert smallest is not None
    assert simulated_power(smallest, pairs, discordance) == pytest.approx(0.8, abs=0.015)


def test_five_pairs_cannot_show_anything() -> None:
    assert statistics.smallest_detectable(5) is None
    assert statistics.smallest_detectable(5, 1.0) is None


def test_more_pairs_show_smaller_changes() -> None:
    found = [statistics.smallest_detectable(pairs, 0.15) or 1.0 for pairs in (6, 20, 50, 100, 400, 2000)]
    assert found == sorted(found, reverse=True)


# Several tests, several judges.


@pytest.mark.parametrize("tests", [1, 2, 5, 12])
def test_holm_equals_the_reference(tests: int) -> None:
    p_values = [Random(tests * 100 + place).random() ** 3 for place in range(tests)]
    reference: Any = multipletests(p_values, method="holm")
    assert statistics.holm(p_values) == pytest.approx(list(reference[1]))
    assert statistics.holm([0.01, 0.01, 0.9, 0.02]) == pytest.approx([0.04, 0.04, 0.9, 0.04])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_kappa_equals_the_reference(pairs: list[tuple[int, int]]) -> None:
    table = np.zeros((3, 3))
    for one, other in pairs:
        table[one, other] += 1
    kappa = statistics.cohens_kappa(pairs)
    if kappa is None:
        assert len(set(pairs)) == 1
        return
    assert kappa == pytest.approx(reference_kappa(table, return_results=False))


def test_two_judges_with_one_label_have_no_kappa() -> None:
    assert statistics.cohens_kappa([("pass", "pass")] * 20) is None
    assert statistics.cohens_kappa([("pass", "fail")] * 20) == 0.0


@pytest.mark.parametrize(
    ("table", "ac1"),
    [
        ([[118, 5], [2, 0]], 0.94077634),
        ([[40, 6, 1], [3, 22, 4], [2, 1, 11]], 0.72877149),
        ([[90, 4, 1], [2, 1, 0], [1, 0, 1]], 0.91514637),
        ([[30, 0], [0, 5]], 1.0),
    ],
)
def test_ac1_equals_what_irrcac_gives(table: list[list[int]], ac1: float) -> None:
    """Of irrCAC 0.4.4, `CAC(...).gwet()`, to eight digits; the first is Gwet's own example."""
    pairs = [(one, two) for one, row in enumerate(table) for two, count in enumerate(row) for _ in range(count)]
    assert statistics.gwets_ac1(pairs) == pytest.approx(ac1, abs=5e-9)
    assert statistics.gwets_ac1([]) is None


@pytest.mark.parametrize(
    ("reviewed", "others", "share", "interval"),
    [
        ((45, 4, 5, 16), (700, 300), 0.71428571, (0.63544821, 0.79312322)),
        ((80, 3, 2, 15), (1600, 400), 0.79857367, (0.75340854, 0.84373879)),
        ((50, 10, 10, 10), (600, 400), 0.71350785, (0.62333791, 0.80367779)),
    ],
)
def test_a_prediction_powered_share_equals_what_ppi_python_gives(
    reviewed: tuple[int, int, int, int],
    others: tuple[int, int],
    share: float,
    interval: tuple[float, float],
) -> None:
    """Of ppi-python 0.2.3, `ppi_mean_pointestimate` and `ppi_mean_ci(..., alpha=0.05)`, to eight digits."""
    found = statistics.prediction_powered(judged_cells(reviewed, others))
    assert found is not None
    assert found.share == pytest.approx(share, abs=1e-8)
    half = 1.959963985 * found.error
    assert (found.share - half, found.share + half) == pytest.approx(interval, abs=1e-8)


def test_what_nobody_trusts_or_nobody_asks_is_peoples_share_alone() -> None:
    alone = statistics.prediction_powered(judged_cells((45, 4, 5, 16), (700, 300)), trusting=False)
    without = statistics.prediction_powered(judged_cells((45, 4, 5, 16), (0, 0)))
    assert alone is not None
    assert without is not None
    assert alone.share == pytest.approx(50 / 70)
    assert alone == without
    assert alone.trust == 0
    assert statistics.prediction_powered(judged_cells((0, 0, 0, 0), (700, 300))) is None


def test_weights_count_like_so_many_things() -> None:
    heavy = [statistics.JudgedCell(cell.judged, cell.right, cell.count, 4.0) for cell in judged_cells((9, 1, 2, 8))]
    mixed = statistics.prediction_powered([*judged_cells((10, 0, 0, 10)), *heavy])
    assert mixed is not None
    assert mixed.share == pytest.approx((10 + 4 * 11) / (20 + 4 * 20))


def judged_cells(reviewed: tuple[int, int, int, int], others: tuple[int, int] = (0, 0)) -> list[statistics.JudgedCell]:
    """Both pass, only the judge, only people, both fail; then what only the judge saw, passed and not."""
    verdicts = [(True, True), (True, False), (False, True), (False, False)]
    asked = [statistics.JudgedCell(*one, count) for one, count in zip(verdicts, reviewed, strict=True)]
    seen = [statistics.JudgedCell(ruling, None, count) for ruling, count in zip((True, False), others, strict=True)]
    return [*asked, *seen]
