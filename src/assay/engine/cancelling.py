"""Asking a run to stop, and with it the runs that it waits for."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay import outbox
from assay.db import Transaction
from assay.engine.model import RunStatus
from assay.engine.progress import RUNS_CHANNEL
from assay.engine.queue import wake_workers_after_commit
from assay.engine.statements import SQL


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """Where the run stood before, and where it stands now."""

    was_status: RunStatus
    status: RunStatus


async def request_cancel(tx: Transaction, organization_id: str, run_id: str) -> CancelAnswer | None:
    """End a run that has not started, ask a running one to stop at its next step; None if there is no such run.

    The same happens to the runs that it waits for. Safe to repeat; a finished run stays as it is.
    """
    tx.notify_after_commit(RUNS_CHANNEL, "")
    row = await tx.fetch_one(SQL["request_cancel"], run_id, organization_id)
    if row is None:
        return None
    if row["told"]:
        outbox.wake_after_commit(tx)
    if row["woken"]:
        wake_workers_after_commit(tx)
    answer = CancelAnswer(RunStatus(row["was_status"]), RunStatus(row["status"]))
    if not answer.was_status.finished:
        await _dequeue(tx, [run_id, *await _cancelled_below(tx, [run_id])])
    return answer


async def cancel_batch(tx: Transaction, organization_id: str, batch_id: str) -> None:
    """End the runs of a batch that have not started, ask the running ones to stop. Safe to repeat.

    The same happens to the runs that they wait for.
    """
    members = [row["id"] for row in await tx.fetch(SQL["in_flight_of_batch"], organization_id, batch_id)]
    await tx.execute(SQL["cancel_all"], members)
    await _dequeue(tx, [*members, *await _cancelled_below(tx, members)])


async def cancel_waited_for(tx: Transaction, run_id: str) -> None:
    """Cancel what a run waits for that has ended itself, and what that waits for in turn. Safe to repeat."""
    await _dequeue(tx, await _cancelled_below(tx, [run_id]))


async def _cancelled_below(tx: Transaction, run_ids: Sequence[str]) -> list[str]:
    stopped: list[str] = []
    above = list(run_ids)
    while above := [row["id"] for row in await tx.fetch(SQL["waited_for"], above)]:
        await tx.execute(SQL["cancel_all"], above)
        stopped += above
    return stopped


async def _dequeue(tx: Transaction, run_ids: Sequence[str]) -> None:
    """Take out of the queue those of these runs that have ended.

    Last of all: a run that ends holds its own row, which is wanted above, when it reaches for its parent's job.
    """
    if run_ids:
        await tx.execute(SQL["dequeue"], run_ids)


async def unfinished_of_batch(tx: Transaction, batch_id: str) -> int:
    """Count the runs of a batch that have not ended."""
    return int(await tx.fetch_value(SQL["unfinished_of_batch"], batch_id))
