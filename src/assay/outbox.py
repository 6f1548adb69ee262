"""What webhooks are told: an event is written in the transaction that it is about, if some endpoint wants it.

Runs tell of themselves in their own statements (engine/queries.sql, runs/store.py); all others call `emit`. What
becomes of a written event, the database decides (migration 0009) and `webhooks` does.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from assay import jsontext
from assay.db import Transaction

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
    await tx.execute(_EMIT, organization_id, automation_id, event_type, jsontext.dump(payload))


def is_known(wanted: str) -> bool:
    """Tell whether there are events of this type or family."""
    return wanted in _WANTABLE
