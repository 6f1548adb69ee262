"""One run beside the list: where it stands, why it failed, what it left; everything else is on its own page."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from assay import db, files, runs, traces
from assay.dashboard.document_pages import RunFile, run_file
from assay.dashboard.rendering import render_part
from assay.dashboard.visitors import Here, SignedIn, Visitor

router = APIRouter()

MOST_STEPS = 40


@dataclass(frozen=True, slots=True)
class RunPane:
    """A run in short. `steps` are its first forty and those that failed, `step_count` all; `files` all of its files."""

    run: runs.RunDetail
    steps: Sequence[traces.StepTrace]
    step_count: int
    files: Sequence[RunFile]
    may_review: bool


async def read_pane(tx: db.Transaction, visitor: Visitor, run_id: str) -> RunPane:
    """Read what stands beside the list.

    Raises:
        RunNotFoundError: the organization has no such run.
    """
    organization_id = visitor.caller.organization_id
    run = await runs.get(tx, organization_id, run_id)
    if run is None:
        raise runs.RunNotFoundError
    steps = await traces.outline(tx, organization_id, run_id)
    kept = [step for place, step in enumerate(steps) if place < MOST_STEPS or step.status == "failure"]
    found = await files.list_artifacts(tx, organization_id, run_id)
    return RunPane(
        run=run,
        steps=kept[: 2 * MOST_STEPS],
        step_count=len(steps),
        files=[run_file(run_id, file) for file in found if file.role in {"input", "output"}],
        may_review=visitor.caller.may("reviews:write"),
    )


@router.get("/runs/{run_id}/pane")
async def pane(run_id: str, visitor: SignedIn, server: Here) -> Response:
    """Show a run beside the list: a part of the list's page."""
    async with server.database.transaction() as tx:
        part = await read_pane(tx, visitor, run_id)
    return render_part(visitor, "parts/run_pane.html", part)
