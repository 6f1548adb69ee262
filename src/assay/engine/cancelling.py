"""Asking a run to stop."""

from dataclasses import dataclass

from assay import outbox
from assay.db import Transaction
from assay.engine.model import RunStatus
from assay.engine.progress import RUNS_CHANNEL
from assay.engine.statements import SQL


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """Where the run stood before, and where it stands now."""

    was_status: RunStatus
    status: RunStatus


async def request_cancel(tx: Transaction, organization_id: str, run_id: str) -> CancelAnswer | None:
    """End a run that has not started, ask a running one to stop at its next step; None if there is no such run.

    Safe to repeat; a finished run stays as it is.
    """
    tx.notify_after_commit(RUNS_CHANNEL, "")
    row = await tx.fetch_one(SQL["request_cancel"], run_id, organization_id)
    if row is None:
        return None
    if row["told"]:
        outbox.wake_after_commit(tx)
    return CancelAnswer(RunStatus(row["was_status"]), RunStatus(row["status"]))


async def cancel_batch(tx: Transaction, organization_id: str, batch_id: str) -> None:
    """End the runs of a batch that have not started, ask the running ones to stop. Safe to repeat."""
    await tx.execute(SQL["cancel_batch"], organization_id, batch_id)


async def unfinished_of_batch(tx: Transaction, batch_id: str) -> int:
    """Count the runs of a batch that have not ended."""
    return int(await tx.fetch_value(SQL["unfinished_of_batch"], batch_id))
