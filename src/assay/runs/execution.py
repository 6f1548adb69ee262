"""Which executor runs which kind of automation."""

import dataclasses
import logging
from dataclasses import dataclass

from assay import automations, engine
from assay.errors import AssayError
from assay.runs.features import DocumentSeen, features_of
from assay.runs.step_context import Ended, Services
from assay.runs.workflow_execution import TimeLimits, WorkflowExecution

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Executor:
    """The handler that a worker gives its claims to."""

    services: Services
    limits: TimeLimits

    async def __call__(self, claim: engine.Claim, journal: engine.Journal) -> engine.Outcome:
        """Execute a claimed run of any kind.

        Raises:
            SupersededError: another worker holds the run now.
        """
        seen = DocumentSeen()
        outcome = await self._executed(claim, journal, seen)
        if isinstance(outcome, engine.Suspended):
            return outcome
        outcome = dataclasses.replace(outcome, features=features_of(claim, seen).dump())
        if claim.example_id is not None and self.services.grader is not None:
            return dataclasses.replace(outcome, attachment=await self.services.grader(claim, outcome))
        return dataclasses.replace(outcome, draw=await self._draw(claim, outcome, seen))

    async def _draw(self, claim: engine.Claim, outcome: Ended, seen: DocumentSeen) -> engine.Draw | None:
        if claim.mode == "eval" or self.services.sampler is None:
            return None
        try:
            return await self.services.sampler(claim, outcome, seen.confidence)
        except Exception:
            # What the run made is worth more than whether somebody looks at it.
            log.exception("Run %s could not be drawn for review.", claim.run_id)
            return None

    async def _executed(self, claim: engine.Claim, journal: engine.Journal, seen: DocumentSeen) -> engine.Outcome:
        if claim.kind != "workflow":
            return engine.Failed("kind_unknown", f"This server cannot run automations of the kind {claim.kind!r}.")
        try:
            definition = await self.services.database.when_available(
                lambda tx: automations.definition_of(tx, claim.organization_id, claim.version_id)
            )
        except AssayError as error:
            return engine.Failed(error.code, error.message, category="validation")
        return await WorkflowExecution(definition, claim, journal, self.services, self.limits, seen).run()
