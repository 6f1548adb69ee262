"""How a page of runs is found without reading the others: one ordered stream of an index an automation, merged.

An index gives rows in order of time for one value of each of its leading columns. So the page is
asked for as `LIMIT n` of every automation, and the sorted rest of those is the page: the cost grows
with automations, not with runs. Which filter's index leads is left to the planner, which sees the
values; the other filters are answered by what that index includes. Active and ended runs stand in
different indexes (each run is written to few of them), so every list is the union of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    column,
    false,
    func,
    lateral,
    literal,
    literal_column,
    select,
    table,
    true,
    tuple_,
    union_all,
)

from assay.engine import RunStatus
from assay.runs.model import RunFilters

_runs = table(
    "runs",
    column("created_at", DateTime(timezone=True)),
    column("completed_at", DateTime(timezone=True)),
    column("in_experiment", Boolean),
    column("took_long", Boolean),
    *(
        column(name, Text)
        for name in [
            "id",
            "organization_id",
            "automation_id",
            "kind",
            "status",
            "outcome",
            "trigger_type",
            "version_label",
            "started_by",
            "mode",
            "batch_id",
            "example_id",
        ]
    ),
)
_automations = table("automations", *(column(name, Text) for name in ("id", "organization_id", "kind")))
_c = _runs.c

_LONG = timedelta(minutes=15)
"""As in the schema's `took_long`."""

# Ended runs always have a `completed_at`. A range of it beside one of `created_at` would be taken for independent, and
# so for far fewer runs than there are; of an expression nothing is assumed.
_completed: ColumnElement[datetime] = literal_column("coalesce(completed_at, created_at)", DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the list is wanted; `after` is creation time and id of the last run of the page before."""

    limit: int
    offset: int = 0
    after: tuple[datetime, str] | None = None
    ascending: bool = False


def page_query(organization_id: str, filters: RunFilters, page: Page) -> Select[Any, Any]:
    """Build the query of a page's runs, by id and creation time, in order."""
    always = [_c.organization_id == organization_id, *_times(filters, page)]
    if filters.ids is not None or filters.batch_ids or filters.example_ids or filters.example_id_contains:
        branches = _few(organization_id, filters, always, page)
    else:
        branches = [
            *_ended(organization_id, filters, always, page),
            *_active(organization_id, filters, always, page),
            *_long(organization_id, filters, always, page),
        ] or [_first(page, false())]
    together = union_all(*(branch.subquery().select() for branch in branches)).subquery()
    return (
        select(together.c.id, together.c.created_at)
        .order_by(*_order(together.c.created_at, together.c.id, ascending=page.ascending))
        .limit(page.limit)
        .offset(page.offset)
    )


def _few(
    organization_id: str, filters: RunFilters, always: Sequence[ColumnElement[bool]], page: Page
) -> list[Select[Any, Any]]:
    """Filters that leave few runs, each with an index of its own: read them all and sort."""
    conditions = [*always, *_plain(organization_id, filters)]
    if not filters.statuses:
        return [_first(page, *conditions)]
    outcomes, active = _divided(filters.statuses)
    ended_and_not = [
        # Of ended runs the outcome is asked for, which stands in indexes.
        (outcomes, _c.outcome.in_(outcomes)),
        (active, and_(_c.outcome.is_(None), _c.status.in_(active))),
    ]
    return [_first(page, *conditions, condition) for statuses, condition in ended_and_not if statuses]


def _ended(
    organization_id: str, filters: RunFilters, always: Sequence[ColumnElement[bool]], page: Page
) -> list[Select[Any, Any]]:
    outcomes, _ = _divided(filters.statuses)
    if filters.statuses and not outcomes:
        return []
    since: list[ColumnElement[bool]] = []
    if filters.completed_after is not None:
        since = [_completed >= filters.completed_after, _c.created_at >= filters.completed_after - _LONG]
    exact = [
        (target, values)
        for target, values in [(_c.outcome, outcomes), (_c.mode, filters.modes), *_exact(filters)]
        if values
    ]
    axes: list[FromClause] = []
    if len(exact) == 1 and len(exact[0][1]) > 1 and not filters.modes:
        # An ordered stream for each value. With more filters the planner has to see the values to find the rarest.
        ((target, values),) = exact
        axis = _values(values)
        axes, chosen = [axis], [target == axis.c.value]
    else:
        chosen = [_among(target, values) for target, values in exact]
    if not filters.experiments:
        chosen.append(_c.in_experiment.is_(False))
    return [_merged(organization_id, filters, axes, [_c.outcome.is_not(None), *always, *since, *chosen], page)]


def _active(
    organization_id: str, filters: RunFilters, always: Sequence[ColumnElement[bool]], page: Page
) -> list[Select[Any, Any]]:
    if filters.completed_after is not None or filters.completed_before is not None:
        return []
    _, active = _divided(filters.statuses)
    if filters.statuses and not active:
        return []
    conditions = [_c.outcome.is_(None), *always, *_plain(organization_id, filters)]
    if active:
        conditions.append(_c.status.in_(active))
    return [_merged(organization_id, filters, [], conditions, page)]


def _long(
    organization_id: str, filters: RunFilters, always: Sequence[ColumnElement[bool]], page: Page
) -> list[Select[Any, Any]]:
    """Runs that ended after a moment and began so long before it that the others need not be looked through."""
    if filters.completed_after is None:
        return []
    began_before = _c.created_at < filters.completed_after - _LONG
    outcomes, _ = _divided(filters.statuses)
    ended = _c.outcome.in_(outcomes) if filters.statuses else _c.outcome.is_not(None)
    return [_first(page, _c.took_long, began_before, ended, *always, *_plain(organization_id, filters))]


def _merged(
    organization_id: str,
    filters: RunFilters,
    axes: Sequence[FromClause],
    conditions: Sequence[ColumnElement[bool]],
    page: Page,
) -> Select[Any, Any]:
    automation = select(_automations.c.id).where(_automations.c.organization_id == organization_id)
    if filters.automations:
        automation = automation.where(_automations.c.id.in_(list(filters.automations)))
    if filters.kinds:
        automation = automation.where(_automations.c.kind.in_(list(filters.kinds)))
    source: FromClause = automation.subquery("automation")
    stream = lateral(_first(page, _c.automation_id == source.c.id, *conditions).correlate(source, *axes), "stream")
    for axis in axes:
        source = source.join(axis, true())
    return select(stream.c.id, stream.c.created_at).select_from(source.join(stream, true()))


def _values(values: Sequence[str]) -> FromClause:
    once = list(dict.fromkeys(values))  # a value named twice must not bring its runs twice
    array = cast(literal(once, ARRAY(Text())), ARRAY(Text()))
    return func.unnest(array).table_valued(column("value", Text())).render_derived("axis")


def _among(target: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
    return target == values[0] if len(values) == 1 else target.in_(list(values))


def _first(page: Page, *conditions: ColumnElement[bool]) -> Select[Any, Any]:
    """The first rows in order: as many as the page could take if all of it came from here."""
    return (
        select(_c.id, _c.created_at)
        .where(*conditions)
        .order_by(*_order(_c.created_at, _c.id, ascending=page.ascending))
        .limit(page.limit + page.offset)
    )


def _order(created: ColumnElement[Any], run: ColumnElement[Any], *, ascending: bool) -> list[ColumnElement[Any]]:
    return [created, run] if ascending else [created.desc(), run.desc()]


def _times(filters: RunFilters, page: Page) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if page.after is not None:
        # literal() with types: the driver must not guess.
        edge = tuple_(literal(page.after[0], DateTime(timezone=True)), literal(page.after[1], Text))
        place = tuple_(_c.created_at, _c.id)
        found.append(place > edge if page.ascending else place < edge)
    if filters.created_after is not None:
        found.append(_c.created_at >= filters.created_after)
    if filters.created_before is not None:
        found.append(_c.created_at <= filters.created_before)
    if filters.completed_before is not None:
        # A run is created before it completes: the last condition lets the streams start in the right place.
        found.append(and_(_c.outcome.is_not(None), _completed <= filters.completed_before))
        found.append(_c.created_at <= filters.completed_before)
    return found


def _plain(organization_id: str, filters: RunFilters) -> list[ColumnElement[bool]]:
    """The filters as conditions that no order is asked of."""
    found: list[ColumnElement[bool]] = []
    if filters.completed_after is not None:
        found.append(_c.completed_at >= filters.completed_after)
    if filters.example_id_contains is not None:
        found.append(_c.example_id.contains(filters.example_id_contains, autoescape=True))
    if not filters.experiments:
        found.append(_c.in_experiment.is_(False))
    if filters.ids is not None:
        found.append(_c.id.in_(list(filters.ids)))
    targets = [
        (_c.automation_id, filters.automations),
        (_c.mode, filters.modes),
        (_c.batch_id, filters.batch_ids),
        (_c.example_id, filters.example_ids),
        *_exact(filters),
    ]
    found.extend(_among(target, values) for target, values in targets if values)
    if filters.kinds:
        # By automation, which stands in the indexes.
        of_kind = select(_automations.c.id).where(_automations.c.organization_id == organization_id)
        found.append(_c.automation_id.in_(of_kind.where(_automations.c.kind.in_(filters.kinds))))
    return found


def _exact(filters: RunFilters) -> list[tuple[ColumnElement[str], Sequence[str]]]:
    return [
        (_c.trigger_type, filters.triggers),
        (_c.started_by, filters.triggered_by),
        (_c.version_label, filters.version_labels),
    ]


def _divided(statuses: Sequence[str]) -> tuple[list[str], list[str]]:
    """Statuses of ended runs, and the others."""
    outcomes = [status for status in statuses if RunStatus(status).finished]
    return outcomes, [status for status in statuses if status not in outcomes]
