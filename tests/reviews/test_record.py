"""The record of a run's review: the run's columns say what it says, nothing is forgotten, a promoted miss stays."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.reviews.review_room import ReviewRoom

from assay import access, db, reviews, runs


@pytest.fixture
def room(database: db.Database, organization: access.Organization) -> ReviewRoom:
    return ReviewRoom(database, organization.id)


@pytest.fixture
async def run(room: ReviewRoom) -> str:
    (made,) = await room.runs(await room.automation())
    return made


@pytest.fixture
async def who(room: ReviewRoom) -> access.Caller:
    return await room.reviewer("full_access")


async def _say(room: ReviewRoom, who: access.Caller, run: str, **change: Any) -> reviews.View:
    async with room.database.transaction() as tx:
        return await reviews.update(tx, who, run, reviews.FeedbackChange(**change))


async def _clear(room: ReviewRoom, who: access.Caller, run: str) -> reviews.View:
    async with room.database.transaction() as tx:
        return (await reviews.clear(tx, who, run))[0]


async def _promote(room: ReviewRoom, who: access.Caller, run: str) -> None:
    async with room.database.transaction() as tx:
        held = await reviews.hold(tx, who.organization_id, run)
        after = replace(
            held.feedback, promoted_example_id="evx_1", promoted_example_name="miss", promoted_graded_hash="h"
        )
        await reviews.record(tx, held.feedback, after, by=who, action="feedback.promoted")


async def _columns(room: ReviewRoom, run: str) -> dict[str, Any]:
    sql = """SELECT review_rating, review_status, review_state, review_created_at IS NOT NULL AS seen,
                    review_resolved_at IS NOT NULL AS settled, review_has_expected_json, review_regressed,
                    promoted_example_name
             FROM runs WHERE id = $1"""
    async with room.database.transaction() as tx:
        row = await tx.fetch_one(sql, run)
    assert row is not None
    return dict(row)


NOTHING = {
    "review_rating": None,
    "review_status": None,
    "review_state": "unreviewed",
    "seen": False,
    "settled": False,
    "review_has_expected_json": False,
    "review_regressed": False,
    "promoted_example_name": None,
}


async def test_the_runs_columns_say_what_the_record_says(room: ReviewRoom, who: access.Caller, run: str):
    assert await _columns(room, run) == NOTHING
    steps: list[tuple[dict[str, Any], str]] = [
        ({"rating": "fail"}, "failed"),
        ({"rating": "partial", "expected": {"a": 1}}, "failed"),
        ({"status": "open"}, "open"),
        ({"status": "ignored", "reason": "rare"}, "ignored"),
        ({"status": None, "rating": "pass"}, "passed"),
        ({"rating": None}, "unreviewed"),
    ]
    for change, chip in steps:
        view = await _say(room, who, run, **change)
        assert view.feedback is not None
        found = await _columns(room, run)
        assert (found["review_state"], found["review_rating"], found["review_status"]) == (
            chip,
            view.feedback.rating,
            view.feedback.status,
        )
        assert found["settled"] == (view.feedback.resolved_at is not None) == (chip == "ignored")
        assert found["review_has_expected_json"] == (view.feedback.expected is not None)
    await _clear(room, who, run)
    assert await _columns(room, run) == NOTHING


async def test_a_cleared_miss_that_was_promoted_stays_on_the_board(room: ReviewRoom, who: access.Caller, run: str):
    await _say(room, who, run, rating="fail", status="open", body="no VAT", expected={"total": 14})
    await _promote(room, who, run)
    assert (await _clear(room, who, run)).feedback is None
    found = await _columns(room, run)
    assert (found["review_state"], found["review_status"], found["promoted_example_name"]) == ("open", "open", "miss")
    with pytest.raises(reviews.ResolutionUnprovenError):
        await _say(room, who, run, rating="pass")
    with pytest.raises(reviews.ResolutionUnprovenError):
        await _say(room, who, run, status="resolved")
    again = (await _say(room, who, run, body="still wrong")).feedback
    assert again is not None
    assert (again.rating, again.status, again.body, again.expected) == ("fail", "open", "still wrong", None)


async def test_an_override_is_told_of_for_ever(room: ReviewRoom, who: access.Caller, run: str):
    await _say(room, who, run, rating="fail")
    await _say(room, who, run, status="resolved", override="The customer has left")
    await _clear(room, who, run)
    again = (await _say(room, who, run, rating="pass")).feedback
    assert again is not None
    assert again.override_reason == "The customer has left"


async def test_history_cannot_be_changed(room: ReviewRoom, who: access.Caller, run: str):
    await _say(room, who, run, rating="fail")
    for statement in (
        "UPDATE feedback_history SET action = 'nothing' WHERE run_id = $1",
        "DELETE FROM feedback_history WHERE run_id = $1",
    ):
        with pytest.raises(asyncpg.PostgresError):
            async with room.database.transaction() as tx:
                await tx.execute(statement, run)


async def test_history_goes_with_its_run(room: ReviewRoom, who: access.Caller, run: str):
    await _say(room, who, run, rating="fail", expected={"name": "somebody's own"})
    async with room.database.transaction() as tx:
        await runs.delete_run(tx, room.organization_id, run, user_id=who.user_id, key_id=who.key_id)
        assert await tx.fetch_value("SELECT count(*) FROM feedback_history WHERE run_id = $1", run) == 0


async def test_what_is_large_is_remembered_by_its_hash(room: ReviewRoom, who: access.Caller, run: str):
    await _say(room, who, run, expected={"text": "x" * 200_000})
    async with room.database.transaction() as tx:
        (entry,), total = await reviews.history(tx, who, run, limit=10)
    change: Any = entry.changes["expected"]
    assert (total, change["before"], change["after"]["bytes"]) == (1, None, 200_011)
    assert len(change["after"]["sha256"]) == 64


async def test_a_clock_that_goes_back_takes_nothing_back(room: ReviewRoom, who: access.Caller, run: str):
    first = (await _say(room, who, run, rating="fail")).feedback
    async with room.database.transaction() as tx:
        await tx.execute("UPDATE feedback SET updated_at = updated_at + interval '1 hour' WHERE run_id = $1", run)
    second = (await _say(room, who, run, rating="partial")).feedback
    assert first is not None
    assert second is not None
    assert first.updated_at is not None
    assert second.updated_at == first.updated_at + timedelta(hours=1)
    assert (second.rating, second.revision) == ("partial", 2)


async def test_a_run_that_is_removed_takes_its_review_along(room: ReviewRoom, who: access.Caller, run: str):
    await _say(room, who, run, rating="pass")
    async with room.database.transaction() as tx:
        await tx.execute("DELETE FROM runs WHERE id = $1", run)
        left = [
            await tx.fetch_value(f"SELECT count(*) FROM {table} WHERE run_id = $1", run)
            for table in ("feedback", "verdicts", "feedback_files")
        ]
    assert left == [0, 0, 0]
