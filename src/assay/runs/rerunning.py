"""Doing a run again from what was stored of its input."""

from assay import automations, db, files
from assay.runs import store
from assay.runs.errors import AutomationDisabledError, RunNotFinishedError, RunNotFoundError
from assay.runs.input_files import take_files
from assay.runs.model import Chosen, NewRun, RunSummary, TriggerType
from assay.runs.starting import note_ignored, queue


async def run_to_repeat(tx: db.Transaction, organization_id: str, run_id: str) -> RunSummary:
    """Return the run that is to be done again.

    Raises:
        RunNotFoundError: the organization has no such run.
        RunNotFinishedError: it is still in flight.
    """
    detail = await store.get(tx, organization_id, run_id)
    if detail is None:
        raise RunNotFoundError
    if not detail.summary.status.finished:
        raise RunNotFinishedError
    return detail.summary


async def rerun(
    tx: db.Transaction,
    blobs: files.Blobs,
    organization_id: str,
    new_id: str,
    before: RunSummary,
    chosen: Chosen,
    *,
    trigger_type: TriggerType,
    triggered_by: str | None,
) -> None:
    """Queue a new run with the input, overrides and files of an earlier one, chained to it.

    What the chosen version declares beyond that input gets its default.

    Raises:
        RunNotFoundError: the earlier run was deleted meanwhile.
        AutomationDisabledError: the version's file says `enabled: false`.
        InvalidInputError: the input does not fit the version's inputs; all fields at once.
    """
    given = await store.get_input(tx, organization_id, before.id)
    if given is None:
        raise RunNotFoundError
    definition = await automations.definition_of(tx, organization_id, chosen.version_id)
    if not definition.enabled:
        raise AutomationDisabledError
    checked = definition.inputs.check(given.input)
    added = {name: value for name, value in checked.items() if name not in given.input}
    defaults, artifacts = await take_files(tx, blobs, organization_id, added, [])
    run = NewRun(
        id=new_id,
        organization_id=organization_id,
        chosen=chosen,
        mode=before.mode,
        trigger_type=trigger_type,
        triggered_by=triggered_by,
        input={**given.input, **defaults},
        overrides=given.overrides,
        metadata=given.metadata,
        artifacts=artifacts,
        routing_key=before.routing_key,
        retry_number=before.retry_number + 1,
        previous_run_id=before.id,
    )
    await queue(tx, run)
    await note_ignored(tx, run, definition)
    await files.copy_artifacts(tx, organization_id, from_run_id=before.id, to_run_id=new_id, roles=["input"])
