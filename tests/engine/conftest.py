"""A stage in a database of its own, in which every change of a run's state is watched."""

from collections.abc import AsyncGenerator

import pytest
from tests.engine.stage import AUDIT, Stage

from assay import access, db, engine


@pytest.fixture(scope="module")
async def stage(database: db.Database, organization: access.Organization) -> AsyncGenerator[Stage]:
    """Starts runs; at the end every state change that was made must have been a legal one."""
    async with database.transaction() as tx:
        await tx.execute(AUDIT)
    yield Stage(database, organization.id)
    async with database.transaction() as tx:
        changes = await tx.fetch("SELECT DISTINCT was, became FROM status_changes")
    made = {(row["was"], row["became"]) for row in changes}
    legal = {(was, became) for was, following in engine.TRANSITIONS.items() for became in following}
    assert made - legal - {(None, "pending")} == set()
