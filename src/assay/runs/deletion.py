"""Removing runs for good: on request, and when their automation's retention is over."""

from assay import access, db, files
from assay.runs import store
from assay.runs.errors import RunNotFinishedError, RunNotFoundError, RunUnderReviewError

RETENTION_BATCH = 500


async def delete_run(
    tx: db.Transaction, organization_id: str, run_id: str, *, user_id: str | None, key_id: str | None
) -> list[str]:
    """Remove a finished run with steps, events and artifacts, and record who did it.

    Returns the hashes its artifacts had: hand them to `Blobs.forget` after the transaction committed.

    Raises:
        RunNotFoundError: the organization has no such run.
        RunNotFinishedError: it is still in flight, or its experiment is.
        RunUnderReviewError: its review is open, or an example stands for its miss.
    """
    detail = await store.get(tx, organization_id, run_id)
    if detail is None:
        raise RunNotFoundError
    if not detail.summary.status.finished:
        raise RunNotFinishedError
    if await store.is_yet_to_be_counted(tx, organization_id, run_id):
        message = "The run belongs to an experiment that goes on and will be counted in it."
        raise RunNotFinishedError(message, hint="Cancel the experiment first, or wait until it ends.")
    if await store.is_under_review(tx, organization_id, run_id):
        raise RunUnderReviewError
    hashes = await store.delete(tx, organization_id, run_id)
    if hashes is None:
        raise RunNotFoundError
    await access.record(
        tx,
        organization_id=organization_id,
        user_id=user_id,
        key_id=key_id,
        action="run.deleted",
        target=run_id,
        detail={"automationId": detail.summary.automation_id, "version": detail.summary.version_label},
    )
    return list(hashes)


async def delete_expired(database: db.Database, blobs: files.Blobs) -> int:
    """Remove all runs that outlived their automation's retention; return how many."""
    removed = 0
    while True:
        hashes: list[str] = []
        async with database.transaction() as tx:
            due = await store.expired(tx, RETENTION_BATCH)
            for organization_id, run_id in due:
                hashes += await store.delete(tx, organization_id, run_id) or []
        await blobs.forget(database, hashes)
        removed += len(due)
        if len(due) < RETENTION_BATCH:
            return removed
