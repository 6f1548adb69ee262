"""What a lead looks at first: the few figures that say whether an automation can be trusted, alike on card and page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from assay import automations, db, experiments, monitoring, runs
from assay.dashboard.charts import interval, sparkline

DAYS = 7


@dataclass(frozen=True, slots=True)
class Figures:
    """`runs` of the last seven days, drawn in `activity`, and how good they are.

    `quality` is of the last thirty days, None where nothing of the random sample was reviewed. `gate` says in words
    what keeps the newest version from being trusted, None where nothing does; `gate_url` leads there.
    """

    runs: int
    activity: Markup
    quality: float | None
    lower: float | None
    upper: float | None
    quality_drawn: Markup | None
    open_reviews: int
    gated: bool
    gate: str | None
    gate_url: str


async def figures_of(
    tx: db.Transaction, organization_id: str, found: Sequence[automations.Automation]
) -> Mapping[str, Figures]:
    """Return the figures of each automation by its id, in as many queries for sixty as for one."""
    ids = [one.id for one in found]
    busy = await runs.daily_runs(tx, organization_id, ids, DAYS)
    standings = await monitoring.standings(tx, organization_id, ids)
    gated = await experiments.gated_versions(tx, organization_id, ids)
    return {one.id: _figures(one, busy[one.id], standings[one.id], gated.get(one.id)) for one in found}


def _figures(
    found: automations.Automation,
    busy: Sequence[int],
    standing: monitoring.Standing,
    gated: experiments.GatedVersion | None,
) -> Figures:
    quality = standing.quality
    newest = "" if gated is None else gated.label or gated.version_id
    return Figures(
        runs=sum(busy),
        activity=sparkline(busy, f"Runs a day over the last {DAYS} days: {', '.join(map(str, busy))}"),
        quality=None if quality is None else quality.share,
        lower=None if quality is None else quality.interval.lower,
        upper=None if quality is None else quality.interval.upper,
        quality_drawn=None if quality is None else _drawn(quality),
        open_reviews=standing.open_reviews,
        gated=gated is not None,
        gate=_gate(gated, newest),
        gate_url=f"/automations/{found.slug}/workflow?{urlencode({'version': newest})}",
    )


def _drawn(quality: monitoring.Estimate) -> Markup:
    low, high = quality.interval.lower, quality.interval.upper
    return interval(quality.share, low, high, f"Between {low:.0%} and {high:.0%} of all runs are right, probably.")


def _gate(gated: experiments.GatedVersion | None, newest: str) -> str | None:
    if gated is None or (gated.is_current and not gated.overridden):
        return None
    return f"{newest} went past it" if gated.is_current else f"{newest} is not through"
