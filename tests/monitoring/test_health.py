"""Health is what the runs and reviews say: counted for whoever asks, estimated from the random sample alone."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.monitoring.production import Production, production

from assay import access, clock, db, monitoring, reviews
from assay.errors import InvalidValueError
from assay.monitoring import AlertRule, Query

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NUMBERS = itertools.count()


@pytest.fixture
def by(organization: access.Organization, owner: access.User) -> access.Caller:
    return access.Caller(
        organization.id, "default", "Default", owner.id, "key_1", owner.email, None, frozenset({"full_access"})
    )


@pytest.fixture
async def flow(database: db.Database, by: access.Caller, request: pytest.FixtureRequest) -> Production:
    name = request.node.name.removeprefix("test_").split("[")[0].replace("_", "-")[:60].strip("-")
    return await production(database, by, name)


async def health(flow: Production, *, back: timedelta = 10 * DAY, **how: Any) -> monitoring.Health:
    now = clock.now()
    async with flow.database.transaction() as tx:
        query = Query(start=now - back, end=now + HOUR, **how)
        return await monitoring.review_health(tx, flow.organization_id, flow.automation_id, query)


async def set_rate(flow: Production, by: access.Caller, rate: float) -> None:
    async with flow.database.transaction() as tx:
        await reviews.set_sampling(tx, by, flow.automation_id, {"rate": rate})


async def test_every_review_is_counted_in_its_bucket_and_runs_of_experiments_only_if_asked_for(
    flow: Production,
) -> None:
    for ago, rating in [(3, "pass"), (3, "fail"), (2, "partial"), (1, "pass"), (1, None)]:
        await flow.run(ago=ago * DAY, rating=rating)
    await flow.run(ago=DAY, review="open")
    await flow.run(mode="eval", rating="pass")
    await flow.run(status="running")
    found = await health(flow)
    assert (found.summary.runs, found.summary.reviewed, found.summary.correct, found.summary.nits) == (7, 3, 2, 2)
    assert [(part.tally.runs, part.tally.reviewed) for part in found.buckets if part.tally.runs] == [
        (2, 2),
        (1, 0),
        (3, 1),
        (1, 0),
    ]
    with_experiments = await health(flow, experiments=True)
    assert (with_experiments.summary.runs, with_experiments.summary.correct) == (8, 3)
    assert (await health(flow, statuses=["running"])).summary.runs == 1


async def test_the_rolling_figure_is_of_the_last_reviews_and_the_runs_between_them(flow: Production) -> None:
    for hours, rating in [(9, "pass"), (8, None), (7, "fail"), (6, None), (5, None), (4, "pass"), (3, "pass")]:
        await flow.run(ago=hours * HOUR, rating=rating)
    found = await health(flow, window=2, least=2)
    assert [(point.correct, point.reviewed, point.runs) for point in found.rolling] == [(1, 2, 3), (1, 2, 4), (2, 2, 2)]
    assert len((await health(flow, window=3)).rolling) == 4


async def test_quality_rests_on_the_random_sample_and_the_naive_figure_on_what_people_picked(flow: Production) -> None:
    for number in range(20):
        await flow.run(rate=0.1, sampled=True, rating="fail" if number == 0 else "pass")
        await flow.run(rating="fail")
    await flow.run(rate=0.1, sampled=True)
    await flow.run(mode="shadow", rate=0.1, sampled=True, rating="fail")
    live, shadow = (await health(flow)).quality
    assert (live.state, live.reviewed, live.waiting) == ("measured", 20, 1)
    assert live.share == pytest.approx(0.95)
    assert live.naive == pytest.approx(19 / 40)
    assert (shadow.mode, shadow.state, shadow.share) == ("shadow", "measured", 0.0)


async def test_at_rate_0_quality_is_unmeasured_while_runs_complete(flow: Production, by: access.Caller) -> None:
    await flow.run(rate=0.1, sampled=True, rating="pass", ago=3 * DAY)
    await set_rate(flow, by, 0)
    live, shadow = (await health(flow)).quality
    assert (live.state, live.share, live.interval) == ("unmeasured", None, None)
    assert shadow.state == "no_traffic"
    await set_rate(flow, by, 0.1)
    assert (await health(flow)).quality[0].state == "measured"


async def test_before_the_first_review_quality_is_not_known(flow: Production) -> None:
    assert (await health(flow)).quality[0].state == "no_traffic"
    await flow.run(rate=0.15, sampled=True)
    found = (await health(flow)).quality[0]
    assert (found.state, found.share, found.waiting) == ("no_reviews", None, 1)


async def test_debt_and_queue_have_a_number_and_an_age(flow: Production) -> None:
    await flow.run(ago=9 * DAY, rating="fail", review="open")
    await flow.run(ago=DAY, rating="partial", review="open", queued=True)
    await flow.run(ago=DAY, rating="fail", review="ignored")
    found = await health(flow)
    assert (found.debt.count, found.debt.older_than_a_week, found.queue.count) == (2, 1, 1)
    assert found.debt.oldest is not None
    assert timedelta(days=8) < clock.now() - found.debt.oldest < timedelta(days=10)


async def test_a_judge_is_held_against_people_where_both_spoke(flow: Production) -> None:
    for judged, rating in [(True, "pass"), (True, "pass"), (False, "pass"), (True, "fail"), (False, None)]:
        await flow.run(mode="eval", judged=judged, rating=rating)
    (found,) = (await health(flow)).judges
    assert (found.counts.name, found.counts.all_scored, found.tnr) == ("tone", 5, 0.0)
    assert found.tpr == pytest.approx(2 / 3)


async def test_drift_of_inputs_is_seen_in_what_past_days_were_given(flow: Production, by: access.Caller) -> None:
    new = {"type": "image/png", "size": "< 10 kB", "pages": None, "language": "de", "source": "api"}
    old = {**new, "type": "application/pdf"}
    for day in range(1, 11):
        for _ in range(12):
            await flow.run(ago=day * DAY, features=new if day <= 3 else old)
    assert await monitoring.sum_up_inputs(flow.database) >= 10
    assert await monitoring.sum_up_inputs(flow.database) == 0
    found = (await health(flow)).drift
    assert (found.state, [one.feature for one in found.features if one.drifted]) == ("drifted", ["type"])
    assert found.since == (clock.now() - 3 * DAY).date()
    async with flow.database.transaction() as tx:
        told = await monitoring.watch_inputs(tx, flow.organization_id, flow.automation_id)
    assert told is not None
    assert "type" in told.message


async def test_a_time_range_is_not_empty_nor_endless(flow: Production) -> None:
    for back in (-2 * DAY, 500 * DAY):
        with pytest.raises(InvalidValueError, match="from"):
            await health(flow, back=back)


def test_buckets_begin_where_days_weeks_and_months_do() -> None:
    start, end = datetime(2026, 10, 29, 12, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC)
    assert [edge.day for edge in monitoring.bucket_edges(start, end, "week")] == [29, 2, 9, 10]
    assert [edge.day for edge in monitoring.bucket_edges(start, end, "month")] == [29, 1, 10]
    assert len(monitoring.bucket_edges(start, end, "day")) == 13


# --- alerts


async def events(flow: Production) -> list[tuple[str, str]]:
    sql = """SELECT type, payload->'alert'->>'metric' AS metric FROM webhook_events
             WHERE automation_id = $1 ORDER BY created_at, id"""
    async with flow.database.single_statement() as tx:
        return [(row["type"], row["metric"]) for row in await tx.fetch(sql, flow.automation_id)]


async def listen(flow: Production) -> None:
    sql = """INSERT INTO webhook_endpoints (id, organization_id, url, events, automation_id, encrypted_secret)
             VALUES ('whep_' || $2, $1, 'http://127.0.0.1:9/', '{alert.*}', $2, '')"""
    async with flow.database.transaction() as tx:
        await tx.execute(sql, flow.organization_id, flow.automation_id)


@pytest.mark.parametrize(
    ("rule", "is_told"),
    [
        ({"metric": "failure_rate", "threshold": 0.4, "minimum": 5}, True),
        ({"metric": "failure_rate", "threshold": 0.6, "minimum": 5}, False),
        ({"metric": "failure_rate", "threshold": 0.4, "minimum": 50}, False),
        ({"metric": "error_count", "threshold": 4}, True),
        ({"metric": "error_count", "threshold": 5}, False),
        ({"metric": "latency_p95", "threshold": 900, "minimum": 5}, True),
        ({"metric": "latency_p95", "threshold": 1100, "minimum": 5}, False),
        ({"metric": "open_debt_age", "threshold": 40}, True),
        ({"metric": "open_debt_age", "threshold": 50}, False),
        ({"metric": "queue_age", "threshold": 40}, True),
        ({"metric": "queue_age", "threshold": 50}, False),
        ({"metric": "miss_rate", "threshold": 0.1, "minimum": 5}, True),
        ({"metric": "miss_rate", "threshold": 0.9, "minimum": 5}, False),
        ({"metric": "drift"}, False),
    ],
)
async def test_an_alert_fires_above_its_threshold_and_not_below(
    database: db.Database, by: access.Caller, rule: dict[str, Any], is_told: bool
) -> None:
    flow = await production(database, by, f"alert-{next(NUMBERS)}")
    await listen(flow)
    for number in range(10):
        await flow.run(ago=timedelta(minutes=10), status="failed" if number < 5 else "completed")
    await flow.run(ago=2 * DAY, rating="fail", review="open", queued=True)
    for _ in range(20 if rule["metric"] == "miss_rate" else 0):
        await flow.run(rate=0.1, sampled=True, rating="fail", took=timedelta())
    async with database.transaction() as tx:
        await monitoring.add_alert(tx, by, flow.automation_id, AlertRule.model_validate(rule))
    await monitoring.watch(database)
    await monitoring.watch(database)
    assert await events(flow) == ([("alert.firing", rule["metric"])] if is_told else [])


async def test_what_is_over_is_told_once(flow: Production, by: access.Caller) -> None:
    await listen(flow)
    run_id = await flow.run(ago=2 * DAY, rating="fail", review="open")
    async with flow.database.transaction() as tx:
        await monitoring.add_alert(tx, by, flow.automation_id, AlertRule(metric="open_debt_age", threshold=24))
    await monitoring.watch(flow.database)
    async with flow.database.transaction() as tx:
        await tx.execute("UPDATE feedback SET status = 'ignored', resolved_at = now() WHERE run_id = $1", run_id)
    await monitoring.watch(flow.database)
    await monitoring.watch(flow.database)
    assert [kind for kind, _ in await events(flow)] == ["alert.firing", "alert.resolved"]


async def test_a_rule_can_be_tried_out_on_the_past(flow: Production) -> None:
    for number in range(30):
        await flow.run(ago=30 * HOUR + number * timedelta(seconds=1), status="failed")
        await flow.run(ago=10 * HOUR + number * timedelta(seconds=1))
    now = clock.now()
    for metric, threshold in [("failure_rate", 0.5), ("error_count", 3.0)]:
        rule = AlertRule.model_validate({"metric": metric, "threshold": threshold, "minimum": 10})
        async with flow.database.transaction() as tx:
            looks = await monitoring.preview(
                tx, flow.organization_id, flow.automation_id, rule, start=now - 2 * DAY, end=now
            )
        assert [look.told for look in looks if look.told] == ["alert.firing", "alert.resolved"]
        (fired,) = [look.at for look in looks if look.told == "alert.firing"]
        assert now - 31 * HOUR < fired < now - 28 * HOUR
