"""What share of live runs has an example like it, and which runs have none."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from assay import automations, db, runs, statistics
from assay.experiments import store

SHOWN_RUNS = 5
SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class ExampleGroup:
    """Examples with the same features, and the first few of their names."""

    features: runs.Features
    examples: int
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the examples stand for the newest live runs.

    `total` were looked at, `unknown` of them were not counted: they ended before a worker had them, or before features
    were kept. `covered` of the rest match an example in every feature; `interval` is the share's 95 % Wilson interval,
    None where nothing was counted. `uncovered` lists the others, most frequent first. `never_run` names examples of
    which nothing is known yet, so that they cover nothing. `is_complete`: the period has no more runs than these.
    """

    total: int
    unknown: int
    covered: int
    interval: statistics.Interval | None
    uncovered: Sequence[runs.FeatureGroup]
    examples: Sequence[ExampleGroup]
    never_run: Sequence[str]
    is_complete: bool

    @property
    def counted(self) -> int:
        """Runs whose features are known."""
        return self.total - self.unknown

    @property
    def share(self) -> float | None:
        """Of the counted runs, how many are covered."""
        return self.covered / self.counted if self.counted else None


async def coverage(
    tx: db.Transaction,
    organization_id: str,
    automation: str,
    *,
    created_from: datetime | None,
    created_to: datetime | None,
    limit: int,
) -> Coverage:
    """Compare the newest `limit` ended live runs of a period with the examples as they are now.

    What an example is like was seen in its latest run, else in the run it was promoted from. Its source is what its
    metadata, else the run it was promoted from, names; where neither does, the source of a run does not matter.

    Raises:
        AutomationNotFoundError: there is no such automation.
    """
    found = await automations.get(tx, organization_id, automation)
    groups = await runs.feature_groups(
        tx,
        organization_id,
        found.id,
        created_from=created_from,
        created_to=created_to,
        limit=limit,
        run_ids=SHOWN_RUNS,
    )
    examples = await store.example_features(tx, organization_id, found.id)
    return _compared(groups, examples, limit)


def _compared(
    groups: Sequence[runs.FeatureGroup], examples: Sequence[tuple[str, runs.Features | None]], limit: int
) -> Coverage:
    known = {features for _, features in examples if features is not None}
    uncovered: list[runs.FeatureGroup] = []
    total = unknown = covered = 0
    for group in groups:
        total += group.runs
        if group.features is None:
            unknown += group.runs
        elif _is_covered(group.features, known):
            covered += group.runs
        else:
            uncovered.append(group)
    counted = total - unknown
    return Coverage(
        total=total,
        unknown=unknown,
        covered=covered,
        interval=statistics.wilson(covered, counted) if counted else None,
        uncovered=uncovered,
        examples=_grouped(examples),
        never_run=[name for name, features in examples if features is None],
        is_complete=total < limit,
    )


def _is_covered(features: runs.Features, known: Set[runs.Features]) -> bool:
    return features in known or replace(features, source=None) in known


def _grouped(examples: Sequence[tuple[str, runs.Features | None]]) -> list[ExampleGroup]:
    names: dict[runs.Features, list[str]] = {}
    for name, features in examples:
        if features is not None:
            names.setdefault(features, []).append(name)
    groups = [ExampleGroup(features, len(found), found[:SHOWN_NAMES]) for features, found in names.items()]
    return sorted(groups, key=lambda group: -group.examples)
