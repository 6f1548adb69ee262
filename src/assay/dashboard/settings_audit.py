"""The settings page of the audit log: who did what, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import access
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.settings_frame import SettingsPage, Told
from assay.dashboard.visitors import Here, SignedIn
from assay.errors import InvalidValueError

router = APIRouter()

PAGE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One entry; `who` is the address of a person, or None: the operator of the machine, or the system."""

    entry: access.AuditEntry
    who: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage(SettingsPage):
    """A page of entries, newest first, of an `action` (or a family of them) and of a `person`, where these are set.

    `people` are ids and addresses to choose from. `older` and `newest` are URLs.
    """

    template: ClassVar[str] = "settings_audit.html"
    place: ClassVar[str] = "settings"

    lines: Sequence[Line]
    action: str
    person: str
    people: Sequence[tuple[str, str]]
    older: str | None
    newest: str | None


@router.get("/settings/audit")
async def audit_page(
    request: Request, visitor: SignedIn, server: Here, action: str = "", person: str = "", before: str = ""
) -> Response:
    """Show a page of the audit log."""
    action, person, before = (text.replace("\x00", "").strip()[:200] for text in (action, person, before))
    organization_id = visitor.caller.organization_id
    problem: InvalidValueError | None = None
    found: list[access.AuditEntry] = []
    async with server.database.transaction() as tx:
        people = await access.addresses(tx, organization_id)
        try:
            found = await access.list_audit(
                tx, organization_id, PAGE + 1, before or None, action=action or None, user_id=person or None
            )
        except InvalidValueError as error:
            problem = error
    page = found[:PAGE]
    filters = {"action": action, "person": person}
    shown = AuditPage(
        title="Audit log",
        tab="audit",
        told=Told(problem=problem),
        lines=[Line(entry, people.get(entry.user_id, entry.user_id) if entry.user_id else None) for entry in page],
        action=action,
        person=person,
        people=[("", "Anybody"), *people.items()],
        older=_url({**filters, "before": page[-1].id}) if len(found) > PAGE else None,
        newest=_url(filters) if before else None,
    )
    return render(request, visitor, shown, 200 if problem is None else status_of(problem))


def _url(query: dict[str, str]) -> str:
    return f"/settings/audit?{urlencode({name: value for name, value in query.items() if value})}"
