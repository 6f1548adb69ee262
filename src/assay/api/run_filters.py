"""What the query of a list of runs asks for, in the words of both generations of clients."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from fastapi import Request

from assay import access, automations, db, reviews, runs
from assay.api import feedback_bodies, parameters
from assay.errors import InvalidValueError

_STATUSES = tuple(status.value for status in runs.RunStatus)
_RATINGS = (None, "pass", "fail", "partial")
_FEEDBACK_STATUSES = (None, "open", "resolved", "ignored")
_TIMES = tuple(
    f"{word}{event}{side}"
    for word, events in (("feedback", ("Created", "Updated", "Resolved")), ("review", ("Created", "Updated", "Closed")))
    for event, side in product(events, ("After", "Before"))
)

NAMES = frozenset(
    {
        "type",
        "source",
        "status",
        "trigger",
        "triggeredBy",
        "sourceRef",
        "mode",
        "errorCode",
        "errorStep",
        "batchId",
        "exampleId",
        "exampleIdContains",
        "hasExample",
        "experiments",
        "from",
        "to",
        "createdAfter",
        "createdBefore",
        "completedAfter",
        "completedBefore",
        "ids",
        "tag",
        "reviewState",
        "sampled",
        "sampleRate",
        "hasFeedback",
        "noFeedback",
        "feedbackStatus",
        "feedbackRating",
        "hasExpected",
        "hasExpectedJson",
        "hasExpectedFiles",
        "promotedToExample",
        "promotedExampleName",
        "sinceLastResolved",
        "feedbackBodyContains",
        "hasReview",
        "noReview",
        "reviewStatus",
        "reviewVerdict",
        "hasCorrections",
        "reviewNoteContains",
        "sinceLastClosed",
        *_TIMES,
    }
)
"""The query parameters that are filters."""


async def read(tx: db.Transaction, caller: access.Caller, request: Request) -> runs.RunFilters:
    """Read the filters of a request; of an automation that does not exist there are no runs.

    Raises:
        InvalidValueError: a value is none, or two contradict each other.
    """
    filters = _filters(request)
    sources = parameters.values(request, "source")
    if not sources:
        return filters
    found: list[str] = []
    for source in sources:
        try:
            found.append((await automations.get(tx, caller.organization_id, source)).id)
        except automations.AutomationNotFoundError:
            found.append("")
    return replace(filters, automations=found)


def _filters(request: Request) -> runs.RunFilters:
    values, text, flag = parameters.values, parameters.text, parameters.flag_or_none
    ids = values(request, "ids") if "ids" in request.query_params else None
    return runs.RunFilters(
        kinds=values(request, "type", ("workflow", "agent")),
        statuses=values(request, "status", _STATUSES),
        triggers=values(request, "trigger"),
        triggered_by=values(request, "triggeredBy"),
        version_labels=values(request, "sourceRef"),
        modes=values(request, "mode", ("live", "shadow", "eval")),
        error_codes=values(request, "errorCode"),
        error_steps=values(request, "errorStep"),
        batch_ids=values(request, "batchId"),
        example_ids=values(request, "exampleId"),
        example_id_contains=text(request, "exampleIdContains"),
        experiments=parameters.flag(request, "experiments", default=True),
        created_after=parameters.moment(request, "createdAfter", "from"),
        created_before=parameters.moment(request, "createdBefore", "to"),
        completed_after=parameters.moment(request, "completedAfter"),
        completed_before=parameters.moment(request, "completedBefore"),
        # Runs have no tags, so none has this one.
        ids=() if values(request, "tag") else ids,
        has_example=flag(request, "hasExample"),
        review_states=[state for state in reviews.REVIEW_STATES if state in _review_states(request)],
        sampled=flag(request, "sampled"),
        sample_rate=parameters.fraction(request, "sampleRate"),
        has_feedback=_has_feedback(request),
        standings=_standings(request),
        has_expected=flag(request, "hasExpected"),
        has_expected_json=flag(request, "hasExpectedJson"),
        has_expected_files=flag(request, "hasExpectedFiles"),
        has_corrections=flag(request, "hasCorrections"),
        is_promoted=flag(request, "promotedToExample"),
        promoted_example_names=values(request, "promotedExampleName"),
        feedback_contains=_one_text(request, "feedbackBodyContains", "reviewNoteContains"),
        **_times(request),
        since_last_resolved=_since_last_resolved(request),
    )


def _review_states(request: Request) -> Sequence[str]:
    return parameters.values(request, "reviewState", reviews.REVIEW_STATES)


def _since_last_resolved(request: Request) -> bool:
    return any(parameters.flag(request, name, default=False) for name in ("sinceLastResolved", "sinceLastClosed"))


def _has_feedback(request: Request) -> bool | None:
    """Read four names of one question; `noFeedback=false` is `hasFeedback=true`."""
    names = {"hasFeedback": True, "hasReview": True, "noFeedback": False, "noReview": False}
    given = {name: parameters.flag_or_none(request, name) for name in names}
    wanted = {value is names[name] for name, value in given.items() if value is not None}
    if len(wanted) > 1:
        message = "A run has feedback or has none: these filters contradict each other."
        raise InvalidValueError(message, field="noFeedback")
    return wanted.pop() if wanted else None


def _standings(request: Request) -> Sequence[runs.Standing] | None:
    """Say which pairs of status and rating all of the filters leave."""
    ratings = parameters.values(request, "feedbackRating", ("pass", "fail", "partial", "none"))
    statuses = parameters.values(request, "feedbackStatus", ("open", "resolved", "ignored", "none"))
    verdicts = parameters.values(request, "reviewVerdict", ("correct", "incorrect", "null", "none"))
    review_statuses = parameters.values(request, "reviewStatus", ("open", "closed", "wont_fix"))
    if not (ratings or statuses or verdicts or review_statuses):
        return None
    return [
        (status, rating)
        for status, rating in product(_FEEDBACK_STATUSES, _RATINGS)
        if (not ratings or (rating or "none") in ratings)
        and (not statuses or (status or "none") in statuses)
        and (not verdicts or (feedback_bodies.VERDICTS[rating] or "none") in _without_null(verdicts))
        and (not review_statuses or feedback_bodies.review_status(rating, status) in review_statuses)
    ]


def _without_null(verdicts: Sequence[str]) -> Sequence[str]:
    return ["none" if verdict == "null" else verdict for verdict in verdicts]


def _one_text(request: Request, *names: str) -> str | None:
    found = {text for name in names if (text := parameters.text(request, name)) is not None}
    if len(found) > 1:
        message = f"{' and '.join(names)} mean the same; give one of them."
        raise InvalidValueError(message, field=names[0])
    return found.pop() if found else None


def _times(request: Request) -> Mapping[str, Any]:
    """Read the times of feedback; of two words for the same the narrower holds."""
    found: dict[str, Any] = {}
    for event, later_word in (("Created", "Created"), ("Updated", "Updated"), ("Resolved", "Closed")):
        for side, narrower in (("After", max), ("Before", min)):
            given = [
                moment
                for name in (f"feedback{event}{side}", f"review{later_word}{side}")
                if (moment := parameters.moment(request, name)) is not None
            ]
            found[f"feedback_{event.lower()}_{side.lower()}"] = narrower(given, default=None)
    return found
