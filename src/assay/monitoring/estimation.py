"""How good all runs of a mode are, from those drawn at random: weighted by how probable it was that each was drawn.

What people picked or reported is left out: they pick what looks wrong. The share is Hájek's estimate: within a stratum
each reviewed run counts 1/probability; strata are put together by the numbers of runs that their drawn ones stand for,
so a stratum whose reviews lag does not lose weight.

The interval is Wilson's within a stratum, on the effective number of reviews (Kish: rates that changed make weights
unequal), and across strata put together by the square root of the weighted squares of its arms (MOVER; Zou and Donner
2008), with what is not known of the strata's sizes, which are estimated too. With one stratum and one rate it is
Wilson's interval itself. It takes it that those drawn runs which still wait are like those reviewed in their stratum.
A partly right result counts as not right.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import NormalDist

from assay.monitoring.model import Drawn
from assay.statistics import Interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share of runs that are right; `unseen` of all lie in strata without a review, where anything may be."""

    share: float
    interval: Interval
    unseen: float


@dataclass(frozen=True, slots=True)
class StratumSeen:
    """What is known of a stratum: an estimated `population` with its `variance`, and where reviewed, the share."""

    population: float
    variance: float
    share: float
    interval: Interval | None


def estimate(groups: Sequence[Drawn], confidence: float = 0.95) -> Estimate | None:
    """Estimate the share of right results among all the runs that the groups were drawn from; None without a review."""
    by_stratum = groupby(sorted(groups, key=lambda group: group.stratum), key=lambda group: group.stratum)
    return put_together([_stratum(list(members), confidence) for _, members in by_stratum], confidence)


def put_together(strata: Sequence[StratumSeen], confidence: float = 0.95) -> Estimate | None:
    """Make one estimate of those of the strata; None where nothing was seen of any."""
    seen = [stratum for stratum in strata if stratum.interval is not None]
    population = sum(stratum.population for stratum in strata)
    known = sum(stratum.population for stratum in seen)
    if not known:
        return None
    share = sum(stratum.population / known * stratum.share for stratum in seen)
    below = above = 0.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    for stratum in seen:
        assert stratum.interval is not None
        weight = stratum.population / known
        size = z * z * stratum.variance * ((stratum.share - share) / known) ** 2
        below += (weight * (stratum.share - stratum.interval.lower)) ** 2 + size
        above += (weight * (stratum.interval.upper - stratum.share)) ** 2 + size
    unseen = 1 - known / population
    lower = (1 - unseen) * max(0.0, share - math.sqrt(below))
    upper = (1 - unseen) * min(1.0, share + math.sqrt(above)) + unseen
    return Estimate(share, Interval(lower, upper), unseen)


def _stratum(groups: Sequence[Drawn], confidence: float) -> StratumSeen:
    population = sum(group.sampled / group.probability for group in groups)
    variance = sum(group.sampled * (1 - group.probability) / group.probability**2 for group in groups)
    weight = sum(group.reviewed / group.probability for group in groups)
    if not weight:
        return StratumSeen(population, variance, 0.0, None)
    share = sum(group.passed / group.probability for group in groups) / weight
    effective = weight**2 / sum(group.reviewed / group.probability**2 for group in groups)
    return StratumSeen(population, variance, share, score_interval(share, effective, confidence))


def score_interval(share: float, total: float, confidence: float = 0.95) -> Interval:
    """Give Wilson's interval of a share seen in `total` things, which need not be a whole number of them."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    denominator = 1 + z * z / total
    center = (share + z * z / (2 * total)) / denominator
    half = z / denominator * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return Interval(min(share, max(0.0, center - half)), max(share, min(1.0, center + half)))
