"""How an automation fares in production, and who is told when it does not."""

from datetime import timedelta
from typing import Any, Literal, cast

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from assay import automations, clock, monitoring
from assay.api import parameters
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.api.review_queue import one_agreement_json
from assay.clock import iso
from assay.statistics import Interval, wilson

router = APIRouter(tags=["monitoring"])

BEFORE = timedelta(days=30)
PREVIEWED_DAYS = 7
_FILTERS = frozenset(
    {
        "type",
        "status",
        "trigger",
        "triggeredBy",
        "sourceRef",
        "mode",
        "batchId",
        "exampleId",
        "exampleIdContains",
        "from",
        "to",
        "createdAfter",
        "createdBefore",
        "completedAfter",
        "completedBefore",
        "experiments",
        "bucket",
        "rollingWindow",
        "minRollingReviews",
    }
)


class PreviewBody(monitoring.AlertRule):
    """A rule to be tried out on the past."""

    days: int = Field(default=PREVIEWED_DAYS, ge=1, le=90, description="How far back to look.")


_RULE = {
    "requestBody": {"content": {"application/json": {"schema": monitoring.AlertRule.model_json_schema(by_alias=True)}}}
}
_PREVIEW = {"requestBody": {"content": {"application/json": {"schema": PreviewBody.model_json_schema(by_alias=True)}}}}


@router.get("/automations/{automation_id}/reviews/health")
async def get_health(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Tell how an automation fares: verdicts over time, the quality they show, debt, queue, drift, judges.

    `summary`, `buckets` and `rolling` count every review, however its run was picked. `quality` is estimated from the
    random sample alone, with the naive figure beside it.
    """
    parameters.only(request, _FILTERS)
    query = _query(request)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found = await monitoring.review_health(tx, caller.organization_id, automation.id, query)
    return JsonResponse(health_json(found))


@router.get("/automations/{automation_id}/operations")
async def get_operations(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Tell how an automation runs: failures by code and by step, latency and cost over time.

    The newest runs of each part of the time are looked at, and each figure says of how many it is. Runs of examples and
    experiments are left out. Latency is in milliseconds from creation to end, cost in US dollars.
    """
    parameters.only(request, {"from", "to", "bucket"})
    query = _query(request)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found = await monitoring.operations(
            tx, caller.organization_id, automation.id, query.start, query.end, query.bucket
        )
    return JsonResponse(_operations(found))


@router.get("/automations/{automation_id}/lifecycle")
async def get_lifecycle(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Say how far an automation has come: the stages to trust, and what is left before shipping, with evidence."""
    async with server.database.transaction() as tx:
        found = await monitoring.lifecycle(tx, caller.organization_id, automation_id)
    upcoming = found.next_stage
    return JsonResponse(
        {
            "stages": [_line(stage) for stage in found.stages],
            "nextStage": None if upcoming is None else upcoming.key,
            "beforeYouShip": [_line(check) for check in found.checks],
            "mayShip": found.may_ship,
        }
    )


@router.get("/automations/{automation_id}/alerts")
async def list_alerts(automation_id: str, caller: Authorized, server: Here) -> Response:
    """List the alerts of an automation, the oldest first."""
    async with server.database.transaction() as tx:
        found = await monitoring.list_alerts(tx, caller.organization_id, automation_id)
    return JsonResponse({"data": [_alert(one) for one in found], "total": len(found)})


@router.post("/automations/{automation_id}/alerts", status_code=201, openapi_extra=_RULE)
async def add_alert(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Be told, by webhooks (`alert.firing`, `alert.resolved`), while a value is above a threshold."""
    rule = checked(monitoring.AlertRule, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        added = await monitoring.add_alert(tx, caller, automation_id, rule)
    return JsonResponse(_alert(added), 201)


@router.delete("/automations/{automation_id}/alerts/{alert_id}")
async def remove_alert(automation_id: str, alert_id: str, caller: Authorized, server: Here) -> Response:
    """Remove an alert; nothing is told."""
    async with server.database.transaction() as tx:
        removed = await monitoring.remove_alert(tx, caller, automation_id, alert_id)
    return JsonResponse({**_alert(removed), "deleted": True})


@router.post("/automations/{automation_id}/alerts/preview", openapi_extra=_PREVIEW)
async def preview_alert(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Try a rule out on the past: what it would have seen and told. Nothing is written."""
    body = checked(PreviewBody, await read_json(request, server.settings.max_json_bytes))
    end = clock.now()
    rule = monitoring.AlertRule.model_validate(body.model_dump(exclude={"days"}), by_name=True)
    async with server.database.transaction() as tx:
        looks = await monitoring.preview(
            tx, caller.organization_id, automation_id, rule, start=end - timedelta(days=body.days), end=end
        )
    told = [look for look in looks if look.told == "alert.firing"]
    return JsonResponse(
        {
            "rule": rule.model_dump(by_alias=True),
            "fired": len(told),
            "firingNow": bool(looks) and looks[-1].state == "firing",
            "points": [
                {"at": iso(look.at), "value": look.value, "state": look.state, "told": look.told} for look in looks
            ],
        }
    )


def _query(request: Request) -> monitoring.Query:
    values, text, number = parameters.values, parameters.text, parameters.number
    now = clock.now()
    end = parameters.moment(request, "to", "createdBefore") or now
    bucket = values(request, "bucket", ("day", "week", "month")) or ["day"]
    return monitoring.Query(
        start=parameters.moment(request, "from", "createdAfter") or end - BEFORE,
        end=end,
        bucket=cast("Literal['day', 'week', 'month']", bucket[0]),
        window=number(request, "rollingWindow", default=100, least=1, most=1000),
        least=number(request, "minRollingReviews", default=1, least=1, most=1000),
        experiments=parameters.flag(request, "experiments", default=False),
        kinds=values(request, "type", ("workflow", "agent")),
        statuses=values(request, "status"),
        triggers=values(request, "trigger"),
        triggered_by=values(request, "triggeredBy"),
        version_labels=values(request, "sourceRef"),
        modes=values(request, "mode", ("live", "shadow", "eval")),
        batch_ids=values(request, "batchId"),
        example_ids=values(request, "exampleId"),
        example_id_contains=text(request, "exampleIdContains"),
        completed_after=parameters.moment(request, "completedAfter"),
        completed_before=parameters.moment(request, "completedBefore"),
    )


def health_json(found: monitoring.Health) -> dict[str, Any]:
    """Write health as the wire does."""
    query, summary = found.query, found.summary
    interval = wilson(summary.correct, summary.reviewed) if summary.reviewed else None
    confidence = {
        "lower": interval and interval.lower,
        "upper": interval and interval.upper,
        "method": "wilson",
    }
    return {
        "timeRange": {"from": iso(query.start), "to": iso(query.end)},
        "granularity": {
            "bucket": query.bucket,
            "rollingWindow": query.window,
            "minRollingReviews": query.least,
        },
        "summary": {**_tally(summary), "confidence": confidence},
        "buckets": [{"start": iso(part.start), "end": iso(part.end), **_tally(part.tally)} for part in found.buckets],
        "rolling": [_point(point) for point in found.rolling],
        "quality": {one.mode: _quality(one) for one in found.quality},
        "trend": [
            {
                "start": iso(part.start),
                "end": iso(part.end),
                "estimate": part.share,
                "interval": _interval(part.interval),
                "reviewedRuns": part.reviewed,
            }
            for part in found.trend
        ],
        "debt": {**_backlog(found.debt), "regressed": found.debt.regressed},
        "queue": _backlog(found.queue),
        "drift": {**_drift(found.drift), "dataset": _likeness(found.likeness)},
        "judges": [_judge(one) for one in found.judges],
        "liveJudges": [_live_judge(one) for one in found.live_judges],
        "liveJudging": found.judging
        and {
            "share": found.judging.share,
            "dueRuns": found.judging.due,
            "judgedRuns": found.judging.judged,
            "problem": found.judging.problem,
        },
        "reviewers": one_agreement_json(found.reviewers),
    }


def _operations(found: monitoring.Operations) -> dict[str, Any]:
    return {
        "timeRange": {"from": iso(found.start), "to": iso(found.end)},
        "bucket": found.bucket,
        "overall": _pace(found.overall),
        "failures": {
            "total": found.failures.total,
            "lookedAt": found.failures.looked_at,
            "byCode": [_group(one) for one in found.failures.by_code],
            "byStep": [_group(one) for one in found.failures.by_step],
        },
        "buckets": [
            {
                "start": iso(part.start),
                "end": iso(part.end),
                **_pace(part.pace),
                "cost": {"usd": part.spending.usd, "lookedAt": part.spending.looked_at},
            }
            for part in found.stretches
        ],
    }


def _pace(pace: monitoring.Pace) -> dict[str, Any]:
    return {"lookedAt": pace.looked_at, "failed": pace.failed, "latencyMs": {"p50": pace.p50, "p95": pace.p95}}


def _group(group: monitoring.FailureGroup) -> dict[str, Any]:
    return {
        "name": group.name or None,
        "count": group.count,
        "lastAt": iso(group.last_at),
        "runIds": list(group.run_ids),
    }


def _line(line: monitoring.Line) -> dict[str, Any]:
    return {
        "key": line.key,
        "title": line.title,
        "done": line.done,
        "evidence": line.evidence,
        "action": line.action,
    }


def _tally(tally: monitoring.Tally) -> dict[str, Any]:
    return {
        "totalRuns": tally.runs,
        "reviewedRuns": tally.reviewed,
        "reviewCoverage": tally.reviewed / tally.runs if tally.runs else None,
        "correctReviews": tally.correct,
        "incorrectReviews": tally.incorrect,
        "nitReviews": tally.nits,
        "reviewedCorrectness": tally.correct / tally.reviewed if tally.reviewed else None,
    }


def _point(point: monitoring.Point) -> dict[str, Any]:
    return {
        "at": iso(point.at),
        "reviewedRuns": point.reviewed,
        "correctReviews": point.correct,
        "reviewedCorrectness": point.correct / point.reviewed,
        "confidenceLower": point.interval.lower,
        "confidenceUpper": point.interval.upper,
        "totalRunsInWindow": point.runs,
        "reviewCoverage": point.reviewed / point.runs if point.runs else 1.0,
    }


def _quality(quality: monitoring.Quality) -> dict[str, Any]:
    return {
        "state": quality.state,
        "estimate": quality.share,
        "interval": _interval(quality.interval),
        "method": "hajek_wilson",
        "sampledRuns": quality.sampled,
        "reviewedRuns": quality.reviewed,
        "passed": quality.passed,
        "failed": quality.failed,
        "partial": quality.partial,
        "waiting": quality.waiting,
        "unseenShare": quality.unseen,
        "strata": quality.strata,
        "naive": {
            "share": quality.naive,
            "interval": _interval(quality.naive_interval if quality.naive_reviewed else None),
            "reviewedRuns": quality.naive_reviewed,
        },
    }


def _backlog(backlog: monitoring.Backlog) -> dict[str, Any]:
    age = None if backlog.oldest is None else max(0.0, (clock.now() - backlog.oldest).total_seconds())
    return {
        "count": backlog.count,
        "oldest": None if backlog.oldest is None else iso(backlog.oldest),
        "oldestAgeSeconds": age,
        "olderThanAWeek": backlog.older_than_a_week,
    }


def _drift(found: monitoring.InputDrift) -> dict[str, Any]:
    return {
        "state": found.state,
        "since": found.since and found.since.isoformat(),
        "watchedFrom": found.start and found.start.isoformat(),
        "comparedAt": found.split and found.split.isoformat(),
        "runsBefore": found.before,
        "runsAfter": found.after,
        "features": [
            {"feature": one.feature, "psi": one.psi, "eValue": one.evidence, "drifted": one.drifted}
            for one in found.features
        ],
        "moved": [
            {"feature": one.feature, "value": one.value or None, "before": one.before, "after": one.after}
            for one in found.moved
        ],
    }


def _likeness(found: monitoring.Likeness) -> dict[str, Any]:
    return {
        "state": found.state,
        "sentence": found.sentence,
        "watchedFrom": found.start and found.start.isoformat(),
        "runs": found.runs,
        "examples": found.examples,
        "features": [
            {
                "feature": one.feature,
                "unseenRuns": one.runs,
                "unseenShare": one.share,
                "interval": _bounds(one.interval),
                "atLeast": one.at_least,
            }
            for one in found.features
        ],
        "unseen": [
            {"feature": one.feature, "value": one.value or None, "runs": one.runs, "share": one.share}
            for one in found.classes
        ],
    }


def _judge(found: monitoring.Judge) -> dict[str, Any]:
    counts = found.counts
    return {
        "evaluator": counts.name,
        "reviewedRuns": counts.reviewed,
        "scoredRuns": counts.all_scored,
        "observedPassRate": counts.all_passed / counts.all_scored,
        "tpr": {"value": found.tpr, **_bounds(found.tpr_interval)},
        "tnr": {"value": found.tnr, **_bounds(found.tnr_interval)},
        "correctedPassRate": found.corrected,
        "correctedInterval": _interval(found.corrected_interval),
    }


def _live_judge(found: monitoring.LiveJudge) -> dict[str, Any]:
    measured = found.measured
    counts = None if measured is None else measured.counts
    return {
        "evaluator": found.name,
        "evaluatorVersion": found.version,
        "judgedRuns": found.judged,
        "unsaid": found.unsaid,
        "reviewedRuns": 0 if counts is None else counts.reviewed,
        "estimate": found.powered,
        "interval": _interval(found.powered_interval),
        "method": "ppi++",
        "trust": found.trust,
        "reviewsOnly": {"estimate": found.reviews_only, "interval": _interval(found.reviews_only_interval)},
        "observedPassRate": None if counts is None else counts.all_passed / counts.all_scored,
        "tpr": None if measured is None else {"value": measured.tpr, **_bounds(measured.tpr_interval)},
        "tnr": None if measured is None else {"value": measured.tnr, **_bounds(measured.tnr_interval)},
        "correctedPassRate": None if measured is None else measured.corrected,
        "correctedInterval": None if measured is None else _interval(measured.corrected_interval),
        "unknown": found.unknown,
    }


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else _bounds(interval)


def _bounds(interval: Interval) -> dict[str, float]:
    return {"lower": interval.lower, "upper": interval.upper}


def _alert(alert: monitoring.Alert) -> dict[str, Any]:
    standing = alert.standing
    return {
        "id": alert.id,
        "automationId": alert.automation_id,
        **alert.rule.model_dump(by_alias=True),
        "state": standing.state,
        "value": alert.last_value,
        "stateSince": None if standing.changed_at is None else iso(standing.changed_at),
        "lastToldAt": None if standing.notified_at is None else iso(standing.notified_at),
        "createdBy": alert.created_by,
        "createdAt": iso(alert.created_at),
    }
