"""What is kept of a run that neither its own row nor its steps can tell."""

from collections.abc import Mapping

from pydantic import JsonValue

from assay import jsontext
from assay.db import Transaction
from assay.engine.statements import SQL


async def note_event(
    tx: Transaction, organization_id: str, run_id: str, event: str, message: str, detail: Mapping[str, JsonValue]
) -> None:
    """Keep an event beside a run; a second call keeps a second one."""
    await tx.execute(SQL["note_event"], run_id, organization_id, event, message, jsontext.dump(detail))
