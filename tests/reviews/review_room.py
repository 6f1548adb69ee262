"""A room with ended runs to review, and reviewers to do it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay import access, automations, db, reviews
from assay.ids import new_id

_NUMBERS = itertools.count()
_RUN = """
INSERT INTO runs (id, organization_id, automation_id, kind, version_id, version_label, version_reason, mode,
    root_run_id, trigger_type, sample_rank, status, completed_at, entrypoint)
VALUES ($1, $2, $3, 'workflow', 'wfv_1', '1.0.0', 'current', 'live', $1, 'api', 0.5, $4,
    CASE WHEN $4 = 'completed' THEN clock_timestamp() END, 'runs')
"""
_RESULT = "INSERT INTO run_results (run_id, organization_id, output) VALUES ($1, $2, '{\"total\": 12}')"
_WORKFLOW = """
name: {name}
version: 1.0.0
triggerMethods: [{{type: api}}]
steps: [{{name: a, type: transform.set, with: {{fields: {{x: 1}}}}}}]
"""


@dataclass
class ReviewRoom:
    """Makes automations, runs, reviewers; all of one organization."""

    database: db.Database
    organization_id: str

    def caller(self, user_id: str, *scopes: str) -> access.Caller:
        granted = frozenset(scopes or ("reviews:write",))
        return access.Caller(
            self.organization_id, "default", "Default", user_id, "key_1", f"{user_id}@example.org", None, granted
        )

    async def reviewer(self, *scopes: str) -> access.Caller:
        """Somebody who may review and nothing else, or who has these scopes."""
        email = f"reviewer-{next(_NUMBERS)}@example.org"
        async with self.database.transaction() as tx:
            user = await access.create_user(
                tx, organization_id=self.organization_id, email=email, role="member" if scopes else "reviewer"
            )
        return self.caller(user.id, *scopes)

    async def automation(self) -> str:
        owner = await self.reviewer("full_access")
        source = _WORKFLOW.format(name=f"flow-{next(_NUMBERS)}")
        async with self.database.transaction() as tx:
            pushed = await automations.push(tx, owner, source=source)
        return pushed.automation.id

    async def runs(self, automation_id: str, count: int = 1, *, status: str = "completed") -> list[str]:
        made = sorted(new_id("exec") for _ in range(count))
        async with self.database.transaction() as tx:
            for run_id in made:
                await tx.execute(_RUN, run_id, self.organization_id, automation_id, status)
                await tx.execute(_RESULT, run_id, self.organization_id)
        return made

    async def queued(self, automation_id: str, count: int = 1, **how: Any) -> list[str]:
        """Make runs and put them into the queue; return their ids, in the order of the queue."""
        made = await self.runs(automation_id, count)
        await self.add(made, **how)
        return made

    async def add(self, run_ids: Sequence[str], *, reason: Any = "picked", **how: Any) -> reviews.Added:
        by = self.caller("user_editor", "runs:write")
        async with self.database.transaction() as tx:
            return await reviews.add_runs(tx, by, run_ids, reason=reason, **how)

    async def claim(self, who: access.Caller, **how: Any) -> reviews.QueueItem | None:
        async with self.database.transaction() as tx:
            return await reviews.claim(tx, who, **how)

    async def judge(self, who: access.Caller, run_id: str, rating: reviews.Rating) -> reviews.View:
        async with self.database.transaction() as tx:
            return await reviews.update(tx, who, run_id, {"rating": rating})

    async def item_of(self, who: access.Caller, run_id: str) -> reviews.QueueItem:
        filters = reviews.ItemFilters(run_id=run_id)
        async with self.database.transaction() as tx:
            (found,) = (await reviews.list_queue(tx, who, filters)).items
        return found

    async def let_leases_end(self, *item_ids: str) -> None:
        sql = """UPDATE review_claims SET expires_at = clock_timestamp()
                 WHERE verdict_at IS NULL AND (item_id = ANY($1) OR $2)"""
        async with self.database.transaction() as tx:
            await tx.execute(sql, list(item_ids), not item_ids)
