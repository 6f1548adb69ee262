"""Which runs are drawn: by their hash and the rate in force, once, and at no query a run."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reviews.review_room import ReviewRoom

from assay import access, clock, db, engine, reviews, runs
from assay.ids import new_id

DONE = engine.Completed('{"total": 12, "items": [1, 2]}')


@pytest.fixture(scope="module")
def room(database: db.Database, organization: access.Organization) -> ReviewRoom:
    return ReviewRoom(database, organization.id)


@pytest.fixture(scope="module")
async def editor(room: ReviewRoom) -> access.Caller:
    return await room.reviewer("full_access")


@pytest.fixture
async def automation(room: ReviewRoom) -> str:
    return await room.automation()


@pytest.fixture
def sampler(database: db.Database) -> reviews.Sampler:
    return reviews.Sampler(database)


@pytest.fixture
async def listening(sampler: reviews.Sampler) -> AsyncGenerator[reviews.Sampler]:
    task = asyncio.create_task(sampler.run())
    yield sampler
    task.cancel()


def claim_of(room: ReviewRoom, automation: str, **more: Any) -> engine.Claim:
    now = clock.now()
    values: dict[str, Any] = {
        "run_id": runs.new_run_id(),
        "organization_id": room.organization_id,
        "automation_id": automation,
        "kind": "workflow",
        "version_id": "wfv_1",
        "mode": "live",
        "created_at": now,
        "started_at": now,
        "delivery": 1,
        "lost_deliveries": 0,
        "input": {"country": "pl"},
        "overrides": None,
        "metadata": {"customer": "new"},
    }
    return engine.Claim(**{**values, **more})


async def put(room: ReviewRoom, editor: access.Caller, automation: str, **policy: Any) -> None:
    async with room.database.transaction() as tx:
        await reviews.set_sampling(tx, editor, automation, policy)


async def draw(
    sampler: reviews.Sampler, claim: engine.Claim, ended: runs.Ended = DONE, confidence: Any = None
) -> engine.Draw:
    found = await sampler(claim, ended, confidence)
    assert found is not None
    return found


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.01)


# --- who is drawn


async def test_by_default_a_run_is_drawn_when_its_rank_is_below_15_percent(
    room: ReviewRoom, automation: str, sampler: reviews.Sampler
) -> None:
    for _ in range(300):
        claim = claim_of(room, automation)
        found = await draw(sampler, claim)
        assert found.sampled == (runs.sample_rank(room.organization_id, claim.run_id) < 0.15)
        assert (found.rate, found.probability, found.stratum) == (0.15, 0.15, None)
        assert (found.item_id is not None) == found.sampled


@pytest.mark.parametrize(
    ("more", "ended"),
    [
        ({}, engine.Failed("broken", "It broke.")),
        ({}, engine.Cancelled()),
        ({"mode": "eval"}, DONE),
        ({"parent_run_id": "exec_1"}, DONE),
    ],
)
async def test_only_completed_runs_that_stand_for_themselves_are_drawn(
    room: ReviewRoom, automation: str, sampler: reviews.Sampler, more: Any, ended: Any
) -> None:
    assert await sampler(claim_of(room, automation, **more), ended, None) is None


async def test_shadow_runs_are_drawn_too(room: ReviewRoom, automation: str, sampler: reviews.Sampler) -> None:
    assert await sampler(claim_of(room, automation, mode="shadow"), DONE, None) is not None


async def test_with_a_floor_of_one_every_run_is_reviewed(
    room: ReviewRoom, editor: access.Caller, automation: str, sampler: reviews.Sampler
) -> None:
    await put(room, editor, automation, floor=1)
    for _ in range(50):
        assert (await draw(sampler, claim_of(room, automation))).sampled


async def test_a_share_of_the_drawn_is_reviewed_by_two_whatever_their_rank(
    room: ReviewRoom, editor: access.Caller, automation: str, sampler: reviews.Sampler
) -> None:
    await put(room, editor, automation, rate=1.0, doubleReviewShare=0.25)
    claims = [claim_of(room, automation) for _ in range(2000)]
    double = [claim for claim in claims if (await draw(sampler, claim)).slots == 2]
    assert 400 < len(double) < 600
    below = sum(runs.sample_rank(room.organization_id, claim.run_id) < 0.5 for claim in double)
    assert 0.4 < below / len(double) < 0.6


@given(rates=st.lists(st.floats(0, 1), min_size=2, max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_sample_of_a_lower_rate_is_part_of_that_of_a_higher_one(
    room: ReviewRoom, editor: access.Caller, automation: str, rates: list[float]
) -> None:
    claims = [claim_of(room, automation) for _ in range(60)]
    samples = list[tuple[float, set[str]]]()
    for rate in rates:
        await put(room, editor, automation, rate=rate)
        sampler = reviews.Sampler(room.database)
        samples.append((rate, {claim.run_id for claim in claims if (await draw(sampler, claim)).sampled}))
    samples.sort(key=lambda one: one[0])
    for (_, lower), (_, higher) in itertools.pairwise(samples):
        assert lower <= higher


# --- strata


STRATA = [
    {"name": "unsure", "when": "{{ confidence == 'low' }}", "rate": 1.0},
    {"name": "new customer", "when": "{{ metadata.customer == 'new' and output.total > 10 }}", "rate": 0.5},
    {"name": "broken", "when": "{{ output.total | date: '%Y' | plus: 'x' }}", "rate": 0.9},
    {"name": "shadow", "when": "{{ run.mode == 'shadow' }}", "rate": 0.0},
    {"name": "polish", "when": "{{ input.country == 'pl' }}", "rate": 0.25},
]


@pytest.mark.parametrize(
    ("more", "output", "confidence", "stratum"),
    [
        ({}, '{"total": 12}', "low", "unsure"),
        ({}, '{"total": 12}', "high", "new customer"),
        ({}, '{"total": 9}', None, "polish"),
        ({"mode": "shadow", "metadata": None}, '{"total": 12}', None, "shadow"),
        ({"input": {}, "metadata": None}, "null", None, None),
        ({}, json.dumps({"total": 12, "text": "x" * 200_000}), None, "new customer"),
    ],
)
async def test_the_first_stratum_whose_condition_is_true_gives_the_rate(
    room: ReviewRoom,
    editor: access.Caller,
    automation: str,
    sampler: reviews.Sampler,
    more: Any,
    output: str,
    confidence: Any,
    stratum: str | None,
) -> None:
    await put(room, editor, automation, rate=0.1, strata=STRATA)
    claim = claim_of(room, automation, **more)
    found = await draw(sampler, claim, engine.Completed(output), confidence)
    rates = {str(one["name"]): one["rate"] for one in STRATA}
    assert found.stratum == stratum
    assert found.rate == found.probability == (rates[stratum] if stratum else 0.1)
    if found.sampled:
        assert found.reason == ("stratum" if stratum else "random")


async def test_the_first_runs_of_a_version_are_a_stratum_until_there_were_a_hundred(
    room: ReviewRoom, editor: access.Caller, automation: str, database: db.Database
) -> None:
    first = {"name": "first", "when": "{{ version.firstRuns and version.age < 1 }}", "rate": 1.0}
    await put(room, editor, automation, strata=[first])
    async with database.transaction() as tx:
        sql = "SELECT current_version_id FROM automations WHERE id = $1"
        version_id = await tx.fetch_value(sql, automation)
    claim = claim_of(room, automation, version_id=version_id)
    assert (await draw(reviews.Sampler(database), claim)).stratum == "first"
    await room.runs(automation, 100)
    assert (await draw(reviews.Sampler(database), claim)).stratum is None


# --- what it costs, and what it hears


async def test_a_policy_that_is_known_needs_no_database(room: ReviewRoom, automation: str) -> None:
    own = await db.Database.connect(room.database.dsn, size=1)
    sampler = reviews.Sampler(own)
    first = await draw(sampler, claim_of(room, automation))
    await own.close()
    for _ in range(100):
        assert (await draw(sampler, claim_of(room, automation))).rate == first.rate


async def test_a_changed_policy_is_heard_at_once(
    room: ReviewRoom, editor: access.Caller, automation: str, listening: reviews.Sampler
) -> None:
    claim = claim_of(room, automation)
    assert (await draw(listening, claim)).rate == 0.15
    await put(room, editor, automation, rate=0.4)

    async def is_heard() -> bool:
        return (await draw(listening, claim)).rate == 0.4

    await until(is_heard)


# --- a minimum for each day


async def of_yesterday(room: ReviewRoom, automation: str, count: int) -> list[str]:
    made = await room.runs(automation, count)
    moment = clock.now().replace(hour=12, minute=0) - timedelta(days=1)
    async with room.database.transaction() as tx:
        for run_id in made:
            rank = runs.sample_rank(room.organization_id, run_id)
            sql = "UPDATE runs SET created_at = $2, sample_rank = $3 WHERE id = $1"
            await tx.execute(sql, run_id, moment, rank)
    return sorted(made, key=lambda run_id: runs.sample_rank(room.organization_id, run_id))


async def queued(room: ReviewRoom, automation: str) -> list[tuple[str, str]]:
    async with room.database.transaction() as tx:
        sql = "SELECT run_id, reason FROM review_items WHERE automation_id = $1"
        return [(row["run_id"], row["reason"]) for row in await tx.fetch(sql, automation)]


async def test_too_few_drawn_of_a_day_are_made_up_for_by_the_smallest_ranks_outside_the_random_sample(
    room: ReviewRoom, editor: access.Caller, automation: str
) -> None:
    await put(room, editor, automation, minimumPerDay=4)
    made = await of_yesterday(room, automation, 10)
    async with room.database.transaction() as tx:
        await tx.execute("UPDATE runs SET sampled = true WHERE id = $1", made[0])
        await tx.execute(
            "INSERT INTO review_items (id, organization_id, automation_id, run_id, reason)"
            " VALUES ($1, $2, $3, $4, 'random')",
            new_id("rvi"),
            room.organization_id,
            automation,
            made[0],
        )
    assert await reviews.top_up(room.database) == 3
    assert set(await queued(room, automation)) == {
        (made[0], "random"),
        (made[1], "minimum"),
        (made[2], "minimum"),
        (made[3], "minimum"),
    }
    async with room.database.transaction() as tx:
        sampled = await tx.fetch("SELECT id FROM runs WHERE automation_id = $1 AND sampled", automation)
    assert [row["id"] for row in sampled] == [made[0]]
    assert await reviews.top_up(room.database) == 0


async def test_a_day_with_fewer_runs_than_the_minimum_is_queued_whole(
    room: ReviewRoom, editor: access.Caller, automation: str
) -> None:
    await put(room, editor, automation, minimumPerDay=4)
    made = await of_yesterday(room, automation, 2)
    await room.runs(automation, 5)  # today's wait for their own day to be over
    assert await reviews.top_up(room.database) == 2
    assert {run_id for run_id, _ in await queued(room, automation)} == set(made)


# --- once and for all


async def test_a_run_remembers_its_draw_and_a_later_rate_draws_it_not_again(
    room: ReviewRoom, editor: access.Caller, automation: str, sampler: reviews.Sampler
) -> None:
    await put(room, editor, automation, rate=1.0)
    found = await draw(sampler, claim_of(room, automation))
    (run_id,) = await room.runs(automation)
    async with room.database.transaction() as tx:
        sql = "UPDATE runs SET sampled = $2, sample_rate = $3, sample_probability = $4 WHERE id = $1"
        await tx.execute(sql, run_id, found.sampled, found.rate, found.probability)
    await put(room, editor, automation, rate=0.0)
    await reviews.move_rates(room.database)
    async with room.database.transaction() as tx:
        row = await tx.fetch_one("SELECT sampled, sample_rate, sample_probability FROM runs WHERE id = $1", run_id)
    assert row is not None
    assert tuple(row.values()) == (True, 1.0, 1.0)


async def test_the_same_run_is_drawn_the_same_way_again(
    room: ReviewRoom, automation: str, sampler: reviews.Sampler
) -> None:
    claim = claim_of(room, automation)
    first, again = await draw(sampler, claim), await draw(sampler, claim)
    assert replace(first, item_id=None) == replace(again, item_id=None)
