"""The page of one experiment: how far it is or what came of it, its examples by evaluator, why one of them failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse, Response, StreamingResponse

from assay import automations, db, experiments, reviews
from assay.dashboard.automation_frame import AutomationPage, heading_of
from assay.dashboard.charts import interval
from assay.dashboard.experiment_summary import Summary, summary_of
from assay.dashboard.formatting import percent
from assay.dashboard.rendering import render, render_part
from assay.dashboard.visitors import Here, SignedIn
from assay.errors import NotFoundError
from assay.server import Server

router = APIRouter()

PAGE = 100
MOST_MISMATCHES = 100
MOST_EXPORTED = 1000
_MEDIA = {"csv": "text/csv", "json": "application/json"}

Format = Literal["csv", "json"]


class GridQuery(BaseModel):
    """What the URL says of the grid; `example` is the id of the one to look at."""

    model_config = ConfigDict(frozen=True)

    show: experiments.GridFilter = "all"
    sort: experiments.GridOrder | None = None
    page: int = 1
    example: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter or an order of the grid: what it is called, where it leads, whether it is on, how many it shows."""

    label: str
    url: str
    on: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that an evaluator found different, as JSON values."""

    path: str
    expected: Any
    actual: Any
    reason: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """What an evaluator said of a run. `mismatches` are the first hundred of `mismatch_count`."""

    score: experiments.Score
    mismatches: Sequence[Mismatch]
    mismatch_count: int


@dataclass(frozen=True, slots=True)
class RunOfCase:
    """One repeat of an example, and what was said of it."""

    run: experiments.ExperimentRun
    said: Sequence[Said]


@dataclass(frozen=True, slots=True)
class CasePart:
    """One example of the experiment with its runs; none where no example is chosen."""

    example_id: str
    name: str
    runs: Sequence[RunOfCase]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentPage(AutomationPage):
    """An experiment.

    `summary` is None while it goes on; `drawn` is its pass rate with the interval, None where nothing was graded.
    `filters` and `orders` are the choices of the grid, `url` is the page without a chosen example, `first` the number
    of the first row, `matching` how many rows there are. `case` is the example that is looked at, `example` its id.
    `settled` are the misses that it resolved or opened again. `steady`: no row of the grid moves while it goes on.
    """

    template: ClassVar[str] = "experiment.html"
    place: ClassVar[str] = "automations"

    experiment: experiments.Experiment
    summary: Summary | None
    drawn: Markup | None
    grid: experiments.Grid
    filters: Sequence[Choice]
    orders: Sequence[Choice]
    url: str
    example: str
    first: int
    matching: int
    newer: str | None
    older: str | None
    case: CasePart
    settled: Sequence[reviews.SettledMiss]
    steady: bool
    version: str
    may_run: bool


_FILTERS: Mapping[experiments.GridFilter, str] = {
    "all": "All",
    "failed": "Failed",
    "errors": "Errors",
    "flaky": "Flaky",
    "promoted": "Promoted",
}
_ORDERS: Mapping[experiments.GridOrder, str] = {
    "worst": "Worst first",
    "score": "Lowest score first",
    "name": "By name",
}


@router.get("/automations/{slug}/experiments/export")
async def export_all(slug: str, visitor: SignedIn, server: Here, format: Format = "json") -> Response:  # noqa: A002
    """Download the scores of the newest experiments, at most a thousand of them."""
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        found, _ = await experiments.list_experiments(tx, organization_id, automation.id, limit=MOST_EXPORTED)
    return _export(server, automation.id, found, f"{automation.slug}-experiments", format)


@router.get("/automations/{slug}/experiments/{experiment_id}")
async def experiment_page(
    request: Request,
    slug: str,
    experiment_id: str,
    visitor: SignedIn,
    server: Here,
    asked: Annotated[GridQuery, Query()],
) -> Response:
    """Show an experiment, its grid as the query asks for it."""
    organization_id = visitor.caller.organization_id
    page = min(max(asked.page, 1), 10_000)
    example = asked.example.replace("\x00", "")
    async with server.database.transaction() as tx:
        automation, experiment = await _find(tx, organization_id, slug, experiment_id)
        order = asked.sort or ("worst" if experiment.status == "completed" else "name")
        grid = await experiments.grid(
            tx, experiment, only=asked.show, order=order, limit=PAGE, offset=(page - 1) * PAGE
        )
        case = await _case(tx, experiment, example)
        settled = await reviews.settled_by(tx, organization_id, experiment.id)
    summary = summary_of(experiment)
    here = f"/automations/{automation.slug}/experiments/{experiment.id}"

    def url(**changes: str | int | None) -> str:
        wanted: dict[str, str | int | None] = {**asked.model_dump(), "page": page, "example": example, **changes}
        plain = {"show": "all", "page": 1}
        kept = {name: value for name, value in wanted.items() if value and value != plain.get(name)}
        return f"{here}?{urlencode(kept)}" if kept else here

    name = experiment.version_label or experiment.version_id
    shown = ExperimentPage(
        title=f"Experiment of {automation.name or automation.slug} {name}",
        heading=heading_of(automation, "experiments"),
        experiment=experiment,
        summary=summary,
        drawn=_drawn(summary),
        grid=grid,
        filters=[
            Choice(label, url(show=key, page=None, example=None), key == asked.show, grid.counts[key])
            for key, label in _FILTERS.items()
        ],
        orders=[Choice(label, url(sort=key, page=None), key == order) for key, label in _ORDERS.items()],
        # What one reads stays where it is when the experiment ends, though the order would be another one from then on.
        url=url(example=None, sort=asked.sort if summary else order),
        example=example,
        first=(page - 1) * PAGE + 1,
        matching=grid.counts[asked.show],
        newer=url(page=page - 1) if page > 1 else None,
        older=url(page=page + 1) if page * PAGE < grid.counts[asked.show] else None,
        case=case,
        settled=settled,
        steady=asked.show == "all" and order == "name",
        version=name,
        may_run=visitor.caller.may("runs:write"),
    )
    return render(request, visitor, shown)


@router.get("/automations/{slug}/experiments/{experiment_id}/case")
async def case_part(slug: str, experiment_id: str, visitor: SignedIn, server: Here, example: str) -> Response:
    """Show one example of an experiment: a part of its page."""
    async with server.database.transaction() as tx:
        _, experiment = await _find(tx, visitor.caller.organization_id, slug, experiment_id)
        part = await _case(tx, experiment, example.replace("\x00", ""))
    return render_part(visitor, "parts/experiment_case.html", part)


@router.post("/automations/{slug}/experiments/{experiment_id}/cancel")
async def cancel(slug: str, experiment_id: str, visitor: SignedIn, server: Here) -> Response:
    """Ask an experiment to stop."""
    async with server.database.transaction() as tx:
        _, experiment = await _find(tx, visitor.caller.organization_id, slug, experiment_id)
        await experiments.cancel(tx, visitor.caller, experiment.id)
    return RedirectResponse(f"/automations/{slug}/experiments/{experiment.id}", 303)


@router.get("/automations/{slug}/experiments/{experiment_id}/export")
async def export(slug: str, experiment_id: str, visitor: SignedIn, server: Here, format: Format = "json") -> Response:  # noqa: A002
    """Download the scores of an experiment: one row for each run and evaluator."""
    async with server.database.transaction() as tx:
        automation, experiment = await _find(tx, visitor.caller.organization_id, slug, experiment_id)
    return _export(server, automation.id, [experiment], f"{automation.slug}-{experiment.id}", format)


@router.get("/experiments/{experiment_id}")
async def resolve(experiment_id: str, visitor: SignedIn, server: Here) -> Response:
    """Go to an experiment of which nothing but the id is known."""
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        experiment = await experiments.get(tx, organization_id, experiment_id)
        automation = await automations.get(tx, organization_id, experiment.automation_id)
    return RedirectResponse(f"/automations/{automation.slug}/experiments/{experiment.id}", 303)


async def _find(
    tx: db.Transaction, organization_id: str, slug: str, experiment_id: str
) -> tuple[automations.Automation, experiments.Experiment]:
    automation = await automations.get(tx, organization_id, slug)
    return automation, await experiments.get(tx, organization_id, experiment_id, automation.id)


async def _case(tx: db.Transaction, experiment: experiments.Experiment, example_id: str) -> CasePart:
    if not example_id:
        return CasePart("", "", ())
    found, scores = await experiments.runs_of_example(tx, experiment, example_id)
    if not found:
        message = "This example was not in the experiment."
        raise NotFoundError(message)
    return CasePart(
        example_id,
        found[0].example_name,
        [RunOfCase(run, [_said(one) for one in scores.get(run.id, ())]) for run in found],
    )


def _said(score: experiments.Score) -> Said:
    details: Mapping[str, Any] = score.details if isinstance(score.details, dict) else {}
    found = cast("Sequence[Mapping[str, Any]]", details.get("mismatches") or ())
    return Said(
        score,
        [
            Mismatch(str(one.get("path", "$")), one.get("expected"), one.get("actual"), one.get("reason"))
            for one in found[:MOST_MISMATCHES]
        ],
        len(found),
    )


def _drawn(summary: Summary | None) -> Markup | None:
    if summary is None or summary.pass_rate is None:
        return None
    words = f"{percent(summary.pass_rate)}, 95 % interval {percent(summary.lower)} to {percent(summary.upper)}"
    return interval(summary.pass_rate, summary.lower, summary.upper, words, width=320)


def _export(
    server: Server, automation_id: str, found: Sequence[experiments.Experiment], name: str, form: Format
) -> Response:
    lines = experiments.export(server.database, automation_id, found, form)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(lines, media_type=_MEDIA[form], headers=headers)
