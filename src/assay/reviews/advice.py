"""What share of runs has to be reviewed, from what reviews of the random sample have shown so far.

Only runs of the current version count that were drawn at random since it became current; a run that is not right, be
it in part, is a *miss*. Two bounds of the miss rate are given. Clopper and Pearson's holds for somebody who looks once.
Decisions go by the confidence sequence (`statistics.rate_sequence`), which holds at all times at once: people look
every day, and so does the advisor. Where strata were drawn with rates of their own, each has its bounds with
1 - 0.05/strata, and they are added up by the strata's shares of all runs; the estimate weighs each run by its
inclusion probability.

A step down (15 % -> 10 % -> 5 % -> 1 % -> 0) is earned when the upper bound is at most the multiple in `_SHOWN` of the
tolerated miss rate, and after a miss, when enough clean reviews have followed it to show that by themselves.
A step up is due when a miss was found since the rate changed last, or when the inputs drift; back to 15 % when another
version became current since then, or when the miss rate is shown to be above what is tolerated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from assay import db, statistics
from assay.reviews import sampling_store as store
from assay.reviews.sampling import DEFAULT_RATE, SamplingPolicy, sampling_of
from assay.reviews.sampling_store import CurrentVersion, DrawnGroup, Mode

CONFIDENCE = 0.95
PRIOR = (0.5, 10.0)
"""Of the confidence sequence: narrowest where one in twenty is missed. It decides how soon, never how rightly."""
STEPS = (0.15, 0.10, 0.05, 0.01, 0.0)
_SHOWN = {0.15: 4.0, 0.10: 2.0, 0.05: 1.0, 0.01: 0.5, 0.0: 0.2}
_MOST_SHOWN = 0.5
OVERDUE_DAYS = 7
"""A drawn run that waits longer for its verdict may wait because it is difficult: no step down until it has one."""
MOST_REVIEWS = 100_000

Action = Literal["keep", "lower", "raise"]


@dataclass(frozen=True, slots=True)
class Drift:
    """That the inputs have moved away from those that were reviewed, since when, and how, in words."""

    since: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks for the advice, or against another."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class MissRate:
    """How often results are not right: the estimate, None without reviews, and its 95 % bounds.

    `upper_once` is one-sided and holds for one look, `always` for all looks there will ever be.
    """

    estimate: float | None
    upper_once: float
    always: statistics.Interval


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next rate down, and what it takes: so many more clean reviews, and days of this traffic (None: never).

    `shown` is the miss rate that is to be shown not to be exceeded. What `blocked_by` names stands in the way however
    many are reviewed.
    """

    rate: float
    shown: float
    clean_reviews: int | None
    days: float | None
    blocked_by: Sequence[Reason] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the advice rests on: what was drawn of the current version's runs of this mode, by stratum.

    `rate_decided_at` is when the rate was last changed by a person, or raised; that answers the drift before it. A
    step down that the advisor took does not: the drift may have been there already, unseen.
    """

    mode: Mode
    version: CurrentVersion | None
    groups: Sequence[DrawnGroup]
    has_traffic: bool
    rate_changed_at: datetime | None
    rate_decided_at: datetime | None
    drift: Drift | None = None

    @property
    def reviewed(self) -> int:
        """Runs with a verdict."""
        return sum(group.reviewed for group in self.groups)

    @property
    def missed(self) -> int:
        """Runs that were not right."""
        return sum(group.missed for group in self.groups)

    @property
    def last_missed_at(self) -> datetime | None:
        """When the last miss was found."""
        return max((group.last_missed_at for group in self.groups if group.last_missed_at), default=None)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with the rate. `measured` is False where runs complete and none of them is drawn."""

    action: Action
    rate: float
    recommended_rate: float
    measured: bool
    miss_rate: MissRate
    next_step: NextStep | None
    reasons: Sequence[Reason]
    sentence: str
    policy: SamplingPolicy
    evidence: Evidence = field(repr=False)


async def advise(
    tx: db.Transaction, organization_id: str, automation_id: str, *, mode: Mode = "live", drift: Drift | None = None
) -> Advice:
    """Say what to do with an automation's rate now. `drift` is what the watch over its inputs says, if that is on.

    It changes nothing.
    """
    stored = await sampling_of(tx, organization_id, automation_id)
    version = await store.current_version(tx, organization_id, automation_id)
    groups: Sequence[DrawnGroup] = ()
    if version is not None:
        groups = await store.drawn(tx, organization_id, automation_id, mode, version, OVERDUE_DAYS)
    changed_at, decided_at = await store.last_rate_changes(tx, organization_id, automation_id)
    evidence = Evidence(
        mode=mode,
        version=version,
        groups=groups,
        has_traffic=await store.has_traffic(tx, organization_id, automation_id, mode),
        rate_changed_at=changed_at or stored.updated_at,
        rate_decided_at=decided_at or (None if changed_at else stored.updated_at),
        drift=drift,
    )
    return advice_from(stored.policy, evidence)


def advice_from(policy: SamplingPolicy, evidence: Evidence) -> Advice:
    """Say what to do with a rate, from a policy and what reviews have shown."""
    rate = max(policy.rate, policy.floor)
    found = miss_rate(evidence.groups)
    drawn = rate > 0 or any(stratum.rate > 0 for stratum in policy.strata)
    measured = drawn or not evidence.has_traffic
    up = _reasons_to_raise(policy, evidence, found, rate)
    step = _next_step(policy, evidence, rate)
    action, recommended, reasons = _decided(rate, up, step, policy, found)
    if not measured:
        reasons = [_UNMEASURED, *reasons]
    sentence = _sentence(evidence, found, rate, recommended, action, step, reasons)
    return Advice(action, rate, recommended, measured, found, step, reasons, sentence, policy, evidence)


def miss_rate(groups: Sequence[DrawnGroup]) -> MissRate:
    """Estimate the miss rate of all runs that the groups were drawn from, with its bounds.

    Without reviews nothing is known: 0 to 1. A stratum without reviews counts with all that it might be.
    """
    confidence = _confidence_in_each(groups)
    once = [statistics.rate_at_most(group.missed, group.reviewed, confidence) for group in groups]
    return MissRate(_estimate(groups), _over_all(groups, once), _always(groups))


def clean_reviews_needed(groups: Sequence[DrawnGroup], shown: float) -> int | None:
    """Count the further reviews, all clean, that show the miss rate to be at most `shown` at all times.

    Since the last miss there must be as many as show it by themselves to somebody who looks once. Further reviews are
    taken to fall on the strata as the drawn runs did. None: more than 100,000.
    """
    streak = statistics.fewest_to_show(1 - shown, CONFIDENCE) - sum(group.clean for group in groups)

    def is_shown(more: int) -> bool:
        return more >= streak and _always(_with_clean(groups, more)).upper <= shown

    if not is_shown(MOST_REVIEWS):
        return None
    return _fewest(is_shown)


# The bounds.


def _confidence_in_each(groups: Sequence[DrawnGroup]) -> float:
    return 1 - (1 - CONFIDENCE) / max(1, len(groups))


def _always(groups: Sequence[DrawnGroup]) -> statistics.Interval:
    confidence = _confidence_in_each(groups)
    found = [statistics.rate_sequence(group.missed, group.reviewed, confidence, PRIOR) for group in groups]
    return statistics.Interval(
        _over_all(groups, [one.lower for one in found], unknown=0.0), _over_all(groups, [one.upper for one in found])
    )


def _estimate(groups: Sequence[DrawnGroup]) -> float | None:
    reviewed = [group for group in groups if group.weight]
    total = sum(group.population for group in reviewed)
    if not total:
        return None
    return sum(group.population / total * group.missed_weight / group.weight for group in reviewed)


def _over_all(groups: Sequence[DrawnGroup], bounds: Sequence[float], *, unknown: float = 1.0) -> float:
    total = sum(group.population for group in groups)
    if not total:
        return unknown
    return min(1.0, sum(group.population / total * bound for group, bound in zip(groups, bounds, strict=True)))


def _with_clean(groups: Sequence[DrawnGroup], more: int) -> Sequence[DrawnGroup]:
    if not groups:
        return [replace(_NOTHING, reviewed=more, weight=float(more))]
    drawn = sum(group.sampled for group in groups)
    return [replace(group, reviewed=group.reviewed + round(more * group.sampled / drawn)) for group in groups]


_NOTHING = DrawnGroup("", 0, 1.0, 0.0, 0, 0, 0, 0.0, 0.0, 0, 0, 0, None)


def _fewest(is_enough: Callable[[int], bool]) -> int:
    low, high = 0, MOST_REVIEWS
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low


# The steps.


def _next_step(policy: SamplingPolicy, evidence: Evidence, rate: float) -> NextStep | None:
    below = next((step for step in STEPS if step < rate), None)
    if below is None:
        return None
    shown = min(_MOST_SHOWN, _SHOWN[below] * policy.tolerated_miss_rate)
    needed = clean_reviews_needed(evidence.groups, shown)
    per_day = sum(group.per_day * _share_drawn(group) for group in evidence.groups)
    days = None if needed is None or not (per_day or needed == 0) else needed / per_day if needed else 0.0
    return NextStep(below, shown, needed, days, _blocked(policy, evidence, below))


def _share_drawn(group: DrawnGroup) -> float:
    return group.sampled / group.population


def _blocked(policy: SamplingPolicy, evidence: Evidence, below: float) -> list[Reason]:
    found: list[Reason] = []
    if below < policy.floor:
        found.append(Reason("floor", f"The floor of {_percent(policy.floor)} does not let the rate go lower."))
    overdue = sum(group.overdue for group in evidence.groups)
    if overdue:
        message = f"{_runs(overdue)} drawn more than {OVERDUE_DAYS} days ago still {_wait(overdue)} for a verdict."
        found.append(Reason("reviews_overdue", message))
    if evidence.drift is not None:
        found.append(Reason("drift", evidence.drift.message))
    return found


def _reasons_to_raise(
    policy: SamplingPolicy, evidence: Evidence, found: MissRate, rate: float
) -> list[tuple[float, Reason]]:
    """Give each reason with the rate that it asks for; those that ask for no more than there is are left out."""
    changed, version, missed = evidence.rate_changed_at, evidence.version, evidence.last_missed_at
    above = min((step for step in STEPS if step > rate), default=rate)
    asked: list[tuple[float, Reason]] = []
    if version is not None and changed is not None and version.since > changed:
        label = version.label or version.id
        asked.append((DEFAULT_RATE, Reason("new_version", f"Version {label} became current; little is known of it.")))
    if found.always.lower > policy.tolerated_miss_rate:
        message = (
            f"More than {_percent(found.always.lower)} are missed, and {_percent(policy.tolerated_miss_rate)} are"
            " tolerated."
        )
        asked.append((DEFAULT_RATE, Reason("too_many_misses", message)))
    if missed is not None and (changed is None or missed > changed):
        asked.append((above, Reason("miss", "A reviewed run of the sample was wrong since the rate changed last.")))
    decided = evidence.rate_decided_at
    if evidence.drift is not None and (decided is None or evidence.drift.since > decided):
        asked.append((above, Reason("drift", evidence.drift.message)))
    return [(wanted, reason) for wanted, reason in asked if wanted > rate]


def _decided(
    rate: float, up: Sequence[tuple[float, Reason]], step: NextStep | None, policy: SamplingPolicy, found: MissRate
) -> tuple[Action, float, list[Reason]]:
    if up:
        return "raise", max(wanted for wanted, _ in up), [reason for _, reason in up]
    if found.always.lower > policy.tolerated_miss_rate:
        message = f"More than {_percent(policy.tolerated_miss_rate)} are missed: mend the workflow first."
        return "keep", rate, [Reason("too_many_misses", message)]
    if step is None:
        return "keep", rate, []
    if step.blocked_by:
        return "keep", rate, list(step.blocked_by)
    if step.clean_reviews == 0:
        message = f"At most {_percent(found.always.upper)} are missed, and {_percent(step.shown)} was to be shown."
        return "lower", step.rate, [Reason("step_earned", message)]
    return "keep", rate, []


_UNMEASURED = Reason("unmeasured", "Runs complete and none is drawn: how good they are is not measured.")


# Words.


def _sentence(
    evidence: Evidence,
    found: MissRate,
    rate: float,
    recommended: float,
    action: Action,
    step: NextStep | None,
    reasons: Sequence[Reason],
) -> str:
    said = [_known(evidence, found)]
    said += [reason.message for reason in reasons]
    if action == "raise":
        said.append(f"Raise the rate from {_percent(rate)} to {_percent(recommended)}.")
    elif action == "lower":
        said.append(f"The rate can go down from {_percent(rate)} to {_percent(recommended)}.")
    elif step is not None and not step.blocked_by:
        said.append(_outlook(rate, step))
    else:
        said.append(f"Keep the rate at {_percent(rate)}.")
    return " ".join(said)


def _known(evidence: Evidence, found: MissRate) -> str:
    if evidence.version is None:
        return "No version is current."
    label = evidence.version.label or evidence.version.id
    if found.estimate is None:
        return f"No run of the random sample has been reviewed since version {label} became current."
    return (
        f"Since version {label} became current, {evidence.missed} of {evidence.reviewed} reviewed runs of the random"
        f" sample were not right: an estimated {_percent(found.estimate)} of all, at most {_percent(found.upper_once)}"
        f" with 95 % confidence, and at most {_percent(found.always.upper)} however often one looks."
    )


def _outlook(rate: float, step: NextStep) -> str:
    if step.clean_reviews is None:
        return f"Keep the rate at {_percent(rate)}: a step down to {_percent(step.rate)} is out of reach."
    days = "" if step.days is None else f", about {_days(step.days)} at this traffic,"
    more = "1 more clean review" if step.clean_reviews == 1 else f"{step.clean_reviews:,} more clean reviews"
    return f"Keep the rate at {_percent(rate)}: {more}{days} earn the step down to {_percent(step.rate)}."


def _days(days: float) -> str:
    rounded = max(1, round(days))
    return "1 day" if rounded == 1 else f"{rounded:,} days"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.995 else f"{share * 100:.0f} %"


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number:,} runs"


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"
