"""Experiments: starting, following, reading, comparing and exporting them; runs of single examples; scores."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from assay import automations, datasets, experiments, jsontext, rollouts, runs
from assay.api import parameters
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here, Server
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["experiments"])

MAX_PAGE = 500
MAX_EXAMPLES = 100_000
MAX_EXPORTED = 1000
_FORMATS = {"csv": "text/csv", "json": "application/json"}


class ExperimentBody(BaseModel):
    """What to run. Everything may be left out: the current version over the whole dataset, each example once."""

    model_config = ConfigDict(extra="ignore", strict=True)

    examples: list[str] | None = Field(
        default=None, max_length=MAX_EXAMPLES, description="Ids or names of examples; left out: the whole dataset."
    )
    batch_concurrency: int | None = Field(
        default=None, alias="batchConcurrency", description="How many runs at once; null leaves it to the workers."
    )
    source_ref: str | None = Field(
        default=None,
        alias="sourceRef",
        max_length=200,
        description="Label or id of a version; default: the current one.",
    )
    repeats: int = Field(default=1, description="How often each example is run.")
    required_passes: int | None = Field(
        default=None, alias="requiredPasses", description="So many of the repeats must pass; default: all."
    )


_BODY = {"requestBody": {"content": {"application/json": {"schema": ExperimentBody.model_json_schema()}}}}


@router.post("/automations/{automation_id}/experiments", status_code=202, openapi_extra=_BODY)
async def create_experiment(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Start an experiment; the answer names its runs."""
    started = await _start(request, automation_id, caller, server)
    runs_started = [{"id": run_id, "exampleId": example_id} for run_id, example_id in started.runs]
    return JsonResponse({"id": started.id, "runs": runs_started, "total": len(started.runs)}, 202)


@router.post("/automations/{automation_id}/experiments/stream", openapi_extra=_BODY)
async def create_and_follow(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Start an experiment and follow it: one JSON object a line as each run ends, a blank line as a heartbeat.

    The experiment goes on when the caller hangs up.
    """
    started = await _start(request, automation_id, caller, server)
    async with server.database.single_statement() as tx:
        found = await experiments.get(tx, caller.organization_id, started.id)
    return StreamingResponse(_events(server, found), media_type="application/x-ndjson")


@router.get("/automations/{automation_id}/experiments")
async def list_experiments(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """List experiments, newest first."""
    parameters.only(request, {"limit", "offset", "fromDate", "toDate"})
    limit = parameters.number(request, "limit", default=50, least=1, most=MAX_PAGE)
    offset = parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found, total = await experiments.list_experiments(
            tx,
            caller.organization_id,
            automation.id,
            created_from=parameters.moment(request, "fromDate"),
            created_to=parameters.moment(request, "toDate"),
            limit=limit,
            offset=offset,
        )
    return JsonResponse({"data": [_experiment(one) for one in found], "total": total, "limit": limit, "offset": offset})


@router.get("/automations/{automation_id}/experiments/export")
async def export_all(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Export the scores of the newest experiments, at most a thousand of them, as CSV or JSON."""
    parameters.only(request, {"format"})
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found, _ = await experiments.list_experiments(tx, caller.organization_id, automation.id, limit=MAX_EXPORTED)
    return _export(request, server, automation.id, found)


@router.get("/automations/{automation_id}/experiments/{experiment_id}")
async def get_experiment(
    request: Request, automation_id: str, experiment_id: str, caller: Authorized, server: Here
) -> Response:
    """Read an experiment with its runs and their scores; `results=false` leaves the scores out."""
    parameters.only(request, {"results"})
    with_scores = parameters.flag(request, "results", default=True)
    found = await _find(automation_id, experiment_id, caller, server)
    return StreamingResponse(_detail(server, found, with_scores=with_scores), media_type="application/json")


@router.post("/automations/{automation_id}/experiments/{experiment_id}/cancel")
async def cancel_experiment(automation_id: str, experiment_id: str, caller: Authorized, server: Here) -> Response:
    """Stop an experiment: runs that ended stay, others do not begin, running ones are asked to stop."""
    found = await _find(automation_id, experiment_id, caller, server)
    async with server.database.transaction() as tx:
        await experiments.cancel(tx, caller, found.id)
    found = await _find(automation_id, experiment_id, caller, server)
    return StreamingResponse(_detail(server, found, with_scores=True), media_type="application/json")


@router.get("/automations/{automation_id}/experiments/{experiment_id}/export")
async def export_experiment(
    request: Request, automation_id: str, experiment_id: str, caller: Authorized, server: Here
) -> Response:
    """Export the scores of an experiment as CSV or JSON, one row for each run and evaluator."""
    parameters.only(request, {"format"})
    found = await _find(automation_id, experiment_id, caller, server)
    return _export(request, server, found.automation_id, [found])


@router.get("/automations/{automation_id}/experiments/{experiment_id}/stream")
async def follow_experiment(automation_id: str, experiment_id: str, caller: Authorized, server: Here) -> Response:
    """Follow an experiment from its beginning, as starting it with `stream` does."""
    found = await _find(automation_id, experiment_id, caller, server)
    return StreamingResponse(_events(server, found), media_type="application/x-ndjson")


@router.get("/experiments/{experiment_id}")
async def resolve_experiment(experiment_id: str, caller: Authorized, server: Here) -> Response:
    """Say to which automation an experiment belongs."""
    async with server.database.transaction() as tx:
        found = await experiments.get(tx, caller.organization_id, experiment_id)
    return JsonResponse({"id": found.id, "automationId": found.automation_id})


@router.post("/automations/{automation_id}/examples/{example_id}/run", status_code=201)
async def run_example(
    request: Request, automation_id: str, example_id: str, caller: Authorized, server: Here
) -> Response:
    """Run one example and grade it; `sourceRef` names a version, default the current one."""
    parameters.only(request, {"sourceRef"})
    ref = parameters.text(request, "sourceRef")
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        choice = await rollouts.which_version(tx, caller.organization_id, automation.id, ref)
        example = await datasets.get_example(tx, caller.organization_id, choice.automation.id, example_id)
        run_id = await experiments.run_example(tx, server.blobs, caller, choice.chosen, example)
    return JsonResponse({"id": run_id, "type": choice.automation.kind, "batchId": None, "finished": False}, 201)


@router.get("/runs/{run_id}/scores")
async def list_scores(run_id: str, caller: Authorized, server: Here) -> Response:
    """Read what each evaluator said of a run; empty for one that was not graded."""
    async with server.database.transaction() as tx:
        if await runs.get(tx, caller.organization_id, run_id) is None:
            raise runs.RunNotFoundError
        scores = await experiments.scores_of_run(tx, caller.organization_id, run_id)
    return JsonResponse({"scores": [_score(one) for one in scores]})


async def _start(request: Request, automation_id: str, caller: Authorized, server: Server) -> experiments.Started:
    body = checked(ExperimentBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    plan = experiments.Plan(body.examples, body.batch_concurrency, body.repeats, body.required_passes)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        choice = await rollouts.which_version(tx, caller.organization_id, automation.id, body.source_ref)
        return await experiments.create(tx, server.blobs, server.models, caller, choice.chosen, plan)


async def _find(automation_id: str, experiment_id: str, caller: Authorized, server: Server) -> experiments.Experiment:
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        return await experiments.get(tx, caller.organization_id, experiment_id, automation.id)


def _export(
    request: Request, server: Server, automation_id: str, found: Sequence[experiments.Experiment]
) -> StreamingResponse:
    asked = parameters.values(request, "format", tuple(_FORMATS))
    form = cast("Any", asked[0] if asked else "json")
    lines = experiments.export(server.database, automation_id, found, form)
    headers = {"Content-Disposition": f'attachment; filename="experiments.{form}"'}
    return StreamingResponse(lines, media_type=_FORMATS[form], headers=headers)


async def _events(server: Server, experiment: experiments.Experiment) -> AsyncGenerator[str]:
    async for event in experiments.follow(server.database, server.waiting_room, experiment):
        match event:
            case None:
                yield "\n"
            case experiments.ExampleEnded():
                body = {
                    "type": "example_completed",
                    "run": _run(event.run),
                    "scores": [_score(one) for one in event.scores],
                    "experiment": _experiment(event.experiment),
                }
                yield f"{jsontext.write(body)}\n"
            case experiments.ExperimentEnded():
                body = {"type": "experiment_completed", "experiment": _experiment(event.experiment)}
                yield f"{jsontext.write(body)}\n"


async def _detail(server: Server, found: experiments.Experiment, *, with_scores: bool) -> AsyncGenerator[str]:
    """Write the detail in portions: it may have many thousand runs."""
    yield f'{jsontext.write(_experiment(found))[:-1]},"runs":['
    first = True
    async for portion, _ in experiments.runs_in_portions(server.database, found, with_scores=False):
        yield ("" if first else ",") + ",".join(jsontext.write(_run(run)) for run in portion)
        first = False
    yield '],"resultsByRun":{'
    first = True
    async for _, scores in experiments.runs_in_portions(server.database, found, with_scores=with_scores):
        texts = [f"{jsontext.write(run)}:{jsontext.write([_score(one) for one in scores[run]])}" for run in scores]
        if texts:
            yield ("" if first else ",") + ",".join(texts)
            first = False
    yield "}}"


def _experiment(found: experiments.Experiment) -> Mapping[str, Any]:
    counts = found.counts
    return {
        "id": found.id,
        "automationId": found.automation_id,
        "automationType": found.automation_kind,
        "status": found.status,
        "cancelled": found.cancel_requested_at is not None,
        "runCount": found.runs,
        "completedCount": counts.completed,
        "passedCount": counts.passed,
        "failedCount": counts.failed,
        "errorCount": counts.errors,
        "ungradedCount": counts.ungraded,
        "cancelledCount": counts.cancelled,
        "avgScore": counts.avg_score,
        "createdAt": iso(found.created_at),
        "startedAt": None if found.started_at is None else iso(found.started_at),
        "completedAt": None if found.completed_at is None else iso(found.completed_at),
        "version": found.version_label,
        "versionId": found.version_id,
        "requestedRef": found.requested_ref,
        "datasetRevision": found.dataset_revision,
        "datasetHash": found.dataset_hash,
        "wholeDataset": found.whole_dataset,
        "evaluatorSetId": found.evaluator_set_id,
        "models": found.models,
        "examples": found.examples,
        "repeats": found.repeats,
        "requiredPasses": found.required_passes,
        "batchConcurrency": found.concurrency,
        "createdBy": found.created_by,
        "summary": found.summary,
    }


def _run(run: experiments.ExperimentRun) -> Mapping[str, Any]:
    return {
        "id": run.id,
        "status": run.status,
        "exampleId": run.example_id,
        "exampleName": run.example_name,
        "repeat": run.repeat,
        "verdict": run.verdict,
        "score": run.score,
        "passed": run.passed,
        "error": run.error,
        "createdAt": iso(run.created_at),
        "completedAt": None if run.completed_at is None else iso(run.completed_at),
    }


def _score(score: experiments.Score) -> Mapping[str, Any]:
    return {
        "id": score.id,
        "runId": score.run_id,
        "automationId": score.automation_id,
        "evaluatorName": score.evaluator_name,
        "evaluatorType": score.evaluator_type,
        "evaluatorVersion": score.evaluator_version,
        "score": score.score,
        "passed": score.passed,
        "label": score.label,
        "weight": score.weight,
        "passThreshold": score.pass_threshold,
        "description": score.description,
        "details": score.details,
        "error": score.error,
        "createdAt": iso(score.created_at),
    }
