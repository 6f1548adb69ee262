"""The page of monitoring: how good an automation is, what waits for review, what moved, what fails, what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from assay import automations, clock, monitoring
from assay.clock import iso
from assay.dashboard import charts, formatting
from assay.dashboard.rendering import Page, render
from assay.dashboard.visitors import Here, SignedIn

router = APIRouter()

MOST_AUTOMATIONS = 300
RANGES: Mapping[str, tuple[str, int, monitoring.Bucket]] = {
    "7d": ("Last 7 days", 7, "day"),
    "30d": ("Last 30 days", 30, "week"),
    "90d": ("Last 90 days", 90, "week"),
    "365d": ("Last year", 365, "month"),
}
"""Value of `from`, label, days, and how the time is cut."""
_USUAL = "30d"


@dataclass(frozen=True, slots=True)
class RunLinks:
    """The ways from a figure to the runs behind it, within the time that the page shows."""

    slug: str
    start: datetime
    end: datetime

    def url(self, **filters: str) -> str:
        """Return the list of live runs that match beside."""
        return self.between(self.start, self.end, **filters)

    def between(self, start: datetime, end: datetime, **filters: str) -> str:
        """Return the list of live runs of another stretch of time."""
        query = {
            "source": f"workflows.{self.slug}",
            "experiments": "false",
            "createdAfter": iso(start),
            "createdBefore": iso(end),
            **filters,
        }
        return f"/runs?{urlencode(query)}"

    def ever(self, **filters: str) -> str:
        """Return the list of runs that match, of whatever time."""
        return f"/runs?{urlencode({'source': f'workflows.{self.slug}', **filters})}"

    def ids(self, run_ids: Sequence[str]) -> str:
        """Return the list of these runs."""
        return f"/runs?{urlencode({'ids': ','.join(run_ids)})}"


@dataclass(frozen=True, slots=True)
class QualityShown:
    """The quality of a mode with its interval drawn; `chart` is None where nothing is known."""

    quality: monitoring.Quality
    chart: Markup | None


@dataclass(frozen=True, slots=True)
class TimeRow:
    """One stretch of time: the estimate beside the naive share, and how runs went."""

    trend: monitoring.Trend
    tally: monitoring.Tally
    naive: float | None
    stretch: monitoring.Stretch


@dataclass(frozen=True, slots=True)
class Watched:
    """All that the page shows of one automation; charts are None where there is too little to draw."""

    slug: str
    name: str
    links: RunLinks
    health: monitoring.Health
    operations: monitoring.Operations
    alerts: Sequence[monitoring.Alert]
    coverage: float | None
    qualities: Sequence[QualityShown]
    rows: Sequence[TimeRow]
    quality_chart: Markup | None
    latency_chart: Markup | None
    cost_chart: Markup | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringPage(Page):
    """One automation over a range of time, or the choice of one; `watched` is None until it is chosen.

    `sources` are addresses and names to choose from, `ranges` values and labels of `since`.
    """

    template: ClassVar[str] = "monitoring.html"
    place: ClassVar[str] = "monitoring"

    sources: Sequence[tuple[str, str]]
    source: str
    ranges: Sequence[tuple[str, str]]
    since: str
    watched: Watched | None


@router.get("/monitoring")
async def monitoring_page(request: Request, visitor: SignedIn, server: Here, automation: str = "") -> Response:
    """Show how an automation fares; `from` is one of `RANGES`."""
    given = request.query_params.get("from", _USUAL)
    since = given if given in RANGES else _USUAL
    organization_id = visitor.caller.organization_id
    watched: Watched | None = None
    async with server.database.transaction() as tx:
        found, _ = await automations.list_automations(tx, organization_id, limit=MOST_AUTOMATIONS)
        wanted = automation.replace("\x00", "") or (found[0].slug if len(found) == 1 else "")
        if wanted:
            chosen = await automations.get(tx, organization_id, wanted)
            _, days, bucket = RANGES[since]
            end = clock.now()
            query = monitoring.Query(start=end - timedelta(days=days), end=end, bucket=bucket, window=None)
            health = await monitoring.review_health(tx, organization_id, chosen.id, query)
            operations = await monitoring.operations(tx, organization_id, chosen.id, query.start, end, bucket)
            alerts = await monitoring.list_alerts(tx, organization_id, chosen.id)
            watched = _watched(chosen, health, operations, alerts)
    sources = [(one.slug, one.name or one.slug) for one in found]
    if watched is not None and watched.slug not in dict(sources):
        sources.append((watched.slug, watched.name))
    shown = MonitoringPage(
        title=f"Monitoring · {watched.name}" if watched else "Monitoring",
        sources=sources,
        source=watched.slug if watched else "",
        ranges=[(value, label) for value, (label, _, _) in RANGES.items()],
        since=since,
        watched=watched,
    )
    return render(request, visitor, shown)


def _watched(
    automation: automations.Automation,
    health: monitoring.Health,
    operations: monitoring.Operations,
    alerts: Sequence[monitoring.Alert],
) -> Watched:
    rows = [
        TimeRow(trend, part.tally, part.tally.correct / part.tally.reviewed if part.tally.reviewed else None, stretch)
        for trend, part, stretch in zip(health.trend, health.buckets, operations.stretches, strict=True)
    ]
    summary = health.summary
    return Watched(
        slug=automation.slug,
        name=automation.name or automation.slug,
        links=RunLinks(automation.slug, health.query.start, health.query.end),
        health=health,
        operations=operations,
        alerts=alerts,
        coverage=summary.reviewed / summary.runs if summary.runs else None,
        qualities=[_quality(one) for one in health.quality if one.mode == "live" or one.state != "no_traffic"],
        rows=rows,
        quality_chart=_quality_chart(rows),
        latency_chart=_latency_chart(rows),
        cost_chart=_cost_chart(rows),
    )


def _quality(quality: monitoring.Quality) -> QualityShown:
    if quality.share is None or quality.interval is None:
        return QualityShown(quality, None)
    lower, upper = quality.interval.lower, quality.interval.upper
    label = f"{formatting.percent(quality.share)}, between {formatting.percent(lower)} and {formatting.percent(upper)}"
    return QualityShown(quality, charts.interval(quality.share, lower, upper, label))


def _quality_chart(rows: Sequence[TimeRow]) -> Markup | None:
    points = [
        charts.Point(
            _day(row.trend.start),
            row.trend.share,
            row.trend.interval and row.trend.interval.lower,
            row.trend.interval and row.trend.interval.upper,
        )
        for row in rows
    ]
    if sum(point.value is not None for point in points) < 2:
        return None
    return charts.line(points, "Estimated share of right results over time, with its 95 % interval; the table says it")


def _latency_chart(rows: Sequence[TimeRow]) -> Markup | None:
    values = [row.stretch.pace.p95 or 0.0 for row in rows]
    return (
        charts.sparkline(values, "95th percentile of latency over time", width=320, height=56) if any(values) else None
    )


def _cost_chart(rows: Sequence[TimeRow]) -> Markup | None:
    values = [
        row.stretch.spending.usd / row.stretch.spending.looked_at if row.stretch.spending.usd else 0.0 for row in rows
    ]
    if not any(values):
        return None
    most = max(values)
    return charts.sparkline([value / most for value in values], "Cost of a run over time", width=320, height=56)


def _day(moment: datetime) -> str:
    return moment.strftime("%d %b")
