"""Whether two reviewers would say the same: agreement beyond chance, measured on blind verdicts alone.

Cohen's kappa corrects raw agreement for what chance would give, and so says little of small numbers, or where nearly
every run passes. Its interval takes the share of each label for known and is Wilson's interval of the raw agreement on
the scale of kappa: asymptotic formulas promise certainty where nobody has disagreed yet.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from assay import db
from assay.reviews import queue_store
from assay.reviews.model import Rating
from assay.statistics import Interval, cohens_kappa, wilson

FEWEST = 20
"""Runs judged by both, below which kappa is not told."""

Labels = Mapping[tuple[Rating, Rating], int]
"""How often the first said one thing and the second another."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far reviewers agree on `runs` that both judged blind; `agreed` of them alike.

    `kappa` and its 95 % interval are None where there are `too_few` runs, or `one_label` explains everything: nobody
    ever said anything else.
    """

    runs: int
    agreed: int
    kappa: float | None
    interval: Interval | None
    unknown: Literal["too_few", "one_label"] | None


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """How far two reviewers agree, named by user id and address."""

    reviewers: tuple[str, str]
    emails: tuple[str | None, str | None]
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class ReviewerAgreement:
    """The agreement of all reviewers of an automation, and of each pair of them, the busiest first."""

    together: Agreement
    pairs: tuple[PairAgreement, ...]


async def reviewer_agreement(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> ReviewerAgreement:
    """Measure how far reviewers agree, of one automation or of all, by verdicts first given in a range of time.

    A verdict counts as it was given blind, and once the other one is in.
    """
    rows = await queue_store.blind_pairs(tx, organization_id, automation_id, since, until)
    counts: dict[tuple[str, str], Counter[tuple[Rating, Rating]]] = {}
    emails: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    together: Counter[tuple[Rating, Rating]] = Counter()
    for row in rows:
        pair, labels = (row["first"], row["second"]), (row["first_rating"], row["second_rating"])
        counts.setdefault(pair, Counter())[labels] += row["count"]
        emails[pair] = (row["first_email"], row["second_email"])
        together[labels] += row["count"]
    ordered = sorted(counts.items(), key=lambda one: (-one[1].total(), one[0]))
    pairs = tuple(PairAgreement(pair, emails[pair], agreement(labels)) for pair, labels in ordered)
    return ReviewerAgreement(agreement(together), pairs)


def agreement(labels: Labels) -> Agreement:
    """Measure the agreement of two reviewers from what they said of the same runs."""
    total = sum(labels.values())
    agreed = sum(count for (first, second), count in labels.items() if first == second)
    if total < FEWEST:
        return Agreement(total, agreed, None, None, "too_few")
    kappa = cohens_kappa(Counter(labels).elements())
    if kappa is None:
        return Agreement(total, agreed, None, None, "one_label")
    by_chance = _by_chance(labels, total)
    raw = wilson(agreed, total)
    interval = Interval(*((bound - by_chance) / (1 - by_chance) for bound in (raw.lower, raw.upper)))
    return Agreement(total, agreed, kappa, interval, None)


def _by_chance(labels: Labels, total: int) -> float:
    first: Counter[Rating] = Counter()
    second: Counter[Rating] = Counter()
    for (one, other), count in labels.items():
        first[one] += count
        second[other] += count
    return sum(count * second[label] for label, count in first.items()) / total**2
