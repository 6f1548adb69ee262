"""`POST /runs` and reruns: from a request to a queued run, and the answer to who waits for it."""

import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SkipValidation
from starlette.responses import Response

from assay import access, rollouts, runs
from assay.api import parameters, run_bodies
from assay.api.bodies import MalformedJsonError, checked, described, parse_json, read_json
from assay.api.callers import Authorized, Here, Server
from assay.api.errors import JsonResponse, envelope, issue_body
from assay.api.multipart import MalformedMultipartError, open_form
from assay.errors import InvalidValueError, Issue

router = APIRouter(tags=["runs"])

MAX_WAIT_SECONDS = 600
MAX_IDEMPOTENCY_KEY = 255


_JsonObject = dict[str, Annotated[JsonValue, SkipValidation]]
"""An object that was read as JSON: looking at each of its values again would take as long as reading it."""


class StartBody(BaseModel):
    """Body of `POST /runs`; keys that are not named here are ignored, as older clients send some."""

    model_config = ConfigDict(extra="ignore", strict=True)

    target: str = Field(min_length=1, max_length=200, description="`workflows.<name>` or an id; no version here.")
    input: _JsonObject = Field(default_factory=dict[str, JsonValue], description="The workflow's inputs.")
    files: _JsonObject = Field(
        default_factory=dict[str, JsonValue],
        description='File references by input name: `{"$fileId"}`, `{"fileId"}`, `{"$inline"}`, or a list of them.',
    )
    overrides: _JsonObject | None = Field(default=None, description="`{steps: {<name>: <output>}}`.")
    metadata: _JsonObject | None = Field(default=None, description="Anything you want to find again.")
    mode: str | None = Field(default=None, description="`live` (default), `shadow` or `eval`.")
    routing_key: str | None = Field(default=None, alias="routingKey", max_length=200)
    version: str | None = Field(default=None, max_length=200, description="Same as the query parameter.")


@dataclass(slots=True)
class _Start:
    """A start as it was asked for, whichever way it came."""

    body: StartBody
    uploads: list[runs.Upload] = field(default_factory=list[runs.Upload])
    coerce_strings: bool = False


@router.post("/runs", openapi_extra=described(StartBody))
async def start_run(request: Request, caller: Authorized, server: Here) -> Response:
    """Start a run; with `wait_for_completion` the answer is held until it ends.

    200: it ended, the body is the run. 201: it was queued. 202: it did not end in time. With an
    `Idempotency-Key`, sending the same body again answers with the run's present state.

    Files come as `multipart/form-data`: a part `files.<name>` with a file name for each input that takes one, repeated
    where it takes several. `target`, `version`, `mode` and `routingKey` are parts of text then, `input`, `overrides`
    and `metadata` parts of JSON. So `curl -F target=workflows.invoices -F files.document=@invoice.pdf` starts a run.

    An input that the version does not declare is no error: `issues` then has a warning for it, `input_ignored`.
    """
    parameters.only(request, {"version", "wait_for_completion"})
    wait = parameters.number(request, "wait_for_completion", default=0, least=0, most=MAX_WAIT_SECONDS)
    async with _read_start(request, server) as asked:
        version = parameters.text(request, "version") or asked.body.version
        run_id = runs.new_run_id()
        key = _idempotency_key(request, asked, version)
        with server.waiting_room.place(run_id) as waiter:
            choice: rollouts.Choice | None = None
            warnings: Sequence[Issue] = ()
            async with server.database.transaction() as tx:
                wanted = _request(request, caller, asked, awaited=wait > 0)
                # Before all else: what was started once is answered, whatever was switched off since.
                earlier = key and await runs.replayed(tx, caller.organization_id, run_id, key)
                if not earlier:
                    choice = await rollouts.which_version(tx, caller.organization_id, asked.body.target, version)
                    runs.check_trigger(choice.automation, wanted.trigger_type)
                    warnings = await runs.start(tx, server.blobs, caller.organization_id, run_id, choice.chosen, wanted)
            if choice is not None:
                if wait == 0:
                    return JsonResponse(_with_warnings(run_bodies.queued(run_id, choice), warnings), 201)
                finished = await waiter.wait(_hold(server, wait))
                return await answer(request, caller, server, run_id, waited=True, finished=finished, warnings=warnings)
    assert earlier, "either a run was started now, or it was before"
    return await _replay(request, caller, server, earlier, wait)


@router.post("/runs/{run_id}/rerun")
async def rerun(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Do a finished run again, by the current version unless `version` says `original` or names one."""
    parameters.only(request, {"version", "wait_for_completion"})
    wait = parameters.number(request, "wait_for_completion", default=0, least=0, most=MAX_WAIT_SECONDS)
    version = parameters.text(request, "version")
    trigger = trigger_type(request)
    new_id = runs.new_run_id()
    with server.waiting_room.place(new_id) as waiter:
        async with server.database.transaction() as tx:
            before = await runs.run_to_repeat(tx, caller.organization_id, run_id)
            choice = await rollouts.which_version_again(tx, caller.organization_id, before, version)
            runs.check_trigger(choice.automation, trigger)
            await runs.rerun(
                tx,
                server.blobs,
                caller.organization_id,
                new_id,
                before,
                choice.chosen,
                trigger_type=trigger,
                triggered_by=caller.user_id,
            )
        finished = await waiter.wait(_hold(server, wait))
    return await answer(request, caller, server, new_id, waited=wait > 0, finished=finished)


async def answer(
    request: Request,
    caller: access.Caller,
    server: Server,
    run_id: str,
    *,
    waited: bool,
    finished: bool,
    warnings: Sequence[Issue] = (),
) -> Response:
    """Answer a start with the run's present state, and what was odd about the start."""
    async with server.database.single_statement() as tx:
        run = await runs.get(tx, caller.organization_id, run_id)
    if run is None:
        raise runs.RunNotFoundError
    if not (finished or run.summary.status.finished) or not waited:
        return JsonResponse(_with_warnings(run_bodies.accepted(run.summary), warnings), 202 if waited else 201)
    status = run.failure.status_code if run.failure else None
    if status is None:
        return JsonResponse(_with_warnings(run_bodies.detail(run), warnings), 200)
    assert run.failure is not None
    issue = Issue(run.failure.step or "<root>", run.failure.message, run.failure.code)
    return JsonResponse({**envelope(request, [issue, *warnings]), "run": run_bodies.detail(run)}, status)


def _with_warnings(body: dict[str, Any], warnings: Sequence[Issue]) -> dict[str, Any]:
    return {**body, "issues": [issue_body(warning) for warning in warnings]} if warnings else body


def trigger_type(request: Request) -> runs.TriggerType:
    """Tell through which trigger a call comes: the CLI says so, every other caller is the API."""
    return "cli" if request.headers.get("x-eigenpal-trigger", "").lower() == "cli" else "api"


def _hold(server: Server, wait: int) -> float:
    return min(wait, server.settings.max_wait_seconds)


async def _replay(request: Request, caller: access.Caller, server: Server, earlier: str, wait: int) -> Response:
    """Answer a repeated start: wait for the earlier run like the first time, and say that it is a replay."""
    with server.waiting_room.place(earlier) as waiter:
        async with server.database.single_statement() as tx:
            run = await runs.get(tx, caller.organization_id, earlier)
        if run is None:
            message = "The run that was started with this Idempotency-Key was deleted since."
            raise runs.RunNotFoundError(message, field="Idempotency-Key", hint="Use a fresh key for a new run.")
        finished = run.summary.status.finished
        if not finished and wait > 0:
            async with server.database.single_statement() as tx:
                finished = await server.waiting_room.ask_for(tx, caller.organization_id, earlier)
            finished = finished or await waiter.wait(_hold(server, wait))
    response = await answer(request, caller, server, earlier, waited=wait > 0 or finished, finished=finished)
    response.headers["Idempotency-Replayed"] = "true"
    return response


# --- reading the request


@asynccontextmanager
async def _read_start(request: Request, server: Server) -> AsyncGenerator[_Start]:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        body = await read_json(request, server.settings.max_json_bytes)
        yield _Start(_with_files(checked(StartBody, body)))
        return
    async with open_form(request, server.blobs, server.settings.max_body_bytes) as form:
        for name in form.texts:
            if name.startswith("files."):
                message = f"The part {name[:80]!r} has no file name, so it is text and not a file."
                raise MalformedMultipartError(message, field=name[:80])
        body = {name: _form_value(name, value) for name, value in form.texts.items() if name != "tags"}
        uploads: list[runs.Upload] = []
        for part in form.files:
            prefix, _, name = part.name.partition(".")
            if prefix != "files" or not name:
                message = f"The file part {part.name[:80]!r} belongs to no input; name it files.<input>."
                raise MalformedMultipartError(message, field=part.name[:80])
            uploads.append(runs.Upload(name, part.filename, part.content_type, part.spool))
        yield _Start(_with_files(checked(StartBody, body)), uploads, coerce_strings=True)


def _form_value(name: str, value: str) -> Any:
    if name in {"target", "version", "mode", "routingKey"}:
        return value
    try:
        return parse_json(value.encode()) if value.strip() else {}
    except MalformedJsonError as error:
        message = f"The part {name[:80]!r}: {error.message}"
        raise MalformedJsonError(message, field=name[:80]) from error


def _with_files(body: StartBody) -> StartBody:
    """Let `files` be another way to write file inputs."""
    if not body.files:
        return body
    return body.model_copy(update={"input": {**body.input, **body.files}})


def _request(request: Request, caller: access.Caller, asked: _Start, *, awaited: bool) -> runs.StartRequest:
    body = asked.body
    mode = body.mode or (body.metadata or {}).get("mode") or "live"
    if mode not in ("live", "shadow", "eval"):
        if body.mode is not None:
            message = "mode is live, shadow or eval."
            raise InvalidValueError(message, field="mode")
        mode = "live"  # metadata is the caller's own; only these words mean something to us
    return runs.StartRequest(
        input=body.input,
        trigger_type=trigger_type(request),
        triggered_by=caller.user_id,
        mode=mode,
        overrides=cast("JsonValue", _checked_overrides(body.overrides)),
        metadata=cast("JsonValue", body.metadata),
        routing_key=body.routing_key,
        uploads=asked.uploads,
        coerce_strings=asked.coerce_strings,
        awaited=awaited,
    )


def _checked_overrides(overrides: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    of_steps = (overrides or {}).get("steps", {})
    if isinstance(of_steps, dict) and all(isinstance(value, dict) for value in of_steps.values()):
        return overrides
    message = "overrides.steps maps step names to output objects."
    raise InvalidValueError(message, field="overrides.steps")


def _idempotency_key(request: Request, asked: _Start, version: str | None) -> runs.IdempotencyKey | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_IDEMPOTENCY_KEY or not key.isprintable():
        message = f"Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} printable characters."
        raise InvalidValueError(message, field="Idempotency-Key")
    parts = [
        {"field": upload.field, "filename": upload.filename, "type": upload.content_type, "sha256": upload.spool.sha256}
        for upload in asked.uploads
    ]
    asked_for = {"body": dict(asked.body), "version": version, "parts": parts}
    # Keys in one order: the same body hashes the same however it was written.
    return runs.IdempotencyKey(key, hashlib.sha256(json.dumps(asked_for, sort_keys=True).encode()).digest())
