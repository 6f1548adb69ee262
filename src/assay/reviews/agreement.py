"""Whether two reviewers would say the same: agreement beyond chance, measured on blind verdicts alone.

Cohen's kappa and Gwet's AC1 correct raw agreement for what chance would give. Kappa collapses where nearly every run
passes: two who agree on 118 of 125 can have a kappa below 0. AC1 stands there, so what is warned of goes by it. Both
intervals take the share of each label for known and are one of the raw agreement on the scale of the figure, for kappa
Wilson's, for AC1 the exact one, since it is told where hardly anybody disagrees: asymptotic formulas promise certainty
where nobody has disagreed yet.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from assay import db
from assay.reviews import queue_store
from assay.reviews.model import Rating
from assay.statistics import (
    Interval,
    chance_by_cohen,
    chance_by_gwet,
    clopper_pearson,
    cohens_kappa,
    gwets_ac1,
    wilson,
)

FEWEST = 20
"""Runs judged by both, below which neither figure is told."""

LEAST = 0.67
"""AC1 below which reviewers are warned of their instructions; Krippendorff's bound for tentative conclusions."""

Labels = Mapping[tuple[Rating, Rating], int]
"""How often the first said one thing and the second another."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far reviewers agree on `runs` that both judged blind; `agreed` of them alike.

    `kappa` and its 95 % interval are None where there are `too_few` runs, or `one_label` explains everything: nobody
    ever said anything else. `ac1` and its interval are None only where there are too few.
    """

    runs: int
    agreed: int
    kappa: float | None
    interval: Interval | None
    unknown: Literal["too_few", "one_label"] | None
    ac1: float | None
    ac1_interval: Interval | None

    @property
    def warning(self) -> str | None:
        """What is wrong where reviewers do not say the same: what they were told, and not the workflow."""
        if self.ac1 is None or self.ac1_interval is None or self.ac1 >= LEAST:
            return None
        surely = "" if self.ac1_interval.upper < LEAST else " seem to"
        return (
            f"Two reviewers{surely} judge the same run too differently (AC1 {self.ac1:.2f}, less than {LEAST}): say"
            " more plainly what is right and what is wrong before the workflow is changed for it."
        )


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
        return Agreement(total, agreed, None, None, "too_few", None, None)
    pairs = Counter(labels)
    ac1, ac1_interval = gwets_ac1(pairs.elements()), _on_scale(clopper_pearson(agreed, total), chance_by_gwet(pairs))
    kappa = cohens_kappa(pairs.elements())
    if kappa is None:
        return Agreement(total, agreed, None, None, "one_label", ac1, ac1_interval)
    return Agreement(
        total, agreed, kappa, _on_scale(wilson(agreed, total), chance_by_cohen(pairs)), None, ac1, ac1_interval
    )


def _on_scale(raw: Interval, by_chance: float) -> Interval:
    return Interval(*((bound - by_chance) / (1 - by_chance) for bound in (raw.lower, raw.upper)))
