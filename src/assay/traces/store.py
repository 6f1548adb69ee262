"""Reading step records and events; the engine writes them."""

from assay import jsontext
from assay.db import Row, Transaction
from assay.traces.model import NotedEvent, StepTrace

_PAYLOADS = ("scope", "config", "input", "output", "error", "usage", "attempts")
_COLUMNS = """
SELECT run_id, step_key, execution_order, name, type, status, skipped_reason, override_mode, scope, error, usage,
       attempts, started_at, completed_at,
"""
_WHERE = "FROM run_steps WHERE run_id = $1 AND organization_id = $2"
_IN_ORDER = "ORDER BY execution_order, started_at"
_WHOLE = "config, input, output"
_WITHOUT = "NULL AS config, NULL AS input, NULL AS output"
_EVENTS = """
SELECT type, created_at, message, metadata FROM run_events
WHERE run_id = $1 AND organization_id = $2 ORDER BY created_at
"""


async def list_steps(tx: Transaction, organization_id: str, run_id: str) -> list[StepTrace]:
    """Read a run's steps in the order they ran; none for a run that does not exist."""
    return [_step(row) for row in await tx.fetch(f"{_COLUMNS} {_WHOLE} {_WHERE} {_IN_ORDER}", run_id, organization_id)]


async def outline(tx: Transaction, organization_id: str, run_id: str) -> list[StepTrace]:
    """Read a run's steps like `list_steps`, without config, input and output: these are None."""
    sql = f"{_COLUMNS} {_WITHOUT} {_WHERE} {_IN_ORDER}"
    return [_step(row) for row in await tx.fetch(sql, run_id, organization_id)]


async def get_step(tx: Transaction, organization_id: str, run_id: str, step_key: str) -> StepTrace | None:
    """Read one step of a run."""
    row = await tx.fetch_one(f"{_COLUMNS} {_WHOLE} {_WHERE} AND step_key = $3", run_id, organization_id, step_key)
    return None if row is None else _step(row)


async def list_events(tx: Transaction, organization_id: str, run_id: str) -> list[NotedEvent]:
    """Read what was noted about a run, oldest first."""
    rows = await tx.fetch(_EVENTS, run_id, organization_id)
    return [NotedEvent(row["type"], row["created_at"], row["message"], jsontext.load(row["metadata"])) for row in rows]


def _step(row: Row) -> StepTrace:
    values = dict(row)
    return StepTrace(**{**values, **{name: jsontext.load(values[name]) for name in _PAYLOADS}})
