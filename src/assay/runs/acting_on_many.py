"""Acting on all runs that filters find: which ones it can be done to, and how many at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from assay import access, db, files
from assay.runs.cancelling import cancel
from assay.runs.deletion import delete_run
from assay.runs.errors import RunNotFinishedError, RunNotFoundError, RunUnderReviewError
from assay.runs.listing import list_runs
from assay.runs.model import RunFilters, RunStatus

MOST = 1_000
"""Runs that are acted on at once; whoever wants more asks again."""

RunAction = Literal["cancel", "delete"]
_ALLOWED = {
    "cancel": tuple(status.value for status in RunStatus if not status.finished),
    "delete": tuple(status.value for status in RunStatus if status.finished),
}


@dataclass(frozen=True, slots=True)
class Actionable:
    """The runs that an action can be done to, newest first, at most a thousand; `more`: and others."""

    run_ids: Sequence[str]
    more: bool


@dataclass(frozen=True, slots=True)
class Acted:
    """What was done to how many runs; `kept` were left alone, because they are under review or have gone on."""

    count: int
    kept: int


async def actionable(
    tx: db.Transaction, organization_id: str, filters: RunFilters, action: RunAction, *, timeout_seconds: float
) -> Actionable:
    """Return what an action would be done to, of the runs that filters find; they are looked for so long at most."""
    statuses = [status for status in _ALLOWED[action] if not filters.statuses or status in filters.statuses]
    if not statuses:
        return Actionable((), more=False)
    page = await list_runs(
        tx, organization_id, replace(filters, statuses=statuses), limit=MOST, timeout_seconds=timeout_seconds
    )
    return Actionable([run.id for run in page.runs], more=page.next_cursor is not None)


async def act_on(
    database: db.Database, blobs: files.Blobs, caller: access.Caller, run_ids: Sequence[str], action: RunAction
) -> Acted:
    """Cancel or delete runs, each in a transaction of its own; what cannot be done to one is passed over."""
    if action == "cancel":
        return await _cancel(database, caller, run_ids)
    return await _delete(database, blobs, caller, run_ids)


async def _cancel(database: db.Database, caller: access.Caller, run_ids: Sequence[str]) -> Acted:
    cancelled = 0
    for run_id in run_ids:
        try:
            async with database.transaction() as tx:
                answer = await cancel(tx, caller, run_id)
        except RunNotFoundError:
            continue
        cancelled += not answer.was_status.finished
    return Acted(cancelled, len(run_ids) - cancelled)


async def _delete(database: db.Database, blobs: files.Blobs, caller: access.Caller, run_ids: Sequence[str]) -> Acted:
    hashes: list[str] = []
    deleted = 0
    for run_id in run_ids:
        try:
            async with database.transaction() as tx:
                hashes += await delete_run(
                    tx, caller.organization_id, run_id, user_id=caller.user_id, key_id=caller.key_id
                )
        except (RunUnderReviewError, RunNotFoundError, RunNotFinishedError):
            continue
        deleted += 1
    await blobs.forget(database, hashes)
    return Acted(deleted, len(run_ids) - deleted)
