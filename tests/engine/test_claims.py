"""A run belongs to the worker that claimed it last, and to nobody once it ended."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from pgqueuer.domain.errors import DuplicateJobError
from tests.engine.stage import Stage, claim, eventually, pick, step

from assay import db, engine
from assay.engine import claiming
from assay.engine.statements import SQL


class RolledBackError(Exception):
    """What ends a transaction in these tests."""


async def test_a_claimed_run_is_running_and_holds_its_input(stage: Stage) -> None:
    held = await claim(stage.database, await stage.start())
    run = await stage.run(held.run_id)
    assert (run["status"], run["delivery"], run["lost_deliveries"]) == ("running", 1, 0)
    assert (held.input, held.delivery, dict(held.recorded)) == ({"n": 1}, 1, {})
    assert run["started_at"] == held.started_at


async def test_steps_are_there_once_they_are_committed_and_the_rest_with_the_end(stage: Stage) -> None:
    held = await claim(stage.database, await stage.start())
    journal = engine.Journal(stage.database, held)
    await journal.record(step("pure"), commit=False)
    assert await stage.steps(held.run_id) == {}
    await journal.record(step("paid", 1), commit=True)
    assert set(await stage.steps(held.run_id)) == {"pure", "paid"}
    await journal.record(step("last", 2, '{"b":1,"a":"x"}'), commit=False)
    await journal.finish(engine.Completed('{"b":1,"a":2}'))
    run = await stage.run(held.run_id)
    assert (run["status"], run["output"]) == ("completed", '{"b":1,"a":2}')
    assert (await stage.steps(held.run_id))["last"] == '{"b":1,"a":"x"}'


async def test_steps_whose_commit_is_interrupted_are_committed_with_the_next_ones(stage: Stage) -> None:
    held = await claim(stage.database, await stage.start())
    journal = engine.Journal(stage.database, held)
    async with stage.database.transaction() as tx:
        await tx.execute("SELECT FROM runs WHERE id = $1 FOR UPDATE", held.run_id)
        recording = asyncio.create_task(journal.record(replace(step("interrupted"), status="waiting"), commit=True))

        async def waits() -> bool:
            return bool(await tx.fetch_value("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await eventually(waits)
        recording.cancel()
        await asyncio.wait({recording})
        await journal.record(step("interrupted", output="1"), commit=False)
        await journal.record(step("meanwhile", 1), commit=False)
    await journal.finish(engine.Completed("{}"))
    assert await stage.steps(held.run_id) == {"interrupted": "1", "meanwhile": "{}"}


async def test_a_superseded_worker_writes_nothing(stage: Stage) -> None:
    first = await claim(stage.database, await stage.start())
    second = await claim(stage.database, first.run_id)
    assert second.delivery == 2
    journal = engine.Journal(stage.database, first)
    with pytest.raises(engine.SupersededError):
        await journal.record(step("late"), commit=True)
    with pytest.raises(engine.SupersededError):
        await engine.Journal(stage.database, first).finish(engine.Completed("{}"))
    with pytest.raises(engine.SupersededError):
        await engine.Journal(stage.database, first).finish(engine.Failed("late", "Too late."))
    async with stage.database.transaction() as tx:
        assert await tx.fetch_one(SQL["hand_back"], first.run_id, first.delivery) is None
        assert await tx.fetch_one(SQL["mark_alone"], first.run_id, first.delivery) is None
    async with stage.database.transaction() as tx:
        with pytest.raises(engine.SupersededError):
            await engine.hold(tx, first)
        assert not await engine.hold(tx, second)
    run = await stage.run(first.run_id)
    assert (run["status"], run["output"], run["failure"], run["alone"]) == ("running", None, None, False)
    assert await stage.steps(first.run_id) == {}


async def test_what_a_superseded_worker_attached_is_not_kept(stage: Stage) -> None:
    first = await claim(stage.database, await stage.start())
    await claim(stage.database, first.run_id)

    async def attach(tx: db.Transaction) -> None:
        await tx.execute(SQL["note_event"], first.run_id, first.organization_id, "attached", None, None)

    with pytest.raises(engine.SupersededError):
        await engine.Journal(stage.database, first).record(step("late"), commit=True, attachment=attach)
    assert await stage.events(first.run_id) == []


async def test_a_second_claim_knows_what_the_first_one_committed_and_cannot_change_it(stage: Stage) -> None:
    first = await claim(stage.database, await stage.start())
    await engine.Journal(stage.database, first).record(step("done", output='"first"'), commit=True)
    second = await claim(stage.database, first.run_id)
    assert {key: record.output for key, record in second.recorded.items()} == {"done": '"first"'}
    assert second.started_at == first.started_at
    journal = engine.Journal(stage.database, second)
    await journal.record(step("done", output='"second"'), commit=True)
    await journal.finish(engine.Completed("{}"))
    assert await stage.steps(first.run_id) == {"done": '"first"'}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (engine.Completed("{}"), "completed"),
        (engine.Failed("broken", "It broke."), "failed"),
        (engine.Cancelled(), "cancelled"),
    ],
)
async def test_a_finished_run_stays_as_it_ended(stage: Stage, outcome: engine.Outcome, status: str) -> None:
    held = await claim(stage.database, await stage.start())
    await engine.Journal(stage.database, held).finish(outcome)
    ended = await stage.run(held.run_id)
    assert ended["status"] == status
    with pytest.raises(engine.SupersededError):
        await engine.Journal(stage.database, held).finish(engine.Completed('"again"'))
    hold = await pick(stage.database, held.run_id)
    assert await claiming.take(stage.database, held.run_id, hold.job_id, hold.holder, asyncio.Event()) is None
    answer = await stage.cancel(held.run_id)
    assert answer is not None
    assert (answer.was_status, answer.status) == (status, status)
    assert dict(await stage.run(held.run_id)) == dict(ended)


async def test_a_worker_that_lost_the_job_before_its_claim_does_not_take_the_run(stage: Stage) -> None:
    run_id = await stage.start()
    slow = await pick(stage.database, run_id)
    held = await claim(stage.database, run_id)
    assert await claiming.take(stage.database, run_id, slow.job_id, slow.holder, asyncio.Event()) is None
    await engine.Journal(stage.database, held).finish(engine.Completed("{}"))
    assert (await stage.run(run_id))["lost_deliveries"] == 0


async def test_claiming_a_running_run_counts_a_loss_and_claiming_a_returned_one_does_not(stage: Stage) -> None:
    first = await claim(stage.database, await stage.start())
    second = await claim(stage.database, first.run_id)
    assert second.lost_deliveries == 1
    async with stage.database.transaction() as tx:
        assert await tx.fetch_one(SQL["hand_back"], second.run_id, second.delivery) is not None
    assert await stage.status(first.run_id) == "pending"
    third = await claim(stage.database, first.run_id)
    assert (third.delivery, third.lost_deliveries) == (3, 1)


async def test_a_start_that_is_rolled_back_leaves_nothing(stage: Stage) -> None:
    run_id = ""
    with contextlib.suppress(RolledBackError):
        async with stage.database.transaction() as tx:
            run_id = await stage.start_in(tx)
            raise RolledBackError
    assert await stage.job(run_id) is None
    async with stage.database.transaction() as tx:
        assert await tx.fetch_one("SELECT FROM runs WHERE id = $1", run_id) is None


async def test_an_enqueue_before_any_other_statement_is_rolled_back_too(stage: Stage) -> None:
    with contextlib.suppress(RolledBackError):
        async with stage.database.transaction() as tx:
            await engine.enqueue(tx, "exec_first", "runs")
            raise RolledBackError
    assert await stage.job("exec_first") is None


async def test_a_run_stands_in_the_queue_once(stage: Stage) -> None:
    run_id = await stage.start()
    with pytest.raises(DuplicateJobError):
        async with stage.database.transaction() as tx:
            await engine.enqueue(tx, run_id, "runs")


async def test_a_cancelled_run_that_nobody_started_ends_at_once(stage: Stage) -> None:
    run_id = await stage.start()
    answer = await stage.cancel(run_id)
    assert answer == engine.CancelAnswer(engine.RunStatus.PENDING, engine.RunStatus.CANCELLED)
    assert await stage.status(run_id) == "cancelled"
    assert await stage.job(run_id) is None
    assert await stage.cancel(run_id) == engine.CancelAnswer(engine.RunStatus.CANCELLED, engine.RunStatus.CANCELLED)


async def test_a_cancelled_run_that_was_picked_but_not_claimed_is_not_started(stage: Stage) -> None:
    run_id = await stage.start()
    hold = await pick(stage.database, run_id)
    await stage.cancel(run_id)
    assert await claiming.take(stage.database, run_id, hold.job_id, hold.holder, asyncio.Event()) is None


async def test_a_running_run_learns_of_its_cancellation_with_its_next_checkpoint(stage: Stage) -> None:
    held = await claim(stage.database, await stage.start())
    answer = await stage.cancel(held.run_id)
    assert answer == engine.CancelAnswer(engine.RunStatus.RUNNING, engine.RunStatus.RUNNING)
    asked_at = (await stage.run(held.run_id))["cancel_requested_at"]
    await stage.cancel(held.run_id)
    assert (await stage.run(held.run_id))["cancel_requested_at"] == asked_at
    assert not held.cancelled.is_set()
    await engine.Journal(stage.database, held).record(step("s"), commit=True)
    assert held.cancelled.is_set()


async def test_another_organization_cannot_cancel(stage: Stage) -> None:
    run_id = await stage.start()
    async with stage.database.transaction() as tx:
        assert await engine.request_cancel(tx, "org_other", run_id) is None
    assert await stage.status(run_id) == "pending"
