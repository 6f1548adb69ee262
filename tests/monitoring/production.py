"""An automation with a past in production, written as runs and reviews leave it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from assay import automations, clock, db, jsontext
from assay.ids import new_id

_RUN = """
INSERT INTO runs (id, organization_id, automation_id, kind, version_id, version_label, version_reason, mode,
    root_run_id, trigger_type, sample_rank, status, created_at, completed_at, entrypoint, review_rating, review_status,
    review_created_at, sample_rate, sample_stratum, sample_probability, sampled)
VALUES ($1, $2, $3, 'workflow', $4, '1.0.0', 'current', $5, $1, 'api', $6, $7, $8, $9, 'runs', $10, $11,
    $12, $13, $14, $13, $15)
"""
_RESULT = "INSERT INTO run_results (run_id, organization_id, features) VALUES ($1, $2, $3)"
_FEEDBACK = """
INSERT INTO feedback (run_id, organization_id, automation_id, rating, status, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_ITEM = """
INSERT INTO review_items (id, organization_id, automation_id, run_id, reason, created_at)
VALUES ($1, $2, $3, $4, 'random', $5)
"""
_SCORE = """
INSERT INTO scores
    (run_id, organization_id, position, evaluator_name, evaluator_type, evaluator_version, passed, weight)
VALUES ($1, $2, 0, 'tone', 'llm-judge', '1', $3, 1)
"""


@dataclass
class Production:
    """Makes runs of one automation."""

    database: db.Database
    organization_id: str
    automation_id: str
    version_id: str

    async def run(
        self,
        *,
        ago: timedelta = timedelta(),
        mode: str = "live",
        status: str = "completed",
        took: timedelta = timedelta(seconds=1),
        rating: str | None = None,
        review: str | None = None,
        rate: float | None = None,
        stratum: str | None = None,
        sampled: bool = False,
        features: Mapping[str, Any] | None = None,
        judged: bool | None = None,
        queued: bool = False,
    ) -> str:
        created = clock.now() - ago - took
        run_id, completed = new_id("exec"), created + took
        said = None if rating is None and review is None else completed
        async with self.database.transaction() as tx:
            await tx.execute(
                _RUN,
                run_id,
                self.organization_id,
                self.automation_id,
                self.version_id,
                mode,
                0.5,
                status,
                created,
                completed if status in {"completed", "failed"} else None,
                rating,
                review,
                said,
                rate,
                stratum,
                sampled,
            )
            await tx.execute(
                _RESULT, run_id, self.organization_id, None if features is None else jsontext.dump(features)
            )
            if said is not None:
                await tx.execute(_FEEDBACK, run_id, self.organization_id, self.automation_id, rating, review, said)
            if queued:
                await tx.execute(_ITEM, new_id("rvi"), self.organization_id, self.automation_id, run_id, completed)
            if judged is not None:
                await tx.execute(_SCORE, run_id, self.organization_id, judged)
        return run_id


async def production(database: db.Database, caller: Any, name: str) -> Production:
    source = f"""
name: {name}
version: 1.0.0
triggerMethods: [{{type: api}}]
steps: [{{name: a, type: transform.set, with: {{fields: {{x: 1}}}}}}]
"""
    async with database.transaction() as tx:
        pushed = await automations.push(tx, caller, source=source)
    return Production(database, caller.organization_id, pushed.automation.id, pushed.version.id)
