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
    assert (few.ac1, few.ac1_interval, few.warning) == (None, None, None)
    same = reviews.agreement({("pass", "pass"): 50})
    assert (same.kappa, same.interval, same.unknown, same.agreed) == (None, None, "one_label", 50)


def test_where_nearly_all_pass_kappa_collapses_and_ac1_does_not():
    """Gwet's own example: 118 of 125 alike, kappa -0.023, AC1 0.941."""
    found = reviews.agreement({("pass", "pass"): 118, ("pass", "fail"): 5, ("fail", "pass"): 2})
    assert found.kappa == pytest.approx(-0.02339, abs=1e-5)
    assert found.ac1 == pytest.approx(0.94077634)
    assert found.warning is None
    same = reviews.agreement({("pass", "pass"): 50})
    assert same.ac1 == 1
    assert same.ac1_interval is not None
    assert 0.9 < same.ac1_interval.lower < 0.95


def test_reviewers_who_do_not_agree_are_warned_of_their_instructions():
    shown = reviews.agreement(
        {("pass", "pass"): 40, ("fail", "fail"): 10, ("pass", "fail"): 30, ("fail", "pass"): 20}
    ).warning
    doubtful = reviews.agreement({("pass", "pass"): 14, ("fail", "fail"): 5, ("pass", "fail"): 5}).warning
    assert shown is not None
    assert shown.startswith("Two reviewers judge the same run too differently (AC1 ")
    assert doubtful is not None
    assert doubtful.startswith("Two reviewers seem to judge")


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


@pytest.mark.parametrize(("failing", "kept"), [(0.05, 0.6), (0.02, 0.9), (0.3, 0.8)])
@pytest.mark.parametrize("runs", [40, 150])
def test_the_interval_covers_the_true_ac1_where_nearly_all_pass(failing: float, kept: float, runs: int):
    chance = random.Random(f"ac1 {failing} {kept} {runs}")
    alike = kept + (1 - kept) * (failing**2 + (1 - failing) ** 2)
    guessed = 2 * failing * (1 - failing)
    true = (alike - guessed) / (1 - guessed)

    def draw() -> Any:
        return "fail" if chance.random() < failing else "pass"

    covered = 0
    for _ in range(600):
        labels: Counter[Any] = Counter()
        for _ in range(runs):
            first = draw()
            labels[first, first if chance.random() < kept else draw()] += 1
        interval = reviews.agreement(labels).ac1_interval
        assert interval is not None
        covered += interval.lower <= true <= interval.upper
    assert covered / 600 > 0.92
