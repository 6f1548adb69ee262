"""Runs that a step of another run starts: each once, however often the step is executed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn, cast

from pydantic import JsonValue

from assay import automations, db, engine, files, ids, steps
from assay.errors import AssayError
from assay.runs import store
from assay.runs.input_files import take_files
from assay.runs.model import Chosen, NewRun, RunDetail, TriggerType
from assay.runs.starting import queue

MAX_CALLS = 10
"""How deep workflows may call each other."""

Chooser = Callable[[db.Transaction, str, str], Awaitable[Chosen]]
"""Chooses the version that serves a call: (transaction, organization id, workflow) -> version."""


async def start_child(
    tx: db.Transaction,
    blobs: files.Blobs,
    chooser: Chooser,
    claim: engine.Claim,
    step_key: str,
    workflow: str,
    value: JsonValue,
    *,
    waited_for: bool,
) -> str:
    """Queue a run of another workflow for a step; a second call for the same step returns the same run.

    `waited_for`: it is cancelled when the run that asks ends without its result.

    Raises:
        StepError: there is no such workflow, the input does not fit it, or it would call itself.
    """
    child_id = ids.derived_id("exec", claim.created_at, f"{claim.run_id}/{step_key}")
    if await store.get(tx, claim.organization_id, child_id) is not None:
        return child_id
    parent = await store.get(tx, claim.organization_id, claim.run_id)
    assert parent is not None, "the run that asks is being executed"
    try:
        chosen = await chooser(tx, claim.organization_id, workflow)
        await _refuse_recursion(tx, claim.organization_id, parent, workflow, chosen)
        definition = await automations.definition_of(tx, claim.organization_id, chosen.version_id)
        checked = checked_input(definition, workflow, value)
        own = {found.path: found for found in await files.list_artifacts(tx, claim.organization_id, claim.run_id)}
        stored, artifacts = await take_files(tx, blobs, claim.organization_id, checked, [], own=own)
    except steps.StepError:
        raise
    except AssayError as error:
        raise steps.StepError(error.code, f"{workflow}: {error.message}", category="validation") from error
    run = NewRun(
        id=child_id,
        organization_id=claim.organization_id,
        chosen=chosen,
        mode=parent.summary.mode,
        trigger_type=cast("TriggerType", parent.summary.trigger_type),
        triggered_by=parent.summary.triggered_by.id if parent.summary.triggered_by else None,
        input=stored,
        artifacts=artifacts,
        parent_run_id=claim.run_id,
        parent_waits=waited_for,
        root_run_id=parent.summary.root_run_id,
    )
    await queue(tx, run)
    return child_id


def refuse_call(workflow: str) -> NoReturn:
    """Refuse to call a workflow out of itself.

    Raises:
        StepError: `recursive_invoke`.
    """
    message = f"{workflow} would call itself, or calls are more than {MAX_CALLS} deep."
    raise steps.StepError("recursive_invoke", message, category="validation")


async def _refuse_recursion(
    tx: db.Transaction, organization_id: str, parent: RunDetail, workflow: str, chosen: Chosen
) -> None:
    caller: RunDetail | None = parent
    for _ in range(MAX_CALLS):
        if caller is None:
            return
        if caller.summary.version_id == chosen.version_id:
            break
        above = caller.summary.parent_run_id
        if above is None:
            return
        caller = await store.get(tx, organization_id, above)
    refuse_call(workflow)


async def read_child(tx: db.Transaction, organization_id: str, run_id: str) -> steps.ChildRun:
    """Read how a child stands.

    Raises:
        StepError: it was deleted.
    """
    found = await store.get(tx, organization_id, run_id)
    if found is None:
        message = f"The run {run_id} that this step started is gone."
        raise steps.StepError("not_found", message, category="not_found")
    status = found.summary.status
    return steps.ChildRun(run_id, status.value, status.finished, found.output, found.summary.error)


async def take_over(  # each a part of where the files go
    tx: db.Transaction, claim: engine.Claim, step_key: str, step_name: str, child_id: str, output: JsonValue
) -> JsonValue:
    """Make the files of a finished child files of the run that started it; return its output as it holds there."""
    moved: dict[str, files.Artifact] = {}
    for found in await files.hold_artifacts(tx, claim.organization_id, child_id):
        moved[found.path] = replace(found, path=f"output/{step_key}/{found.path}", role="output", step_name=step_name)
    made = [artifact for path, artifact in moved.items() if path.startswith("output/")]
    renamed = {path: artifact.path for path, artifact in moved.items()}
    used = set[str]()
    result = _with_renamed_files(output, renamed, used)
    kept = [artifact for path, artifact in moved.items() if artifact in made or path in used]
    await files.add_artifacts(tx, claim.organization_id, claim.run_id, kept)
    return with_files(result, [artifact.path for artifact in made])


def with_files(output: JsonValue, paths: Sequence[str]) -> JsonValue:
    """Add what a called workflow made as `files`, where its own output leaves room for that."""
    if not isinstance(output, dict) or "files" in output:
        return output
    return {**output, "files": [{"$file": path} for path in paths]}


def _with_renamed_files(node: JsonValue, renamed: Mapping[str, str], used: set[str]) -> JsonValue:
    if isinstance(node, list):
        return [_with_renamed_files(item, renamed, used) for item in node]
    if not isinstance(node, dict):
        return node
    path = node.get("$file")
    if isinstance(path, str) and path in renamed:
        used.add(path)
        return {**node, "$file": renamed[path]}
    return {key: _with_renamed_files(value, renamed, used) for key, value in node.items()}


def checked_input(definition: automations.WorkflowDefinition, workflow: str, value: JsonValue) -> dict[str, JsonValue]:
    """Hold a value against another workflow's inputs; keys that it does not declare are refused.

    Raises:
        StepError: the workflow is switched off, the value is no object, or it has keys that nobody declared.
        InvalidInputError: a declared input does not fit.
    """
    if not definition.enabled:
        message = f"{workflow} says `enabled: false`."
        raise steps.StepError("automation_disabled", message, category="validation")
    if not isinstance(value, dict):
        message = f"The input of {workflow} is an object with its inputs."
        raise steps.StepError("validation_failed", message, category="validation")
    unknown = [name for name in value if name not in definition.inputs.names]
    if unknown:
        message = f"{workflow} has no input {unknown[0]!r}; it has {', '.join(definition.inputs.names) or 'none'}."
        raise steps.StepError("validation_failed", message, category="validation")
    return definition.inputs.check(value)
