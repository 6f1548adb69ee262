"""What a worker does with what the queue gives it, and what it survives."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from pgqueuer.domain.models import Job
from tests.engine.stage import QUICK, Doors, Stage, claim, completes, eventually, pick, step

from assay import engine, ids

PATIENT = engine.WorkerLimits(concurrency=8, heartbeat=1.0, grace=30.0)


@pytest.fixture(autouse=True)
async def empty_queue(stage: Stage) -> AsyncGenerator[None]:
    """What a test left behind is not the next one's business."""
    yield
    async with stage.database.transaction() as tx:
        await tx.execute("DELETE FROM pgqueuer")


async def limited_automation(stage: Stage, limit: int) -> str:
    """An automation without versions: all the engine wants to know of it is its limit."""
    automation_id = ids.new_id("wf")
    async with stage.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO automations (id, organization_id, kind, slug, api_enabled, manual_enabled, concurrency_limit)
               VALUES ($1, $2, 'workflow', $1, true, true, $3)""",
            automation_id,
            stage.organization_id,
            limit,
        )
    return automation_id


async def gone(stage: Stage, run_id: str) -> None:
    async def job_is_gone() -> bool:
        return await stage.job(run_id) is None

    await eventually(job_is_gone)


async def test_runs_are_executed_and_leave_the_queue(stage: Stage) -> None:
    before = [await stage.start() for _ in range(30)]
    async with stage.working(completes('"done"')):
        after = await stage.start()
        ended = await stage.finished([*before, after])
        assert set(ended.values()) == {"completed"}
        for run_id in ended:
            await gone(stage, run_id)
    run = await stage.run(after)
    assert (run["output"], run["delivery"], run["lost_deliveries"]) == ('"done"', 1, 0)


async def test_a_dead_owner_frees_the_run_and_another_worker_goes_on_after_its_last_step(stage: Stage) -> None:
    run_id = await stage.start()
    dead = await stage.lose(run_id)
    await engine.Journal(stage.database, dead).record(step("committed"), commit=True)
    seen: list[set[str]] = []

    async def handle(held: engine.Claim, _journal: engine.Journal) -> engine.Outcome:
        seen.append(set(held.recorded))
        return engine.Completed("{}")

    async with stage.working(handle):
        assert await stage.finished([run_id]) == {run_id: "completed"}
    assert seen == [{"committed"}]
    assert (await stage.run(run_id))["lost_deliveries"] == 1
    assert await stage.events(run_id) == ["run.redelivered"]


async def test_a_run_that_a_living_worker_holds_is_not_taken_by_another(stage: Stage) -> None:
    doors = Doors()
    async with stage.working(doors, PATIENT), stage.working(doors, PATIENT):
        run_id = await stage.start()
        await doors.until_inside(run_id)
        picked = await stage.job(run_id)
        assert picked is not None

        async def beaten_twice() -> bool:
            job = await stage.job(run_id)
            return job is not None and (job["heartbeat"] - picked["heartbeat"]).total_seconds() > 1.2

        await eventually(beaten_twice)
        doors.open()
        await stage.finished([run_id])
    assert doors.entries == [(run_id, 1)]


async def test_what_a_handler_did_not_foresee_fails_the_run_and_not_the_worker(stage: Stage) -> None:
    async def handle(held: engine.Claim, journal: engine.Journal) -> engine.Outcome:
        if held.run_id == unwritable:
            await journal.record(step("s", output="{broken"), commit=False)
            return engine.Completed("{}")
        message = "not foreseen"
        raise RuntimeError(message)

    unwritable, raising = await stage.start(), await stage.start()
    async with stage.working(handle):
        assert set((await stage.finished([unwritable, raising])).values()) == {"failed"}
    for run_id in (unwritable, raising):
        assert await stage.failure(run_id) == "internal_error"
    assert await stage.steps(unwritable) == {}


# --- stopping


async def test_a_stopped_worker_lets_its_runs_end_within_the_grace_period(stage: Stage) -> None:
    doors = Doors()
    async with stage.working(doors, PATIENT):
        run_id = await stage.start()
        await doors.until_inside(run_id)
        asyncio.get_running_loop().call_later(0.1, doors.open)
    assert await stage.status(run_id) == "completed"
    assert await stage.job(run_id) is None


async def test_a_stopped_worker_hands_back_what_takes_longer_and_that_is_no_loss(stage: Stage) -> None:
    doors = Doors()
    run_ids = [await stage.start() for _ in range(4)]
    async with stage.working(doors):
        await doors.until_inside(*run_ids)
    for run_id in run_ids:
        run, job = await stage.run(run_id), await stage.job(run_id)
        assert (run["status"], run["lost_deliveries"]) == ("pending", 0)
        assert job is not None
        assert (job["status"], job["queue_manager_id"]) == ("queued", None)
    doors.open()
    async with stage.working(doors):
        await stage.finished(run_ids)
    for run_id in run_ids:
        assert set(await stage.steps(run_id)) == {"entered-1", "entered-2"}
        assert (await stage.run(run_id))["lost_deliveries"] == 0


async def test_a_run_that_waits_to_be_alone_is_handed_back_too(stage: Stage) -> None:
    doors = Doors()
    async with stage.working(doors):
        bystander = await stage.start()
        await doors.until_inside(bystander)
        async with stage.database.transaction() as tx:
            suspect = await stage.start_in(tx)
            await tx.execute("UPDATE runs SET lost_deliveries = 2 WHERE id = $1", suspect)

        async def claimed() -> bool:
            return await stage.status(suspect) == "running"

        await eventually(claimed)
    run, job = await stage.run(suspect), await stage.job(suspect)
    assert (run["status"], run["alone"], run["lost_deliveries"]) == ("pending", False, 2)
    assert job is not None
    assert job["status"] == "queued"
    assert [run_id for run_id, _ in doors.entries] == [bystander]


# --- cancelling


async def test_a_running_run_that_waits_is_interrupted_by_its_cancellation(stage: Stage) -> None:
    doors = Doors()
    async with stage.working(doors):
        run_id = await stage.start()
        await doors.until_inside(run_id)
        await stage.cancel(run_id)
        assert await stage.finished([run_id]) == {run_id: "cancelled"}


async def test_a_cancellation_that_nobody_heard_is_read_after_the_connection_is_back(stage: Stage) -> None:
    doors = Doors()
    async with stage.working(doors, PATIENT):
        run_id = await stage.start()
        await doors.until_inside(run_id)
        await stage.cut_connections(f"UPDATE runs SET cancel_requested_at = now() WHERE id = '{run_id}'")
        assert await stage.finished([run_id]) == {run_id: "cancelled"}


async def test_a_run_whose_worker_died_after_the_cancellation_is_not_executed_again(stage: Stage) -> None:
    doors = Doors()
    run_id = await stage.start()
    await stage.lose(run_id)
    await stage.cancel(run_id)
    async with stage.working(doors):
        assert await stage.finished([run_id]) == {run_id: "cancelled"}
    assert doors.entries == []


# --- losses


async def test_after_two_losses_a_run_is_alone_and_bystanders_wait_without_failing(stage: Stage) -> None:
    doors = Doors()
    suspect = await stage.start()
    await stage.lose(suspect)
    await stage.lose(suspect)
    async with stage.working(doors, PATIENT):
        await doors.until_inside(suspect)
        assert (await stage.run(suspect))["alone"]
        bystanders = [await stage.start() for _ in range(3)]

        async def claimed() -> bool:
            return all([await stage.status(run_id) == "running" for run_id in bystanders])

        await eventually(claimed)
        assert set(doors.inside) == {suspect}
        doors.open()
        assert set((await stage.finished([suspect, *bystanders])).values()) == {"completed"}
    assert not (await stage.run(suspect))["alone"]


async def test_a_loss_while_alone_is_the_runs_own_fault(stage: Stage) -> None:
    doors = Doors()
    culprit, bystander = await stage.start(), await stage.start()
    await stage.lose(culprit)
    await stage.lose(culprit)
    await stage.lose(culprit, alone=True)
    await stage.lose(bystander)  # it had been claimed beside the culprit
    async with stage.working(doors, PATIENT):
        assert await stage.finished([culprit]) == {culprit: "failed"}
        doors.open()
        assert await stage.finished([bystander]) == {bystander: "completed"}
    assert await stage.failure(culprit) == "worker_lost"
    assert [run_id for run_id, _ in doors.entries] == [bystander]


async def test_any_number_of_losses_beside_others_does_not_fail_a_run(stage: Stage) -> None:
    run_id = await stage.start()
    for _ in range(6):
        await stage.lose(run_id)
    async with stage.working(completes()):
        assert await stage.finished([run_id]) == {run_id: "completed"}


async def test_a_run_that_stands_in_no_queue_is_queued_again(stage: Stage) -> None:
    lost, fresh = await stage.start(), await stage.start()
    held = await claim(stage.database, await stage.start())
    await engine.Journal(stage.database, held).finish(engine.Completed("{}"))
    async with stage.database.transaction() as tx:
        await tx.execute("DELETE FROM pgqueuer")
        sql = "UPDATE runs SET created_at = now() - interval '3 minutes' WHERE id = ANY($1)"
        await tx.execute(sql, [lost, held.run_id])
    async with stage.working(completes()) as worker:
        await worker._requeue_orphans()
        assert await stage.finished([lost]) == {lost: "completed"}
        assert await stage.job(fresh) is None  # its start may not be committed as a whole, as far as one can tell
        assert await stage.job(held.run_id) is None


# --- the database goes away


async def test_runs_go_on_through_an_outage_longer_than_the_heartbeat(stage: Stage) -> None:
    doors = Doors()
    rarely_beating = engine.WorkerLimits(concurrency=8, heartbeat=6.0, grace=30.0)
    async with stage.working(doors, rarely_beating), stage.working(doors, rarely_beating):
        run_ids = [await stage.start() for _ in range(6)]
        await doors.until_inside(*run_ids)
        for _ in range(2):
            await stage.cut_connections("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
            later = await stage.start()
            await doors.until_inside(later)
            run_ids.append(later)
        doors.open()
        assert set((await stage.finished(run_ids)).values()) == {"completed"}
    assert sorted(doors.entries) == sorted((run_id, 1) for run_id in run_ids)


async def test_a_run_that_comes_again_to_the_worker_that_has_it_waits_there(stage: Stage) -> None:
    doors = Doors()
    worker = engine.Worker(stage.database, doors, QUICK)
    run_id = await stage.start()
    first = asyncio.create_task(worker._deliver_job(await picked_job(stage, run_id)))
    await doors.until_inside(run_id)
    again = asyncio.create_task(worker._deliver_job(await picked_job(stage, run_id)))
    doors.let_out(run_id)
    await asyncio.gather(first, again)
    assert doors.entries == [(run_id, 1)]
    assert await stage.status(run_id) == "completed"
    assert (await stage.run(run_id))["lost_deliveries"] == 0


async def picked_job(stage: Stage, run_id: str) -> Job:
    await pick(stage.database, run_id)
    row = await stage.job(run_id)
    assert row is not None
    return Job.model_validate(dict(row))


# --- limits


async def test_a_worker_does_no_more_at_once_than_it_may(stage: Stage) -> None:
    doors = Doors()
    run_ids = [await stage.start() for _ in range(12)]
    async with stage.working(doors, engine.WorkerLimits(concurrency=4, heartbeat=1.0, grace=30.0)):
        for _ in range(3):

            async def full() -> bool:
                return len(doors.inside) == 4

            await eventually(full)
            doors.let_out(*doors.inside)
            await stage.finished(list(doors.inside))
        doors.open()
        await stage.finished(run_ids)
    assert doors.most == 4


async def test_the_limit_of_an_automation_holds_over_all_workers_and_can_be_raised(stage: Stage) -> None:
    doors = Doors()
    automation_id = await limited_automation(stage, 2)
    async with stage.working(doors, PATIENT), stage.working(doors, PATIENT):
        # Workers that ran before the automation was limited hear of it.
        async with stage.database.transaction() as tx:
            await tx.execute("SELECT pg_notify('assay_limits', $1)", automation_id)
        limited = [await stage.start(automation_id, concurrency_limit=2) for _ in range(8)]
        others = [await stage.start() for _ in range(8)]
        await doors.until_inside(*others)

        async def inside() -> int:
            return len(set(doors.inside) & set(limited))

        async def full() -> bool:
            return await inside() == 2

        await eventually(full)
        for _ in range(2):
            done = set(doors.inside) & set(limited)
            doors.let_out(*done)
            await stage.finished(done)
            await eventually(full)
        async with stage.database.transaction() as tx:
            await tx.execute("UPDATE automations SET concurrency_limit = 4 WHERE id = $1", automation_id)
            await tx.execute("SELECT pg_notify('assay_limits', $1)", automation_id)

        async def fuller() -> bool:
            return await inside() == 4

        await eventually(fuller)
        doors.open()
        assert set((await stage.finished([*limited, *others])).values()) == {"completed"}


async def test_jobs_of_an_automation_that_is_limited_no_more_are_executed(stage: Stage) -> None:
    automation_id = await limited_automation(stage, 1)
    run_ids = [await stage.start(automation_id, concurrency_limit=1) for _ in range(3)]
    async with stage.database.transaction() as tx:
        await tx.execute("UPDATE automations SET concurrency_limit = NULL WHERE id = $1", automation_id)
    async with stage.working(completes(), QUICK):
        assert set((await stage.finished(run_ids)).values()) == {"completed"}


async def test_runs_that_were_made_under_a_limit_are_executed_when_they_are_queued_after_it(stage: Stage) -> None:
    automation_id = await limited_automation(stage, 1)
    run_id = await stage.start(automation_id, concurrency_limit=1)
    async with stage.database.transaction() as tx:
        # Its turn has not come, as with runs of an experiment.
        await tx.execute("DELETE FROM pgqueuer WHERE dedupe_key = $1", run_id)
        await tx.execute("UPDATE automations SET concurrency_limit = NULL WHERE id = $1", automation_id)
    doors = Doors()
    async with stage.working(doors, QUICK):
        first = await stage.start()
        await doors.until_inside(first)
        await stage.cancel(first)  # heard of only by a worker that has read the limits
        await stage.finished([first])
        doors.open()
        async with stage.database.transaction() as tx:
            await engine.enqueue(tx, run_id, (await stage.run(run_id))["entrypoint"])
        assert (await stage.finished([run_id]))[run_id] == "completed"
