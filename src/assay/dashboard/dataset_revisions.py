"""The states that a dataset went through: what made each, who, when; each can be exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import access, automations, datasets
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn

router = APIRouter()

PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRevisionsPage(AutomationPage):
    """Revisions, newest first, fifty a page, of `total`; `people` gives the address of a user id."""

    template: ClassVar[str] = "dataset_revisions.html"
    place: ClassVar[str] = "automations"

    revisions: Sequence[datasets.Revision]
    total: int
    people: Mapping[str, str]
    previous: str | None
    following: str | None
    may_write: bool


@router.get("/automations/{slug}/dataset/revisions")
async def dataset_revisions_page(
    request: Request, slug: str, visitor: SignedIn, server: Here, page: int = 1
) -> Response:
    """Show a page of the revisions."""
    page = min(max(page, 1), 10_000)
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        found, total = await datasets.revisions(
            tx, organization_id, automation.id, limit=PAGE, offset=(page - 1) * PAGE
        )
        people = await access.addresses(tx, organization_id)
    address = f"/automations/{automation.slug}/dataset/revisions?page="
    shown = DatasetRevisionsPage(
        title=title_of(automation, "dataset"),
        heading=heading_of(automation, "dataset"),
        revisions=found,
        total=total,
        people=people,
        previous=f"{address}{page - 1}" if page > 1 else None,
        following=f"{address}{page + 1}" if page * PAGE < total else None,
        may_write=visitor.caller.may("datasets:write"),
    )
    return render(request, visitor, shown)
