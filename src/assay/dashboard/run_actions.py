"""Acting on all runs that a list's filters match: first it says of how many, then it is done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import api, db, engine, reviews, runs
from assay.dashboard.rendering import Page, render
from assay.dashboard.run_list_query import RunListQuery, check_names
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import InvalidValueError
from assay.server import Server

router = APIRouter()

MOST = 1_000
"""Runs that are cancelled or deleted at once; whoever wants more asks again."""
_ACTIONS = ("review", "cancel", "delete")
_ACTIVE = tuple(status.value for status in runs.RunStatus if not status.finished)
_ENDED = tuple(status.value for status in runs.RunStatus if status.finished)

Action = Literal["review", "cancel", "delete"]


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to how many runs; `kept` were left alone, because they are under review or have gone on."""

    count: int
    kept: int


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
    done: Done | None
    filters: str
    back: str
    all_runs: bool


@router.get("/runs/bulk")
async def preview(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Say what the action would do."""
    action, query = _action(request), RunListQuery(request)
    async with server.database.transaction() as tx:
        filters = await _filters(tx, visitor, request)
        queue: reviews.Added | None = None
        found: Sequence[str] = ()
        more = False
        if action == "review":
            queue = await _queued(tx, visitor, server, filters, double=False, dry_run=True)
        else:
            found, more = await _matching(tx, visitor, server, filters, action)
    count = queue.added if queue else len(found)
    return _render(request, visitor, query, action, count, more=queue.more if queue else more, queue=queue)


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
            done = Done(queue.added, queue.matched - queue.added)
            return _render(request, visitor, query, action, queue.added, more=False, queue=queue, done=done)
        found, more = await _matching(tx, visitor, server, filters, action)
    doing = _cancel if action == "cancel" else _delete
    done = await doing(server, visitor, found)
    return _render(request, visitor, query, action, done.count, more=more, done=done)


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


async def _matching(
    tx: db.Transaction, visitor: Visitor, server: Server, filters: runs.RunFilters, action: Action
) -> tuple[Sequence[str], bool]:
    """Return the runs that the action can be done to, at most a thousand, and whether there are more."""
    allowed = _ACTIVE if action == "cancel" else _ENDED
    statuses = [status for status in allowed if not filters.statuses or status in filters.statuses]
    if not statuses:
        return [], False
    page = await runs.list_runs(
        tx,
        visitor.caller.organization_id,
        replace(filters, statuses=statuses),
        limit=MOST,
        timeout_seconds=server.settings.list_timeout_seconds,
    )
    return [run.id for run in page.runs], page.next_cursor is not None


async def _cancel(server: Server, visitor: Visitor, run_ids: Sequence[str]) -> Done:
    cancelled = 0
    for run_id in run_ids:
        async with server.database.transaction() as tx:
            answer = await engine.request_cancel(tx, visitor.caller.organization_id, run_id)
        cancelled += answer is not None and not answer.was_status.finished
    return Done(cancelled, len(run_ids) - cancelled)


async def _delete(server: Server, visitor: Visitor, run_ids: Sequence[str]) -> Done:
    caller = visitor.caller
    hashes: list[str] = []
    deleted = 0
    for run_id in run_ids:
        try:
            async with server.database.transaction() as tx:
                hashes += await runs.delete_run(
                    tx, caller.organization_id, run_id, user_id=caller.user_id, key_id=caller.key_id
                )
        except (runs.RunUnderReviewError, runs.RunNotFoundError, runs.RunNotFinishedError):
            continue
        deleted += 1
    await server.blobs.forget(server.database, hashes)
    return Done(deleted, len(run_ids) - deleted)


def _render(
    request: Request,
    visitor: Visitor,
    query: RunListQuery,
    action: Action,
    count: int,
    *,
    more: bool,
    queue: reviews.Added | None = None,
    done: Done | None = None,
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
