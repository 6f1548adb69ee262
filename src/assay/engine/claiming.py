"""How a worker comes to hold a run: through the job it holds, under a number that every claim raises."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from assay import jsontext
from assay.db import Database, Row, Transaction
from assay.engine.model import Claim, StepRecord, SupersededError
from assay.engine.statements import SQL


@dataclass(frozen=True, slots=True)
class Taken:
    """A claim, and what became of the one before it."""

    claim: Claim
    was_lost: bool
    was_alone: bool
    cancel_requested: bool


async def take(
    database: Database, run_id: str, job_id: int, holder: UUID | None, cancelled: asyncio.Event
) -> Taken | None:
    """Claim a run; None if it is finished or gone, or if the job is not the holder's any more.

    A second call is another claim: it supersedes the first. Waits while the database is away.
    """
    row = await database.when_available(lambda tx: tx.fetch_one(SQL["claim"], run_id, job_id, holder))
    if row is None:
        return None
    cancel_requested = row["cancel_requested_at"] is not None
    return Taken(_claim_from(row, cancelled), row["was_lost"], row["was_alone"], cancel_requested)


async def read_recorded(database: Database, claim: Claim) -> None:
    """Give the claim the steps that earlier deliveries committed. Waits while the database is away."""
    if claim.delivery == 1:
        return
    steps = await database.when_available(lambda tx: tx.fetch(SQL["recorded_steps"], claim.run_id))
    claim.recorded = {step["step_key"]: StepRecord(**dict(step)) for step in steps}


async def hold(tx: Transaction, claim: Claim) -> bool:
    """Keep the run as it is claimed while the transaction lasts; return whether somebody asked to cancel it.

    Raises:
        SupersededError: another worker holds the run now, or it is finished.
    """
    row = await tx.fetch_one(SQL["hold"], claim.run_id, claim.delivery)
    if row is None:
        raise SupersededError
    return row["cancel_requested"]


def _claim_from(row: Row, cancelled: asyncio.Event) -> Claim:
    return Claim(
        run_id=row["id"],
        organization_id=row["organization_id"],
        automation_id=row["automation_id"],
        kind=row["kind"],
        version_id=row["version_id"],
        mode=row["mode"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        delivery=row["delivery"],
        lost_deliveries=row["lost_deliveries"],
        input=jsontext.load(row["input"]),
        overrides=jsontext.load(row["overrides"]),
        metadata=jsontext.load(row["metadata"]),
        batch_id=row["batch_id"],
        example_id=row["example_id"],
        parent_run_id=row["parent_run_id"],
        trigger_type=row["trigger_type"],
        input_size=len(row["input"]),
        file_type=row["file_type"],
        file_size=row["file_size"] or 0,
        cancelled=cancelled,
    )
