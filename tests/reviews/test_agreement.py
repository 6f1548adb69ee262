"""Agreement of reviewers: measured on blind verdicts that are all in, and honest about small numbers."""

import random
from collections import Counter
from typing import Any

import pytest
from tests.reviews.review_room import ReviewRoom

from assay import access, db, reviews


@pytest.fixture
def room(database: db.Database, organization: access.Organization) -> ReviewRoom:
    return ReviewRoom(database, organization.id)


async def test_pairs_count_blind_verdicts_once_both_are_in(room: ReviewRoom):
    automation = await room.automation()
    first, second, third = [await room.reviewer() for _ in range(3)]
    made = await room.queued(automation, 24, double=True)
    for number, run in enumerate(made[:22]):
        await room.judge(first, run, "fail" if number % 4 == 0 else "pass")
        await room.judge(second, run, "fail" if number % 4 == 0 or number == 1 else "pass")
    await room.judge(first, made[22], "pass")
    await room.judge(third, made[23], "pass")
    # What is said after the other's verdict was to be seen is no agreement.
    await room.judge(second, made[1], "pass")
    async with room.database.transaction() as tx:
        found = await reviews.reviewer_agreement(tx, room.organization_id, automation)
    (pair,) = found.pairs
    assert set(pair.reviewers) == {first.user_id, second.user_id}
    assert (found.together.runs, found.together.agreed) == (22, 21)
    assert pair.agreement == found.together
    # By hand: 6 and 7 of 22 fail; chance gives (6*7 + 16*15)/22² = 282/484.
    chance = 282 / 484
    assert found.together.kappa == pytest.approx((21 / 22 - chance) / (1 - chance))


async def test_a_range_of_time_and_an_automation_limit_what_counts(room: ReviewRoom):
    automation = await room.automation()
    first, second = [await room.reviewer() for _ in range(2)]
    (run,) = await room.queued(automation, double=True)
    for who in (first, second):
        await room.judge(who, run, "pass")
    async with room.database.transaction() as tx:
        now = await tx.fetch_value("SELECT clock_timestamp()")
        before = await reviews.reviewer_agreement(tx, room.organization_id, automation, until=now)
        after = await reviews.reviewer_agreement(tx, room.organization_id, automation, since=now)
        elsewhere = await reviews.reviewer_agreement(tx, room.organization_id, await room.automation())
    assert (before.together.runs, after.together.runs, elsewhere.together.runs) == (1, 0, 0)


def test_few_runs_and_a_single_label_tell_nothing():
    few = reviews.agreement({("pass", "pass"): 18, ("fail", "fail"): 1})
    assert (few.kappa, few.interval, few.unknown, few.runs) == (None, None, "too_few", 19)
    same = reviews.agreement({("pass", "pass"): 50})
    assert (same.kappa, same.interval, same.unknown, same.agreed) == (None, None, "one_label", 50)


def test_full_agreement_is_no_certainty():
    found = reviews.agreement({("pass", "pass"): 20, ("fail", "fail"): 10})
    assert found.kappa == 1
    assert found.interval is not None
    assert 0.6 < found.interval.lower < 0.9
    assert found.interval.upper == 1


@pytest.mark.parametrize(("failing", "kept"), [(0.5, 0.6), (0.3, 0.8), (0.2, 0.9)])
@pytest.mark.parametrize("runs", [40, 150])
def test_the_interval_covers_the_true_kappa(failing: float, kept: float, runs: int):
    """The second says what the first said with probability `kept`, else a draw of his own: kappa is `kept`."""
    chance = random.Random(f"{failing} {kept} {runs}")

    def draw() -> Any:
        return "fail" if chance.random() < failing else "pass"

    covered = told = 0
    for _ in range(1500):
        labels: Counter[Any] = Counter()
        for _ in range(runs):
            first = draw()
            labels[first, first if chance.random() < kept else draw()] += 1
        found = reviews.agreement(labels)
        if found.interval is None:
            continue
        told += 1
        covered += found.interval.lower <= kept <= found.interval.upper
    assert covered / told > 0.93
