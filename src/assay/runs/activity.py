"""How busy automations were: runs a day, counted without what experiments ran."""

from collections.abc import Sequence

from assay import db
from assay.runs import store


async def daily_runs(
    tx: db.Transaction, organization_id: str, automation_ids: Sequence[str], days: int
) -> dict[str, list[int]]:
    """Count each automation's runs on each of the last days (UTC), oldest first; today is the last."""
    counted = await store.daily_runs(tx, organization_id, automation_ids, days)
    return {
        automation_id: [counted.get((automation_id, days_ago), 0) for days_ago in range(days - 1, -1, -1)]
        for automation_id in automation_ids
    }
