"""Reading step records and events; the engine writes them."""

from assay import jsontext
from assay.db import Row, Transaction
from assay.traces.model import NotedEvent, StepTrace

_PAYLOADS = ("scope", "config", "input", "output", "error", "usage", "attempts")
_STEPS = """
SELECT run_id, step_key, execution_order, name, type, status, skipped_reason, override_mode, scope, config, input,
       output, error, usage, attempts, started_at, completed_at
FROM run_steps WHERE run_id = $1 AND organization_id = $2 ORDER BY execution_order, started_at
"""
_EVENTS = """
SELECT type, created_at, message, metadata FROM run_events
WHERE run_id = $1 AND organization_id = $2 ORDER BY created_at
"""


async def list_steps(tx: Transaction, organization_id: str, run_id: str) -> list[StepTrace]:
    """Read a run's steps in the order they ran; none for a run that does not exist."""
    return [_step(row) for row in await tx.fetch(_STEPS, run_id, organization_id)]


async def list_events(tx: Transaction, organization_id: str, run_id: str) -> list[NotedEvent]:
    """Read what was noted about a run, oldest first."""
    rows = await tx.fetch(_EVENTS, run_id, organization_id)
    return [NotedEvent(row["type"], row["created_at"], row["message"], jsontext.load(row["metadata"])) for row in rows]


def _step(row: Row) -> StepTrace:
    values = dict(row)
    return StepTrace(**{**values, **{name: jsontext.load(values[name]) for name in _PAYLOADS}})
