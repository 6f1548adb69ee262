"""Which misses an experiment settled: those that it proved to be fixed, and those that it showed to be back."""

from dataclasses import dataclass

from assay import db
from assay.reviews import resolution_store


@dataclass(frozen=True, slots=True)
class SettledMiss:
    """A promoted miss that an experiment resolved or opened again, as its feedback stands now."""

    run_id: str
    example_id: str
    example_name: str
    is_back: bool


async def settled_by(tx: db.Transaction, organization_id: str, experiment_id: str) -> list[SettledMiss]:
    """Return the misses that stand where they do because of this experiment: those that are back first, then by name.

    One that a later experiment or a person moved on is not among them.
    """
    rows = await resolution_store.settled_by(tx, organization_id, experiment_id)
    return [SettledMiss(row["run_id"], row["example_id"], row["example_name"], row["is_back"]) for row in rows]
