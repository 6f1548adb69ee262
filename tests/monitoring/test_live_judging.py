"""Judges on live runs: they rule their share, and are believed as far as people's random sample bears them out."""

import tempfile
from collections import Counter
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.fakes.openai_server import OpenAiServer, failing, openai_server, said
from tests.monitoring.production import Production, production

from assay import access, clock, db, documents, evaluators, experiments, files, monitoring, providers, reviews, sandbox
from assay.monitoring import JudgedRuns, live_judge

HOUR = timedelta(hours=1)
JUDGE = "evaluators:\n  - {name: tone, type: llm-judge, config: {promptExtension: Is the answer friendly?}}\n"
_INPUT = "INSERT INTO run_inputs (run_id, organization_id, input) VALUES ($1, $2, '{}')"


def judged(
    reviewed: tuple[int, int, int, int], others: tuple[int, int], *, probability: float = 0.1, stratum: str = ""
) -> list[JudgedRuns]:
    """Both pass, only the judge, only people, both fail; then passed and failed by the judge and not drawn."""
    verdicts = [(True, True), (True, False), (False, True), (False, False)]
    return [
        *(
            JudgedRuns(stratum, 1.0, probability, True, passed, right, count)
            for (passed, right), count in zip(verdicts, reviewed, strict=True)
        ),
        *(
            JudgedRuns(stratum, 1.0, probability, False, passed, None, count)
            for passed, count in zip((True, False), others, strict=True)
        ),
    ]


def test_people_and_a_good_judge_together_tell_more_than_people_alone() -> None:
    found = live_judge("tone", "1", judged((80, 3, 2, 15), (720, 180)))
    assert (found.unknown, found.judged) == (None, 1000)
    assert found.powered is not None
    assert found.powered_interval is not None
    assert found.reviews_only == pytest.approx(0.82)
    assert found.reviews_only_interval is not None
    assert found.powered_interval.lower < found.powered < found.powered_interval.upper
    together = found.powered_interval.upper - found.powered_interval.lower
    assert together < 0.75 * (found.reviews_only_interval.upper - found.reviews_only_interval.lower)
    assert found.measured is not None
    assert found.measured.corrected is not None


def test_a_judge_that_guesses_is_not_listened_to() -> None:
    found = live_judge("tone", "1", judged((40, 10, 40, 10), (100, 800)))
    assert found.trust == 0
    assert found.powered == found.reviews_only == pytest.approx(0.8)


def test_what_cannot_be_told_is_said() -> None:
    nothing = live_judge("tone", "1", judged((0, 0, 0, 0), (700, 300)))
    assert (nothing.unknown, nothing.powered, nothing.powered_interval, nothing.measured) == (
        "no_reviews",
        None,
        None,
        None,
    )
    one_sided = live_judge("tone", "1", judged((90, 0, 1, 9), (850, 150)))
    assert (one_sided.unknown, one_sided.trust) == ("too_few_wrong", 0)
    assert one_sided.powered == one_sided.reviews_only


def test_a_stratum_counts_as_much_as_it_is_large_and_what_waits_is_left_out() -> None:
    """A twentieth of the runs, all of them reviewed and nearly all wrong, is a twentieth of the result."""
    groups = [
        *judged((85, 1, 2, 12), (765, 135), probability=0.1),
        *judged((2, 1, 0, 47), (0, 0), probability=1.0, stratum="odd"),
    ]
    found = live_judge("tone", "1", groups)
    assert found.reviews_only == pytest.approx((1000 * 0.87 + 50 * 0.04) / 1050)
    assert found.powered == pytest.approx(found.reviews_only, abs=0.03)
    assert found.measured is not None
    assert found.measured.corrected is None
    waiting = JudgedRuns("", 1.0, 0.1, True, False, None, 400)
    assert live_judge("tone", "1", [*judged((80, 3, 2, 15), (720, 180)), waiting]).powered == pytest.approx(
        live_judge("tone", "1", judged((80, 3, 2, 15), (720, 180))).powered
    )


@pytest.mark.parametrize(("right", "tpr", "tnr"), [(0.8, 0.95, 0.9), (0.9, 0.9, 0.6), (0.95, 0.99, 0.99)])
def test_the_interval_holds_what_it_promises(right: float, tpr: float, tnr: float) -> None:
    chance = Random(f"{right} {tpr} {tnr}")
    covered, rounds = 0, 300
    for _ in range(rounds):
        seen: Counter[tuple[bool, bool, bool]] = Counter()
        for number in range(1000):
            is_right = chance.random() < right
            passed = chance.random() < tpr if is_right else chance.random() > tnr
            seen[number < 120, passed, is_right] += 1
        reviewed = [seen[True, passed, is_right] for passed in (True, False) for is_right in (True, False)]
        others = [seen[False, passed, True] + seen[False, passed, False] for passed in (True, False)]
        groups = judged((reviewed[0], reviewed[1], reviewed[2], reviewed[3]), (others[0], others[1]))
        interval = live_judge("tone", "1", groups).powered_interval
        assert interval is not None
        covered += interval.lower <= right <= interval.upper
    assert covered / rounds > 0.91


# --- judging


@pytest.fixture
def by(organization: access.Organization, owner: access.User) -> access.Caller:
    return access.Caller(
        organization.id, "default", "Default", owner.id, "key_1", owner.email, None, frozenset({"full_access"})
    )


@pytest.fixture
def model() -> Generator[OpenAiServer]:
    with openai_server() as script:
        yield script


async def with_judge(flow: Production, by: access.Caller, share: float) -> None:
    async with flow.database.transaction() as tx:
        await evaluators.replace(tx, by, flow.automation_id, JUDGE)
        await reviews.set_sampling(tx, by, flow.automation_id, {"rate": 0.5, "judgeShare": share})


async def the_pace(flow: Production) -> monitoring.JudgingPace | None:
    async with flow.database.transaction() as tx:
        # Long enough ago, so that what ended since then is due.
        await tx.execute("UPDATE sampling_policies SET updated_at = now() - interval '1 day'")
        now = clock.now()
        query = monitoring.Query(start=now - 24 * HOUR, end=now)
        return (await monitoring.review_health(tx, flow.organization_id, flow.automation_id, query)).judging


async def ended(flow: Production, **how: Any) -> str:
    run = await flow.run(rate=0.5, **how)
    async with flow.database.transaction() as tx:
        await tx.execute(_INPUT, run, flow.organization_id)
    return run


async def look(flow: Production, model: OpenAiServer) -> int:
    own = providers.provider_of_the_machine(model.base_url, "tiny", None)
    patience = providers.Patience(attempts=1)
    models = providers.Models(flow.database, "secret", lambda _name: None, patience, own)
    scripts, parser = sandbox.Sandbox(), documents.Parser(native_children=0, ocr_children=0)
    with tempfile.TemporaryDirectory() as folder:
        blobs = files.Blobs.open(None, Path(folder))
        grader = experiments.Grader(flow.database, blobs, parser, scripts, models)
        try:
            return await monitoring.judge_live_runs(flow.database, grader)
        finally:
            await models.close()
            await scripts.close()
            await parser.close()


async def the_judge(flow: Production) -> monitoring.LiveJudge | None:
    now = clock.now()
    async with flow.database.transaction() as tx:
        query = monitoring.Query(start=now - 24 * HOUR, end=now + HOUR)
        found = await monitoring.review_health(tx, flow.organization_id, flow.automation_id, query)
    return found.live_judges[0] if found.live_judges else None


async def test_live_runs_of_the_share_are_judged_once_and_held_against_the_sample(
    database: db.Database, by: access.Caller, model: OpenAiServer
) -> None:
    flow = await production(database, by, "judged-live")
    await ended(flow, sampled=True, rating="pass")
    await ended(flow)
    await ended(flow, rating="fail")  # picked by hand: no part of the random sample
    for how in ({"mode": "shadow"}, {"mode": "eval"}, {"status": "failed"}):
        await ended(flow, **how)
    await with_judge(flow, by, 0.5)
    assert await look(flow, model) == 0  # their rank is 0.5, which is not below
    await with_judge(flow, by, 1.0)
    model.otherwise = lambda _: said({"rationale": "Friendly.", "score": 0.9})
    assert await look(flow, model) == 3
    assert await look(flow, model) == 0
    assert len(model.asked) == 3
    found = await the_judge(flow)
    assert found is not None
    assert (found.name, found.judged, found.unsaid, found.unknown) == ("tone", 3, 0, "too_few_wrong")
    assert found.measured is not None
    assert found.measured.counts.both_pass == 1
    assert found.measured.counts.only_judge == 0


async def test_what_a_judge_could_not_say_is_no_verdict(
    database: db.Database, by: access.Caller, model: OpenAiServer
) -> None:
    flow = await production(database, by, "judged-in-vain")
    await ended(flow)
    await with_judge(flow, by, 1.0)
    model.otherwise = lambda _: failing(401)
    assert await look(flow, model) == 1
    found = await the_judge(flow)
    assert found is not None
    assert (found.judged, found.unsaid, found.unknown, found.powered) == (0, 1, "no_reviews", None)


async def test_judges_that_do_nothing_are_noticed(
    database: db.Database, by: access.Caller, model: OpenAiServer
) -> None:
    flow = await production(database, by, "judged-by-nobody")
    for ago in (2 * HOUR, HOUR, timedelta()):  # the last one is not due yet
        await ended(flow, ago=ago)
    assert await the_pace(flow) is None
    async with database.transaction() as tx:
        await reviews.set_sampling(tx, by, flow.automation_id, {"judgeShare": 1.0})
    assert await the_pace(flow) == monitoring.JudgingPace(1.0, 2, 0, "no_judge")
    await with_judge(flow, by, 1.0)
    assert await the_pace(flow) == monitoring.JudgingPace(1.0, 2, 0, "behind")
    model.otherwise = lambda _: failing(401)
    await look(flow, model)
    assert await the_pace(flow) == monitoring.JudgingPace(1.0, 2, 2, "nothing_said")
