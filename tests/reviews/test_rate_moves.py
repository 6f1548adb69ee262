"""Rates that move by themselves: by evidence, within limits, one step at a time, and never without a word."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.reviews.review_room import ReviewRoom

from assay import access, automations, clock, db, reviews
from assay.reviews import InvalidSamplingPolicyError


@pytest.fixture(scope="module")
def room(database: db.Database, organization: access.Organization) -> ReviewRoom:
    return ReviewRoom(database, organization.id)


@pytest.fixture(scope="module")
async def editor(room: ReviewRoom) -> access.Caller:
    return await room.reviewer("full_access")


@pytest.fixture
async def automation(room: ReviewRoom) -> str:
    return await room.automation()


async def put(room: ReviewRoom, editor: access.Caller, automation: str, **policy: Any) -> reviews.StoredSampling:
    async with room.database.transaction() as tx:
        return await reviews.set_sampling(tx, editor, automation, policy)


async def reviewed(
    room: ReviewRoom, automation: str, count: int, rating: str | None = "pass", **columns: Any
) -> list[str]:
    """Make drawn runs of the current version, with this verdict; `columns` are set beside."""
    made = await room.runs(automation, count)
    values = {"sampled": True, "sample_rate": 0.15, "sample_probability": 0.15, "review_rating": rating, **columns}
    if rating is not None:
        values["review_created_at"] = clock.now()
    changes = ", ".join(f"{name} = ${index}" for index, name in enumerate(values, 2))
    async with room.database.transaction() as tx:
        current = await tx.fetch_value("SELECT current_version_id FROM automations WHERE id = $1", automation)
        sql = f"UPDATE runs SET {changes}, version_id = '{current}' WHERE id = ANY($1)"
        await tx.execute(sql, made, *values.values())
    return made


async def rate_of(room: ReviewRoom, automation: str) -> float:
    async with room.database.transaction() as tx:
        return (await reviews.sampling_of(tx, room.organization_id, automation)).policy.rate


async def history(room: ReviewRoom, automation: str) -> list[reviews.RateChange]:
    async with room.database.transaction() as tx:
        changes, total = await reviews.rate_changes(tx, room.organization_id, automation, limit=50)
    assert total == len(changes)
    return list(changes)


async def advice(room: ReviewRoom, automation: str, **more: Any) -> reviews.Advice:
    async with room.database.transaction() as tx:
        return await reviews.advise(tx, room.organization_id, automation, **more)


# --- by themselves


async def test_clean_reviews_move_the_rate_one_step_with_reason_and_evidence(
    room: ReviewRoom, editor: access.Caller, automation: str
) -> None:
    await put(room, editor, automation, auto=True)
    await reviewed(room, automation, 40)
    assert await reviews.move_rates(room.database) == 1
    assert await rate_of(room, automation) == 0.10
    (change,) = await history(room, automation)
    assert (change.rate_before, change.rate_after, change.user_id) == (0.15, 0.10, None)
    assert isinstance(change.evidence, dict)
    assert (change.evidence["reviewed"], change.evidence["missed"]) == (40, 0)
    assert await reviews.move_rates(room.database) == 0


async def test_without_auto_it_is_only_advice(room: ReviewRoom, editor: access.Caller, automation: str) -> None:
    await put(room, editor, automation, auto=False)
    await reviewed(room, automation, 40)
    assert (await advice(room, automation)).action == "lower"
    assert await reviews.move_rates(room.database) == 0
    assert await history(room, automation) == []


async def test_the_limits_hold(room: ReviewRoom, editor: access.Caller, automation: str) -> None:
    await put(room, editor, automation, rate=0.05, auto=True, limits={"lowest": 0.05, "highest": 0.05})
    await reviewed(room, automation, 500)
    assert await reviews.move_rates(room.database) == 0
    await reviewed(room, automation, 1, "fail")
    assert (await advice(room, automation)).action == "raise"
    assert await reviews.move_rates(room.database) == 0


async def test_a_miss_moves_it_up_once(room: ReviewRoom, editor: access.Caller, automation: str) -> None:
    await put(room, editor, automation, rate=0.05, auto=True)
    await reviewed(room, automation, 100)
    await reviewed(room, automation, 1, "partial")
    assert await reviews.move_rates(room.database) == 1
    assert await rate_of(room, automation) == 0.10
    assert await reviews.move_rates(room.database) == 0


async def test_another_version_moves_it_back_to_the_first_rate_and_starts_afresh(
    room: ReviewRoom, editor: access.Caller, automation: str
) -> None:
    await reviewed(room, automation, 500)
    await put(room, editor, automation, rate=0.01, auto=True)
    async with room.database.transaction() as tx:
        slug = (await automations.get(tx, room.organization_id, automation)).slug
        source = f"name: {slug}\nversion: 2.0.0\nsteps: [{{name: a, type: transform.set, with: {{fields: {{x: 2}}}}}}]"
        await automations.push(tx, editor, source=source, automation=automation)
    assert await reviews.move_rates(room.database) == 1
    assert await rate_of(room, automation) == 0.15
    found = await advice(room, automation)
    assert (found.evidence.reviewed, found.miss_rate.estimate) == (0, None)


async def test_drift_moves_it_up_when_the_watch_says_so(
    room: ReviewRoom, editor: access.Caller, automation: str
) -> None:
    await put(room, editor, automation, rate=0.05, auto=True)

    async def drifted(_: db.Transaction, __: str, automation_id: str) -> reviews.Drift | None:
        since = clock.now() + timedelta(seconds=1)
        return reviews.Drift(since, "More pages than before.") if automation_id == automation else None

    assert await reviews.move_rates(room.database, drifted) == 1
    (change, _) = await history(room, automation)
    assert (change.rate_after, change.reason) == (0.10, "More pages than before.")


async def test_many_workers_move_it_once(room: ReviewRoom, editor: access.Caller, automation: str) -> None:
    import asyncio

    await put(room, editor, automation, auto=True)
    await reviewed(room, automation, 40)
    moved = await asyncio.gather(*(reviews.move_rates(room.database) for _ in range(5)))
    assert sum(moved) == 1


async def test_a_moved_rate_is_told_to_those_who_listen(
    room: ReviewRoom, editor: access.Caller, automation: str
) -> None:
    async with room.database.transaction() as tx:
        sql = """INSERT INTO webhook_endpoints (id, organization_id, url, events, encrypted_secret, automation_id)
                 VALUES ('whep_1', $1, 'https://example.org', '{sampling.*}', '', $2)"""
        await tx.execute(sql, room.organization_id, automation)
    await put(room, editor, automation, rate=0.5)
    async with room.database.transaction() as tx:
        rows = await tx.fetch("SELECT type, payload FROM webhook_events WHERE automation_id = $1", automation)
    assert [(row["type"], json.loads(row["payload"])["rateAfter"]) for row in rows] == [("sampling.rate_changed", 0.5)]


# --- what counts


async def test_only_what_was_drawn_at_random_counts(room: ReviewRoom, automation: str) -> None:
    await reviewed(room, automation, 30)
    await reviewed(room, automation, 20, "fail", sampled=False)  # somebody picked the bad ones
    found = await advice(room, automation)
    assert (found.evidence.reviewed, found.evidence.missed, found.miss_rate.estimate) == (30, 0, 0.0)


async def test_live_and_shadow_runs_are_told_apart(room: ReviewRoom, automation: str) -> None:
    await reviewed(room, automation, 10)
    await reviewed(room, automation, 5, "fail", mode="shadow")
    assert (await advice(room, automation)).evidence.reviewed == 10
    shadow = await advice(room, automation, mode="shadow")
    assert (shadow.evidence.reviewed, shadow.evidence.missed) == (5, 5)


async def test_runs_are_weighed_by_their_probability(room: ReviewRoom, automation: str) -> None:
    await reviewed(room, automation, 10, sample_probability=0.1)
    await reviewed(room, automation, 20, "fail", sample_stratum="unsure", sample_probability=1.0)
    found = await advice(room, automation)
    assert found.miss_rate.estimate == pytest.approx(20 / 120)


async def test_rate_zero_with_traffic_is_called_unmeasured(
    room: ReviewRoom, editor: access.Caller, automation: str
) -> None:
    await put(room, editor, automation, rate=0)
    assert (await advice(room, automation)).measured
    await room.runs(automation, 1)
    found = await advice(room, automation)
    assert not found.measured
    assert found.reasons[0].code == "unmeasured"


async def test_what_waits_for_a_verdict_for_more_than_a_week_holds_back(room: ReviewRoom, automation: str) -> None:
    await reviewed(room, automation, 40)
    assert (await advice(room, automation)).action == "lower"
    long_ago: datetime = clock.now() - timedelta(days=8)
    await reviewed(room, automation, 1, None, completed_at=long_ago)
    assert (await advice(room, automation)).action == "keep"


# --- by hand


async def test_a_rate_set_by_hand_is_kept_with_its_reason_and_its_person(
    room: ReviewRoom, editor: access.Caller, automation: str
) -> None:
    async with room.database.transaction() as tx:
        await reviews.set_sampling(tx, editor, automation, {"rate": 0.5}, reason="New customer.")
        await reviews.set_sampling(tx, editor, automation, {"rate": 0.5}, reason="Again.")
    (change,) = await history(room, automation)
    assert (change.rate_before, change.rate_after, change.reason) == (0.15, 0.5, "New customer.")
    assert change.user_id == editor.user_id
    async with room.database.transaction() as tx:
        entries = [
            entry for entry in await access.list_audit(tx, room.organization_id, 10) if entry.target == automation
        ]
    assert [entry.action for entry in entries if entry.action == "sampling.set"] == ["sampling.set"]


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        ({"rate": 1.5, "floor": -1}, {"rate", "floor"}),
        ({"rate": "0.5"}, {"rate"}),
        ({"rate": True}, {"rate"}),
        ({"rate": 0.1, "floor": 0.2}, {"rate"}),
        ({"rte": 0.1}, {"rte"}),
        ({"strata": [{"name": "a", "when": "output.total", "rate": 1}]}, {"strata.0.when"}),
        ({"strata": [{"name": "a", "when": "{{ steps.a }}", "rate": 1}]}, {"strata.0.when"}),
        ({"strata": [{"name": "a", "when": "{{ output. }}", "rate": 1}]}, {"strata.0.when"}),
        ({"strata": [{"name": "a", "when": "{{ output | nothing }}", "rate": 1}]}, {"strata.0.when"}),
        ({"strata": [{"name": "a", "when": "{% if output %}{{ 1 }}{% endif %}", "rate": 1}]}, {"strata.0.when"}),
        ({"strata": [{"name": "a", "when": "true", "rate": 1}] * 2}, {"strata.1.name"}),
        ({"strata": [{"name": " a", "when": "true", "rate": 1}]}, {"strata.0.name"}),
        ({"minimumPerDay": -1, "toleratedMissRate": 0}, {"minimumPerDay", "toleratedMissRate"}),
        ({"limits": {"lowest": 0.5, "highest": 0.1}}, {"limits"}),
        ([], {"<root>"}),
        (None, {"<root>"}),
    ],
)
async def test_a_policy_that_is_none_is_refused_with_everything_that_is_wrong(
    room: ReviewRoom, editor: access.Caller, automation: str, policy: Any, fields: set[str]
) -> None:
    with pytest.raises(InvalidSamplingPolicyError) as refused:
        async with room.database.transaction() as tx:
            await reviews.set_sampling(tx, editor, automation, policy)
    assert {issue.field for issue in refused.value.issues} == fields


async def test_a_floor_alone_lifts_the_default_rate(room: ReviewRoom, editor: access.Caller, automation: str) -> None:
    assert (await put(room, editor, automation, floor=1)).policy.rate == 1.0
