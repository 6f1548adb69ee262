"""Whatever workers, callers and accidents do to runs in whatever order, the statements keep to a simple model."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import QueueManagerId
from tests.engine.stage import Hold, Stage, pick, step

from assay import db, engine
from assay.engine import claiming
from assay.engine.queue import FencedQueries
from assay.engine.statements import SQL

Result = TypeVar("Result")
OVER = {"completed", "failed", "cancelled"}


@dataclass
class Expected:
    """What a run must look like."""

    run_id: str
    status: str = "pending"
    delivery: int = 0
    lost: int = 0
    alone: bool = False
    cancel_requested: bool = False
    steps: set[str] = field(default_factory=set[str])
    in_queue: bool = True
    queued: bool = True
    holder: Hold | None = None

    def held_by(self, claimed: engine.Claim) -> bool:
        return self.status == "running" and self.delivery == claimed.delivery


@dataclass(frozen=True)
class Held:
    """A worker's view: the run as it claimed it, and the job it claimed it with."""

    expected: Expected
    hold: Hold
    claim: engine.Claim


class Runs(RuleBasedStateMachine):
    """Workers here never know whether they still hold a run."""

    picked: Bundle[tuple[Expected, Hold]] = Bundle("picked")
    claims: Bundle[Held] = Bundle("claims")
    started: Bundle[Expected] = Bundle("started")

    def __init__(self, runner: asyncio.Runner, stage: Stage) -> None:
        super().__init__()
        self.runner = runner
        self.stage = stage
        self.expected: list[Expected] = []

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    def fetch_one(self, statement: str, *arguments: object) -> db.Row | None:
        async def fetched() -> db.Row | None:
            async with self.stage.database.transaction() as tx:
                return await tx.fetch_one(SQL[statement], *arguments)

        return self.do(fetched())

    @initialize(target=started)
    def begin(self) -> Expected:
        return self.start_one()

    @rule(target=started)
    def start(self) -> Expected:
        return self.start_one()

    def start_one(self) -> Expected:
        expected = Expected(self.do(self.stage.start()))
        self.expected.append(expected)
        return expected

    @rule(target=picked, expected=started)
    def pick(self, expected: Expected) -> Any:
        """Take the job: from the queue, or from a worker that was silent for too long."""
        if not expected.in_queue:
            return multiple()
        expected.holder = self.do(pick(self.stage.database, expected.run_id))
        expected.queued = False
        return expected, expected.holder

    @rule(target=claims, taken=consumes(picked))
    def claim(self, taken: tuple[Expected, Hold]) -> Any:
        expected, hold = taken
        before = expected.status
        allowed = expected.in_queue and expected.holder == hold and before in {"pending", "running"}
        found = self.do(claiming.take(self.stage.database, expected.run_id, hold.job_id, hold.holder, asyncio.Event()))
        assert (found is not None) == allowed
        if found is None:
            return multiple()
        assert (found.was_lost, found.was_alone) == (before == "running", expected.alone)
        assert found.cancel_requested == expected.cancel_requested
        self.do(claiming.read_recorded(self.stage.database, found.claim))
        assert set(found.claim.recorded) == expected.steps
        expected.status, expected.delivery = "running", expected.delivery + 1
        expected.lost += before == "running"
        return Held(expected, hold, found.claim)

    @rule(held=claims)
    def mark_alone(self, held: Held) -> None:
        marked = self.fetch_one("mark_alone", held.claim.run_id, held.claim.delivery)
        assert (marked is not None) == held.expected.held_by(held.claim)
        held.expected.alone |= marked is not None

    @rule(held=claims)
    def checkpoint(self, held: Held) -> None:
        key = f"step-{len(held.expected.steps)}"
        journal = engine.Journal(self.stage.database, held.claim)
        allowed = held.expected.held_by(held.claim)
        assert self.succeeds(journal.record(step(key), commit=True)) == allowed
        if allowed:
            held.expected.steps.add(key)
            assert held.claim.cancelled.is_set() == held.expected.cancel_requested

    @rule(held=claims)
    def finish(self, held: Held) -> None:
        self.end(held, engine.Completed("{}"), "completed")

    @rule(held=claims)
    def fail(self, held: Held) -> None:
        self.end(held, engine.Failed("broken", "It broke."), "failed")

    def end(self, held: Held, outcome: engine.Outcome, status: str) -> None:
        allowed = held.expected.held_by(held.claim)
        assert self.succeeds(engine.Journal(self.stage.database, held.claim).finish(outcome)) == allowed
        if allowed:
            held.expected.status, held.expected.alone = status, False

    @rule(held=claims)
    def hand_back(self, held: Held) -> None:
        """The run only: the worker may be gone before it returns the job as well."""
        returned = self.fetch_one("hand_back", held.claim.run_id, held.claim.delivery)
        assert (returned is not None) == held.expected.held_by(held.claim)
        if returned is not None:
            held.expected.status, held.expected.alone = "pending", False

    @rule(held=claims)
    def return_job(self, held: Held) -> None:
        self.do(self.queries_of(held.hold).retry_job(self.job(held), timedelta(0), None))
        if held.expected.in_queue and held.expected.holder == held.hold:
            held.expected.holder, held.expected.queued = None, True

    @rule(held=claims)
    def drop_job(self, held: Held) -> None:
        """A worker drops its job when the run is finished, or when it learns that the run is another one's."""
        if held.expected.held_by(held.claim) or held.expected.status == "pending":
            return
        self.do(self.queries_of(held.hold).log_jobs([(self.job(held), "successful", None)]))
        if held.expected.in_queue and held.expected.holder == held.hold:
            held.expected.in_queue = False

    @rule(expected=started)
    def cancel(self, expected: Expected) -> None:
        answer = self.do(self.stage.cancel(expected.run_id))
        assert answer is not None
        assert answer.was_status == expected.status
        if expected.status == "pending":
            expected.status = "cancelled"
            expected.in_queue = expected.in_queue and not expected.queued
        if expected.status not in OVER:
            expected.cancel_requested = True
        assert answer.status == expected.status

    @invariant()
    def runs_are_as_expected(self) -> None:
        for expected in self.expected:
            run = self.do(self.stage.run(expected.run_id))
            seen = (run["status"], run["delivery"], run["lost_deliveries"], run["alone"])
            assert seen == (expected.status, expected.delivery, expected.lost, expected.alone)
            assert (run["completed_at"] is not None) == (expected.status in OVER)
            assert set(self.do(self.stage.steps(expected.run_id))) == expected.steps

    @invariant()
    def no_run_is_lost(self) -> None:
        """What is not over stands in the queue, whoever died when."""
        for expected in self.expected:
            job = self.do(self.stage.job(expected.run_id))
            assert (job is not None) == expected.in_queue
            assert job is not None or expected.status in OVER

    def succeeds(self, work: Coroutine[Any, Any, None]) -> bool:
        try:
            self.do(work)
        except engine.SupersededError:
            return False
        return True

    def queries_of(self, hold: Hold) -> FencedQueries:
        queries = FencedQueries(AsyncpgPoolDriver(self.stage.database.pool))
        queries.holder = QueueManagerId(hold.holder)
        return queries

    def job(self, held: Held) -> Job:
        """The job as this worker remembers it."""
        return Job.model_construct(id=held.hold.job_id)


def test_every_order_of_claims_checkpoints_ends_and_cancellations_keeps_to_the_model(stage: Stage) -> None:
    with asyncio.Runner() as runner:
        database = runner.run(db.Database.connect(stage.database.dsn, size=2))
        own = Stage(database, stage.organization_id)

        class Here(Runs):
            def __init__(self) -> None:
                super().__init__(runner, own)

        examples = settings(max_examples=25, stateful_step_count=20, deadline=None, print_blob=True)
        run_state_machine_as_test(Here, settings=examples)
        runner.run(database.close())
