"""The dataset's tab: its examples with how each ran last, new ones, runs of one, exports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, cast
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Request
from pydantic import JsonValue
from starlette.responses import RedirectResponse, Response, StreamingResponse

from assay import automations, datasets, experiments, files, rollouts, runs
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError
from assay.server import Server

router = APIRouter()

PAGE = 50
_LONGEST_SUMMARY = 140


@dataclass(frozen=True, slots=True)
class Row:
    """An example of the table; `summary` is the beginning of its input, None where that is too large to be read."""

    example: datasets.ExampleRow
    summary: str | None
    run: runs.RunSummary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPage(AutomationPage):
    """Examples whose name or annotation has `search` in it, fifty a page, of `total`.

    `problem` says why the last action was refused, `written` is the name that was given for a new example.
    """

    template: ClassVar[str] = "dataset.html"
    place: ClassVar[str] = "automations"

    rows: Sequence[Row]
    total: int
    search: str
    revision: datasets.Revision | None
    previous: str | None
    following: str | None
    here: str
    running: bool
    written: str
    problem: AssayError | None
    may_write: bool
    may_run: bool


@router.get("/automations/{slug}/dataset")
async def dataset_page(
    request: Request, slug: str, visitor: SignedIn, server: Here, search: str = "", page: int = 1
) -> Response:
    """Show a page of the examples."""
    return await _show(request, visitor, server, slug, search, page)


@router.post("/automations/{slug}/dataset/examples")
async def create(
    request: Request, slug: str, visitor: SignedIn, server: Here, name: Annotated[str, Form()] = ""
) -> Response:
    """Add an empty example and go to it."""
    values: dict[str, JsonValue] = {"name": name.strip() or None, "input": {}}
    try:
        async with server.database.transaction() as tx:
            automation = await automations.get(tx, visitor.caller.organization_id, slug)
            made = await datasets.create_example(tx, visitor.caller, automation.id, values)
    except automations.AutomationNotFoundError:
        raise
    except AssayError as error:
        return await _show(request, visitor, server, slug, "", 1, written=name[:200], problem=error)
    return RedirectResponse(f"/automations/{slug}/dataset/examples/{made.name}", 303)


@router.post("/automations/{slug}/dataset/examples/{example}/run")
async def run(
    request: Request,
    slug: str,
    example: str,
    visitor: SignedIn,
    server: Here,
    search: Annotated[str, Form()] = "",
    page: Annotated[int, Form()] = 1,
) -> Response:
    """Run one example by the current version, graded, and stay where one is: the row shows how it goes."""
    try:
        async with server.database.transaction() as tx:
            automation = await automations.get(tx, visitor.caller.organization_id, slug)
            choice = await rollouts.which_version(tx, visitor.caller.organization_id, automation.id, None)
            found = await datasets.get_example(tx, visitor.caller.organization_id, choice.automation.id, example)
            run_id = await experiments.run_example(tx, server.blobs, visitor.caller, choice.chosen, found)
    except (automations.AutomationNotFoundError, datasets.ExampleNotFoundError):
        raise
    except AssayError as error:
        if request.headers.get("hx-request"):
            return Response(status_code=status_of(error), headers={"X-Assay-Problem": quote(error.message)})
        return await _show(request, visitor, server, slug, search, page, problem=error)
    if request.headers.get("hx-request"):
        return await _show(request, visitor, server, slug, search, page)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.get("/automations/{slug}/dataset/export")
async def export(slug: str, visitor: SignedIn, server: Here, revision: int = 0) -> Response:
    """Send the dataset as a ZIP file, as it is or as it was in a revision."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, visitor.caller.organization_id, slug)
    content = await datasets.export_archive(
        server.database,
        server.blobs,
        visitor.caller.organization_id,
        automation.id,
        revision=revision if revision > 0 else None,
        examples=None,
    )
    name = f"{automation.slug}-dataset{f'-r{revision}' if revision > 0 else ''}.zip"
    return StreamingResponse(content, headers=files.download_headers(name, "application/zip"))


async def _show(
    request: Request,
    visitor: Visitor,
    server: Server,
    slug: str,
    search: str,
    page: int,
    *,
    written: str = "",
    problem: AssayError | None = None,
) -> Response:
    organization_id = visitor.caller.organization_id
    page, search = min(max(page, 1), 10_000), search.replace("\x00", "")[:200].strip()
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        found, total = await datasets.list_rows(
            tx, organization_id, automation.id, search=search or None, limit=PAGE, offset=(page - 1) * PAGE
        )
        revision = await datasets.current_revision(tx, organization_id, automation.id)
        latest = [one.latest_run_id for one in found if one.latest_run_id is not None]
        listed = runs.RunPage()
        if latest:
            timeout = server.settings.list_timeout_seconds
            listed = await runs.list_runs(
                tx, organization_id, runs.RunFilters(ids=latest), limit=PAGE, timeout_seconds=timeout
            )
    by_id = {one.id: one for one in listed.runs}
    shown = DatasetPage(
        title=title_of(automation, "dataset"),
        heading=heading_of(automation, "dataset"),
        rows=[Row(one, _summary(one.input), by_id.get(one.latest_run_id or "")) for one in found],
        total=total,
        search=search,
        revision=revision,
        previous=_url(slug, search, page - 1) if page > 1 else None,
        following=_url(slug, search, page + 1) if page * PAGE < total else None,
        here=_url(slug, search, page),
        running=any(not one.status.finished for one in listed.runs),
        written=written,
        problem=problem,
        may_write=visitor.caller.may("datasets:write"),
        may_run=visitor.caller.may("runs:write"),
    )
    return render(request, visitor, shown, 200 if problem is None else status_of(problem))


def _summary(value: JsonValue) -> str | None:
    """Return an object's beginning as `field: value, …`, files by their names; None for no object."""
    if not isinstance(value, dict):
        return None
    text = ""
    for name, inner in cast("Mapping[str, Any]", value).items():
        text += f"{', ' if text else ''}{name}: {_short(inner)}"
        if len(text) > _LONGEST_SUMMARY:
            return f"{text[:_LONGEST_SUMMARY]}…"
    return text


def _short(value: Any) -> str:
    if isinstance(value, dict):
        named = cast("Mapping[str, Any]", value)
        file = named.get("$file")
        return file.rpartition("/")[2] if isinstance(file, str) else f"{{{', '.join(named)}}}"
    if isinstance(value, list):
        inside = cast("Sequence[Any]", value)
        return _short(inside[0]) if len(inside) == 1 else f"{len(inside)} items"
    return "none" if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _url(slug: str, search: str, page: int) -> str:
    asked = {"search": search, "page": str(page) if page > 1 else ""}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"/automations/{slug}/dataset{f'?{query}' if query else ''}"
