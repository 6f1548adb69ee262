"""How runs of examples begin: written together, and queued when they are told to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from assay import automations, db, engine, files
from assay.errors import AssayError, Issue
from assay.runs import store
from assay.runs.errors import AutomationDisabledError
from assay.runs.input_files import take_files
from assay.runs.model import BatchRun, Chosen, Failure


@dataclass(frozen=True, slots=True)
class ExampleStart:
    """A run that is to be made of an example. `input` names its files as a run's stored input does (`artifacts`).

    `issues` are reasons why it cannot run that are known already.
    """

    run_id: str
    example_id: str
    example_name: str
    input: Mapping[str, JsonValue]
    artifacts: Sequence[files.Artifact] = ()
    overrides: JsonValue = None
    issues: Sequence[Issue] = ()


async def create_batch(
    tx: db.Transaction,
    blobs: files.Blobs,
    organization_id: str,
    chosen: Chosen,
    starts: Sequence[ExampleStart],
    *,
    batch_id: str | None,
    triggered_by: str | None,
) -> int:
    """Write runs of examples as `created`; `engine.admit` queues them. Return how many were rejected instead.

    That is a run whose input does not fit the version; it says why, and the others are not held up.

    Raises:
        AutomationDisabledError: the version's file says `enabled: false`.
    """
    definition = await automations.definition_of(tx, organization_id, chosen.version_id)
    if not definition.enabled:
        raise AutomationDisabledError
    rows = [await _checked(tx, blobs, organization_id, definition, start) for start in starts]
    entrypoint = engine.entrypoint_for(chosen.automation_id, chosen.concurrency_limit)
    await store.create_batch(tx, organization_id, chosen, rows, batch_id, triggered_by, entrypoint)
    await files.add_artifacts_of(tx, organization_id, {row.id: row.artifacts for row in rows})
    return sum(row.failure is not None for row in rows)


async def _checked(
    tx: db.Transaction,
    blobs: files.Blobs,
    organization_id: str,
    definition: automations.WorkflowDefinition,
    start: ExampleStart,
) -> BatchRun:
    issues = list(start.issues)
    value, artifacts = dict(start.input), list(start.artifacts)
    try:
        filled = definition.inputs.check(value)
        added = {name: given for name, given in filled.items() if name not in value}
        if added:
            defaults, more = await take_files(tx, blobs, organization_id, added, [])
            value, artifacts = {**value, **defaults}, [*artifacts, *more]
    except AssayError as error:
        issues += error.issues
    failure = _rejection(issues) if issues else None
    return BatchRun(
        start.run_id, start.example_id, start.example_name, value, tuple(artifacts), start.overrides, failure
    )


def _rejection(issues: Sequence[Issue]) -> Failure:
    message = "; ".join(f"{issue.field}: {issue.message}" for issue in issues[:20])
    return Failure("invalid_input", message, None, "validation", None)
