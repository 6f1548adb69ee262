"""The page of runs: a list that its URL describes, one run beside it, and what is new since it was shown."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from assay import api, automations, clock, db, runs
from assay.dashboard.rendering import Page, render, render_part
from assay.dashboard.run_list_query import RunListQuery, check_names
from assay.dashboard.run_pane import RunPane, read_pane
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError
from assay.server import Server

router = APIRouter()

PAGE = 50
NEWS = 100
MOST_SOURCES = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the list; `in_sample` where the list flags a sample and this run is in it."""

    run: runs.RunSummary
    in_sample: bool
    selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage(Page):
    """A page of runs as the URL asks for it.

    `sources` are the automations to choose from, `flagged` the rate at which the list flags a sample (None: it flags
    none). `problem` says what is wrong with the URL; then there are no rows. `older` and `newest` are URLs. `pane` is
    the run beside the list, `news_url` tells what came after the list was made.
    """

    template: ClassVar[str] = "runs.html"
    place: ClassVar[str] = "runs"

    rows: Sequence[Row]
    query: RunListQuery
    sources: Sequence[tuple[str, str]]
    source: str
    flagged: float | None
    problem: str | None
    older: str | None
    newest: str | None
    pane: RunPane | None
    news_url: str
    may_write: bool


@dataclass(frozen=True, slots=True)
class News:
    """What is new: so many runs that match (`more`: at least so many), and where those that are shown stand now."""

    count: int
    more: bool
    url: str
    shown: Sequence[runs.RunSummary]


@router.get("/runs")
async def runs_page(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Show a page of runs."""
    query = RunListQuery(request)
    if not query.is_lean:
        return RedirectResponse(query.url(), 303)
    problem: AssayError | None = None
    found, flagged, pane = runs.RunPage(), None, None
    async with server.database.transaction() as tx:
        sources = await _sources(tx, visitor, query.one("source"))
        try:
            check_names(request)
            filters = await api.read_run_filters(tx, visitor.caller, request)
            if query.one("sampleView") == "flag":
                flagged, filters = filters.sample_rate, replace(filters, sample_rate=None)
            found = await _page(tx, visitor, server, query, filters)
        except InvalidValueError as error:
            problem = error
        if problem is None and query.one("run"):
            with suppress(runs.RunNotFoundError):  # it may be gone; the list is still what was asked for
                pane = await read_pane(tx, visitor, query.one("run"))
    shown = RunsPage(
        title="Runs",
        rows=[
            Row(run, flagged is not None and run.sample_rank < flagged, run.id == query.one("run"))
            for run in found.runs
        ],
        query=query,
        sources=sources,
        source=query.one("source"),
        flagged=flagged,
        problem=problem and problem.message,
        older=query.url(cursor=found.next_cursor) if found.next_cursor else None,
        newest=query.url() if query.one("cursor") else None,
        pane=pane,
        news_url=_news_url(query, found.runs),
        may_write=visitor.caller.may("runs:write"),
    )
    return render(request, visitor, shown, 200 if problem is None else 400)


@router.get("/runs/news")
async def news(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Say what is new since the list was shown: a part of the list's page."""
    query = RunListQuery(request)
    shown = [run_id for run_id in request.query_params.getlist("shown") if run_id and "\x00" not in run_id][:PAGE]
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        filters = await api.read_run_filters(tx, visitor.caller, request)
        if query.one("sampleView") == "flag":
            filters = replace(filters, sample_rate=None)
        since = _moment(query.one("since"))
        timeout = server.settings.list_timeout_seconds
        page = await runs.list_runs(tx, organization_id, filters, limit=NEWS, timeout_seconds=timeout)
        standing = runs.RunPage()
        if shown:
            theirs = runs.RunFilters(ids=shown)
            standing = await runs.list_runs(tx, organization_id, theirs, limit=PAGE, timeout_seconds=timeout)
    count = sum(1 for run in page.runs if run.created_at > since)
    part = News(count, count == NEWS, query.url(since=None, shown=None), standing.runs)
    return render_part(visitor, "parts/run_news.html", part)


async def _page(
    tx: db.Transaction, visitor: Visitor, server: Server, query: RunListQuery, filters: runs.RunFilters
) -> runs.RunPage:
    return await runs.list_runs(
        tx,
        visitor.caller.organization_id,
        filters,
        cursor=query.one("cursor") or None,
        limit=PAGE,
        ascending=query.one("order") == "asc",
        by_completion=query.one("sort") == "completedAt",
        timeout_seconds=server.settings.list_timeout_seconds,
    )


async def _sources(tx: db.Transaction, visitor: Visitor, chosen: str) -> Sequence[tuple[str, str]]:
    found, _ = await automations.list_automations(tx, visitor.caller.organization_id, limit=MOST_SOURCES)
    named = sorted(((f"{one.kind}s.{one.slug}", one.name or one.slug) for one in found), key=lambda pair: pair[1])
    known = {value for value, _ in named}
    return [("", "All automations"), *named, *([] if not chosen or chosen in known else [(chosen, chosen)])]


def _news_url(query: RunListQuery, found: Sequence[runs.RunSummary]) -> str:
    newest = max((run.created_at for run in found), default=None)
    since = clock.now() if newest is None or query.one("cursor") else newest
    return query.url("/runs/news", since=since.isoformat())


def _moment(text: str) -> datetime:
    if not text:
        return clock.now()
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise InvalidValueError(field="since") from error
    if found.tzinfo is None:
        raise InvalidValueError(field="since")
    return found
