"""Cancelling a run: at once where it has not started, else at its next step; and who did it."""

from assay import access, db, engine
from assay.runs.errors import RunNotFoundError


async def cancel(tx: db.Transaction, caller: access.Caller, run_id: str) -> engine.CancelAnswer:
    """Cancel a run, and record who did. Safe to repeat; a finished run stays as it is.

    Raises:
        RunNotFoundError: the organization has no such run.
    """
    found = await engine.request_cancel(tx, caller.organization_id, run_id)
    if found is None:
        raise RunNotFoundError
    if not found.was_status.finished:
        await access.record_by(tx, caller, "run.cancelled", run_id, {"wasStatus": found.was_status.value})
    return found
