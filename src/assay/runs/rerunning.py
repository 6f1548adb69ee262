"""Doing a run again from what was stored of its input."""

from assay import db, files
from assay.runs import store
from assay.runs.errors import RunNotFinishedError, RunNotFoundError
from assay.runs.model import Chosen, NewRun, RunSummary, TriggerType
from assay.runs.starting import queue


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
    organization_id: str,
    new_id: str,
    before: RunSummary,
    chosen: Chosen,
    *,
    trigger_type: TriggerType,
    triggered_by: str | None,
) -> None:
    """Queue a new run with the input, overrides and files of an earlier one, chained to it."""
    given = await store.get_input(tx, organization_id, before.id)
    if given is None:
        raise RunNotFoundError
    run = NewRun(
        id=new_id,
        organization_id=organization_id,
        chosen=chosen,
        mode=before.mode,
        trigger_type=trigger_type,
        triggered_by=triggered_by,
        input=given.input,
        overrides=given.overrides,
        metadata=given.metadata,
        routing_key=before.routing_key,
        retry_number=before.retry_number + 1,
        previous_run_id=before.id,
    )
    await queue(tx, run)
    await files.copy_artifacts(tx, organization_id, from_run_id=before.id, to_run_id=new_id, roles=["input"])
