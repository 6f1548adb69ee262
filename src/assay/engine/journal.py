"""When a step's row is committed, and that only the worker who holds the run commits it."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict

from assay import jsontext, outbox
from assay.db import Database, DatabaseUnavailableError, Row, Transaction
from assay.engine.cancelling import cancel_waited_for
from assay.engine.model import (
    Attachment,
    Cancelled,
    Claim,
    Completed,
    Failed,
    Outcome,
    StepRecord,
    SupersededError,
    Suspended,
)
from assay.engine.queue import wake_workers
from assay.engine.statements import SQL

log = logging.getLogger(__name__)

MAX_BUFFERED_ROWS = 64
MAX_BUFFERED_SECONDS = 0.5
MAX_ERROR_CHARACTERS = 2000


class Journal:
    """Collects the step rows of one claimed run and commits them under the claim's fence.

    While the database is away it waits and tries again: a statement that was committed although
    its answer was lost matches no row the second time.
    """

    def __init__(self, database: Database, claim: Claim) -> None:
        """Start with what earlier deliveries committed (`claim.recorded`)."""
        self._database = database
        self._claim = claim
        self._rows: list[StepRecord] = []
        self._oldest = 0.0
        self._writing = asyncio.Lock()  # branches of a run record at the same time

    async def record(self, record: StepRecord, *, commit: bool, attachment: Attachment | None = None) -> None:
        """Take a step's row; commit it now if asked to or if something is attached, else with the next ones.

        Raises:
            SupersededError: the run is no longer this worker's.
            AssayError: the attachment could not be written; the row is not kept, record another one.
        """
        if attachment is not None:
            await self.flush()
            async with self._writing:
                await self._commit([record], attachment)
            return
        if not self._rows:
            self._oldest = time.monotonic()
        self._rows.append(record)
        waited = time.monotonic() - self._oldest
        if commit or len(self._rows) >= MAX_BUFFERED_ROWS or waited >= MAX_BUFFERED_SECONDS:
            await self.flush()

    async def flush(self) -> None:
        """Commit the collected rows.

        Raises:
            SupersededError: the run is no longer this worker's.
        """
        async with self._writing:
            rows, self._rows = self._rows, []
            if not rows:
                return
            try:
                await self._commit(rows, None)
            except asyncio.CancelledError:
                # A time limit cut in, and nobody knows whether they were written; a second time changes nothing.
                self._rows = rows + self._rows
                raise

    def abandon(self) -> None:
        """Forget the rows that are not committed: something in them cannot be written."""
        self._rows.clear()

    async def finish(self, outcome: Outcome) -> None:
        """Commit the remaining rows and the run's end, and wake who waits for it, a parent too; or let it wait.

        A run that does not complete takes the runs that it waits for with it.

        Raises:
            SupersededError: the run is no longer this worker's.
        """
        if isinstance(outcome, Suspended):
            await self.flush()
            self._heed(await self._persist("suspend", None))
            return
        async with self._writing:
            result = (_steps_json(self._rows), *_ending(outcome))
            afterwards = None if isinstance(outcome, Completed) else self._cancel_waited_for
            row = await self._persist("finish", outcome.attachment, *result, afterwards=afterwards)
        if row["told"]:
            await outbox.wake(self._database)
        if row["woken"]:
            await wake_workers(self._database)

    async def _commit(self, rows: list[StepRecord], attachment: Attachment | None) -> None:
        self._heed(await self._persist("checkpoint", attachment, _steps_json(rows)))

    def _heed(self, row: Row) -> None:
        if row["cancel_requested"]:
            self._claim.cancelled.set()

    async def _cancel_waited_for(self, tx: Transaction) -> None:
        await cancel_waited_for(tx, self._claim.run_id)

    async def _persist(
        self, statement: str, attachment: Attachment | None, *arguments: object, afterwards: Attachment | None = None
    ) -> Row:
        delay = 0.05
        while True:
            try:
                row = await self._write(SQL[statement], attachment, *arguments, afterwards=afterwards)
            except DatabaseUnavailableError:
                log.warning("The database is away; run %s waits to be written.", self._claim.run_id)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
                continue
            if row is None:
                raise SupersededError
            return row

    async def _write(
        self, sql: str, attachment: Attachment | None, *arguments: object, afterwards: Attachment | None
    ) -> Row | None:
        fence = (self._claim.run_id, self._claim.delivery)
        if attachment is None and afterwards is None:
            async with self._database.single_statement() as tx:
                return await tx.fetch_one(sql, *fence, *arguments)
        async with self._database.transaction() as tx:
            if attachment is not None:
                await attachment(tx)
            row = await tx.fetch_one(sql, *fence, *arguments)
            if row is None:
                raise SupersededError  # rolls the attachment back
            if afterwards is not None:
                await afterwards(tx)
            return row


_PLAIN = (
    "step_key",
    "execution_order",
    "name",
    "type",
    "status",
    "skipped_reason",
    "override_mode",
    "started_at",
    "completed_at",
)
_PAYLOADS = ("scope", "config", "input", "output", "error", "usage", "attempts")


def _steps_json(rows: Iterable[StepRecord]) -> str:
    return f"[{','.join(map(_as_json, _once_each(rows)))}]"


def _once_each(rows: Iterable[StepRecord]) -> Iterable[StepRecord]:
    """Do among the rows what the statement does with one that is there already: it takes none twice itself."""
    kept: dict[str, StepRecord] = {}
    for row in rows:
        if row.step_key not in kept or kept[row.step_key].status == "waiting":
            kept[row.step_key] = row
    return kept.values()


def _as_json(record: StepRecord) -> str:
    plain = jsontext.dump({name: getattr(record, name) for name in _PLAIN})
    payloads = "".join(f',"{name}":{getattr(record, name) or "null"}' for name in _PAYLOADS)
    return f"{plain[:-1]}{payloads}}}"


def _ending(outcome: Completed | Failed | Cancelled) -> tuple[object, ...]:
    """Arguments $4… of `finish`: what `_result` gives, then features and draw."""
    draw = None if outcome.draw is None else jsontext.dump(asdict(outcome.draw))
    return *_result(outcome), outcome.features, draw


def _result(outcome: Completed | Failed | Cancelled) -> tuple[object, ...]:
    """Status, error, schema_valid, output, output_sources, failure, usage."""
    match outcome:
        case Completed():
            valid, output, sources = outcome.schema_valid, outcome.output, outcome.output_sources
            return "completed", None, valid, output, sources, None, outcome.usage
        case Failed():
            message = jsontext.storable_text(outcome.message)
            failure = {
                "code": outcome.code,
                "message": message,
                "step": outcome.step,
                "category": outcome.category,
                "statusCode": outcome.status_code,
            }
            return "failed", message[:MAX_ERROR_CHARACTERS], None, None, None, jsontext.dump(failure), outcome.usage
        case Cancelled():
            return "cancelled", None, None, None, None, None, outcome.usage
