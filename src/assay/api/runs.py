"""Reading, cancelling, comparing and removing runs."""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from assay import access, automations, db, files, reviews, runs, traces
from assay.api import feedback_bodies, parameters, run_bodies, run_filters
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.errors import InvalidValueError

router = APIRouter(tags=["runs"])

EXPANSIONS = ("input", "usage", "execution", "debug")
MAX_ZIP_BYTES = 512 * 1024**2


class BulkBody(BaseModel):
    """What to do to all runs that the filters find."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    action: runs.RunAction = Field(description="`cancel` what goes on, or `delete` what has ended, for ever.")
    dry_run: bool = Field(default=False, alias="dryRun", description="Count, and do nothing.")


_QUERY = run_filters.NAMES | {"cursor", "offset", "limit", "sort", "order"}


@router.get("/runs")
async def list_runs(request: Request, caller: Authorized, server: Here) -> Response:
    """List runs, newest first. Filters combine; several values of one (comma list or repeated) are alternatives.

    `sort=completedAt` lists ended runs by when they ended. `reviewState` is the chip; `noFeedback` every run without
    a record, `feedbackRating=none` a record without a rating. `sampled`: what was drawn when the run ended;
    `sampleRate`: the sample of that rate, 0 to 1. `sinceLastResolved`: of each automation what was created after the
    newest run whose feedback is resolved. A filter that is true or false shows the other runs when false.
    """
    parameters.only(request, _QUERY)
    sort = _one(request, "sort", ("createdAt", "completedAt"))
    order = _one(request, "order", ("desc", "asc"))
    cursor = parameters.text(request, "cursor")
    offset = parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)
    limit = parameters.number(request, "limit", default=50, least=1, most=100)
    async with server.database.transaction() as tx:
        page = await runs.list_runs(
            tx,
            caller.organization_id,
            await run_filters.read(tx, caller, request),
            cursor=cursor,
            offset=offset,
            limit=limit,
            ascending=order == "asc",
            by_completion=sort == "completedAt",
            timeout_seconds=server.settings.list_timeout_seconds,
        )
        reviewed = [run.id for run in page.runs if run.is_reviewed]
        found = await reviews.summaries(tx, caller.organization_id, reviewed)
    shown = [run_bodies.summary(run, found.get(run.id)) for run in page.runs]
    return JsonResponse({"runs": shown, "nextCursor": page.next_cursor})


@router.get("/runs/{run_id}")
async def get_run(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Read a run; `expand` adds `input`, `usage`, `execution` (its steps) and `debug`."""
    parameters.only(request, {"expand"})
    expand = parameters.values(request, "expand", EXPANSIONS)
    if "execution" in expand:
        # As the steps themselves: whoever may only review sees a run, and not how it came about.
        access.require(caller, access.scope_for("GET", "/runs/{run_id}/steps"))
    async with server.database.transaction() as tx:
        run = await _run(tx, caller.organization_id, run_id)
        review = (await reviews.summaries(tx, caller.organization_id, [run_id])).get(run_id)
        body = run_bodies.detail(run, review)
        if "input" in expand:
            given = await runs.get_input(tx, caller.organization_id, run_id)
            assert given is not None
            artifacts = await files.list_artifacts(tx, caller.organization_id, run_id)
            body["input"] = run_bodies.run_input(given, artifacts)
        if "execution" in expand:
            steps = await traces.list_steps(tx, caller.organization_id, run_id)
            given = await runs.get_input(tx, caller.organization_id, run_id)
            summary = run.summary
            version = await automations.read_version(
                tx, caller.organization_id, summary.automation_id, summary.version_id
            )
            overrides = given.overrides if given else None
            body["execution"] = run_bodies.full_execution(run, steps, version.document, overrides)
            body["execution"] |= await feedback_bodies.expanded(tx, caller, run_id)
    if "usage" in expand:
        body["usage"] = run_bodies.usage(run)
    if "debug" in expand:
        body["debug"] = {"observability": None, "traceId": None}
    return JsonResponse(body)


@router.delete("/runs/{run_id}", status_code=204)
async def delete_run(run_id: str, caller: Authorized, server: Here) -> Response:
    """Remove a finished run with its steps, events and files; audited."""
    async with server.database.transaction() as tx:
        hashes = await runs.delete_run(tx, caller.organization_id, run_id, user_id=caller.user_id, key_id=caller.key_id)
    await server.blobs.forget(server.database, hashes)
    return Response(status_code=204)


@router.post("/runs/{run_id}/cancel")
async def cancel_run(run_id: str, caller: Authorized, server: Here) -> Response:
    """Cancel a run: at once if it has not started, else at its next step; with it what it waits for. Safe to repeat."""
    async with server.database.transaction() as tx:
        found = await runs.cancel(tx, caller, run_id)
        run = await _run(tx, caller.organization_id, run_id)
    state = "cancelled" if found.status.finished else "requested"
    return JsonResponse(
        {
            "id": run_id,
            "type": run.summary.kind,
            "finished": found.status.finished,
            "execution": {"status": found.status.value},
            "cancellation": {
                "state": "already_terminal" if found.was_status.finished else state,
                "wasStatus": found.was_status.value,
            },
        }
    )


@router.post("/runs/bulk", openapi_extra=described(BulkBody))
async def act_on_many(request: Request, caller: Authorized, server: Here) -> Response:
    """Cancel or delete all runs that the filters of `/runs` find and it can be done to, a thousand at once.

    `count` says of how many that is, and with `dryRun` of how many it would be; `kept` were left alone, because they
    are under review or went on meanwhile; `more`: ask again for the others.
    """
    parameters.only(request, run_filters.NAMES)
    body = checked(BulkBody, await read_json(request, server.settings.max_json_bytes))
    if not request.query_params:
        message = "Say which runs, by filters in the query."
        raise InvalidValueError(message, hint="createdBefore=0m finds all there are.")
    async with server.database.transaction() as tx:
        found = await runs.actionable(
            tx,
            caller.organization_id,
            await run_filters.read(tx, caller, request),
            body.action,
            timeout_seconds=server.settings.list_timeout_seconds,
        )
    done = runs.Acted(len(found.run_ids), 0)
    if not body.dry_run:
        done = await runs.act_on(server.database, server.blobs, caller, found.run_ids, body.action)
    return JsonResponse(
        {"action": body.action, "dryRun": body.dry_run, "count": done.count, "kept": done.kept, "more": found.more}
    )


@router.get("/runs/{run_id}/steps")
async def list_steps(run_id: str, caller: Authorized, server: Here) -> Response:
    """List the steps in the order they ran, with config, input, output and error."""
    async with server.database.transaction() as tx:
        await _run(tx, caller.organization_id, run_id)
        steps = await traces.list_steps(tx, caller.organization_id, run_id)
    return JsonResponse({"steps": [run_bodies.step(step) for step in steps], "total": len(steps)})


@router.get("/runs/{run_id}/events")
async def list_events(run_id: str, caller: Authorized, server: Here) -> Response:
    """Tell the run's life in order of time."""
    async with server.database.transaction() as tx:
        run = await _run(tx, caller.organization_id, run_id)
        steps = await traces.outline(tx, caller.organization_id, run_id)
        noted = await traces.list_events(tx, caller.organization_id, run_id)
    return JsonResponse({"events": [run_bodies.event(event) for event in runs.timeline(run, steps, noted)]})


@router.get("/runs/{run_id}/trace")
async def get_trace(run_id: str, caller: Authorized, server: Here) -> Response:
    """List phases and steps with their times."""
    async with server.database.transaction() as tx:
        run = await _run(tx, caller.organization_id, run_id)
        steps = await traces.list_steps(tx, caller.organization_id, run_id)
    return JsonResponse({"events": run_bodies.trace(run, steps)})


@router.get("/runs/{run_id}/usage")
async def get_usage(run_id: str, caller: Authorized, server: Here) -> Response:
    """Say what the run used; null until it ended."""
    async with server.database.single_statement() as tx:
        run = await _run(tx, caller.organization_id, run_id)
    return JsonResponse({"usage": run_bodies.usage(run)})


@router.get("/runs/{run_id}/compare/{other_id}")
async def compare_runs(run_id: str, other_id: str, caller: Authorized, server: Here) -> Response:
    """Compare two runs: status, duration and output of the whole and of each step."""
    async with server.database.transaction() as tx:
        before = await _run(tx, caller.organization_id, run_id)
        after = await _run(tx, caller.organization_id, other_id)
        steps_before = await traces.list_steps(tx, caller.organization_id, run_id)
        steps_after = await traces.list_steps(tx, caller.organization_id, other_id)
    return JsonResponse(run_bodies.comparison(before, after, runs.compare_steps(steps_before, steps_after)))


@router.get("/runs/{run_id}/artifacts")
async def list_artifacts(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """List the run's files; with `zip=1`, send its output files as one archive."""
    parameters.only(request, {"zip", "token"})
    zipped = parameters.flag(request, "zip", default=False)
    async with server.database.transaction() as tx:
        await _run(tx, caller.organization_id, run_id)
        found = await files.list_artifacts(tx, caller.organization_id, run_id)
    if not zipped:
        return JsonResponse({"artifacts": [run_bodies.artifact(artifact) for artifact in found]})
    outputs = [artifact for artifact in found if artifact.role == "output"]
    content = files.zip_stream(server.blobs, outputs, MAX_ZIP_BYTES)
    headers = files.download_headers(f"{run_id}.zip", "application/zip")
    return StreamingResponse(content, headers=headers, media_type="application/zip")


@router.get("/runs/{run_id}/artifacts/{path:path}")
async def get_artifact(run_id: str, path: str, caller: Authorized, server: Here) -> Response:
    """Send one file of the run."""
    async with server.database.transaction() as tx:
        found = await files.get_artifact(tx, caller.organization_id, run_id, path)
    headers = files.download_headers(found.name, found.content_type)
    return StreamingResponse(
        await server.blobs.stream(found.sha256), headers={**headers, "Content-Length": str(found.size)}
    )


async def _run(tx: db.Transaction, organization_id: str, run_id: str) -> runs.RunDetail:
    found = await runs.get(tx, organization_id, run_id)
    if found is None:
        raise runs.RunNotFoundError
    return found


def _one(request: Request, name: str, allowed: Sequence[str]) -> str:
    """Return the value of a parameter that has one, by default the first that is allowed."""
    found = parameters.values(request, name, allowed)
    if len(found) > 1:
        message = f"{name} is one of {', '.join(allowed)}."
        raise InvalidValueError(message, field=name)
    return found[0] if found else allowed[0]
