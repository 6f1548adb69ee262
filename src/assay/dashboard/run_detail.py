"""The page of one run: its document beside its output, its steps in time, and all that was said and done about it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from pydantic import JsonValue
from starlette.responses import RedirectResponse, Response

from assay import automations, db, experiments, files, reviews, rollouts, runs, traces
from assay.dashboard.document_pages import RunFile, page_url, run_file
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import Page, render, render_part
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError
from assay.server import Server

router = APIRouter()

MOST_STEPS = 300
MOST_VERSIONS = 30
MOST_CHANGES = 50
WIDTH = 1000
"""Units of the waterfall from the run's start to its end."""
_TURN = re.compile(r":(\d+)(?=/)")


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of the waterfall: where it begins and how wide it is, in units of 1000; `cost` in USD.

    `place` says in which turn of its loops it is, such as `#3` or `#3.0`; empty outside of loops.
    """

    step: traces.StepTrace
    place: str
    depth: int
    begin: float
    width: float
    attempts: int
    cost: float | None
    tokens: int | None
    url: str
    selected: bool


@dataclass(frozen=True, slots=True)
class StepPane:
    """One step with all that it had and made; None where none is selected."""

    run_id: str
    step: traces.StepTrace | None
    error: Mapping[str, JsonValue] | None
    attempts: Sequence[JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetailPage(Page):
    """A run.

    `failing` is the URL of the step that made it fail. `bars` are its steps, the first 300 and those that failed, of
    `step_count`. `document` is the file that is shown, `first_page` its first picture. `incumbent` is what the process
    before made, where there is any. `versions` are those a rerun can be asked for. `problem` says why the last
    action was refused, `typed` is the note that was not kept then.
    """

    template: ClassVar[str] = "run_detail.html"
    place: ClassVar[str] = "runs"

    run: runs.RunDetail
    given: runs.RunInput | None
    files: Sequence[RunFile]
    document: RunFile | None
    first_page: str | None
    bars: Sequence[Bar]
    step_count: int
    pane: StepPane
    failing: str | None
    events: Sequence[runs.Event]
    scores: Sequence[experiments.Score]
    review: reviews.View
    item: reviews.QueueItem | None
    history: Sequence[reviews.HistoryEntry]
    incumbent: reviews.IncumbentDifference | None
    versions: Sequence[automations.Version]
    may_write: bool
    may_review: bool
    problem: AssayError | None
    typed: str | None


@router.get("/runs/{run_id}")
async def run_page(
    request: Request, run_id: str, visitor: SignedIn, server: Here, step: str = "", file: str = ""
) -> Response:
    """Show a run; `step` is the key of the step to look at, `file` the path of the file."""
    return await show_run(request, visitor, server, run_id, step=step, file=file)


@router.get("/runs/{run_id}/step")
async def step_part(run_id: str, visitor: SignedIn, server: Here, step: str = "") -> Response:
    """Show one step: a part of the run's page."""
    async with server.database.single_statement() as tx:
        found = await traces.get_step(tx, visitor.caller.organization_id, run_id, step.replace("\x00", ""))
    return render_part(visitor, "parts/run_step.html", _pane(run_id, found))


@router.post("/runs/{run_id}/rerun")
async def rerun(
    request: Request, run_id: str, visitor: SignedIn, server: Here, version: Annotated[str, Form()] = ""
) -> Response:
    """Do a run again, by the current version or the one that is chosen, and go to the new one."""
    caller = visitor.caller
    new_id = runs.new_run_id()
    try:
        async with server.database.transaction() as tx:
            before = await runs.run_to_repeat(tx, caller.organization_id, run_id)
            choice = await rollouts.which_version_again(tx, caller.organization_id, before, version or None)
            runs.check_trigger(choice.automation, "manual")
            await runs.rerun(
                tx,
                server.blobs,
                caller.organization_id,
                new_id,
                before,
                choice.chosen,
                trigger_type="manual",
                triggered_by=caller.user_id,
            )
    except AssayError as error:
        return await show_run(request, visitor, server, run_id, problem=error)
    return RedirectResponse(f"/runs/{new_id}", 303)


@router.post("/runs/{run_id}/cancel")
async def cancel(run_id: str, visitor: SignedIn, server: Here) -> Response:
    """Ask a run to stop."""
    async with server.database.transaction() as tx:
        await runs.cancel(tx, visitor.caller, run_id)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/runs/{run_id}/delete")
async def delete(request: Request, run_id: str, visitor: SignedIn, server: Here) -> Response:
    """Remove a run for good and go to the list."""
    caller = visitor.caller
    try:
        async with server.database.transaction() as tx:
            hashes = await runs.delete_run(
                tx, caller.organization_id, run_id, user_id=caller.user_id, key_id=caller.key_id
            )
    except runs.RunNotFoundError:
        raise
    except AssayError as error:
        return await show_run(request, visitor, server, run_id, problem=error)
    await server.blobs.forget(server.database, hashes)
    return RedirectResponse("/runs", 303)


async def show_run(
    request: Request,
    visitor: Visitor,
    server: Server,
    run_id: str,
    *,
    step: str = "",
    file: str = "",
    problem: AssayError | None = None,
    typed: str | None = None,
) -> Response:
    """Answer with the page of a run; `problem` says why the last action was refused, `typed` what it would have said.

    Raises:
        RunNotFoundError: the organization has no such run.
    """
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        run = await runs.get(tx, organization_id, run_id)
        if run is None:
            raise runs.RunNotFoundError
        steps = await traces.outline(tx, organization_id, run_id)
        chosen = _chosen_step(run, steps, step)
        found = None if chosen is None else await traces.get_step(tx, organization_id, run_id, chosen)
        artifacts = [run_file(run_id, one) for one in await files.list_artifacts(tx, organization_id, run_id)]
        document = _document(artifacts, file)
        history, _ = await reviews.history(tx, visitor.caller, run_id, limit=MOST_CHANGES)
        versions, _ = await automations.list_versions(
            tx, organization_id, run.summary.automation_id, limit=MOST_VERSIONS
        )
        queued = await reviews.list_queue(tx, visitor.caller, reviews.ItemFilters(run_id=run_id), limit=1)
        failing = run.failure and _chosen_step(run, steps, "")
        page = RunDetailPage(
            title=f"Run of {run.summary.automation_name or run.summary.automation_slug}",
            run=run,
            given=await runs.get_input(tx, organization_id, run_id),
            files=artifacts,
            document=document,
            first_page=page_url(run_id, document.path, 0) if document and document.shown == "pages" else None,
            bars=_bars(run, steps, chosen),
            step_count=len(steps),
            pane=_pane(run_id, found),
            failing=None if failing is None else _step_url(run_id, failing),
            events=runs.timeline(run, steps, await traces.list_events(tx, organization_id, run_id)),
            scores=await experiments.scores_of_run(tx, organization_id, run_id),
            review=await reviews.get(tx, visitor.caller, run_id),
            item=queued.items[0] if queued.items else None,
            history=history,
            incumbent=await _incumbent(tx, organization_id, run_id),
            versions=versions,
            may_write=visitor.caller.may("runs:write"),
            may_review=visitor.caller.may("reviews:write"),
            problem=problem,
            typed=typed,
        )
    return render(request, visitor, page, 200 if problem is None else status_of(problem))


async def _incumbent(tx: db.Transaction, organization_id: str, run_id: str) -> reviews.IncumbentDifference | None:
    try:
        return await reviews.incumbent_difference(tx, organization_id, run_id)
    except AssayError:  # none, not yet, or too large to be compared: nothing to show in any case
        return None


def _chosen_step(run: runs.RunDetail, steps: Sequence[traces.StepTrace], asked: str) -> str | None:
    """Return the key of the step that is asked for, else of the one that failed, else of none."""
    if any(step.step_key == asked for step in steps):
        return asked
    failed = [step for step in steps if step.status == "failure"]
    named = [step for step in failed if run.failure is not None and step.name == run.failure.step]
    return next((step.step_key for step in [*reversed(named), *reversed(failed)]), None)


def _document(found: Sequence[RunFile], asked: str) -> RunFile | None:
    """Return the file that is asked for, else the first that can be seen of what the run was given."""
    given = [file for file in found if file.role == "input"]
    first = [*(file for file in given if file.shown != "nothing"), *given]
    return next((file for file in [*found] if file.path == asked), first[0] if first else None)


def _bars(run: runs.RunDetail, steps: Sequence[traces.StepTrace], chosen: str | None) -> list[Bar]:
    kept = [
        step
        for place, step in enumerate(steps)
        if place < MOST_STEPS or step.status == "failure" or step.step_key == chosen
    ]
    if not kept:
        return []
    first = min(run.summary.started_at or kept[0].started_at, *(step.started_at for step in steps))
    last = max(run.summary.completed_at or kept[0].completed_at, *(step.completed_at for step in steps))
    top = min(map(_depth, steps))
    whole = max((last - first).total_seconds(), 0.001)
    return [
        Bar(
            step=step,
            place=_place(step),
            depth=_depth(step) - top,
            begin=(step.started_at - first).total_seconds() / whole * WIDTH,
            width=max((step.completed_at - step.started_at).total_seconds() / whole * WIDTH, 4),
            attempts=len(step.attempts) if isinstance(step.attempts, list) else 1,
            cost=_number(step.usage, "costUsd"),
            tokens=_tokens(step.usage),
            url=_step_url(run.summary.id, step.step_key),
            selected=step.step_key == chosen,
        )
        for step in kept
    ]


def _depth(step: traces.StepTrace) -> int:
    return len(step.scope) if isinstance(step.scope, list) else 0


def _place(step: traces.StepTrace) -> str:
    turns = _TURN.findall(step.step_key)
    return f"#{'.'.join(turns)}" if turns else ""


def _step_url(run_id: str, step_key: str) -> str:
    return f"/runs/{run_id}?{urlencode({'step': step_key})}#step"


def _pane(run_id: str, step: traces.StepTrace | None) -> StepPane:
    error = step.error if step is not None and isinstance(step.error, dict) else None
    attempts = step.attempts if step is not None and isinstance(step.attempts, list) else []
    return StepPane(run_id, step, error, attempts)


def _number(usage: JsonValue, name: str) -> float | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return float(value) if isinstance(value, (int, float)) else None


def _tokens(usage: JsonValue) -> int | None:
    given, made = _number(usage, "inputTokens"), _number(usage, "outputTokens")
    return None if given is None and made is None else int((given or 0) + (made or 0))
