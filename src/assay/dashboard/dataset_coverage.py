"""How far the examples stand for what really comes in, and which kinds of runs have none."""

from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from assay import automations, experiments
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.charts import interval
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn

router = APIRouter()

LOOKED_AT = 10_000
MOST_GROUPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCoveragePage(AutomationPage):
    """The coverage of the newest 10,000 live runs, drawn in `drawing`; at most fifty groups of each kind are shown."""

    template: ClassVar[str] = "dataset_coverage.html"
    place: ClassVar[str] = "automations"

    coverage: experiments.Coverage
    drawing: Markup | None
    most_groups: int
    may_write: bool


@router.get("/automations/{slug}/dataset/coverage")
async def dataset_coverage_page(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Show the coverage."""
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        found = await experiments.coverage(
            tx, organization_id, automation.id, created_from=None, created_to=None, limit=LOOKED_AT
        )
    drawing = None
    if found.interval is not None:
        drawing = interval(found.share, found.interval.lower, found.interval.upper, "Share of runs with an example")
    page = DatasetCoveragePage(
        title=title_of(automation, "dataset"),
        heading=heading_of(automation, "dataset"),
        coverage=found,
        drawing=drawing,
        most_groups=MOST_GROUPS,
        may_write=visitor.caller.may("datasets:write"),
    )
    return render(request, visitor, page)
