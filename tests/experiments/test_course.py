"""How an experiment is moved on, without a worker: what is queued, what is never begun, and that it ends once."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from tests.experiments.laboratory import Laboratory
from tests.runs.conftest import caller_of

from assay import access, bootstrap, db, engine, experiments, reviews, runs
from assay.settings import Settings

MISFIT: Mapping[str, Any] = {"input": {"n": "much"}}


@pytest.fixture(scope="module")
async def quiet(
    database: db.Database,
    ownership: tuple[access.Organization, access.User],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Laboratory]:
    """A server that has no worker, so that nothing happens by itself."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=database.dsn)
    async with bootstrap.open_server(settings) as server:
        yield Laboratory(server, caller_of(*ownership))


async def runs_of(quiet: Laboratory, experiment_id: str) -> list[experiments.ExperimentRun]:
    experiment = await quiet.read(experiment_id)
    portions = experiments.runs_in_portions(quiet.database, experiment, with_scores=False)
    return [run async for portion, _ in portions for run in portion]


async def statuses(quiet: Laboratory, experiment_id: str) -> list[str]:
    return [run.status for run in await runs_of(quiet, experiment_id)]


async def cancel(quiet: Laboratory, experiment_id: str) -> None:
    async with quiet.database.transaction() as tx:
        await experiments.cancel(tx, quiet.caller, experiment_id)


async def queued(quiet: Laboratory) -> list[tuple[str, int]]:
    async with quiet.database.transaction() as tx:
        rows = await tx.fetch("SELECT dedupe_key, priority FROM pgqueuer ORDER BY id")
    return [(row["dedupe_key"], row["priority"]) for row in rows]


async def test_only_as_many_runs_are_queued_as_may_go_on_at_once(quiet: Laboratory) -> None:
    name = await quiet.workflow(1, 2, 3, 4)
    started = await quiet.start(name, repeats=2, concurrency=3)
    assert (await quiet.read(started)).status == "queued"
    await experiments.advance(quiet.database, started, reviews.settle)
    await experiments.advance(quiet.database, started, reviews.settle)
    assert await statuses(quiet, started) == ["pending"] * 3 + ["created"] * 5
    assert (await quiet.read(started)).status == "running"
    # Whoever waits for a run goes before.
    in_queue = dict(await queued(quiet))
    assert {in_queue[run.id] for run in (await runs_of(quiet, started))[:3]} == {-1}
    await cancel(quiet, started)


async def test_one_that_is_cancelled_before_any_run_began_ends_with_all_of_them_cancelled(quiet: Laboratory) -> None:
    name = await quiet.workflow(1, 2, 3)
    started = await quiet.start(name, concurrency=1)
    await experiments.advance(quiet.database, started, reviews.settle)
    await cancel(quiet, started)
    await cancel(quiet, started)
    await experiments.advance(quiet.database, started, reviews.settle)
    over = await quiet.read(started)
    assert (over.status, over.counts.cancelled, over.counts.completed) == ("completed", 3, 3)
    assert over.cancel_requested_at is not None
    ids = {run.id for run in await runs_of(quiet, started)}
    assert not ids & {run_id for run_id, _ in await queued(quiet)}
    await cancel(quiet, started)
    assert await quiet.read(started) == over


async def test_runs_cancelled_one_by_one_hold_nothing_up(quiet: Laboratory) -> None:
    name = await quiet.workflow(1, 2, 3)
    started = await quiet.start(name, concurrency=1)
    for run in await runs_of(quiet, started):
        async with quiet.database.transaction() as tx:
            await engine.request_cancel(tx, quiet.caller.organization_id, run.id)
        await experiments.advance(quiet.database, started, reviews.settle)
    over = await quiet.read(started)
    assert (over.status, over.counts.cancelled, over.cancel_requested_at) == ("completed", 3, None)


async def test_where_no_input_fits_it_ends_without_a_worker(quiet: Laboratory) -> None:
    name = await quiet.workflow()
    for number in (1, 2):
        await quiet.example(name, number, **MISFIT)
    started = await quiet.start(name, repeats=2)
    assert await statuses(quiet, started) == ["rejected"] * 4
    await experiments.advance(quiet.database, started, reviews.settle)
    over = await quiet.read(started)
    assert (over.status, over.counts.errors, over.counts.failed) == ("completed", 4, 0)


async def test_whoever_looks_at_the_same_time_ends_it_once(quiet: Laboratory) -> None:
    name = await quiet.workflow(1, 2)
    started = await quiet.start(name)
    await cancel(quiet, started)
    await asyncio.gather(*(experiments.advance(quiet.database, started, reviews.settle) for _ in range(4)))
    over = await quiet.read(started)
    await experiments.advance(quiet.database, started, reviews.settle)
    assert (over.status, await quiet.read(started)) == ("completed", over)
    async with quiet.database.transaction() as tx:
        assert await tx.fetch_value("SELECT count(*) FROM example_results WHERE experiment_id = $1", started) == 2


async def test_an_example_that_is_named_twice_runs_once(quiet: Laboratory) -> None:
    name = await quiet.workflow(1, 2, 3)
    started = await quiet.start(name, example_ids=["n2", "n1", "n2"])
    assert [run.example_name for run in await runs_of(quiet, started)] == ["n1", "n2"]
    await cancel(quiet, started)


async def test_all_runs_are_told_wherever_they_stand_and_whenever_somebody_comes(quiet: Laboratory) -> None:
    """Rejected ones stand behind what is queued; a follower who comes late is told the same."""
    name = await quiet.workflow(1, 2)
    await quiet.example(name, 3, **MISFIT)
    started = await quiet.start(name, concurrency=1, repeats=100)
    experiment = await quiet.read(started)
    events = experiments.follow(quiet.database, quiet.server.waiting_room, experiment)
    early = asyncio.create_task(told(events))
    await experiments.advance(quiet.database, started, reviews.settle)
    await cancel(quiet, started)
    await experiments.advance(quiet.database, started, reviews.settle)
    late = await told(experiments.follow(quiet.database, quiet.server.waiting_room, experiment))
    ids = [run.id for run in await runs_of(quiet, started)]
    assert sorted(late[0]) == sorted(ids)
    assert sorted((await early)[0]) == sorted(ids)
    counts = late[1].counts
    assert (counts.errors, counts.cancelled, counts.completed) == (100, 200, 300)


async def test_a_run_is_not_deleted_before_its_experiment_has_counted_it(quiet: Laboratory) -> None:
    name = await quiet.workflow()
    await quiet.example(name, 1, **MISFIT)
    started = await quiet.start(name)
    (run,) = await runs_of(quiet, started)

    async def delete() -> None:
        async with quiet.database.transaction() as tx:
            await runs.delete_run(tx, quiet.caller.organization_id, run.id, user_id=None, key_id=None)

    assert run.status == "rejected"
    with pytest.raises(runs.RunNotFinishedError, match="experiment"):
        await delete()
    await experiments.advance(quiet.database, started, reviews.settle)
    assert (await quiet.read(started)).counts.errors == 1
    await delete()


async def told(events: AsyncGenerator[Any]) -> tuple[list[str], experiments.Experiment]:
    """Return the runs that were told and, once it has ended, the experiment."""
    found: list[str] = []
    async for event in events:
        if isinstance(event, experiments.ExperimentEnded):
            return found, event.experiment
        if event is not None:
            found.append(event.run.id)
            assert event.experiment.counts.completed == len(found)
    message = "the experiment is gone"
    raise AssertionError(message)


async def test_an_experiment_that_cannot_be_ended_does_not_hold_the_others_up(quiet: Laboratory) -> None:
    name = await quiet.workflow()
    await quiet.example(name, 1, **MISFIT)
    stuck, other = await quiet.start(name), await quiet.start(name)

    async def refuse_one(tx: db.Transaction, experiment_id: str, organization_id: str) -> None:
        del tx, organization_id
        if experiment_id == stuck:
            raise ValueError

    conducting = asyncio.create_task(experiments.Conductor(quiet.database, refuse_one).run())
    try:
        assert (await quiet.summary(other))["examples"]["errors"] == 1
        assert (await quiet.read(stuck)).status == "queued"
    finally:
        conducting.cancel()
        await asyncio.wait({conducting})
