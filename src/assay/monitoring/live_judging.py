"""Model judges on live runs: a share of them is judged, and people's random sample says what that is worth.

A run is judged when its sample rank is below the share, so that what is drawn for review is judged first, and both can
be held against each other. Judges see no expected output: there is none.

The estimate is PPI++ (`statistics.prediction_powered`) within each stratum, on the runs that were judged: people's
verdicts on the random sample, sharpened by what the judge said of the others. It is not biased by a bad judge; a judge
that people have not seen ten right and ten wrong results of is given no say at all. In a simulation of 96 cases (80 to
98 % right, 30 to 150 reviews, judges from poor to nearly perfect) its 95 % intervals held in 91.5 % of the draws in
the worst case and in 96 % on average. Runs that were picked by hand count as not reviewed here.
"""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from itertools import groupby

from assay import db, evaluators, experiments, reviews, runs
from assay.evaluators import EvaluatorSet
from assay.monitoring import judging_store as store
from assay.monitoring.estimation import Estimate, StratumSeen, put_together, score_interval
from assay.monitoring.judging import FEWEST, judge
from assay.monitoring.model import Judge, JudgeCounts, JudgedRuns, JudgingPace, LiveJudge
from assay.statistics import JudgedCell, prediction_powered

JUDGE = "llm-judge"
MOST_AT_ONCE = 50
"""Runs of an automation that one look judges."""
_TOGETHER = 4


async def judge_live_runs(database: db.Database, grader: experiments.Grader) -> int:
    """Let judges rule the live runs of the last day that are theirs and that they have not seen; return how many.

    A second call finds what the first one left. What a judge costs is paid by the organization's provider.
    """
    async with database.single_statement() as tx:
        wanted = await store.judged_automations(tx)
    judged = 0
    for organization_id, automation_id, share in wanted:
        async with database.transaction() as tx:
            stored = await evaluators.current(tx, organization_id, automation_id)
            waiting = await store.unjudged(tx, organization_id, automation_id, share, MOST_AT_ONCE) if stored else []
        judges = None if stored is None else _judges_of(stored)
        if judges is None or not waiting:
            continue
        room = asyncio.Semaphore(_TOGETHER)
        async with asyncio.TaskGroup() as group:
            for run_id in waiting:
                group.create_task(_judge_one(room, database, grader, (organization_id, run_id, share), judges))
        judged += len(waiting)
    return judged


async def judging_pace(tx: db.Transaction, organization_id: str, automation_id: str) -> JudgingPace | None:
    """Tell whether judges keep up with the live runs that are theirs; None where none are."""
    sampling = await reviews.sampling_of(tx, organization_id, automation_id)
    share = sampling.policy.judge_share
    if not share:
        return None
    stored = await evaluators.current(tx, organization_id, automation_id)
    due, judged, said = await store.pace(tx, organization_id, automation_id, share, sampling.updated_at)
    problem = None
    if stored is None or _judges_of(stored) is None:
        problem = "no_judge"
    elif judged < due:
        problem = "behind"
    elif due and not said:
        problem = "nothing_said"
    return JudgingPace(share, due, judged, problem)


def _judges_of(stored: evaluators.StoredSet) -> EvaluatorSet | None:
    try:
        found = evaluators.set_of(stored)
    except evaluators.StoredEvaluatorsError:
        return None
    entries = tuple(entry for entry in found.entries if entry.type_name == JUDGE)
    return dataclasses.replace(found, entries=entries) if entries else None


async def _judge_one(
    room: asyncio.Semaphore,
    database: db.Database,
    grader: experiments.Grader,
    run: tuple[str, str, float],
    judges: EvaluatorSet,
) -> None:
    organization_id, run_id, share = run
    async with room:
        try:
            results = await grader.judge_alone(organization_id, run_id, judges)
        except runs.RunNotFoundError:  # deleted meanwhile
            return
        async with database.transaction() as tx:
            await store.save(tx, organization_id, run_id, share, results)


def live_judges(found: Mapping[tuple[str, str], Sequence[JudgedRuns]], unsaid: Mapping[str, int]) -> list[LiveJudge]:
    """Measure each judge, named with its version, by the runs that it ruled."""
    return [live_judge(name, version, groups, unsaid.get(name, 0)) for (name, version), groups in found.items()]


def live_judge(name: str, version: str, groups: Sequence[JudgedRuns], unsaid: int = 0) -> LiveJudge:
    """Hold a judge against the random sample, and estimate the share of right results among all that it ruled."""
    counts = _counts(name, groups)
    unknown = None
    if not counts.reviewed:
        unknown = "no_reviews"
    elif min(counts.right, counts.wrong) < FEWEST:
        unknown = "too_few_right" if counts.right < counts.wrong else "too_few_wrong"
    powered, trust = _estimated(groups, trusting=unknown is None)
    alone, _ = _estimated(groups, trusting=False)
    return LiveJudge(
        name,
        version,
        judged=sum(group.count for group in groups),
        unsaid=unsaid,
        measured=None if unknown == "no_reviews" else _measured(counts, groups),
        powered=powered and powered.share,
        powered_interval=powered and powered.interval,
        trust=trust,
        reviews_only=alone and alone.share,
        reviews_only_interval=alone and alone.interval,
        unknown=unknown,
    )


def _measured(counts: JudgeCounts, groups: Sequence[JudgedRuns]) -> Judge:
    measured = judge(counts)
    # Of several strata, what is seen of the judge is no mixture of them as they are.
    if len({group.stratum for group in groups}) > 1:
        return dataclasses.replace(measured, corrected=None, corrected_interval=None)
    return measured


def _counts(name: str, groups: Sequence[JudgedRuns]) -> JudgeCounts:
    def seen(*, passed: bool, right: bool) -> int:
        return sum(one.count for one in groups if one.sampled and one.passed is passed and one.right is right)

    return JudgeCounts(
        name,
        both_pass=seen(passed=True, right=True),
        only_judge=seen(passed=True, right=False),
        only_people=seen(passed=False, right=True),
        both_fail=seen(passed=False, right=False),
        all_passed=sum(one.count for one in groups if one.passed),
        all_scored=sum(one.count for one in groups),
    )


def _estimated(groups: Sequence[JudgedRuns], *, trusting: bool) -> tuple[Estimate | None, float]:
    by_stratum = groupby(sorted(groups, key=lambda group: group.stratum), key=lambda group: group.stratum)
    strata = [_stratum(list(members), trusting=trusting) for _, members in by_stratum]
    return put_together([stratum for stratum, _ in strata]), max((trust for _, trust in strata), default=0.0)


def _stratum(groups: Sequence[JudgedRuns], *, trusting: bool) -> tuple[StratumSeen, float]:
    population = sum(group.count / group.share for group in groups)
    variance = sum(group.count * (1 - group.share) / group.share**2 for group in groups)
    found = prediction_powered([cell for group in groups for cell in _cell(group)], trusting=trusting)
    if found is None:
        return StratumSeen(population, variance, 0.0, None), 0.0
    share = min(1.0, max(0.0, found.share))
    if 0 < share < 1 and found.error > 0:
        effective = share * (1 - share) / found.error**2
    else:
        effective = float(sum(group.count for group in groups if group.sampled and group.right is not None))
    return StratumSeen(population, variance, share, score_interval(share, effective)), found.trust


def _cell(group: JudgedRuns) -> Sequence[JudgedCell]:
    both = min(group.probability, group.share)
    if group.sampled and group.right is not None:
        return [JudgedCell(group.passed, group.right, group.count, 1 / both)]
    # What was drawn and waits may wait because it is difficult; what a run's rank kept from the draw is chance.
    if group.sampled or group.share <= both:
        return []
    return [JudgedCell(group.passed, None, group.count, 1 / (group.share - both))]
