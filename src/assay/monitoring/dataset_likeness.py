"""Whether the dataset has documents like those that come in: of which kinds of live runs there is no example at all.

Examples are picked, so their shares say nothing and are compared with nothing. What counts is what they have none of:
a workflow is not measured on a kind of document that no example is. A kind is a class of one feature (`runs.features`),
so a combination that no example has, of classes that examples have, is not told here; the dataset's coverage does.

It is alarmed when more than `LEAST` of the runs of the last days are shown, with 99 % confidence for each of the five
features, to be of kinds that no example is.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from assay import clock, db, experiments, runs
from assay.monitoring import store
from assay.monitoring.drifting import FEATURES
from assay.monitoring.model import InputDay, Likeness, UnseenClass, UnseenFeature
from assay.statistics import rate_at_least, wilson

DAYS = 7
FEWEST_RUNS = 30
LEAST = 0.05
CONFIDENCE = 0.99
_MOST_CLASSES = 10


async def dataset_likeness(
    tx: db.Transaction, organization_id: str, automation_id: str, *, until: datetime | None = None
) -> Likeness:
    """Compare the live runs of the last 7 past days (UTC), as `sum_up_inputs` has seen them, with the examples."""
    end = (until or clock.now()).astimezone(UTC).date()
    days = await store.input_days(tx, organization_id, automation_id, end - timedelta(days=DAYS), end)
    if sum(day.runs for day in days) < FEWEST_RUNS:
        return likeness(days, [])
    # 5,000 examples take 50 ms.
    examples = await experiments.example_features(tx, organization_id, automation_id)
    return likeness(days, [features for _, features in examples if features is not None])


def likeness(days: Sequence[InputDay], examples: Sequence[runs.Features]) -> Likeness:
    """Tell which of the runs of these days are of kinds that none of the examples is."""
    total = sum(day.runs for day in days)
    start = min((day.day for day in days if day.runs), default=None)
    if total < FEWEST_RUNS or not examples:
        return Likeness("no_data", start, total, len(examples))
    known = _classes(examples)
    features: list[UnseenFeature] = []
    classes: list[UnseenClass] = []
    for feature in FEATURES:
        counts = _counts(days, feature)
        asked = sum(counts.values())
        if not asked or feature not in known:
            continue
        unseen = {one: count for one, count in counts.items() if one not in known[feature]}
        count = sum(unseen.values())
        at_least = rate_at_least(count, asked, CONFIDENCE)
        features.append(UnseenFeature(feature, count, count / asked, wilson(count, asked), at_least))
        classes += [UnseenClass(feature, one, number, number / asked) for one, number in unseen.items()]
    is_unlike = any(one.at_least >= LEAST for one in features)
    most = sorted(classes, key=lambda one: (-one.runs, one.feature, one.value))[:_MOST_CLASSES]
    return Likeness("unlike" if is_unlike else "like", start, total, len(examples), features, most)


def _classes(examples: Sequence[runs.Features]) -> Mapping[str, Set[str]]:
    """Return the classes that examples have, by feature; one whose source may be any stands for all of them."""
    known: dict[str, set[str]] = {feature: set() for feature in FEATURES}
    for example in set(examples):
        for feature, value in asdict(example).items():
            known[feature].add(value or "")
    return {feature: values for feature, values in known.items() if feature != "source" or "" not in values}


def _counts(days: Sequence[InputDay], feature: str) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for day in days:
        for one, count in day.counts.get(feature, {}).items():
            found[one] = found.get(one, 0) + count
    return found
