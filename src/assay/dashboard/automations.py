"""The page of all automations: which there are, how busy, how good, and what waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from assay import automations, experiments, monitoring, runs
from assay.dashboard.charts import interval, sparkline
from assay.dashboard.rendering import Page, render
from assay.dashboard.visitors import Here, SignedIn

router = APIRouter()

PAGE = 60
DAYS = 7


@dataclass(frozen=True, slots=True)
class Card:
    """One automation, as its card shows it; `runs` of the last seven days, drawn in `activity`.

    `quality` is of the last thirty days, None where nothing of the random sample was reviewed. `gate` says in words
    what keeps the newest version from being trusted, None where nothing does; `gate_url` leads there.
    """

    slug: str
    name: str
    description: str | None
    archived: bool
    version: str | None
    api_on: bool
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationsPage(Page):
    """All automations that match `search`, newest first, sixty a page."""

    template: ClassVar[str] = "automations.html"
    place: ClassVar[str] = "automations"

    cards: Sequence[Card]
    total: int
    search: str
    previous: str | None
    following: str | None


@router.get("/automations")
async def automations_page(
    request: Request, visitor: SignedIn, server: Here, search: str = "", page: int = 1
) -> Response:
    """Show a page of automations."""
    page = min(max(page, 1), 10_000)
    search = search.replace("\x00", "")[:200]
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        found, total = await automations.list_automations(
            tx, organization_id, search=search or None, limit=PAGE, offset=(page - 1) * PAGE
        )
        ids = [one.id for one in found]
        busy = await runs.daily_runs(tx, organization_id, ids, DAYS)
        standings = await monitoring.standings(tx, organization_id, ids)
        gated = await experiments.gated_versions(tx, organization_id, ids)
    shown = AutomationsPage(
        title="Automations",
        cards=[_card(one, busy[one.id], standings[one.id], gated.get(one.id)) for one in found],
        total=total,
        search=search,
        previous=_url(request, page - 1) if page > 1 else None,
        following=_url(request, page + 1) if page * PAGE < total else None,
    )
    return render(request, visitor, shown)


def _card(
    found: automations.Automation,
    busy: Sequence[int],
    standing: monitoring.Standing,
    gated: experiments.GatedVersion | None,
) -> Card:
    label = f"Runs a day over the last {DAYS} days: {', '.join(map(str, busy))}"
    quality = standing.quality
    newest = "" if gated is None else gated.label or gated.version_id
    return Card(
        slug=found.slug,
        name=found.name or found.slug,
        description=found.description,
        archived=found.status == "archived",
        version=found.current_version_label,
        api_on=found.triggers.api,
        runs=sum(busy),
        activity=sparkline(busy, label),
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
    return f"{newest} went past it" if gated.is_current else f"{newest} has not passed"


def _url(request: Request, page: int) -> str:
    return str(request.url.include_query_params(page=page).replace(scheme="", netloc=""))
