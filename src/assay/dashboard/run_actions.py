"""Acting on all runs that a list's filters match: first it says of how many, then it is done."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import api, db, reviews, runs
from assay.dashboard.rendering import Page, render
from assay.dashboard.run_list_query import RunListQuery, check_names
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import InvalidValueError
from assay.server import Server

router = APIRouter()

_ACTIONS = ("review", "cancel", "delete")

Action = Literal["review", "cancel", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunActionsPage(Page):
    """What an action would do, or, with `done`, what it did.

    `count` runs match and can be acted on; `more`: and others. `queue` is what adding them to the review queue comes
    to. `filters` is the query string of what matches, `back` the URL of the list, `all_runs` where nothing is filtered.
    """

    template: ClassVar[str] = "run_actions.html"
    place: ClassVar[str] = "runs"

    action: Action
    count: int
    more: bool
    queue: reviews.Added | None
    done: runs.Acted | None
    filters: str
    back: str
    all_runs: bool


@router.get("/runs/bulk")
async def preview(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Say what the action would do."""
    action, query = _action(request), RunListQuery(request)
    async with server.database.transaction() as tx:
        filters = await _filters(tx, visitor, request)
        if action == "review":
            queue = await _queued(tx, visitor, server, filters, double=False, dry_run=True)
            return _render(request, visitor, query, action, queue.added, more=queue.more, queue=queue)
        found = await _actionable(tx, visitor, server, filters, action)
    return _render(request, visitor, query, action, len(found.run_ids), more=found.more)


@router.post("/runs/bulk")
async def act(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Do it, and say what was done; what has changed since the preview counts as it is now."""
    action, query = _action(request), RunListQuery(request)
    form = await request.form()
    async with server.database.transaction() as tx:
        filters = await _filters(tx, visitor, request)
        if action == "review":
            double = form.get("double") == "on"
            queue = await _queued(tx, visitor, server, filters, double=double, dry_run=False)
            done = runs.Acted(queue.added, queue.matched - queue.added)
            return _render(request, visitor, query, action, queue.added, more=False, queue=queue, done=done)
        found = await _actionable(tx, visitor, server, filters, action)
    done = await runs.act_on(server.database, server.blobs, visitor.caller, found.run_ids, action)
    return _render(request, visitor, query, action, done.count, more=found.more, done=done)


def _action(request: Request) -> Action:
    found = request.query_params.get("action", "review")
    if found not in _ACTIONS:
        raise InvalidValueError(field="action")
    return found


async def _filters(tx: db.Transaction, visitor: Visitor, request: Request) -> runs.RunFilters:
    check_names(request)
    return await api.read_run_filters(tx, visitor.caller, request)


async def _queued(
    tx: db.Transaction, visitor: Visitor, server: Server, filters: runs.RunFilters, *, double: bool, dry_run: bool
) -> reviews.Added:
    return await reviews.add_matching(
        tx,
        visitor.caller,
        filters,
        reason="picked",
        timeout_seconds=server.settings.list_timeout_seconds,
        double=double,
        dry_run=dry_run,
    )


async def _actionable(
    tx: db.Transaction, visitor: Visitor, server: Server, filters: runs.RunFilters, action: runs.RunAction
) -> runs.Actionable:
    return await runs.actionable(
        tx,
        visitor.caller.organization_id,
        filters,
        action,
        timeout_seconds=server.settings.list_timeout_seconds,
    )


def _render(
    request: Request,
    visitor: Visitor,
    query: RunListQuery,
    action: Action,
    count: int,
    *,
    more: bool,
    queue: reviews.Added | None = None,
    done: runs.Acted | None = None,
) -> Response:
    titles = {"review": "Add to the review queue", "cancel": "Cancel runs", "delete": "Delete runs"}
    page = RunActionsPage(
        title=titles[action],
        action=action,
        count=count,
        more=more,
        queue=queue,
        done=done,
        filters=query.url("", action=None).removeprefix("?"),
        back=query.url(action=None),
        all_runs=query.filters.replace(f"action={action}", "") == "",
    )
    return render(request, visitor, page)
