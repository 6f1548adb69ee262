"""How a page of runs is found without reading the others: one ordered stream of an index an automation, merged.

An index gives rows in order of time for one value of each of its leading columns. So the page is
asked for as `LIMIT n` of every automation, and the sorted rest of those is the page: the cost grows
with automations, not with runs. Which filter's index leads is left to the planner, which sees the
values; the other filters are answered by what that index includes. Active and ended runs stand in
different indexes (each run is written to few of them), so every list is the union of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    DateTime,
    Double,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    column,
    exists,
    false,
    func,
    lateral,
    literal,
    literal_column,
    not_,
    or_,
    select,
    table,
    true,
    tuple_,
    union_all,
)

from assay.engine import RunStatus
from assay.runs.model import RunFilters, Standing

_runs = table(
    "runs",
    column("sample_rank", Double),
    *(
        column(name, DateTime(timezone=True))
        for name in [
            "created_at",
            "completed_at",
            "review_created_at",
            "review_updated_at",
            "review_resolved_at",
        ]
    ),
    *(
        column(name, Boolean)
        for name in [
            "in_experiment",
            "took_long",
            "sampled",
            "review_has_expected_json",
            "review_has_expected_files",
            "review_has_corrections",
        ]
    ),
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
            "error_code",
            "error_step",
            "batch_id",
            "example_id",
            "review_standing",
            "review_state",
            "promoted_example_name",
        ]
    ),
)
_automations = table("automations", *(column(name, Text) for name in ("id", "organization_id", "kind")))
_feedback = table(
    "feedback",
    column("cleared", Boolean),
    *(column(name, Text) for name in ("run_id", "organization_id", "automation_id", "body")),
)
_c = _runs.c

_LONG = timedelta(minutes=15)
"""As in the schema's `took_long`."""
_SMALL_SAMPLE = 0.05
"""As in the schema's `runs_of_small_samples`."""
_OUTCOMES = ("completed", "failed", "cancelled", "rejected")
_UNSAID = frozenset({"unreviewed", "none"})
_STATES = ("unreviewed", "none", "passed", "failed", "open", "regressed", "ignored")

# Ended runs always have a `completed_at`. A range of it beside one of `created_at` would be taken for independent, and
# so for far fewer runs than there are; of an expression nothing is assumed.
_completed: ColumnElement[datetime] = literal_column("coalesce(completed_at, created_at)", DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the list is wanted; `after` is the time and id of the last run of the page before.

    The time is when a run was created, or `by_completion` when it ended: active runs are left out then.
    """

    limit: int
    offset: int = 0
    after: tuple[datetime, str] | None = None
    ascending: bool = False
    by_completion: bool = False
    sorts: bool = False
    """Whether to sort what is found, however many rows there are, instead of following an index in that order."""

    @property
    def moment(self) -> ColumnElement[Any]:
        """The time in whose order the list is."""
        if not self.by_completion:
            return _c.created_at
        return _completed if self.sorts else _c.completed_at


def page_query(organization_id: str, filters: RunFilters, page: Page) -> Select[Any, Any]:
    """Build the query of a page's runs, by `id` and `moment`, in order."""
    # Of automations that nobody reviews, or that never fail, the index by completion would be read to its end.
    few = _is_of_reviewed(filters) or bool(filters.error_codes or filters.error_steps)
    page = replace(page, sorts=page.by_completion and few)
    always = [_c.organization_id == organization_id, *_times(filters, page)]
    named = filters.batch_ids or filters.example_ids or filters.example_id_contains or filters.feedback_contains
    if filters.ids is not None or named:
        branches = _few(organization_id, filters, always, page)
    else:
        branches = [
            *_ended(organization_id, filters, always, page),
            *_active(organization_id, filters, always, page),
            *_long(organization_id, filters, always, page),
        ] or [_first(page, false())]
    together = union_all(*(branch.subquery().select() for branch in branches)).subquery()
    return (
        select(together.c.id, together.c.moment)
        .order_by(*_order(together.c.moment, together.c.id, ascending=page.ascending))
        .limit(page.limit)
        .offset(page.offset)
    )


def _few(
    organization_id: str, filters: RunFilters, always: Sequence[ColumnElement[bool]], page: Page
) -> list[Select[Any, Any]]:
    """Filters that leave few runs, or are costly to ask of each: read them all and sort."""
    conditions = [*always, *_plain(organization_id, filters)]
    if not filters.statuses:
        return [_sorted(organization_id, filters, conditions, page)]
    outcomes, active = _divided(filters.statuses)
    ended_and_not = [
        # Of ended runs the outcome is asked for, which stands in indexes.
        (outcomes, _c.outcome.in_(outcomes)),
        (active, and_(_c.outcome.is_(None), _c.status.in_(active))),
    ]
    return [
        _sorted(organization_id, filters, [*conditions, condition], page)
        for statuses, condition in ended_and_not
        if statuses
    ]


def _ended(
    organization_id: str, filters: RunFilters, always: Sequence[ColumnElement[bool]], page: Page
) -> list[Select[Any, Any]]:
    outcomes, _ = _divided(filters.statuses)
    if filters.statuses and not outcomes:
        return []
    conditions = [_c.outcome.is_not(None), *always, *_ended_since(filters, page), *_reviews(filters)]
    if not filters.experiments:
        conditions.append(_c.in_experiment.is_(False))
    axes, chosen = _streams(filters, outcomes, page)
    return [_merged(organization_id, filters, axes, [*conditions, *chosen], page)]


def _ended_since(filters: RunFilters, page: Page) -> list[ColumnElement[bool]]:
    """Where the streams of ended runs may stop; runs that took long are looked for by themselves."""
    if page.by_completion and filters.created_before is not None:
        return [_c.completed_at <= filters.created_before + _LONG]
    if not page.by_completion and filters.completed_after is not None:
        return [_completed >= filters.completed_after, _c.created_at >= filters.completed_after - _LONG]
    return []


def _streams(
    filters: RunFilters, outcomes: Sequence[str], page: Page
) -> tuple[list[FromClause], list[ColumnElement[bool]]]:
    """Choose what the index of ended runs is asked for: an ordered stream for each value, or values side by side.

    With more than one filter the planner has to see the values to find the rarest.
    """
    exact = [
        (target, values)
        for target, values in [(_c.mode, filters.modes), *_exact(filters), *_failures(filters)]
        if values
    ]
    places = _places(filters, outcomes)
    conditions = [_among(target, values) for target, values in exact]
    if page.by_completion or _has_rare(filters):
        return [], [*conditions, *_state_conditions(filters, outcomes, places), *_standing_conditions(filters)]
    if exact or (places is not None and filters.standings is not None):
        is_alone = len(exact) == 1 and places is None and filters.standings is None and not filters.sampled
        if is_alone and len(exact[0][1]) > 1 and not filters.modes:
            ((target, values),) = exact
            axis = _values(values)
            return [axis], [target == axis.c.value]
        return [], [*conditions, *_state_conditions(filters, outcomes, places), *_standing_conditions(filters)]
    if filters.standings:
        axis = _values([_code(standing) for standing in filters.standings])
        return [axis], [_c.review_standing == axis.c.value, _c.review_created_at.is_not(None)]
    if filters.sampled:
        axis = _values([state for state in _STATES if not filters.review_states or state in filters.review_states])
        among = [_c.outcome.in_(outcomes)] if outcomes else []
        return [axis], [_c.sampled, _c.review_state == axis.c.value, *among]
    if places:
        axis = _values(*zip(*places, strict=True))
        return [axis], [_c.outcome == axis.c.value, _c.review_state == axis.c.value_2]
    return [], [*_state_conditions(filters, outcomes, places), *_standing_conditions(filters)]


def _is_of_reviewed(filters: RunFilters) -> bool:
    """Tell whether the filters leave only runs of which somebody has said something."""
    only_of_reviewed = [
        filters.review_states and _UNSAID.isdisjoint(filters.review_states),
        filters.has_feedback,
        filters.standings,
        filters.has_expected,
        filters.has_expected_json,
        filters.has_expected_files,
        filters.has_corrections,
        filters.is_promoted,
        filters.promoted_example_names,
        filters.feedback_contains,
        *(moment for _, after, before in _review_times(filters) for moment in (after, before)),
    ]
    return any(only_of_reviewed)


def _has_rare(filters: RunFilters) -> bool:
    """Tell whether a filter has an index of its own that the planner should weigh against streams."""
    beside = [
        filters.sampled and (filters.standings is not None or filters.has_feedback is not None),
        filters.sample_rate is not None,
        filters.has_feedback,
        filters.has_expected is not None,
        filters.has_expected_json is not None,
        filters.has_expected_files is not None,
        filters.has_corrections is not None,
        filters.has_example is not None,
        filters.is_promoted is not None,
        filters.promoted_example_names,
        filters.feedback_contains is not None,
        *(moment is not None for _, after, before in _review_times(filters) for moment in (after, before)),
    ]
    return any(beside)


def _places(filters: RunFilters, outcomes: Sequence[str]) -> list[tuple[str, str]] | None:
    """Pair the outcomes and chips that are wanted, as far as there are runs of both; None if none are asked for."""
    if not outcomes and not filters.review_states and filters.has_feedback is not False:
        return None
    states: Sequence[str] = filters.review_states or _STATES
    if filters.has_feedback is False:
        states = [state for state in states if state in _UNSAID]
    return [
        (outcome, state)
        for outcome, state in product(dict.fromkeys(outcomes or _OUTCOMES), dict.fromkeys(states))
        if state != ("none" if outcome == "completed" else "unreviewed")
    ]


def _state_conditions(
    filters: RunFilters, outcomes: Sequence[str], places: Sequence[tuple[str, str]] | None
) -> list[ColumnElement[bool]]:
    if places is None:
        return []
    if not places:
        return [false()]
    found: list[ColumnElement[bool]] = []
    if outcomes or len({outcome for outcome, _ in places}) == 1:
        found.append(_among(_c.outcome, list(dict.fromkeys(outcome for outcome, _ in places))))
    if filters.review_states or filters.has_feedback is False:
        found.append(_among(_c.review_state, list(dict.fromkeys(state for _, state in places))))
    return found


def _standing_conditions(filters: RunFilters) -> list[ColumnElement[bool]]:
    if filters.standings is None:
        return []
    if not filters.standings:
        return [false()]
    return [
        _among(_c.review_standing, [_code(standing) for standing in filters.standings]),
        _c.review_created_at.is_not(None),
    ]


def _active(
    organization_id: str, filters: RunFilters, always: Sequence[ColumnElement[bool]], page: Page
) -> list[Select[Any, Any]]:
    only_ended = [
        page.by_completion,
        filters.completed_after is not None,
        filters.completed_before is not None,
        filters.sampled,
        filters.has_feedback,
        filters.standings is not None,
        filters.review_states,
        filters.error_codes,
        filters.error_steps,
    ]
    if any(only_ended):
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
    """Runs that took so long that `_ended_since` leaves them out."""
    if page.by_completion and filters.created_before is not None:
        beyond = _c.completed_at > filters.created_before + _LONG
    elif not page.by_completion and filters.completed_after is not None:
        beyond = _c.created_at < filters.completed_after - _LONG
    else:
        return []
    outcomes, _ = _divided(filters.statuses)
    if filters.statuses and not outcomes:
        return []
    ended = _c.outcome.in_(outcomes) if filters.statuses else _c.outcome.is_not(None)
    conditions = [_c.took_long, beyond, ended, *always, *_plain(organization_id, filters)]
    return [_sorted(organization_id, filters, conditions, page)]


def _sorted(
    organization_id: str, filters: RunFilters, conditions: Sequence[ColumnElement[bool]], page: Page
) -> Select[Any, Any]:
    """The first of few runs; by automation only where each has a beginning of its own."""
    if filters.since_last_resolved:
        return _merged(organization_id, filters, [], conditions, page)
    return _first(page, *conditions)


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
    if filters.since_last_resolved:
        # Not to be merged into the query around it (OFFSET 0), which would ask again for every run.
        automation = automation.add_columns(_last_resolved(organization_id, _automations.c.id)).offset(0)
    source: FromClause = automation.subquery("automation")
    of_automation = [_c.automation_id == source.c.id]
    if filters.since_last_resolved:
        of_automation.append(_c.created_at > source.c.last_resolved)
        if page.by_completion and not page.sorts:
            of_automation.append(_c.completed_at > source.c.last_resolved)  # so the stream has an end
    stream = lateral(_first(page, *of_automation, *conditions).correlate(source, *axes), "stream")
    for axis in axes:
        source = source.join(axis, true())
    return select(stream.c.id, stream.c.moment).select_from(source.join(stream, true()))


def _values(*several: Sequence[str]) -> FromClause:
    """Make a table of values, one column a sequence, named `value`, `value_2` and so on."""
    # A value named twice must not bring its runs twice.
    once = list(zip(*dict.fromkeys(zip(*several, strict=True)), strict=True))
    arrays = [cast(literal(list(values), ARRAY(Text())), ARRAY(Text())) for values in once]
    names = ["value", *(f"value_{number}" for number in range(2, len(several) + 1))]
    return func.unnest(*arrays).table_valued(*(column(name, Text()) for name in names)).render_derived("axis")


def _among(target: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
    return target == values[0] if len(values) == 1 else target.in_(list(values))


def _first(page: Page, *conditions: ColumnElement[bool]) -> Select[Any, Any]:
    """The first rows in order: as many as the page could take if all of it came from here."""
    return (
        select(_c.id, page.moment.label("moment"))
        .where(*conditions)
        .order_by(*_order(page.moment, _c.id, ascending=page.ascending))
        .limit(page.limit + page.offset)
    )


def _order(moment: ColumnElement[Any], run: ColumnElement[Any], *, ascending: bool) -> list[ColumnElement[Any]]:
    return [moment, run] if ascending else [moment.desc(), run.desc()]


def _times(filters: RunFilters, page: Page) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if page.by_completion:
        found.append(_c.outcome.is_not(None))
    if page.after is not None:
        # literal() with types: the driver must not guess.
        edge = tuple_(literal(page.after[0], DateTime(timezone=True)), literal(page.after[1], Text))
        place = tuple_(page.moment, _c.id)
        found.append(place > edge if page.ascending else place < edge)
    if filters.created_after is not None:
        found.append(_c.created_at >= filters.created_after)
        if page.by_completion:
            found.append(_c.completed_at >= filters.created_after)
    if filters.created_before is not None:
        found.append(_c.created_at <= filters.created_before)
    if filters.completed_before is not None:
        # A run is created before it completes: the last condition lets the streams start in the right place.
        completed = _c.completed_at if page.by_completion else _completed
        found.append(and_(_c.outcome.is_not(None), completed <= filters.completed_before))
        found.append(_c.created_at <= filters.completed_before)
    if page.by_completion and filters.completed_after is not None:
        found.append(_c.completed_at >= filters.completed_after)
    return found


def _plain(organization_id: str, filters: RunFilters) -> list[ColumnElement[bool]]:
    """The filters as conditions that no order is asked of."""
    found = _reviews(filters)
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
        (_c.review_state, filters.review_states),
        *_exact(filters),
        *_failures(filters),
    ]
    found.extend(_among(target, values) for target, values in targets if values)
    found.extend(_standing_conditions(filters))
    if filters.kinds:
        # By automation, which stands in the indexes.
        of_kind = select(_automations.c.id).where(_automations.c.organization_id == organization_id)
        found.append(_c.automation_id.in_(of_kind.where(_automations.c.kind.in_(filters.kinds))))
    return found


def _reviews(filters: RunFilters) -> list[ColumnElement[bool]]:
    """What is asked of a run's review, but for its chip and standing, which lead indexes."""
    files, expected = _c.review_has_expected_files, _c.review_has_expected_json
    wanted = [
        (_c.sampled, filters.sampled),
        (_c.review_created_at.is_not(None), filters.has_feedback),
        (or_(expected, files), filters.has_expected),
        (expected, filters.has_expected_json),
        (files, filters.has_expected_files),
        (_c.review_has_corrections, filters.has_corrections),
        (_c.promoted_example_name.is_not(None), filters.is_promoted),
        (_c.example_id.is_not(None), filters.has_example),
    ]
    found = [condition if value else not_(condition) for condition, value in wanted if value is not None]
    if filters.sample_rate is not None:
        found.append(_c.sample_rank < filters.sample_rate)
        if filters.sample_rate <= _SMALL_SAMPLE:
            found.append(_c.sample_rank < literal_column(str(_SMALL_SAMPLE)))
    if filters.has_example:
        # No other run is of an example, and the index by mode is in order of time.
        found.append(_c.mode == "eval")
    if filters.promoted_example_names:
        found.append(_among(_c.promoted_example_name, filters.promoted_example_names))
    for target, after, before in _review_times(filters):
        if after is not None or before is not None:
            found.append(_c.review_created_at.is_not(None))
        if after is not None:
            found.append(target >= after)
        if before is not None:
            # A run is created before somebody says something of it.
            found += [target <= before, _c.created_at <= before]
    if filters.feedback_contains is not None:
        said = exists().where(
            _feedback.c.run_id == _c.id,
            _feedback.c.organization_id == _c.organization_id,
            _feedback.c.automation_id == _c.automation_id,
            _feedback.c.body != literal_column("''"),
            not_(_feedback.c.cleared),
            _feedback.c.body.icontains(filters.feedback_contains, autoescape=True),
        )
        found += [_c.review_created_at.is_not(None), said]
    return found


def _review_times(filters: RunFilters) -> list[tuple[ColumnElement[Any], datetime | None, datetime | None]]:
    return [
        (_c.review_created_at, filters.feedback_created_after, filters.feedback_created_before),
        (_c.review_updated_at, filters.feedback_updated_after, filters.feedback_updated_before),
        (_c.review_resolved_at, filters.feedback_resolved_after, filters.feedback_resolved_before),
    ]


def _last_resolved(organization_id: str, automation: ColumnElement[str]) -> ColumnElement[Any]:
    found = func.last_resolved(literal(organization_id, Text), automation, type_=DateTime(timezone=True))
    return found.label("last_resolved")


def _code(standing: Standing) -> str:
    return "/".join(part or "none" for part in standing)


def _exact(filters: RunFilters) -> list[tuple[ColumnElement[str], Sequence[str]]]:
    return [
        (_c.trigger_type, filters.triggers),
        (_c.started_by, filters.triggered_by),
        (_c.version_label, filters.version_labels),
    ]


def _failures(filters: RunFilters) -> list[tuple[ColumnElement[str], Sequence[str]]]:
    return [(_c.error_code, filters.error_codes), (_c.error_step, filters.error_steps)]


def _divided(statuses: Sequence[str]) -> tuple[list[str], list[str]]:
    """Statuses of ended runs, and the others."""
    outcomes = [status for status in statuses if RunStatus(status).finished]
    return outcomes, [status for status in statuses if status not in outcomes]
