"""How far an llm-judge may be trusted: what people said of the runs that it judged, and what follows for its figures.

A right result is one that people passed.
"""

import math
from random import Random

from assay.monitoring.model import Judge, JudgeCounts
from assay.statistics import Interval, wilson

FEWEST = 10
"""Right and wrong results each that people must have seen before a rate is corrected."""
_LEAST_SKILL = 0.2
"""TPR + TNR - 1, below which a correction would only blow up chance."""
_RESAMPLES = 1_000


def judge(counts: JudgeCounts) -> Judge:
    """Measure a judge against people."""
    right, wrong = counts.right, counts.wrong
    corrected, interval = _corrected(counts)
    return Judge(
        counts,
        tpr=counts.both_pass / right if right else None,
        tpr_interval=wilson(counts.both_pass, right),
        tnr=counts.both_fail / wrong if wrong else None,
        tnr_interval=wilson(counts.both_fail, wrong),
        corrected=corrected,
        corrected_interval=interval,
    )


def rogan_gladen(observed: float, tpr: float, tnr: float) -> float | None:
    """Correct an observed share of passes for the judge's errors; None where the judge is no better than chance."""
    skill = tpr + tnr - 1
    return None if skill <= 0 else min(1.0, max(0.0, (observed + tnr - 1) / skill))


def _corrected(counts: JudgeCounts) -> tuple[float | None, Interval | None]:
    right, wrong = counts.right, counts.wrong
    if min(right, wrong) < FEWEST or counts.both_pass / right + counts.both_fail / wrong - 1 < _LEAST_SKILL:
        return None, None
    observed = counts.all_passed / counts.all_scored
    found = rogan_gladen(observed, counts.both_pass / right, counts.both_fail / wrong)
    chance = Random(0)  # noqa: S311 (chance, not a secret)
    drawn = sorted(
        value
        for value in (
            rogan_gladen(
                _redrawn(chance, counts.all_passed, counts.all_scored),
                _redrawn(chance, counts.both_pass, right),
                _redrawn(chance, counts.both_fail, wrong),
            )
            for _ in range(_RESAMPLES)
        )
        if value is not None
    )
    edge = math.floor(0.025 * len(drawn))
    return found, Interval(drawn[edge], drawn[-1 - edge])


def _redrawn(chance: Random, successes: int, total: int) -> float:
    # Jeffreys' posterior: a bootstrap of 10 of 10 would never be anything else.
    return chance.betavariate(successes + 0.5, total - successes + 0.5)
