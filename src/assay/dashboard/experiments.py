"""The tab of experiments: how the pass rate went, what was measured, measuring again, and the gate of a version."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse, Response

from assay import automations, datasets, experiments, rollouts
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.charts import Point, line
from assay.dashboard.error_page import status_of
from assay.dashboard.experiment_summary import Summary, summary_of
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError
from assay.server import Server

router = APIRouter()

PAGE = 30
MOST_VERSIONS = 50


class PlanForm(BaseModel):
    """What somebody typed into the form that starts an experiment; `examples` are names or ids, one a line."""

    model_config = ConfigDict(frozen=True)

    version: str = ""
    examples: str = ""
    repeats: str = "1"
    required_passes: str = ""
    concurrency: str = ""

    def plan(self) -> experiments.Plan:
        """Read it.

        Raises:
            InvalidValueError: a number is none.
        """
        names = [name.strip() for name in self.examples.splitlines() if name.strip()]
        return experiments.Plan(
            example_ids=names or None,
            concurrency=_number("How many at once", self.concurrency),
            repeats=_number("Repeats", self.repeats) or 1,
            required_passes=_number("Passes needed", self.required_passes),
        )


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """An experiment of the list, and what it was held against (None: nothing)."""

    experiment: experiments.Experiment
    summary: Summary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentsPage(AutomationPage):
    """The experiments of an automation, newest first, thirty a page.

    `trend` is drawn from those of this page that have ended, None where fewer than two have. `examples` are in the
    dataset now, `versions` the highest fifty. `gated` is the version whose gate is shown, None where there is none.
    `problem` says why the last action was refused; then `form` is what was typed. `going_on`: one has not ended yet.
    """

    template: ClassVar[str] = "experiments.html"
    place: ClassVar[str] = "automations"

    rows: Sequence[ExperimentRow]
    total: int
    trend: Markup | None
    examples: int
    versions: Sequence[automations.Version]
    gated: str | None
    form: PlanForm
    problem: AssayError | None
    going_on: bool
    newer: str | None
    older: str | None
    may_run: bool


@router.get("/automations/{slug}/experiments")
async def experiments_page(
    request: Request, slug: str, visitor: SignedIn, server: Here, version: str = "", page: int = 1
) -> Response:
    """Show a page of experiments; `version` is the one whose gate is shown."""
    return await show_experiments(request, visitor, server, slug, version=version, page=min(max(page, 1), 10_000))


@router.post("/automations/{slug}/experiments")
async def start(
    request: Request, slug: str, visitor: SignedIn, server: Here, form: Annotated[PlanForm, Form()]
) -> Response:
    """Start an experiment and go to it."""
    organization_id = visitor.caller.organization_id
    try:
        async with server.database.transaction() as tx:
            automation = await automations.get(tx, organization_id, slug)
            choice = await rollouts.which_version(tx, organization_id, automation.id, form.version or None)
            started = await experiments.create(
                tx, server.blobs, server.models, visitor.caller, choice.chosen, form.plan()
            )
    except automations.AutomationNotFoundError:
        raise
    except AssayError as error:
        return await show_experiments(request, visitor, server, slug, form=form, problem=error)
    return RedirectResponse(f"/automations/{slug}/experiments/{started.id}", 303)


@router.get("/automations/{slug}/experiments/compare")
async def choose(visitor: SignedIn, a: str = "", b: str = "") -> Response:
    """Go to the comparison of the two experiments that were chosen."""
    if not a or not b:
        message = "Choose two experiments to compare."
        raise InvalidValueError(message)
    return RedirectResponse(f"/experiments/{a}/compare/{b}", 303)


async def show_experiments(
    request: Request,
    visitor: Visitor,
    server: Server,
    slug: str,
    *,
    version: str = "",
    page: int = 1,
    form: PlanForm | None = None,
    problem: AssayError | None = None,
) -> Response:
    """Render the tab, with what was refused if anything was."""
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        found, total = await experiments.list_experiments(
            tx, organization_id, automation.id, limit=PAGE, offset=(page - 1) * PAGE
        )
        versions, _ = await automations.list_versions(tx, organization_id, automation.id, limit=MOST_VERSIONS)
        revision = await datasets.current_revision(tx, organization_id, automation.id)
    rows = [ExperimentRow(one, summary_of(one)) for one in found]
    here = f"/automations/{slug}/experiments"
    shown = ExperimentsPage(
        title=title_of(automation, "experiments"),
        heading=heading_of(automation, "experiments"),
        rows=rows,
        total=total,
        trend=_trend(rows),
        examples=0 if revision is None else revision.examples,
        versions=versions,
        gated=version or (versions[0].label or versions[0].id if versions else None),
        form=form or PlanForm(version=version),
        problem=problem,
        going_on=any(one.status != "completed" for one in found),
        newer=f"{here}?page={page - 1}" if page > 1 else None,
        older=f"{here}?page={page + 1}" if page * PAGE < total else None,
        may_run=visitor.caller.may("runs:write"),
    )
    return render(request, visitor, shown, 200 if problem is None else status_of(problem))


def _trend(rows: Sequence[ExperimentRow]) -> Markup | None:
    """Draw the pass rates from the oldest to the newest; those that graded nothing say nothing."""
    points = [
        Point(
            f"{row.experiment.version_label or row.experiment.version_id}, {row.experiment.created_at:%Y-%m-%d}",
            row.summary.pass_rate,
            row.summary.lower,
            row.summary.upper,
        )
        for row in reversed(rows)
        if row.summary is not None and row.summary.pass_rate is not None
    ]
    if len(points) < 2:
        return None
    said = "; ".join(f"{point.label}: {point.value:.1%}" for point in points)
    return line(points, f"Pass rate by experiment, with 95 % intervals. {said}")


def _number(label: str, text: str) -> int | None:
    if not text.strip():
        return None
    try:
        return int(text)
    except ValueError as error:
        message = f"{label}: {text[:40]!r} is no whole number."
        raise InvalidValueError(message) from error
