"""What webhooks are told: an event is written in the transaction that it is about, if some endpoint wants it.

Runs tell of themselves in their own statements (engine/queries.sql, runs/store.py); all others call `emit`. What
becomes of a written event, the database decides (migration 0009) and `webhooks` does.
"""

import contextlib
from collections.abc import Mapping
from typing import Literal, get_args

from assay import jsontext
from assay.db import Database, DatabaseUnavailableError, Transaction

CHANNEL = "assay_webhooks"

Event = Literal[
    "run.created",
    "run.status_changed",
    "feedback.created",
    "feedback.updated",
    "feedback.cleared",
    "sampling.rate_changed",
    "resolution.proven",
    "resolution.overridden",
    "resolution.regressed",
    "experiment.completed",
    "alert.firing",
    "alert.resolved",
]
"""What can happen; an endpoint may want a type, a family (`feedback.*`) or everything (`*`)."""

EVENTS: tuple[Event, ...] = get_args(Event)

_WANTABLE = {"*", *EVENTS, *(f"{event.partition('.')[0]}.*" for event in EVENTS)}

_EMIT = """
INSERT INTO webhook_events (organization_id, automation_id, type, payload)
SELECT $1, $2, $3, $4::json
WHERE event_heard($1, $2, $3)
"""


async def emit(
    tx: Transaction, organization_id: str, automation_id: str | None, event_type: Event, payload: Mapping[str, object]
) -> None:
    """Tell the organization's endpoints, once the transaction commits; nothing is kept if none wants to hear it.

    `payload` is the event's `data`, as the wire writes it: ids and a summary, never documents or outputs. A second
    call tells it a second time.
    """
    if await tx.execute(_EMIT, organization_id, automation_id, event_type, jsontext.dump(payload)):
        wake_after_commit(tx)


def wake_after_commit(tx: Transaction) -> None:
    """Let what was written be sent as soon as it stands; who is not woken finds it within a second or two."""
    tx.notify_after_commit(CHANNEL, "")


async def wake(database: Database) -> None:
    """The same for what stands already. Notifying inside would let such commits wait for each other (ADR 10)."""
    with contextlib.suppress(DatabaseUnavailableError):
        async with database.single_statement() as tx:
            await tx.execute("SELECT pg_notify($1, '')", CHANNEL)


def is_known(wanted: str) -> bool:
    """Tell whether there are events of this type or family."""
    return wanted in _WANTABLE
