"""How several automations stand, for a page of them: quality of the last days, and what is open."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay import db
from assay.monitoring import store
from assay.monitoring.estimation import Estimate, estimate

DAYS = 30


@dataclass(frozen=True, slots=True)
class Standing:
    """How an automation stands: `quality` of its live runs, None where nothing of the random sample was reviewed."""

    quality: Estimate | None
    open_reviews: int


async def standings(
    tx: db.Transaction, organization_id: str, automation_ids: Sequence[str], *, days: int = DAYS
) -> dict[str, Standing]:
    """Say how each of the automations stands, over the last days. Two queries, however many they are."""
    drawn = await store.drawn_of_several(tx, organization_id, automation_ids, days)
    debts = await store.debts(tx, organization_id, automation_ids)
    return {
        automation_id: Standing(estimate(drawn.get(automation_id, [])), debts.get(automation_id, 0))
        for automation_id in automation_ids
    }
