"""How sure a figure is: intervals of rates and differences, paired tests, agreement.

Everything is exact or a named approximation, deterministic, and needs the standard library only. A
confidence of 0.95 is meant as two-sided, unless a function says that its bound is one-sided.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from random import Random
from statistics import NormalDist
from typing import TypeVar

RESAMPLES = 4_000
"""How often a bootstrap resamples."""
_MAX_CELLS = 12
_NORMAL = NormalDist()

Label = TypeVar("Label", bound=Hashable)
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Interval:
    """From `lower` to `upper`, both included."""

    lower: float
    upper: float


# One rate.


def wilson(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Give Wilson's score interval of a rate: for showing; covers the nominal level on average over rates.

    Without observations it is 0 to 1.
    """
    if total == 0:
        return Interval(0.0, 1.0)
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    rate = successes / total
    denominator = 1 + z * z / total
    center = (rate + z * z / (2 * total)) / denominator
    half = z / denominator * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return Interval(
        0.0 if successes == 0 else max(0.0, center - half),
        1.0 if successes == total else min(1.0, center + half),
    )


def clopper_pearson(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Give the exact interval of a rate: for promises; covers at least the nominal level at every rate."""
    one_sided = (1 + confidence) / 2
    return Interval(rate_at_least(successes, total, one_sided), rate_at_most(successes, total, one_sided))


def rate_at_least(successes: int, total: int, confidence: float = 0.95) -> float:
    """Give Clopper and Pearson's one-sided lower bound: the rate is above it with the given confidence."""
    if successes == 0:
        return 0.0
    return _crossing(lambda rate: _beta_cdf(rate, successes, total - successes + 1) - (1 - confidence), 0.0, 1.0)


def rate_at_most(successes: int, total: int, confidence: float = 0.95) -> float:
    """Give Clopper and Pearson's one-sided upper bound: the rate is below it with the given confidence."""
    return 1.0 - rate_at_least(total - successes, total, confidence)


def fewest_to_show(rate: float, confidence: float = 0.95) -> int:
    """Count the observations after which a rate above `rate` (0 to 1, without 1) is shown if every one succeeds."""
    return 1 if rate <= 0 else math.ceil(math.log(1 - confidence) / math.log(rate) - 1e-9)


def rate_sequence(
    successes: int, total: int, confidence: float = 0.95, prior: tuple[float, float] = (0.5, 0.5)
) -> Interval:
    """Give the bounds of a rate that hold at all times at once, however often and whenever one looks.

    The beta-binomial mixture (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021): a rate is inside
    while the likelihood of a Beta(`prior`) mixture of rates is less than 1 / (1 - confidence) times its
    own; by Ville's inequality the true rate ever leaves with at most probability 1 - confidence. Each
    bound alone holds with at least that confidence as well. The prior must be chosen before looking; it
    decides where the bounds are narrow, never whether they hold.
    """
    if total == 0:
        return Interval(0.0, 1.0)
    failures = total - successes
    limit = math.log(1 / (1 - confidence)) - (
        _log_beta(prior[0] + successes, prior[1] + failures) - _log_beta(prior[0], prior[1])
    )

    def excess(rate: float) -> float:
        return -_times_log(successes, rate) - _times_log(failures, 1 - rate) - limit

    rate = successes / total
    return Interval(
        0.0 if successes == 0 else _crossing(lambda value: -excess(value), 0.0, rate),
        1.0 if failures == 0 else _crossing(excess, rate, 1.0),
    )


# Two measurements of the same things.


def mcnemar(only_first: int, only_second: int) -> float:
    """Give the exact two-sided p-value for "neither is better", from the pairs in which only one of both succeeded.

    McNemar's test in its exact form (not mid-p): twice the smaller binomial tail, at most 1.
    """
    discordant = only_first + only_second
    ways = tail = 1
    for successes in range(min(only_first, only_second)):
        ways = ways * (discordant - successes) // (successes + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << discordant))


def paired_bootstrap(
    differences: Iterable[float], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """Give the percentile bootstrap interval of the mean of paired differences; None without any.

    The same differences, in whatever order, give the same interval. How often each value is drawn is
    multinomial, so the counts are drawn rather than the pairs. Where there are many values, they are
    gathered into cells, and what spread that takes away is put back as normal noise.
    """
    values = sorted(differences)
    if not values:
        return None
    cells, spread = _cells(values)
    means = sorted(_resampled_means(cells, spread, resamples, Random(seed)))  # noqa: S311 # chance, not a secret
    return Interval(_quantile(means, (1 - confidence) / 2), _quantile(means, (1 + confidence) / 2))


def paired_difference(only_first: int, only_second: int, pairs: int, confidence: float = 0.95) -> Interval:
    """Give Tango's score interval of the second rate minus the first, over pairs of which some differ.

    Unlike a bootstrap it does not shrink to nothing when no pair differs. (Tango 1998, Statistics in
    Medicine 17, 891-908.)
    """
    one_sided = (1 + confidence) / 2
    return Interval(
        difference_at_least(only_first, only_second, pairs, one_sided),
        -difference_at_least(only_second, only_first, pairs, one_sided),
    )


def difference_at_least(only_first: int, only_second: int, pairs: int, confidence: float = 0.95) -> float:
    """Give the one-sided lower bound of the second rate minus the first: the bound for non-inferiority.

    The second is not worse than the first by more than a margin when this is above minus the margin.
    It is Tango's score bound.
    """
    if pairs == 0:
        return -1.0
    z = _NORMAL.inv_cdf(confidence)
    observed = (only_second - only_first) / pairs

    def excess(difference: float) -> float:
        likely = _likeliest_only_first(only_first, only_second, pairs, difference)
        variance = pairs * (2 * likely + difference * (1 - difference))
        # At most z**2 is given away where the variance vanishes, which happens at the edges only.
        return z * math.sqrt(max(variance, 0.0)) - (only_second - only_first - pairs * difference)

    return _crossing(excess, -1.0, observed)


def smallest_detectable(
    pairs: int, discordance: float = 0.0, power: float = 0.8, significance: float = 0.05
) -> float | None:
    """Give the smallest difference of two rates that the exact McNemar test finds with the given power.

    `discordance` is the share of pairs expected to differ (as observed, say); to find a larger difference,
    just as many pairs must differ, all one way. None when even a difference of 1 is missed (fewer than 6
    pairs at 0.05).

    The power is the exact unconditional one: the number of discordant pairs is binomial, and given it, the
    number of improvements is binomial with (1 + difference / discordance) / 2 (Miettinen 1968; Duffy 1984,
    Biometrics 40, 1005-1015). Good to 0.0002.
    """
    if _power(1.0, pairs, discordance, significance) < power:
        return None
    low, high = 0.0, 1.0
    while high - low > 0.0002:
        middle = (low + high) / 2
        if _power(middle, pairs, discordance, significance) < power:
            low = middle
        else:
            high = middle
    return high


# Several tests, several judges.


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm 1979), in the order given: each may be compared with the level itself."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    raised = accumulate((p_values[index] * (len(order) - rank) for rank, index in enumerate(order)), max)
    adjusted = dict(zip(order, raised, strict=True))
    return [min(1.0, adjusted[index]) for index in range(len(p_values))]


def cohens_kappa(pairs: Iterable[tuple[Hashable, Hashable]]) -> float | None:
    """Give the agreement of two judges beyond chance, from their labels of the same things.

    1 is full agreement, 0 what chance would give. None without pairs, or where both only ever used one
    and the same label: then chance explains everything.
    """
    labels = Counter(pairs)
    return _beyond_chance(labels, chance_by_cohen(labels))


def gwets_ac1(pairs: Iterable[tuple[Hashable, Hashable]]) -> float | None:
    """Give the agreement of two judges beyond chance as Gwet counts chance: it stands where one label is nearly all.

    Kappa takes it that each judge guesses with the shares of his labels, so where 19 of 20 pass, hardly any agreement
    is left to be beyond chance. AC1 takes it that only what is hard to tell is guessed. (Gwet 2008, British Journal of
    Mathematical and Statistical Psychology 61, 29-48.) None without pairs.
    """
    labels = Counter(pairs)
    return _beyond_chance(labels, chance_by_gwet(labels))


def chance_by_cohen(labels: Mapping[tuple[Label, Label], int]) -> float:
    """Give how often two judges would say the same if each drew from his own labels; 1 without any."""
    first, second = _labels_of_each(labels)
    total = sum(labels.values())
    return sum(count * second[label] for label, count in first.items()) / total**2 if total else 1.0


def chance_by_gwet(labels: Mapping[tuple[Label, Label], int]) -> float:
    """Give how often two judges would agree by guessing what is hard to tell; 1 without any labels.

    The labels that came up count, at least two of them: one that nobody used would only make agreement look better.
    """
    first, second = _labels_of_each(labels)
    total = sum(labels.values())
    if not total:
        return 1.0
    shares = [count / (2 * total) for count in (first + second).values()]
    return math.fsum(share * (1 - share) for share in shares) / (max(2, len(shares)) - 1)


def _beyond_chance(labels: Mapping[tuple[Label, Label], int], by_chance: float) -> float | None:
    if by_chance == 1:
        return None
    agreed = sum(count for (one, other), count in labels.items() if one == other)
    return (agreed / sum(labels.values()) - by_chance) / (1 - by_chance)


def _labels_of_each(
    labels: Mapping[tuple[Label, Label], int],
) -> tuple[Counter[Label], Counter[Label]]:
    first: Counter[Label] = Counter()
    second: Counter[Label] = Counter()
    for (one, other), count in labels.items():
        first[one] += count
        second[other] += count
    return first, second


# A judge on everything, people on a part.


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """`count` things that a judge ruled alike: `judged` is what it said, `right` what people said (None: not asked).

    Each stands for `weight` things, one over the probability that it came to be looked at at all.
    """

    judged: bool
    right: bool | None
    count: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PoweredShare:
    """A share with its standard error; `trust` (0 to 1) is how far the judge was let speak for those not asked."""

    share: float
    error: float
    trust: float


def prediction_powered(cells: Sequence[JudgedCell], *, trusting: bool = True) -> PoweredShare | None:
    """Estimate the share of right ones: people's answers, made sharper by a judge that saw many more.

    PPI++ for a mean, its power tuning limited to 0 to 1 (Angelopoulos, Duchi and Zrnic 2023): whatever the judge is
    worth, the estimate is not biased by it, and a useless one is not trusted. Without `trusting` it is people's answers
    alone. Those who were asked must have been drawn by chance. None where nobody was.
    """
    asked = [cell for cell in cells if cell.right is not None and cell.count]
    others = [cell for cell in cells if cell.right is None and cell.count]
    if not asked:
        return None
    right = _Weighted.of([(cell, float(bool(cell.right))) for cell in asked])
    ruled = _Weighted.of([(cell, float(cell.judged)) for cell in asked])
    if not others:
        return PoweredShare(right.mean, math.sqrt(right.covariance(right) / right.total), 0.0)
    seen = _Weighted.of([(cell, float(cell.judged)) for cell in others])
    trust = _best_trust(right, ruled, seen) if trusting else 0.0
    rest = _Weighted.of([(cell, float(bool(cell.right)) - trust * float(cell.judged)) for cell in asked])
    variance = trust * trust * seen.covariance(seen) / seen.total + rest.covariance(rest) / rest.total
    return PoweredShare(trust * seen.mean + rest.mean, math.sqrt(variance), trust)


@dataclass(frozen=True, slots=True)
class _Weighted:
    """Values with how often each occurs, their weights scaled to 1 on average, and deviations times weights."""

    mean: float
    total: int
    counts: Sequence[int]
    deviations: Sequence[float]

    @classmethod
    def of(cls, values: Sequence[tuple[JudgedCell, float]]) -> "_Weighted":
        total = sum(cell.count for cell, _ in values)
        weight = math.fsum(cell.weight * cell.count for cell, _ in values)
        mean = math.fsum(cell.weight * cell.count * value for cell, value in values) / weight
        scaled = [cell.weight * total / weight * (value - mean) for cell, value in values]
        return cls(mean, total, [cell.count for cell, _ in values], scaled)

    def covariance(self, other: "_Weighted") -> float:
        """Give the mean product of the deviations; `other` is of the same things."""
        products = zip(self.counts, self.deviations, other.deviations, strict=True)
        return math.fsum(count * one * another for count, one, another in products) / self.total


def _best_trust(right: _Weighted, ruled: _Weighted, seen: _Weighted) -> float:
    """Give the trust with the smallest variance; the judge's own variance is taken from all that it ruled."""
    total = ruled.total + seen.total
    together = (ruled.mean * ruled.total + seen.mean * seen.total) / total
    squares = math.fsum(part.total * (part.covariance(part) + (part.mean - together) ** 2) for part in (ruled, seen))
    if not squares:
        return 0.0
    spread = squares / (total - 1) * (1 + right.total / seen.total)
    return min(1.0, max(0.0, right.covariance(ruled) / spread))


# The beta distribution and its relatives.


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _times_log(count: float, value: float) -> float:
    return count * math.log(value) if count and value > 0 else (-math.inf if count else 0.0)


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Give the regularized incomplete beta function, by the continued fraction 8.17.22 of NIST's DLMF."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_cdf(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)) / a
    numerator, denominator = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    fraction = denominator
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            denominator = 1 / _away_from_zero(1 + term * denominator)
            numerator = _away_from_zero(1 + term / numerator)
            step = numerator * denominator
            fraction *= step
        if abs(step - 1) < 1e-15:
            break
    return front * fraction


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _binomial_tail(at_most: int, total: int, rate: float) -> float:
    """Give the probability of at most so many successes."""
    if at_most < 0:
        return 0.0
    return 1.0 if at_most >= total else _beta_cdf(1 - rate, total - at_most, at_most + 1)


def _crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Bisect for where a rising function passes 0, down to neighbouring numbers."""
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return high


def _quantile(values: Sequence[float], share: float) -> float:
    """Interpolate between the two nearest of sorted values."""
    place = share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


# The power of McNemar's test.


def _power(difference: float, pairs: int, discordance: float, significance: float) -> float:
    """Give the probability of a significant result that points the right way."""
    discordance = max(discordance, difference)
    middle = pairs * discordance
    spread = 5 * math.sqrt(middle * (1 - discordance)) + 1
    power = 0.0
    for discordant in range(max(0, math.floor(middle - spread)), min(pairs, math.ceil(middle + spread)) + 1):
        least = _most_significant(discordant, significance)
        found = _binomial_tail(least, discordant, (1 - difference / discordance) / 2)
        power += _binomial_probability(discordant, pairs, discordance) * found
    return power


@lru_cache(maxsize=20_000)
def _most_significant(discordant: int, significance: float) -> int:
    """Give the largest number of pairs against the trend at which the exact test still is significant; -1: none."""
    guess = round(discordant / 2 + _NORMAL.inv_cdf(significance / 2) * math.sqrt(discordant) / 2)
    guess = min(max(guess, -1), discordant)
    while guess >= 0 and 2 * _binomial_tail(guess, discordant, 0.5) > significance:
        guess -= 1
    while guess < discordant and 2 * _binomial_tail(guess + 1, discordant, 0.5) <= significance:
        guess += 1
    return guess


def _binomial_probability(successes: int, total: int, rate: float) -> float:
    if rate >= 1:
        return 1.0 if successes == total else 0.0
    ways = math.lgamma(total + 1) - math.lgamma(successes + 1) - math.lgamma(total - successes + 1)
    return math.exp(ways + _times_log(successes, rate) + _times_log(total - successes, 1 - rate))


# Tango's score.


def _likeliest_only_first(only_first: int, only_second: int, pairs: int, difference: float) -> float:
    """Give the likeliest rate of pairs in which only the first succeeds, if the rates differ by `difference`."""
    b = (2 * pairs - only_second + only_first) * difference - only_first - only_second
    c = -only_first * difference * (1 - difference)
    return max((math.sqrt(max(b * b - 8 * pairs * c, 0.0)) - b) / (4 * pairs), 0.0, -difference)


# The bootstrap.


def _cells(values: Sequence[float]) -> tuple[list[tuple[float, int]], float]:
    """Gather sorted values into few cells (value, count), and give the variance inside the cells."""
    counts = Counter(values)
    if len(counts) <= _MAX_CELLS:
        return list(counts.items()), 0.0
    groups = [(_squares(values), values)]
    while len(groups) < _MAX_CELLS:
        groups.sort(key=lambda group: group[0])
        squares, widest = groups.pop()
        if not squares:  # Values so close that their squares vanish.
            groups.append((squares, widest))
            break
        at = min(max(bisect_right(widest, math.fsum(widest) / len(widest)), 1), len(widest) - 1)
        groups += [(_squares(part), part) for part in (widest[:at], widest[at:])]
    inside = math.fsum(squares for squares, _ in groups) / len(values)
    return [(math.fsum(group) / len(group), len(group)) for _, group in groups], inside


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _resampled_means(
    cells: Sequence[tuple[float, int]], inside_variance: float, resamples: int, random: Random
) -> list[float]:
    total = sum(count for _, count in cells)
    ordered = sorted(cells, key=lambda cell: -cell[1])
    shares: list[tuple[float, float]] = []
    left = total
    for value, count in ordered:
        shares.append((value, count / left))
        left -= count
    noise = math.sqrt(inside_variance / total)
    means: list[float] = []
    for _ in range(resamples):
        remaining, sum_ = total, 0.0
        for value, share in shares:
            drawn = _binomial(remaining, share, random)
            sum_ += value * drawn
            remaining -= drawn
            if not remaining:
                break
        means.append(sum_ / total + (random.gauss(0.0, noise) if noise else 0.0))
    return means


def _binomial(total: int, rate: float, random: Random) -> int:
    """Draw a binomial count: by gaps (Devroye) where few are expected, else by Hörmann's rejection BTRS (1993)."""
    if rate >= 1:
        return total
    if rate > 0.5:
        return total - _binomial(total, 1 - rate, random)
    if total * rate < 10:
        return _binomial_by_gaps(total, rate, random)
    return _binomial_by_rejection(total, rate, random)


def _binomial_by_gaps(total: int, rate: float, random: Random) -> int:
    log_miss = math.log1p(-rate)
    count, position = 0, 0
    while True:
        position += math.floor(math.log(1.0 - random.random()) / log_miss) + 1
        if position > total:
            return count
        count += 1


def _binomial_by_rejection(total: int, rate: float, random: Random) -> int:
    sigma = math.sqrt(total * rate * (1 - rate))
    b = 1.15 + 2.53 * sigma
    a = -0.0873 + 0.0248 * b + 0.01 * rate
    center = total * rate + 0.5
    squeeze = 0.92 - 4.2 / b
    while True:
        u = random.random() - 0.5
        distance = 0.5 - abs(u)
        count = math.floor((2 * a / distance + b) * u + center) if distance else -1
        if not 0 <= count <= total:
            continue
        v = random.random()
        if distance >= 0.07 and v <= squeeze:
            return count
        mode = math.floor((total + 1) * rate)
        height = math.lgamma(mode + 1) + math.lgamma(total - mode + 1)
        ratio = height - math.lgamma(count + 1) - math.lgamma(total - count + 1)
        ratio += (count - mode) * math.log(rate / (1 - rate))
        if v > 0 and math.log(v * (2.83 + 5.1 / b) * sigma / (a / (distance * distance) + b)) <= ratio:
            return count
