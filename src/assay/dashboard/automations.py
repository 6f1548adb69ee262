"""The page of all automations: which there are, how busy, how good, and what waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import automations
from assay.dashboard.automation_figures import Figures, figures_of
from assay.dashboard.rendering import Page, render
from assay.dashboard.visitors import Here, SignedIn

router = APIRouter()

PAGE = 60


@dataclass(frozen=True, slots=True)
class Card:
    """One automation, as its card shows it."""

    slug: str
    name: str
    description: str | None
    archived: bool
    version: str | None
    api_on: bool
    figures: Figures


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
    may_create: bool


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
        figures = await figures_of(tx, organization_id, found)
    shown = AutomationsPage(
        title="Automations",
        cards=[_card(one, figures[one.id]) for one in found],
        total=total,
        search=search,
        previous=_url(request, page - 1) if page > 1 else None,
        may_create=visitor.caller.may("automations:write"),
        following=_url(request, page + 1) if page * PAGE < total else None,
    )
    return render(request, visitor, shown)


def _card(found: automations.Automation, figures: Figures) -> Card:
    return Card(
        slug=found.slug,
        name=found.name or found.slug,
        description=found.description,
        archived=found.status == "archived",
        version=found.current_version_label,
        api_on=found.triggers.api,
        figures=figures,
    )


def _url(request: Request, page: int) -> str:
    return str(request.url.include_query_params(page=page).replace(scheme="", netloc=""))
