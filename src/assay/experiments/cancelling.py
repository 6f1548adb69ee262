"""Stopping an experiment: what has ended stays, what has not begun never does, the rest is asked to stop."""

from assay import access, db, engine
from assay.experiments import store


async def cancel(tx: db.Transaction, caller: access.Caller, experiment_id: str) -> None:
    """Ask an experiment to stop; one that has ended stays as it is. Safe to repeat."""
    if not await store.set_cancel_requested(tx, caller.organization_id, experiment_id):
        return
    await engine.cancel_batch(tx, caller.organization_id, experiment_id)
    await access.record_by(tx, caller, "experiment.cancelled", experiment_id, {})
    tx.notify_after_commit("assay_batch_progress", experiment_id)
