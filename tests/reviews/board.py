"""A board on which misses stand: runs of real versions, examples, and experiments that end as a test says."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.reviews.review_room import ReviewRoom

from assay import access, automations, datasets, reviews
from assay.ids import new_id

_NAMES = itertools.count()
_RUN_IS_OF = "UPDATE runs SET version_id = $2, version_label = $3 WHERE id = $1"
_INPUT = "INSERT INTO run_inputs (run_id, organization_id, input, metadata) VALUES ($1, $2, '{\"n\": 2}', $3)"
_EXPERIMENT = """
INSERT INTO experiments (id, organization_id, automation_id, version_id, version_label, dataset_revision, dataset_hash,
    whole_dataset, examples, repeats, required_passes, runs, startable, status, cancel_requested_at, completed_at)
VALUES ($1, $2, $3, $4, $5, 1, 'h', true, 1, $6, $6, $6, $6, 'completed', CASE WHEN $7 THEN clock_timestamp() END,
    clock_timestamp())
"""
_RESULT = """
INSERT INTO example_results (experiment_id, organization_id, automation_id, version_id, example_id, example_version_id,
    example_name, graded_hash, verdict, passes, fails, errors, score, scores, completed_at)
VALUES ($1, $2, $3, $4, $5, 'evv_1', 'name', $6, $7, $8, $9, $10, $11, '{"same": 1}', clock_timestamp())
"""


@dataclass
class Board:
    """One automation; `versions` are 1.0.0, which misses, and those that were pushed after it."""

    room: ReviewRoom
    who: access.Caller
    automation_id: str = ""
    name: str = ""
    versions: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    async def open(cls, room: ReviewRoom, *, versions: int = 4, step: Mapping[str, Any] | None = None) -> "Board":
        board = cls(room, await room.reviewer("full_access"), name=f"board-{next(_NAMES)}")
        for number in range(versions):
            await board.push(f"1.{number}.0", step=step)
        return board

    async def push(self, label: str, *, step: Mapping[str, Any] | None = None, activate: bool = False) -> None:
        one = step or {"name": "a", "type": "transform.set", "with": {"fields": {"x": label}}}
        document = {"name": self.name, "version": label, "triggerMethods": [{"type": "api"}], "steps": [one]}
        async with self.room.database.transaction() as tx:
            pushed = await automations.push(
                tx,
                self.who,
                source=_yaml(document),
                automation=self.automation_id or None,
                activate=activate or not self.automation_id,
            )
        self.automation_id = pushed.automation.id
        self.versions[label] = pushed.version.id

    async def run(self, version: str = "1.0.0", *, metadata: str | None = None) -> str:
        (made,) = await self.room.runs(self.automation_id)
        async with self.room.database.transaction() as tx:
            await tx.execute(_RUN_IS_OF, made, self.versions[version], version)
            await tx.execute(_INPUT, made, self.room.organization_id, metadata)
        return made

    async def miss(self, name: str = "miss", **change: Any) -> str:
        """Make a run, say that it is wrong and what would be right, and promote it."""
        run = await self.run()
        said: dict[str, Any] = {"rating": "fail", "expected": {"total": 14}, **change}
        await self.say(run, **said)
        await self.promote(run, name=name)
        return run

    async def say(self, run: str, *, who: access.Caller | None = None, **change: Any) -> reviews.Feedback:
        async with self.room.database.transaction() as tx:
            await reviews.update(tx, who or self.who, run, reviews.FeedbackChange(**change))
        return await self.read(run)

    async def promote(self, run: str, *, who: access.Caller | None = None, **how: Any) -> reviews.Promoted:
        async with self.room.database.transaction() as tx:
            return await reviews.promote(tx, who or self.who, run, **how)

    async def clear(self, run: str) -> None:
        async with self.room.database.transaction() as tx:
            await reviews.clear(tx, self.who, run)

    async def edit(self, example: str, override: str | None = None, **values: Any) -> None:
        async with self.room.database.transaction() as tx:
            guard = reviews.ExampleGuard(override)
            await datasets.update_example(tx, self.who, self.automation_id, example, values, guard=guard)

    async def delete(self, example: str) -> None:
        async with self.room.database.transaction() as tx:
            guard = reviews.ExampleGuard("no reason is enough")
            await datasets.delete_example(tx, self.who, self.automation_id, example, guard=guard)

    async def end(
        self,
        feedback: reviews.Feedback,
        version: str,
        verdict: str = "pass",
        *,
        repeats: int = 1,
        passes: int | None = None,
        score: float | None = 1.0,
        cancelled: bool = False,
        graded_hash: str | None = None,
    ) -> str:
        """End an experiment of the example that the feedback was promoted to; return its id."""
        made, organization_id = new_id("evb"), self.room.organization_id
        passed = passes if passes is not None else repeats if verdict == "pass" else 0
        graded = graded_hash or feedback.promoted_graded_hash
        async with self.room.database.transaction() as tx:
            version_id = self.versions[version]
            await tx.execute(
                _EXPERIMENT, made, organization_id, self.automation_id, version_id, version, repeats, cancelled
            )
            await tx.execute(
                _RESULT,
                *(made, organization_id, self.automation_id, version_id, feedback.promoted_example_id, graded, verdict),
                *(passed, repeats - passed if verdict == "fail" else 0, int(verdict == "error"), score),
            )
            await reviews.settle(tx, made, organization_id)
        return made

    async def read(self, run: str) -> reviews.Feedback:
        """Return the record itself, also where it is cleared."""
        async with self.room.database.transaction() as tx:
            return (await reviews.read(tx, self.room.organization_id, run)).feedback

    async def resolution(self, run: str) -> reviews.Resolution:
        async with self.room.database.transaction() as tx:
            found = (await reviews.get(tx, self.who, run)).resolution
        assert found is not None
        return found

    async def chip(self, run: str) -> str:
        async with self.room.database.transaction() as tx:
            return await tx.fetch_value("SELECT review_state FROM runs WHERE id = $1", run)


def _yaml(document: Mapping[str, Any]) -> str:
    return json.dumps(document)
