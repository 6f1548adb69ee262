"""The workflow of an automation: its text in an editor, its steps as a graph, its versions and their differences."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from assay import automations, db, experiments
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.error_page import status_of
from assay.dashboard.gate import GatePart, gate_part
from assay.dashboard.rendering import render, render_part
from assay.dashboard.step_graph import step_graph
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError, Issue, NotFoundError
from assay.server import Server

router = APIRouter()

MAX_SOURCE = 2**20
VERSIONS = 30
MOST_LINES = 4000
"""Of a difference: more of it helps nobody."""


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in the list, with the pages that show it and its difference from the version that is looked at."""

    label: str
    is_current: bool
    is_shown: bool
    created_at: object
    override_reason: str | None
    url: str
    difference_url: str | None


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a difference."""

    kind: Literal["added", "removed", "place", "same"]
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What leads from version `before` to `after`; `cut` where there is more of it than is shown."""

    before: str
    after: str
    lines: Sequence[DiffLine]
    cut: bool
    close_url: str


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What the check of a text found; `valid` says whether it can be pushed. `checked` is False before any check."""

    issues: Sequence[Issue] = ()
    valid: bool = True
    checked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPage(AutomationPage):
    """The editor holds `source`: the version that is looked at, or what was sent and could not be pushed."""

    template: ClassVar[str] = "automation_workflow.html"
    place: ClassVar[str] = "automations"

    source: str
    shown: str | None
    files: Sequence[str]
    diagnostics: Diagnostics
    problem: str | None
    hint: str | None
    done: str | None
    graph: Markup | None
    versions: Sequence[VersionLine]
    total: int
    older_url: str | None
    newer_url: str | None
    difference: Difference | None
    gate: GatePart | None
    may_change: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the page's URL says."""

    version: str | None = None
    against: str | None = None
    offset: int = 0

    def url(self, slug: str, **changes: str | int | None) -> str:
        chosen = {"version": self.version, "against": self.against, "offset": self.offset or None, **changes}
        query = urlencode({name: value for name, value in chosen.items() if value is not None})
        return f"/automations/{slug}/workflow" + (f"?{query}" if query else "")


@router.get("/automations/{slug}/workflow")
async def workflow_page(
    request: Request,
    slug: str,
    visitor: SignedIn,
    server: Here,
    version: str | None = None,
    against: str | None = None,
    offset: int = 0,
    done: str = "",
) -> Response:
    """Show a version, the current one unless another is named, and its difference from another one."""
    asked = _Asked(version or None, against or None, min(max(offset, 0), 100_000))
    page = await _page(server, visitor, slug, asked)
    return render(request, visitor, replace(page, done=_done(done, page)))


@router.post("/automations/{slug}/workflow")
async def push(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Push the text as a new version, or check it where that was asked for; the files of the version shown go along."""
    form = await request.form()
    source, intent = _text(form.get("yaml")), _text(form.get("intent"))
    asked = _Asked(_text(form.get("version")) or None)
    try:
        if not 0 < len(source) <= MAX_SOURCE:
            message = f"A workflow file has 1 to {MAX_SOURCE:,} characters."
            raise InvalidValueError(message, field="yaml")
        if intent == "check":
            found = await _check(server, visitor, source)
            page = await _page(server, visitor, slug, asked)
            return render(request, visitor, replace(page, source=source, diagnostics=found))
        label, staged = await _push(server, visitor, slug, source, asked.version)
    except AssayError as error:
        if isinstance(error, NotFoundError):
            raise
        page = await _page(server, visitor, slug, asked)
        found = Diagnostics(error.issues, valid=False)
        page = replace(page, source=source, diagnostics=found, problem=error.message, hint=error.hint)
        return render(request, visitor, page, status_of(error))
    return RedirectResponse(_Asked(label).url(slug, done="staged" if staged else "pushed"), 303)


@router.post("/automations/{slug}/workflow/check")
async def check(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Say what is wrong with a text, as a part of the page; the editor marks its lines by it."""
    async with server.database.single_statement() as tx:
        await automations.get(tx, visitor.caller.organization_id, slug)
    source = _text((await request.form()).get("yaml"))
    if not 0 < len(source) <= MAX_SOURCE:
        issue = Issue("<root>", f"A workflow file has 1 to {MAX_SOURCE:,} characters.", "invalid_value", line=1)
        return render_part(visitor, "parts/workflow_issues.html", Diagnostics((issue,), valid=False))
    return render_part(visitor, "parts/workflow_issues.html", await _check(server, visitor, source))


# What is done.


async def _push(server: Server, visitor: Visitor, slug: str, source: str, version: str | None) -> tuple[str, bool]:
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        carried = None
        if version is not None or automation.current_version_id is not None:
            text = await automations.read_version(tx, organization_id, automation.id, version)
            carried = await automations.files_of(server.blobs, text.files) if text.files else None
        through = await experiments.push(tx, visitor.caller, source=source, files=carried, automation=automation.id)
    pushed = through.pushed.version
    return pushed.label or pushed.id, through.staged_because is not None


async def _check(server: Server, visitor: Visitor, source: str) -> Diagnostics:
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        definition, issues = await automations.check_workflow(tx, organization_id, source=source)
    if definition is None:
        return Diagnostics(issues, valid=False)
    models = await automations.model_issues(server.models, organization_id, definition)
    return Diagnostics((*issues, *models))


# What is shown.


async def _page(server: Server, visitor: Visitor, slug: str, asked: _Asked) -> WorkflowPage:
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        listed, total = await automations.list_versions(
            tx, organization_id, automation.id, limit=VERSIONS, offset=asked.offset
        )
        text = None
        if asked.version is not None or automation.current_version_id is not None:
            text = await automations.read_version(tx, organization_id, automation.id, asked.version)
        shown = None if text is None else text.version
        difference = await _difference(tx, automation, text, asked) if text is not None else None
        graph = await _graph(tx, organization_id, shown)
        gate = None
        if shown is not None and not shown.is_current:
            _, gate = await gate_part(tx, visitor, slug, shown.id)
    return WorkflowPage(
        title=title_of(automation, "workflow"),
        heading=heading_of(automation, "workflow"),
        source="" if text is None else text.source,
        shown=None if shown is None else _label(shown),
        files=[] if text is None else [file.path for file in text.files],
        diagnostics=Diagnostics(checked=False),
        problem=None,
        hint=None,
        done=None,
        graph=graph,
        versions=[_version(one, shown, slug, asked) for one in listed],
        total=total,
        older_url=asked.url(slug, offset=asked.offset + VERSIONS) if asked.offset + VERSIONS < total else None,
        newer_url=asked.url(slug, offset=max(asked.offset - VERSIONS, 0) or None) if asked.offset else None,
        difference=difference,
        gate=gate,
        may_change=visitor.caller.may("automations:write"),
    )


def _version(version: automations.Version, shown: automations.Version | None, slug: str, asked: _Asked) -> VersionLine:
    label = _label(version)
    is_shown = shown is not None and shown.id == version.id
    return VersionLine(
        label=label,
        is_current=version.is_current,
        is_shown=is_shown,
        created_at=version.created_at,
        override_reason=version.override_reason,
        url=asked.url(slug, version=label, against=None),
        difference_url=None
        if shown is None or is_shown
        else asked.url(slug, version=_label(shown), against=label) + "#difference",
    )


async def _graph(tx: db.Transaction, organization_id: str, version: automations.Version | None) -> Markup | None:
    if version is None:
        return None
    try:
        return step_graph((await automations.definition_of(tx, organization_id, version.id)).steps)
    except automations.StoredVersionError:
        return None


async def _difference(
    tx: db.Transaction, automation: automations.Automation, text: automations.VersionText, asked: _Asked
) -> Difference | None:
    if asked.against is None:
        return None
    before = await automations.read_version(tx, automation.organization_id, automation.id, asked.against)
    lines = list(islice(_diff(before.source, text.source), MOST_LINES + 1))
    return Difference(
        before=_label(before.version),
        after=_label(text.version),
        lines=lines[:MOST_LINES],
        cut=len(lines) > MOST_LINES,
        close_url=asked.url(automation.slug, against=None),
    )


def _diff(before: str, after: str) -> Iterator[DiffLine]:
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=4):
        if line.startswith(("---", "+++")):
            continue
        yield DiffLine(_KINDS.get(line[:1], "same"), line)


_KINDS: dict[str, Literal["added", "removed", "place"]] = {"+": "added", "-": "removed", "@": "place"}


def _label(version: automations.Version) -> str:
    return version.label or version.id


def _done(key: str, page: WorkflowPage) -> str | None:
    said = {
        "pushed": "Version {} is pushed, and current.",
        "staged": "Version {} is pushed. A gate policy is in force, so it is staged until it has passed.",
        "promote": "Version {} is current.",
        "rollback": "Version {} is current again.",
    }.get(key)
    return said.format(page.shown) if said and page.shown else None


def _text(value: object) -> str:
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""
