"""Whether the inputs have moved: cheap features of live runs, day by day since before the current version.

The test may be looked at every day for ever. For each feature it weighs how well the days are explained by a change on
some day (every day is thought possible, the n-th with 1/(n(n+1)); on each side the shares are unknown, Jeffreys' prior)
against the best that one and the same distribution could do. Where nothing changes, that quotient is an e-process: by
Ville's inequality it ever passes 1/a with probability a at most. Five features share 5 %.

Runs are taken for independent: a source that sends on Mondays only looks like drift if it is large. The stability index
(PSI) beside it says how far; 0.1 is little and 0.25 a lot.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime, timedelta

from assay import clock, db, reviews
from assay.monitoring import store
from assay.monitoring.model import FeatureDrift, InputDay, InputDrift, Moved

FALSE_ALARMS = 0.05
FEATURES = ("type", "size", "pages", "language", "source")
BEFORE = timedelta(days=28)
RECENT_DAYS = 7
LONGEST = timedelta(days=400)
FEWEST_RUNS = 30
"""On each side, before anything is said."""
_MOST_CLASSES = 19
_OTHER = "\0"
_LEAST_MOVED = 0.05
_MOST_MOVED = 10
_DAYS_AT_ONCE = 500

Counts = Mapping[str, int]


async def input_drift(
    tx: db.Transaction, organization_id: str, automation_id: str, *, until: datetime | None = None
) -> InputDrift:
    """Compare the inputs of live runs since the current version became current, and 28 days before, with each other.

    Only past days count, and those that `sum_up_inputs` has seen.
    """
    now = until or clock.now()
    since = await store.version_since(tx, organization_id, automation_id)
    start = max((since or now) - BEFORE, now - LONGEST)
    days = await store.input_days(tx, organization_id, automation_id, _day(start), _day(now))
    return drift(days)


async def sum_up_inputs(database: db.Database) -> int:
    """Sum up the inputs of past days (UTC) that have not been; return how many days of automations.

    A second call finds nothing left, unless there were very many. Runs that end a day after they were created are
    not counted.
    """
    today = _day(clock.now())
    async with database.single_statement() as tx:
        missing = await store.days_missing(tx, today - BEFORE, today - timedelta(days=1), _DAYS_AT_ONCE)
    for organization_id, automation_id, day in missing:
        async with database.single_statement() as tx:
            await store.sum_up_day(tx, organization_id, automation_id, day)
    return len(missing)


async def watch_inputs(tx: db.Transaction, organization_id: str, automation_id: str) -> reviews.Drift | None:
    """Say whether inputs have drifted (`reviews.DriftWatch`)."""
    found = await input_drift(tx, organization_id, automation_id)
    if found.state != "drifted" or found.since is None:
        return None
    names = ", ".join(one.feature for one in found.features if one.drifted)
    message = f"The inputs have changed since {found.since.isoformat()}: {names}."
    return reviews.Drift(datetime.combine(found.since, datetime.min.time(), UTC), message)


def drift(days: Sequence[InputDay]) -> InputDrift:
    """Tell whether and when the inputs moved, from consecutive days that begin at a day fixed beforehand."""
    days = [day for day in days if day.runs]
    if len(days) < 2:
        return InputDrift("no_data")
    tested = {feature: _tested([day.counts.get(feature, {}) for day in days]) for feature in FEATURES}
    limit = math.log(len(FEATURES) / FALSE_ALARMS)
    alarms = [(evidence, days[change].day) for evidence, change in tested.values() if evidence >= limit]
    since = max(alarms)[1] if alarms else None
    split = since or max(days[0].day + timedelta(days=1), days[-1].day - timedelta(days=RECENT_DAYS - 1))
    before, after = [day for day in days if day.day < split], [day for day in days if day.day >= split]
    sizes = sum(day.runs for day in before), sum(day.runs for day in after)
    if since is None and min(sizes) < FEWEST_RUNS:
        return InputDrift("no_data", None, days[0].day, split, *sizes)
    sides = {feature: (_together(before, feature), _together(after, feature)) for feature in FEATURES}
    features = [
        FeatureDrift(
            feature,
            psi=stability_index(*sides[feature]),
            evidence=math.exp(min(evidence, 50.0)),
            drifted=evidence >= limit,
            since=days[change].day if evidence >= limit else None,
        )
        for feature, (evidence, change) in tested.items()
    ]
    return InputDrift(
        "drifted" if alarms else "stable", since, days[0].day, split, *sizes, features, _moved(sides) if alarms else ()
    )


def stability_index(before: Counts, after: Counts) -> float:
    """Give the population stability index of two samples of classes, half a run added to each class."""
    classes = before.keys() | after.keys()
    if not classes or not before or not after:
        return 0.0
    totals = [sum(side.values()) + len(classes) / 2 for side in (before, after)]
    index = 0.0
    for one in classes:
        old, new = ((side.get(one, 0) + 0.5) / total for side, total in zip((before, after), totals, strict=True))
        index += (new - old) * math.log(new / old)
    return index


def _tested(days: Sequence[Counts]) -> tuple[float, int]:
    """Return the logarithm of the e-value, and the likeliest first day after a change.

    The first days only say which classes there are: what comes up later is one class more, so that the classes are
    fixed before the first run that counts.
    """
    named: Counter[str] = Counter()
    start = 0
    while start < len(days) and named.total() < FEWEST_RUNS:
        named.update(days[start])
        start += 1
    classes = {one for one, _ in named.most_common(_MOST_CLASSES)}
    rest = [_named(day, classes) for day in days[start:]]
    together = _sum(rest)
    total = together.total()
    if not total:
        return 0.0, 0
    best = sum(count * math.log(count / total) for count in together.values() if count)
    # A change after the last day has not been seen: all that is left of the prior.
    terms = [_log_marginal(together, len(classes) + 1) - math.log(len(rest))]
    before: Counter[str] = Counter()
    for place, day in enumerate(rest[:-1], 1):
        before.update(day)
        sides = _log_marginal(before, len(classes) + 1) + _log_marginal(together - before, len(classes) + 1)
        terms.append(sides - math.log(place * (place + 1)))
    highest = max(terms)
    evidence = highest + math.log(sum(math.exp(term - highest) for term in terms)) - best
    change = max(range(1, len(terms)), key=terms.__getitem__) if len(terms) > 1 else 0
    return evidence, start + change


def _named(day: Counts, classes: Set[str]) -> Counts:
    found: Counter[str] = Counter()
    for one, count in day.items():
        found[one if one in classes else _OTHER] += count
    return found


def _log_marginal(counts: Counts, classes: int) -> float:
    """Give the logarithm of how probable a sequence with these counts is, by Jeffreys' prior over so many classes."""
    found = math.lgamma(classes / 2) - math.lgamma(sum(counts.values()) + classes / 2)
    return found + sum(math.lgamma(count + 0.5) - math.lgamma(0.5) for count in counts.values() if count)


def _moved(sides: Mapping[str, tuple[Counts, Counts]]) -> list[Moved]:
    found: list[Moved] = []
    for feature, (before, after) in sides.items():
        old, new = sum(before.values()), sum(after.values())
        if not old or not new:
            continue
        found += [
            Moved(feature, one, before.get(one, 0) / old, after.get(one, 0) / new)
            for one in sorted(before.keys() | after.keys())
        ]
    found = [one for one in found if abs(one.after - one.before) >= _LEAST_MOVED]
    return sorted(found, key=lambda one: -abs(one.after - one.before))[:_MOST_MOVED]


def _together(days: Sequence[InputDay], feature: str) -> Counts:
    return _sum([day.counts.get(feature, {}) for day in days])


def _sum(parts: Sequence[Counts]) -> Counter[str]:
    found: Counter[str] = Counter()
    for part in parts:
        found.update(part)
    return found


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
