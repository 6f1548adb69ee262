"""Killing any process at any moment loses no run and repeats no step that was committed.

`ASSAY_CRASH_ROUNDS` repeats the random kills with other seeds (`make crash`); `ASSAY_CRASH_SEED` repeats one.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.crash.processes import STEPS, Installation, eventually, key_of, shuffled

from assay.db import embedded

ROUNDS = int(os.environ.get("ASSAY_CRASH_ROUNDS", "1"))
SEED = os.environ.get("ASSAY_CRASH_SEED")
SEEDS = [int(SEED)] if SEED else [random.randrange(10**9) for _ in range(ROUNDS)]
RUNS = 200
EFFECTS = RUNS * len(STEPS)
KILLS = 5

Install = Callable[..., Installation]


@pytest.mark.parametrize("round_number", range(len(SEEDS)))
async def test_processes_killed_at_random_lose_no_run_and_repeat_no_committed_step(
    install: Install, round_number: int
) -> None:
    seed = SEEDS[round_number]
    print(f"ASSAY_CRASH_SEED={seed}")
    numbers = random.Random(seed)
    here = install()
    running = {"server": here.serve(), "worker 1": here.worker(), "worker 2": here.worker()}
    here.prepare()
    with ThreadPoolExecutor(8) as pool:
        answers = here.start_many(RUNS, pool)
        for victim in shuffled(seed, [*running, "postmaster"], KILLS):
            # On a slow machine, too, work is in flight: it has gone on since the kill before.
            enough = min(len(here.effects_by_key()) + 1, EFFECTS)
            eventually(lambda enough=enough: len(here.effects_by_key()) >= enough, "no run goes on")
            # Then any moment will do: which, the seed says.
            time.sleep(numbers.uniform(0, 1.2))
            # A run that is lost while it is alone fails, as it must: this is not about that.
            while await here.rows("SELECT FROM runs WHERE alone AND status = 'running'"):
                time.sleep(0.02)
            if victim == "postmaster":
                postmaster = here.postmaster()
                if postmaster is not None:
                    postmaster.kill()
                continue
            running[victim].kill()
            running[victim].wait()
            running[victim] = here.serve() if victim == "server" else here.worker()
        accepted = {answer.result().json()["id"] for answer in answers}
    runs = await here.until_finished(RUNS)
    assert {run["id"] for run in runs} == accepted
    assert {run["status"] for run in runs} == {"completed"}
    repeated = await here.check_effects(runs)
    print(
        f"{repeated} effects were in flight and repeated; {sum(run['lost_deliveries'] for run in runs)} deliveries lost"
    )
    assert (
        await here.rows("SELECT FROM pgqueuer WHERE status = 'picked' AND heartbeat < now() - interval '1 minute'")
        == []
    )


async def test_a_worker_paused_past_its_heartbeat_and_resumed_changes_nothing(install: Install) -> None:
    here = install()
    here.serve()
    here.prepare()
    paused = here.worker()
    run_id = here.start(1, milliseconds=700).json()["id"]
    eventually(here.effects_by_key, "the first step did not run")
    paused.send_signal(signal.SIGSTOP)
    other = here.worker()
    (before,) = await here.until_finished(1)
    assert (before["status"], before["delivery"]) == ("completed", 2)
    everything = "SELECT * FROM run_steps ORDER BY execution_order"
    steps = await here.rows(everything)
    result = await here.rows("SELECT * FROM run_results")
    here.terminate(other)
    paused.send_signal(signal.SIGCONT)
    # The paused worker ends its step, is told that the run is another's, and does the next one.
    assert here.start(2, milliseconds=700, wait=50).status_code == 200
    runs = await here.until_finished(2)
    assert dict(next(run for run in runs if run["id"] == run_id)) == dict(before)
    assert [row for row in await here.rows(everything) if row["run_id"] == run_id] == steps
    assert [row for row in await here.rows("SELECT * FROM run_results") if row["run_id"] == run_id] == result
    assert set(here.effects_by_key()) == {key_of(run["id"], step) for run in runs for step in STEPS}


async def test_a_database_that_is_gone_for_a_while_fails_no_run_and_no_waiter(install: Install) -> None:
    database = install()
    lease = embedded.acquire(database.data_dir)
    here = install(ASSAY_DATABASE_URL=lease.dsn, ASSAY_SECRET_KEY="k" * 32)
    here.serve()
    here.worker()
    here.worker()
    here.prepare()
    with ThreadPoolExecutor(60) as pool:
        held = here.start_many(40, pool, wait=50)
        eventually(lambda: len(here.effects_by_key()) > 10, "nothing runs")
        lease.release()
        refused = here.request("GET", "/runs")
        assert (refused.status_code, refused.headers.get("retry-after") is not None) == (503, True)
        unaccepted = pool.submit(here.start, 1000)
        time.sleep(4)  # several heartbeats
        lease = embedded.acquire(database.data_dir)
        try:
            assert {answer.result().status_code for answer in held} == {200}
            unaccepted.result()
            runs = await here.until_finished(41)
            assert {(run["status"], run["lost_deliveries"]) for run in runs} == {("completed", 0)}
            assert await here.check_effects(runs) == 0
        finally:
            here.close()
            lease.release()


async def test_everything_told_to_stop_ends_cleanly_and_the_next_start_goes_on(install: Install) -> None:
    here = install()
    processes = [here.serve(), here.worker(), here.worker()]
    here.prepare()
    with ThreadPoolExecutor(8) as pool:
        for answer in here.start_many(40, pool, milliseconds=300):
            answer.result()
    eventually(lambda: len(here.effects_by_key()) > 4, "nothing runs")
    assert here.terminate(*processes) == [0, 0, 0]
    assert here.postmaster() is None
    here.serve()
    here.worker()
    here.worker()
    runs = await here.until_finished(40)
    assert {(run["status"], run["lost_deliveries"]) for run in runs} == {("completed", 0)}
    await here.check_effects(runs)
