"""The review queue: what is next, who gets it, and that nobody gets what another has."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from tests.reviews.review_room import ReviewRoom

from assay import access, clock, db, reviews, runs
from assay.errors import InvalidValueError


@pytest.fixture
def room(database: db.Database, organization: access.Organization) -> ReviewRoom:
    return ReviewRoom(database, organization.id)


@pytest.fixture
async def crowded(database: db.Database, organization: access.Organization) -> AsyncGenerator[ReviewRoom]:
    """The same with a connection for each of fifty."""
    opened = await db.Database.connect(database.dsn, size=50)
    yield ReviewRoom(opened, organization.id)
    await opened.close()


async def test_what_matters_most_comes_first_and_of_equal_ones_the_older(room: ReviewRoom):
    automation = await room.automation()
    drawn = [await room.queued(automation, reason=reason) for reason in ("random", "stratum", "random")]
    (picked,) = await room.queued(automation)
    (reported,) = await room.queued(automation, reason="reported")
    who = await room.reviewer()
    claimed = [await room.claim(who, automation_id=automation) for _ in range(6)]
    expected = [reported, picked, drawn[1][0], drawn[0][0], drawn[2][0]]
    assert [item and item.run_id for item in claimed] == [*expected, None]


async def test_fifty_reviewers_at_once_never_get_the_same_slot_and_lose_nothing_when_half_of_them_vanish(
    crowded: ReviewRoom,
):
    room = crowded
    automation = await room.automation()
    single = await room.queued(automation, 40)
    double = await room.queued(automation, 20, double=True)
    crowd = [await room.reviewer() for _ in range(50)]
    vanishing = set(crowd[:25])
    chance = random.Random(7)
    verdicts: Counter[str] = Counter()
    judged: set[tuple[str, str]] = set()
    held: Counter[str] = Counter()

    async def work(who: access.Caller) -> None:
        taken: set[str] = set()
        while item := await room.claim(who, automation_id=automation):
            assert item.id not in taken, "the same reviewer got an item twice"
            taken.add(item.id)
            held[item.id] += 1
            assert held[item.id] + verdicts[item.run_id] <= item.slots, "two had the same slot"
            await asyncio.sleep(chance.random() / 100)
            if who in vanishing and len(taken) > 1:
                return
            assert (who.user_id, item.run_id) not in judged
            judged.add((who.user_id, item.run_id))
            # The slot passes from the claim to the verdict while the item's row is locked.
            held[item.id] -= 1
            verdicts[item.run_id] += 1
            await room.judge(who, item.run_id, "pass")

    await asyncio.gather(*map(work, crowd))
    await room.let_leases_end()
    held.clear()
    # Whoever is left finds the rest.
    for who in crowd[25:]:
        while item := await room.claim(who, automation_id=automation):
            await room.judge(who, item.run_id, "pass")
            verdicts[item.run_id] += 1
    assert verdicts == Counter(dict.fromkeys(single, 1)) + Counter(dict.fromkeys(double, 2))
    async with room.database.transaction() as tx:
        left = await reviews.list_queue(tx, crowd[0], reviews.ItemFilters(automation_id=automation), limit=100)
    assert left.items == []


async def test_an_item_comes_back_when_its_lease_is_over_also_to_who_had_it(room: ReviewRoom):
    automation = await room.automation()
    await room.queued(automation)
    first, second = await room.reviewer(), await room.reviewer()
    had = await room.claim(first, automation_id=automation)
    assert had is not None
    assert await room.claim(second, automation_id=automation) is None
    assert await room.claim(first, automation_id=automation) is None
    await room.let_leases_end(had.id)
    again = await room.claim(first, automation_id=automation)
    assert again is not None
    assert again.id == had.id
    await room.let_leases_end(had.id)
    taken = await room.claim(second, automation_id=automation)
    assert taken is not None
    assert [lease.reviewer for lease in taken.leases] == [second.user_id]


async def test_a_clock_that_goes_backwards_hands_out_nothing_twice(room: ReviewRoom, monkeypatch: pytest.MonkeyPatch):
    automation = await room.automation()
    await room.queued(automation)
    first, second = await room.reviewer(), await room.reviewer()
    assert await room.claim(first, automation_id=automation)
    for moment in (datetime(2001, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)):
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        assert await room.claim(second, automation_id=automation) is None
        assert await room.claim(first, automation_id=automation) is None


async def test_a_lease_is_renewed_while_it_holds_and_lost_when_another_has_the_item(room: ReviewRoom):
    automation = await room.automation()
    (run,) = await room.queued(automation)
    first, second = await room.reviewer(), await room.reviewer()
    item = await room.claim(first, automation_id=automation)
    assert item is not None
    async with room.database.transaction() as tx:
        longer = await reviews.renew(tx, first, item.id, duration=timedelta(hours=1))
    assert longer.leases[0].expires_at > item.leases[0].expires_at + timedelta(minutes=30)
    assert longer.leases[0].claimed_at == item.leases[0].claimed_at
    await room.let_leases_end(item.id)
    assert await room.claim(second, automation_id=automation)
    async with room.database.transaction() as tx:
        with pytest.raises(reviews.ClaimLostError):
            await reviews.renew(tx, first, item.id)
    await room.judge(second, run, "pass")
    async with room.database.transaction() as tx:
        with pytest.raises(reviews.ItemNotAvailableError):
            await reviews.claim_item(tx, first, item.id)


async def test_what_is_released_is_open_at_once_and_a_second_time_does_nothing(room: ReviewRoom):
    automation = await room.automation()
    await room.queued(automation)
    first, second = await room.reviewer(), await room.reviewer()
    item = await room.claim(first, automation_id=automation)
    assert item is not None
    for _ in range(2):
        async with room.database.transaction() as tx:
            given_back = await reviews.release(tx, first, item.id, reason="Lunch")
        assert given_back.leases == []
    assert await room.claim(second, automation_id=automation)


async def test_what_is_skipped_comes_last_and_only_for_who_skipped_it(room: ReviewRoom):
    automation = await room.automation()
    one, two, three = await room.queued(automation, 3)
    first, second = await room.reviewer(), await room.reviewer()
    for expected in (one, two):
        item = await room.claim(first, automation_id=automation)
        assert item is not None
        assert item.run_id == expected
        async with room.database.transaction() as tx:
            with pytest.raises(reviews.ReasonRequiredError):
                await reviews.skip(tx, first, item.id, reason=" ")
        async with room.database.transaction() as tx:
            skipped = await reviews.skip(tx, first, item.id, reason="In Hungarian")
        assert skipped.skipped_because == "In Hungarian"
    others = await room.claim(second, automation_id=automation)
    assert others is not None
    assert (others.run_id, others.skipped_because) == (one, None)
    async with room.database.transaction() as tx:
        await reviews.release(tx, second, others.id)
    claimed = [await room.claim(first, automation_id=automation) for _ in range(4)]
    assert [item and item.run_id for item in claimed] == [three, one, two, None]


async def test_a_verdict_closes_the_slot_with_or_without_a_claim_and_can_be_taken_back(room: ReviewRoom):
    automation = await room.automation()
    (run,) = await room.queued(automation)
    first, second = await room.reviewer(), await room.reviewer()
    assert await room.claim(first, automation_id=automation)
    await room.judge(second, run, "fail")
    done = await room.item_of(first, run)
    assert (done.state, done.verdicts, done.leases) == ("done", 1, [])
    assert done.done_at is not None
    async with room.database.transaction() as tx:
        stats = await reviews.queue_stats(tx, room.caller("anybody", "full_access"), automation)
    assert [(one.reviewer, one.done, one.open) for one in stats.reviewers] == [(second.user_id, 1, 0)]
    async with room.database.transaction() as tx:
        await reviews.clear(tx, second, run)
    waiting = await room.item_of(first, run)
    assert (waiting.state, waiting.verdicts, waiting.done_at) == ("open", 0, None)
    await room.judge(first, run, "pass")
    closed = await room.item_of(first, run)
    assert (closed.state, closed.judged, closed.leases) == ("done", True, [])
    async with room.database.transaction() as tx:
        stats = await reviews.queue_stats(tx, room.caller("anybody", "full_access"), automation)
    progress = {one.reviewer: one for one in stats.reviewers}
    assert (stats.waiting, progress[first.user_id].done) == ([], 1)
    seconds = progress[first.user_id].median_seconds
    assert seconds is not None
    assert seconds >= 0


async def test_the_second_verdict_of_a_double_review_is_another_persons(room: ReviewRoom):
    automation = await room.automation()
    (run,) = await room.queued(automation, double=True)
    first, second, third = [await room.reviewer() for _ in range(3)]
    assert await room.claim(first, automation_id=automation)
    assert await room.claim(first, automation_id=automation) is None
    await room.judge(first, run, "fail")
    assert await room.claim(first, automation_id=automation) is None
    item = await room.claim(second, automation_id=automation)
    assert item is not None
    assert (item.verdicts, item.slots) == (1, 2)
    assert await room.claim(third, automation_id=automation) is None
    async with room.database.transaction() as tx:
        assert (await reviews.get(tx, second, run)).feedback is None
    await room.judge(second, run, "fail")
    done = await room.item_of(first, run)
    assert (done.state, done.verdicts) == ("done", 2)


async def test_who_may_not_sign_in_any_more_is_waited_for_by_nobody(database: db.Database):
    async with database.transaction() as tx:
        organization = await access.create_organization(tx, slug="leaving", name="Leaving")
        owner = await access.create_user(tx, organization_id=organization.id, email="o@example.org", role="owner")
    room = ReviewRoom(database, organization.id)
    gone = await room.reviewer()
    automation = await room.automation()
    (run,) = await room.queued(automation, double=True)
    async with database.transaction() as tx:
        others = await tx.fetch(
            "SELECT id FROM users WHERE organization_id = $1 AND id <> $2", organization.id, owner.id
        )
        assert gone.user_id in {row["id"] for row in others}
        for row in others:
            await access.change_member(tx, organization.id, row["id"], disabled=True)
    view = await room.judge(room.caller(owner.id, "full_access"), run, "pass")
    assert (view.awaits, view.feedback is not None and view.feedback.rating) == (None, "pass")
    assert (await room.item_of(room.caller(owner.id, "full_access"), run)).state == "done"


async def test_a_disagreement_comes_before_everything_for_who_may_decide_it_and_for_nobody_else(room: ReviewRoom):
    automation = await room.automation()
    (run,) = await room.queued(automation, double=True)
    (reported,) = await room.queued(automation, reason="reported")
    first, second, third = [await room.reviewer() for _ in range(3)]
    await room.judge(first, run, "fail")
    await room.judge(second, run, "pass")
    item = await room.item_of(first, run)
    assert (item.state, item.verdicts) == ("disagreement", 2)
    one_of_them = room.caller(first.user_id, "reviews:write", "runs:write")
    for who in (third, one_of_them):
        got = await room.claim(who, automation_id=automation)
        assert got is not None
        assert got.run_id == reported
        async with room.database.transaction() as tx:
            await reviews.release(tx, who, got.id)
    editor = await room.reviewer("reviews:write", "runs:write")
    other = await room.reviewer("reviews:write", "runs:write")
    decided = await room.claim(editor, automation_id=automation)
    assert decided is not None
    assert decided.run_id == run
    got = await room.claim(other, automation_id=automation)
    assert got is not None
    assert got.run_id == reported
    await room.judge(editor, run, "fail")
    assert (await room.item_of(first, run)).state == "done"


async def test_a_run_is_queued_once_and_adding_it_again_changes_nothing(room: ReviewRoom):
    automation = await room.automation()
    made = await room.runs(automation, 3)
    counted = await room.add(made, dry_run=True)
    assert (counted.matched, counted.added) == (3, 3)
    assert await room.add(made) == counted
    at_once = await asyncio.gather(*[room.add([*made, *made]) for _ in range(10)])
    assert {(added.added, added.waiting, added.raised) for added in at_once} == {(0, 3, 0)}
    async with room.database.transaction() as tx:
        page = await reviews.list_queue(
            tx, room.caller("anybody", "runs:read"), reviews.ItemFilters(automation_id=automation)
        )
    assert [item.run_id for item in page.items] == made


async def test_a_report_moves_forward_what_waits_and_asks_again_about_what_was_judged(room: ReviewRoom):
    automation = await room.automation()
    (first, drawn), (judged,) = await room.queued(automation, 2, reason="random"), await room.runs(automation)
    who = await room.reviewer()
    await room.judge(who, judged, "pass")
    assert (await room.add([judged])).reviewed == 1
    moved = await room.add([drawn, judged], reason="reported")
    assert (moved.added, moved.waiting, moved.raised, moved.reopened) == (1, 1, 1, 0)
    claimed = [await room.claim(who, automation_id=automation) for _ in range(3)]
    assert [(item and item.run_id, item and item.reason) for item in claimed] == [
        (drawn, "random"),
        (judged, "reported"),
        (first, "random"),
    ]
    await room.judge(who, judged, "fail")
    assert (await room.item_of(who, judged)).verdicts == 1
    again = await room.add([judged], reason="reported")
    assert (again.reopened, again.added, again.waiting, again.reviewed) == (1, 0, 0, 0)
    assert (await room.item_of(who, judged)).verdicts == 0


async def test_many_who_add_and_report_the_same_runs_in_any_order_do_not_stop_each_other(room: ReviewRoom):
    automation = await room.automation()
    made = await room.runs(automation, 60)
    who = await room.reviewer()
    orders = [made, made[::-1], made[30:] + made[:30]] * 3
    added = await asyncio.gather(*[room.add(order) for order in orders])
    assert sum(one.added for one in added) == 60
    for run in made[:10]:
        await room.judge(who, run, "pass")
    reported = await asyncio.gather(*[room.add(order, reason="reported") for order in orders])
    assert sum(one.reopened for one in reported) == 10
    async with room.database.transaction() as tx:
        page = await reviews.list_queue(tx, who, reviews.ItemFilters(automation_id=automation), limit=100)
    assert Counter(item.rank for item in page.items) == {30: 60}


async def test_every_run_that_cannot_be_added_is_named_and_nothing_is_added(room: ReviewRoom):
    automation = await room.automation()
    fine, running = (await room.runs(automation))[0], (await room.runs(automation, status="running"))[0]
    with pytest.raises(runs.RunNotFoundError) as unknown:
        await room.add([fine, "exec_nothing", "exec_none"])
    assert [issue.field for issue in unknown.value.issues] == ["runIds[1]", "runIds[2]"]
    with pytest.raises(runs.RunNotFinishedError) as early:
        await room.add([fine, running])
    assert [issue.field for issue in early.value.issues] == ["runIds[1]"]
    async with room.database.transaction() as tx:
        filters = reviews.ItemFilters(automation_id=automation)
        assert (await reviews.list_queue(tx, room.caller("anybody", "runs:read"), filters)).items == []


async def test_runs_that_filters_match_are_counted_and_added(room: ReviewRoom):
    automation = await room.automation()
    made = await room.runs(automation, 5)
    await room.runs(automation, 2, status="running")
    await room.runs(await room.automation(), 2)
    by = room.caller("user_editor", "runs:write")
    filters = runs.RunFilters(automations=[automation])
    for dry_run, expected in ((True, 5), (False, 5), (False, 0)):
        async with room.database.transaction() as tx:
            added = await reviews.add_matching(tx, by, filters, reason="picked", timeout_seconds=10, dry_run=dry_run)
        assert (added.matched, added.added, added.unfinished) == (7, expected, 2)
    async with room.database.transaction() as tx:
        page = await reviews.list_queue(tx, by, reviews.ItemFilters(automation_id=automation))
    assert {item.run_id for item in page.items} == set(made)


async def test_pages_are_full_and_hold_every_item_once(room: ReviewRoom):
    automation = await room.automation()
    for reason in ("random", "reported", "stratum", "random", "picked"):
        await room.queued(automation, 3, reason=reason)
    who = await room.reviewer()
    taken = await room.claim(who, automation_id=automation)
    assert taken is not None
    for filters, expected in (
        (reviews.ItemFilters(automation_id=automation), 15),
        (reviews.ItemFilters(automation_id=automation, available=True), 14),
        (reviews.ItemFilters(automation_id=automation, mine=True), 1),
        (reviews.ItemFilters(automation_id=automation, reason="random"), 6),
        (reviews.ItemFilters(automation_id=automation, state="disagreement"), 0),
        (reviews.ItemFilters(run_id=taken.run_id), 1),
    ):
        async with room.database.transaction() as tx:
            whole = await reviews.list_queue(tx, who, filters, limit=100)
            found: list[str] = []
            cursor = None
            while True:
                page = await reviews.list_queue(tx, who, filters, cursor=cursor, limit=4)
                found += [item.id for item in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
                assert len(page.items) == 4
        assert found == [item.id for item in whole.items]
        assert len(found) == expected
        ranks = [item.rank for item in whole.items]
        assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "____", "é", "AAAAAAAAAAAAAHJ2aV8A"])
async def test_a_cursor_that_is_none_is_refused(room: ReviewRoom, cursor: str):
    async with room.database.transaction() as tx:
        with pytest.raises(InvalidValueError):
            await reviews.list_queue(tx, await room.reviewer(), reviews.ItemFilters(), cursor=cursor)


async def test_who_may_only_review_reaches_what_is_or_was_queued_and_is_told_of_himself_alone(room: ReviewRoom):
    automation = await room.automation()
    (queued,), (apart,) = await room.queued(automation), await room.runs(automation)
    who, other = await room.reviewer(), await room.reviewer()
    async with room.database.transaction() as tx:
        await reviews.check_reach(tx, who, queued)
        for run_id in (apart, "exec_nothing"):
            with pytest.raises(runs.RunNotFoundError):
                await reviews.check_reach(tx, who, run_id)
        await reviews.check_reach(tx, room.caller("user_1", "reviews:write", "runs:read"), apart)
    await room.judge(other, queued, "pass")
    await room.judge(who, apart, "pass")
    async with room.database.transaction() as tx:
        await reviews.check_reach(tx, who, queued)
        stats = await reviews.queue_stats(tx, who, automation)
    assert [one.reviewer for one in stats.reviewers] == [who.user_id]
    assert stats.verdicts == 2
