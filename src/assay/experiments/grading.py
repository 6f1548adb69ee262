"""How the run of an example is graded: as the last thing before its end is written, by the evaluators it began with."""

import asyncio
import logging
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from assay import clock, db, documents, engine, evaluators, files, jsontext, providers, runs, sandbox
from assay.errors import AssayError
from assay.evaluators import EvaluatorSet, GradedFile, Judgement, Result, Subject
from assay.experiments import store
from assay.experiments.model import Graded, Score

log = logging.getLogger(__name__)

MAX_KEPT_SETS = 64


@dataclass(slots=True)
class Grader:
    """Grades runs in the worker that executed them; gives what is written together with their end."""

    database: db.Database
    blobs: files.Blobs
    parser: documents.Parser
    sandbox: sandbox.Sandbox
    models: providers.Models
    _sets: OrderedDict[str, EvaluatorSet] = field(default_factory=OrderedDict[str, EvaluatorSet])

    async def __call__(self, claim: engine.Claim, outcome: runs.Ended) -> engine.Attachment | None:
        """Judge how the run ended; None where there is nothing to be written. A cancellation of the run ends it."""
        if isinstance(outcome, engine.Cancelled):
            return None
        material = await self.database.when_available(
            lambda tx: store.material(tx, claim.organization_id, claim.run_id)
        )
        if material is None:
            return None
        if material.evaluator_set_id is None:
            if isinstance(outcome, engine.Failed) and material.expected_error is None:
                return None  # nobody says that it should fail: an error, as its end shows
            graded = Graded(claim.run_id, "ungraded", None, None, ())
            return _writing(claim.organization_id, graded)
        try:
            evaluator_set = await self._set(claim.organization_id, material.evaluator_set_id)
        except AssayError as error:  # of a text that an earlier assay accepted
            log.warning("The evaluators %s cannot be read any more: %s", material.evaluator_set_id, error.message)
            return _writing(claim.organization_id, Graded(claim.run_id, "error", None, None, ()))
        judgement = await self._unless_cancelled(claim, outcome, material, evaluator_set)
        if judgement is None:
            return None
        return _writing(claim.organization_id, _graded(claim, material, evaluator_set, judgement))

    async def try_out(self, organization_id: str, run_id: str, evaluator_set: EvaluatorSet) -> Judgement:
        """Judge a run of an example that has ended by other evaluators, and keep nothing of it.

        Raises:
            RunNotFoundError: it is no run of an example, or has not ended.
        """
        async with self.database.transaction() as tx:
            run = await runs.get(tx, organization_id, run_id)
            given = await runs.get_input(tx, organization_id, run_id)
            material = await store.material(tx, organization_id, run_id)
        if run is None or given is None or material is None or not run.summary.status.finished:
            raise runs.RunNotFoundError
        subject = Subject(
            input=dict(given.input),
            output=run.output,
            status=run.summary.status.value,
            failure=None if run.failure is None else _failure(run.failure),
            has_expected=material.has_expected,
            expected=material.expected,
            expected_error=material.expected_error,
            output_files=material.output_files,
            expected_files=material.expected_files,
        )
        with ExitStack() as resources:
            return await evaluators.judge(evaluator_set, subject, _Context(self, organization_id, run_id, resources))

    async def judge_alone(self, organization_id: str, run_id: str, evaluator_set: EvaluatorSet) -> list[Result]:
        """Ask every evaluator about a completed run that is nobody's example: nothing is expected of it.

        Nothing of it is kept but what a model answered, which a second call does not pay for again.

        Raises:
            RunNotFoundError: it has not completed, or is gone.
        """
        async with self.database.transaction() as tx:
            run = await runs.get(tx, organization_id, run_id)
            given = await runs.get_input(tx, organization_id, run_id)
        if run is None or given is None or run.summary.status.value != "completed":
            raise runs.RunNotFoundError
        subject = Subject(input=dict(given.input), output=run.output, status="completed")
        with ExitStack() as resources:
            return await evaluators.grade_all(
                evaluator_set, subject, _Context(self, organization_id, run_id, resources)
            )

    async def _unless_cancelled(
        self, claim: engine.Claim, outcome: runs.Ended, material: store.Material, evaluator_set: EvaluatorSet
    ) -> Judgement | None:
        judging = asyncio.ensure_future(self._judge(claim, outcome, material, evaluator_set))
        stopped = asyncio.ensure_future(claim.cancelled.wait())
        try:
            await asyncio.wait({judging, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return judging.result() if judging.done() else None
        finally:
            stopped.cancel()
            if not judging.done():
                judging.cancel()
                await asyncio.wait({judging})

    async def _judge(
        self, claim: engine.Claim, outcome: runs.Ended, material: store.Material, evaluator_set: EvaluatorSet
    ) -> Judgement:
        with ExitStack() as resources:
            context = _Context(self, claim.organization_id, claim.run_id, resources)
            return await evaluators.judge(evaluator_set, _subject(claim, outcome, material), context)

    async def _set(self, organization_id: str, set_id: str) -> EvaluatorSet:
        if set_id not in self._sets:
            stored = await self.database.when_available(lambda tx: evaluators.by_id(tx, organization_id, set_id))
            assert stored is not None, "evaluators are never removed"
            self._sets[set_id] = evaluators.set_of(stored)
            while len(self._sets) > MAX_KEPT_SETS:
                self._sets.popitem(last=False)
        self._sets.move_to_end(set_id)
        return self._sets[set_id]


@dataclass(slots=True)
class _Context:
    """What evaluators may ask for; implements `evaluators.GradingContext`."""

    grader: Grader
    organization_id: str
    run_id: str
    resources: ExitStack
    usage: dict[str, float] = field(default_factory=dict[str, float])
    _folder: Path | None = None

    @property
    def sandbox(self) -> sandbox.Sandbox:
        """Where scripts of strangers run."""
        return self.grader.sandbox

    @property
    def parser(self) -> documents.Parser:
        """The worker's document parser."""
        return self.grader.parser

    async def model(self, requested: str | None) -> providers.Model:
        """Return the model that judges; what it answered once for this run is not paid again."""
        return await self.grader.models.for_step(
            self.organization_id,
            self.run_id,
            "evaluators",
            requested=requested,
            workflow_default=None,
        )

    async def open(self, file: GradedFile) -> Path:
        """Fetch a file of the subject."""
        if self._folder is None:
            self._folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory(prefix="assay-grading-")))
        target = self._folder / file.sha256
        if not target.exists():
            await self.grader.blobs.fetch_to(file.sha256, target)
        return target

    def add_usage(self, **amounts: float) -> None:
        """Count what judging used; amounts of one name add up."""
        for name, amount in amounts.items():
            self.usage[name] = self.usage.get(name, 0) + amount


def _subject(claim: engine.Claim, outcome: runs.Ended, material: store.Material) -> Subject:
    completed = isinstance(outcome, engine.Completed)
    return Subject(
        input=claim.input,
        output=jsontext.load(outcome.output) if completed else None,
        status="completed" if completed else "failed",
        failure=_failure(outcome) if isinstance(outcome, engine.Failed) else None,
        has_expected=material.has_expected,
        expected=material.expected,
        expected_error=material.expected_error,
        output_files=material.output_files,
        expected_files=material.expected_files,
    )


def _failure(outcome: engine.Failed | runs.Failure) -> Mapping[str, JsonValue]:
    return {
        "code": outcome.code,
        "message": outcome.message,
        "step": outcome.step,
        "statusCode": outcome.status_code,
        "category": outcome.category,
    }


def _graded(claim: engine.Claim, material: store.Material, evaluator_set: EvaluatorSet, judgement: Judgement) -> Graded:
    now = clock.now()
    scores = [
        Score(
            run_id=claim.run_id,
            automation_id=material.automation_id,
            position=position,
            evaluator_name=result.entry.name,
            evaluator_type=result.entry.type_name,
            evaluator_version=result.evaluator_version,
            score=result.score,
            passed=result.passed,
            label=result.label,
            weight=result.entry.weight,
            pass_threshold=evaluator_set.pass_threshold,
            description=result.entry.description,
            details=dict(result.details),
            error=result.error,
            created_at=now,
        )
        for position, result in enumerate(judgement.results)
    ]
    verdict = judgement.verdict
    return Graded(claim.run_id, verdict.outcome, verdict.score, verdict.passed, scores)


def _writing(organization_id: str, graded: Graded) -> engine.Attachment:
    async def write(tx: db.Transaction) -> None:
        await store.save_grades(tx, organization_id, graded)

    return write
