"""How a run begins: checked, its files kept, its row and its place in the queue written in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from assay import automations, db, engine, files, ids
from assay.errors import InvalidValueError, Issue
from assay.runs import store
from assay.runs.errors import (
    ApiTriggerDisabledError,
    AutomationDisabledError,
    IdempotencyConflictError,
    ManualTriggerDisabledError,
)
from assay.runs.input_files import Upload, take_files, with_placeholders
from assay.runs.model import Chosen, NewRun, RunMode, TriggerType


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a caller asks for. `coerce_strings`: the input came as form text. `awaited`: somebody waits for the end."""

    input: Mapping[str, JsonValue]
    trigger_type: TriggerType
    triggered_by: str | None
    mode: RunMode = "live"
    overrides: JsonValue = None
    metadata: JsonValue = None
    routing_key: str | None = None
    uploads: Sequence[Upload] = field(default_factory=list[Upload])
    coerce_strings: bool = False
    awaited: bool = True


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key the caller chose, and a hash of what was asked under it."""

    key: str
    fingerprint: bytes


async def replayed(tx: db.Transaction, organization_id: str, run_id: str, idempotency: IdempotencyKey) -> str | None:
    """Take the key for a new run; None if that worked, else the id of the run that was started with it before.

    Raises:
        IdempotencyConflictError: the key belongs to another request.
    """
    held = await store.claim_idempotency_key(tx, organization_id, idempotency.key, idempotency.fingerprint, run_id)
    if held is None:
        return None
    earlier, fingerprint = held
    if fingerprint != idempotency.fingerprint:
        raise IdempotencyConflictError
    return earlier


def check_trigger(automation: automations.Automation, trigger_type: TriggerType) -> None:
    """Let a start pass if the trigger it comes through is on.

    Raises:
        ApiTriggerDisabledError: a call of API or CLI, and that trigger is off.
        ManualTriggerDisabledError: a start by hand in the dashboard, and that trigger is off.
    """
    if trigger_type in {"api", "cli"} and not automation.triggers.api:
        hint = f"Switch it on: assay automations triggers {automation.slug} --enable api"
        raise ApiTriggerDisabledError(field="target", hint=hint)
    if trigger_type == "manual" and not automation.triggers.manual:
        hint = f"Switch it on: assay automations triggers {automation.slug} --enable manual"
        raise ManualTriggerDisabledError(field="target", hint=hint)


async def start(
    tx: db.Transaction,
    blobs: files.Blobs,
    organization_id: str,
    run_id: str,
    chosen: Chosen,
    request: StartRequest,
) -> Sequence[Issue]:
    """Create and queue a run of exactly this version; return a warning for each input that it ignores.

    They are noted in the run's events, too.

    Raises:
        AutomationDisabledError: the version's file says `enabled: false`.
        InvalidValueError: the overrides name a step that does not exist.
        InvalidInputError: the input does not fit the version's inputs; all fields at once.
        InvalidFileReferenceError: a file in the input does not exist; all of them at once.
    """
    definition = await automations.definition_of(tx, organization_id, chosen.version_id)
    if not definition.enabled:
        raise AutomationDisabledError(field="target")
    _check_overrides(definition, request.overrides)
    filled = with_placeholders(request.input, request.uploads)
    checked = definition.inputs.check(filled, coerce_strings=request.coerce_strings)
    stored, artifacts = await take_files(tx, blobs, organization_id, checked, request.uploads)
    run = NewRun(
        id=run_id,
        organization_id=organization_id,
        chosen=chosen,
        mode=request.mode,
        trigger_type=request.trigger_type,
        triggered_by=request.triggered_by,
        input=stored,
        overrides=request.overrides,
        metadata=request.metadata,
        artifacts=artifacts,
        routing_key=request.routing_key,
        awaited=request.awaited,
    )
    await queue(tx, run)
    return await note_ignored(tx, run, definition)


async def note_ignored(tx: db.Transaction, run: NewRun, definition: automations.WorkflowDefinition) -> Sequence[Issue]:
    """Note in a run's events which of its inputs nothing reads, and return a warning for each."""
    warnings = definition.inputs.undeclared(run.input)
    if warnings:
        names = [warning.field.removeprefix("input.") for warning in warnings]
        message = f"The workflow declares no input {', '.join(names)[:500]}: what was sent for it is ignored."
        await engine.note_event(tx, run.organization_id, run.id, "run.input_ignored", message, {"inputs": [*names]})
    return warnings


def _check_overrides(definition: automations.WorkflowDefinition, overrides: JsonValue) -> None:
    of_steps = overrides.get("steps") if isinstance(overrides, dict) else None
    if not isinstance(of_steps, dict):
        return
    known = set(definition.step_names())
    for name in of_steps:
        if name not in known:
            message = f"overrides name a step {name[:100]!r}, and the workflow has none of that name."
            raise InvalidValueError(message, field=f"overrides.steps.{name[:100]}")


async def queue(tx: db.Transaction, run: NewRun) -> None:
    """Write a new run and its place in the queue."""
    entrypoint = engine.entrypoint_for(run.chosen.automation_id, run.chosen.concurrency_limit)
    await store.create(tx, run, entrypoint)
    if run.artifacts:
        await files.add_artifacts(tx, run.organization_id, run.id, run.artifacts)
    await engine.enqueue(tx, run.id, entrypoint)


def new_run_id() -> str:
    """Make the id of a run before its transaction begins, so that one can wait for it."""
    return ids.new_id("exec")
