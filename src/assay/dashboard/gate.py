"""The gate of a version: whether it may become current, what is missing, and running that or promoting it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from assay import automations, db, experiments, rollouts
from assay.dashboard.automation_frame import AutomationPage, heading_of
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render, render_part
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError
from assay.server import Server

router = APIRouter()


@dataclass(frozen=True, slots=True)
class GatePart:
    """How a version stands before the gate, and the forms that run what is missing or make it current.

    `runs` are how many examples are still to be run with it and with the current version. `going_on` is the id of an
    experiment of this version that has not ended, None where there is none. Going back to a version that
    `was_current` is not gated. `reason` is what a refused override said.
    """

    slug: str
    version: str
    examined: experiments.Examined
    words: str
    runs: int
    going_on: str | None
    was_current: bool
    reason: str
    may_run: bool
    may_promote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePage(AutomationPage):
    """The gate of one version by itself; `problem` says why the last action was refused."""

    template: ClassVar[str] = "gate.html"
    place: ClassVar[str] = "automations"

    part: GatePart
    problem: AssayError | None


_WORDS: Mapping[str, str] = {"passed": "Passed", "failed": "Failed", "cannot_tell": "Cannot tell"}


@router.get("/automations/{slug}/gate")
async def gate_page(request: Request, slug: str, visitor: SignedIn, server: Here, version: str = "") -> Response:
    """Show the gate of a version: the whole page, or the panel alone where another page asks for it."""
    if request.headers.get("hx-request"):
        async with server.database.transaction() as tx:
            _, part = await gate_part(tx, visitor, slug, version)
        return render_part(visitor, "parts/gate.html", part)
    return await _show(request, visitor, server, slug, version)


@router.post("/automations/{slug}/gate/run")
async def run_missing(
    request: Request, slug: str, visitor: SignedIn, server: Here, version: Annotated[str, Form()]
) -> Response:
    """Run what the gate lacks, with this version and with the current one, and go to the experiment."""
    caller = visitor.caller
    try:
        async with server.database.transaction() as tx:
            found = await experiments.examine(tx, caller.organization_id, slug, version)
            wanted = [
                (found.version.id, found.decision.examples_to_run),
                (found.automation.current_version_id, found.decision.current_to_run),
            ]
            started: list[str] = []
            for version_id, examples in wanted:
                if not examples:
                    continue
                choice = await rollouts.which_version(tx, caller.organization_id, found.automation.id, version_id)
                plan = experiments.Plan([example.example_id for example in examples])
                new = await experiments.create(tx, server.blobs, server.models, caller, choice.chosen, plan)
                started.append(new.id)
    except automations.AutomationNotFoundError:
        raise
    except AssayError as error:
        return await _show(request, visitor, server, slug, version, error)
    return RedirectResponse(f"/automations/{slug}/experiments/{started[0]}" if started else _url(slug, version), 303)


@router.post("/automations/{slug}/gate/promote")
async def promote(
    request: Request,
    slug: str,
    visitor: SignedIn,
    server: Here,
    version: Annotated[str, Form()],
    override: Annotated[str | None, Form()] = None,
) -> Response:
    """Make the version current, through the gate or, with a reason, past it; its workflow says that it is done."""
    try:
        async with server.database.transaction() as tx:
            through = await experiments.promote(tx, visitor.caller, automation=slug, version=version, override=override)
    except automations.AutomationNotFoundError:
        raise
    except AssayError as error:
        return await _show(request, visitor, server, slug, version, error, override or "")
    promoted = through.promoted.version
    query = urlencode({"version": promoted.label or promoted.id, "done": through.promoted.reason or "promote"})
    return RedirectResponse(f"/automations/{slug}/workflow?{query}", 303)


async def _show(
    request: Request,
    visitor: Visitor,
    server: Server,
    slug: str,
    version: str,
    problem: AssayError | None = None,
    reason: str = "",
) -> Response:
    async with server.database.transaction() as tx:
        automation, part = await gate_part(tx, visitor, slug, version, reason)
    page = GatePage(
        title=f"Gate of {automation.name or automation.slug} {part.version}",
        heading=heading_of(automation, "experiments"),
        part=part,
        problem=problem,
    )
    return render(request, visitor, page, 200 if problem is None else status_of(problem))


async def gate_part(
    tx: db.Transaction, visitor: Visitor, slug: str, version: str, reason: str = ""
) -> tuple[automations.Automation, GatePart]:
    """Return how a version stands; empty: the current one.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
        VersionNotFoundError: it has no such version.
    """
    caller = visitor.caller
    found = await experiments.examine(tx, caller.organization_id, slug, version or None)
    newest, _ = await experiments.list_experiments(tx, caller.organization_id, found.automation.id, limit=20)
    was_current = await automations.was_current(tx, caller.organization_id, found.version)
    decision = found.decision
    part = GatePart(
        slug=slug,
        version=found.version.label or found.version.id,
        examined=found,
        words=_WORDS[decision.status],
        runs=len(decision.examples_to_run) + len(decision.current_to_run),
        going_on=next(
            (one.id for one in newest if one.status != "completed" and one.version_id == found.version.id), None
        ),
        was_current=was_current,
        reason=reason,
        may_run=caller.may("runs:write"),
        may_promote=caller.may("automations:write"),
    )
    return found.automation, part


def _url(slug: str, version: str) -> str:
    return f"/automations/{slug}/gate?{urlencode({'version': version})}"
