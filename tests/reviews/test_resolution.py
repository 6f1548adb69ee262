"""A promoted miss is settled by proof or for a reason that is never forgotten, and no door leads around that."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reviews.board import Board
from tests.reviews.review_room import ReviewRoom

from assay import access, datasets, db, files, reviews, runs
from assay.errors import ConflictError, InvalidValueError

ASKS = {
    "name": "a",
    "type": "ai.classify",
    "with": {"input": "x", "labels": [{"name": "a", "description": "A"}, {"name": "b", "description": "B"}]},
}


@pytest.fixture(scope="module")
def room(database: db.Database, organization: access.Organization) -> ReviewRoom:
    return ReviewRoom(database, organization.id)


@pytest.fixture
async def board(room: ReviewRoom) -> Board:
    return await Board.open(room)


def codes(caught: pytest.ExceptionInfo[reviews.ResolutionUnprovenError]) -> list[str]:
    return [issue.code for issue in caught.value.issues]


async def example(board: Board, name: str) -> datasets.ExampleVersion:
    async with board.room.database.transaction() as tx:
        return await datasets.get_example(tx, board.room.organization_id, board.automation_id, name)


async def actions(board: Board, run: str) -> list[str]:
    async with board.room.database.transaction() as tx:
        entries, _ = await reviews.history(tx, board.who, run, limit=100)
    return [entry.action for entry in reversed(entries)]


# --- promotion


async def test_promotion_copies_what_is_on_the_feedback_and_links_both_ways(board: Board):
    run = await board.run(metadata='{"customer": "acme"}')
    await board.say(run, rating="fail", body="VAT is missing", expected={"total": 14})
    promoted = await board.promote(run, name="vat")
    made = promoted.example
    assert (made.name, made.input, made.expected, made.annotation) == (
        "vat",
        {"n": 2},
        {"total": 14},
        "VAT is missing",
    )
    reviewer = (await board.read(run)).created_by_email
    assert made.metadata == {"customer": "acme", "reviewer": reviewer, "promotedFrom": run}
    assert (promoted.created, promoted.issues, made.promoted_run_id) == (True, [], run)
    feedback = await board.read(run)
    assert (feedback.promoted_example_id, feedback.promoted_example_name) == (made.example_id, "vat")
    assert (feedback.promoted_graded_hash, feedback.status) == (made.graded_hash, "open")
    assert await board.chip(run) == "open"


async def test_without_a_correction_there_is_no_ground_truth(board: Board):
    run = await board.run()
    await board.say(run, rating="fail")
    with pytest.raises(reviews.ExpectedRequiredError):
        await board.promote(run, require_expected=True)
    promoted = await board.promote(run)
    assert [issue.code for issue in promoted.issues] == ["no_ground_truth"]
    assert promoted.example.expected is None
    # What was missing can be attached, and needs no reason.
    await board.say(run, expected={"total": 14})
    again = await board.promote(run, require_expected=True)
    assert (again.created, again.example.example_id) == (False, promoted.example.example_id)
    assert (again.example.expected, again.issues) == ({"total": 14}, [])
    assert (await board.read(run)).override_reason is None


async def test_a_correction_that_corrects_nothing_is_no_ground_truth(board: Board):
    run = await board.run()
    await board.say(run, rating="fail", expected={"total": 12})
    with pytest.raises(reviews.ExpectedRequiredError):
        await board.promote(run, require_expected=True)
    promoted = await board.promote(run)
    assert (promoted.example.expected, [one.code for one in promoted.issues]) == ({"total": 12}, ["no_ground_truth"])
    await board.end(promoted.feedback, "1.1.0", graded_hash=promoted.example.graded_hash)
    assert await board.chip(run) == "open"
    await board.say(run, expected={"total": 14})
    again = await board.promote(run)  # it takes no reason: what it expected was the mistake
    assert (again.feedback.override_reason, again.issues) == (None, [])
    await board.end(again.feedback, "1.1.0")
    assert await board.chip(run) == "passed"


async def test_what_is_right_is_its_own_ground_truth(board: Board):
    run = await board.run()
    await board.say(run, rating="pass")
    promoted = await board.promote(run, require_expected=True)
    assert (promoted.example.expected, promoted.issues) == ({"total": 12}, [])
    assert (promoted.feedback.status, await board.chip(run)) == (None, "passed")


async def test_a_run_nobody_looked_at_can_be_promoted(board: Board):
    run = await board.run()
    promoted = await board.promote(run)
    assert promoted.example.name == f"{board.name}-{run[-6:].lower()}"
    assert (await board.chip(run), promoted.feedback.exists) == ("unreviewed", True)


async def test_promoted_twice_with_other_names_the_newer_example_stands_for_it(board: Board):
    run = await board.miss("first")
    promoted = await board.promote(run, name="second")
    assert promoted.created
    assert (await board.read(run)).promoted_example_name == "second"
    assert (await example(board, "first")).expected == {"total": 14}
    await board.delete("first")
    await board.end(await board.read(run), "1.1.0")
    assert await board.chip(run) == "passed"


async def test_an_unfinished_run_is_not_promoted(board: Board):
    (run,) = await board.room.runs(board.automation_id, status="running")
    with pytest.raises(runs.RunNotFinishedError):
        await board.promote(run)


async def test_a_run_whose_input_is_gone_is_not_promoted(board: Board):
    (run,) = await board.room.runs(board.automation_id)
    with pytest.raises(reviews.InputNotKeptError):
        await board.promote(run)


async def test_who_may_only_review_may_promote_but_not_override(board: Board):
    reviewer = await board.room.reviewer()
    run = await board.run()
    await board.say(run, who=reviewer, rating="fail", expected={"total": 1})
    await board.promote(run, who=reviewer, name="theirs")
    await board.say(run, who=reviewer, expected={"total": 2})
    with pytest.raises(reviews.OnlyReviewsError):
        await board.promote(run, who=reviewer, override="mine")


# --- proof


async def test_a_pass_on_a_later_version_resolves_by_itself(board: Board):
    run = await board.miss()
    feedback = await board.read(run)
    experiment = await board.end(feedback, "1.1.0")
    after = await board.read(run)
    assert (after.status, after.resolved_by, await board.chip(run)) == ("resolved", None, "passed")
    assert after.evidence == {
        "experimentId": experiment,
        "versionId": board.versions["1.1.0"],
        "version": "1.1.0",
        "score": 1.0,
        "scores": {"same": 1},
        "gradedHash": feedback.promoted_graded_hash,
        "evaluatorSetId": None,
        "evaluatorHash": None,
        "repeats": 1,
        "requiredRepeats": 1,
        "at": after.evidence["at"],  # pyright: ignore[reportIndexIssue, reportCallIssue, reportArgumentType, reportOptionalSubscript] # JSON
    }
    assert await actions(board, run) == ["feedback.created", "feedback.promoted", "feedback.resolved"]


async def test_fixed_and_live_are_told_apart(board: Board):
    run = await board.miss()
    assert not (await board.resolution(run)).proven
    await board.end(await board.read(run), "1.1.0")
    found = await board.resolution(run)
    assert (found.proven, found.live) == (True, False)
    await board.push("1.5.0", activate=True)
    assert (await board.resolution(run)).live


@pytest.mark.parametrize(
    ("how", "missing"),
    [
        ({"version": "1.0.0"}, ["version_not_later"]),
        ({"version": "1.1.0", "verdict": "fail"}, ["example_failed"]),
        ({"version": "1.1.0", "verdict": "error"}, ["not_graded"]),
        ({"version": "1.1.0", "cancelled": True}, ["experiment_cancelled"]),
        ({"version": "1.1.0", "score": None}, ["no_score"]),
        ({"version": "1.1.0", "graded_hash": "other"}, ["example_changed"]),
        ({"version": "1.1.0", "repeats": 3, "passes": 2}, ["example_failed"]),
    ],
)
async def test_what_is_missing_is_said(board: Board, how: dict[str, Any], missing: list[str]):
    run = await board.miss()
    await board.end(await board.read(run), **how)
    assert await board.chip(run) == "open"
    with pytest.raises(reviews.ResolutionUnprovenError) as caught:
        await board.say(run, status="resolved")
    assert codes(caught) == ["resolution_unproven", *missing]
    assert run in (caught.value.hint or "")


@pytest.mark.parametrize("between", [[], [None]])
async def test_what_was_promoted_as_right_proves_nothing_once_it_is_called_wrong(board: Board, between: list[None]):
    run = await board.run()
    await board.say(run, rating="pass")
    await board.promote(run, name="golden")
    promoted = await board.read(run)
    for rating in [*between, "fail"]:
        await board.say(run, rating=rating)
    # A version that goes on making the same mistake meets the expectation.
    await board.end(promoted, "1.1.0")
    assert await board.chip(run) == "open"
    with pytest.raises(reviews.ResolutionUnprovenError) as caught:
        await board.say(run, status="resolved")
    assert codes(caught) == ["resolution_unproven", "expects_the_miss"]
    await board.edit("golden", name="renamed")
    assert (await board.read(run)).promoted_graded_hash is None
    await board.say(run, expected={"total": 14})
    again = await board.promote(run)  # it takes no reason: what it expected was the mistake
    assert again.feedback.override_reason is None
    await board.end(await board.read(run), "1.1.0")
    assert await board.chip(run) == "passed"


async def test_an_example_that_expected_the_mistake_is_corrected_without_a_reason(board: Board):
    run = await board.run()
    await board.say(run, rating="pass")
    await board.promote(run, name="mistaken")
    await board.say(run, rating="partial")
    await board.edit("mistaken", expected={"total": 14})
    with pytest.raises(reviews.ExampleUnresolvedError):
        await board.edit("mistaken", expected={"total": 12})
    await board.end(await board.read(run), "1.1.0")
    assert await board.chip(run) == "passed"


async def test_before_there_is_an_example_or_an_experiment_that_is_what_is_missing(board: Board):
    run = await board.run()
    await board.say(run, rating="partial", expected={"total": 14})
    with pytest.raises(reviews.ResolutionUnprovenError) as caught:
        await board.say(run, status="resolved")
    assert codes(caught) == ["resolution_unproven", "not_promoted"]
    await board.promote(run, name="later")
    with pytest.raises(reviews.ResolutionUnprovenError) as caught:
        await board.say(run, status="resolved")
    assert codes(caught) == ["resolution_unproven", "no_experiment"]


async def test_where_a_model_answers_it_takes_three_passes(room: ReviewRoom):
    board = await Board.open(room, step=ASKS, versions=3)
    run = await board.miss()
    feedback = await board.read(run)
    await board.end(feedback, "1.1.0", repeats=2)
    with pytest.raises(reviews.ResolutionUnprovenError) as caught:
        await board.say(run, status="resolved")
    assert codes(caught) == ["resolution_unproven", "too_few_repeats"]
    await board.end(feedback, "1.1.0", repeats=3)
    assert await board.chip(run) == "passed"


async def test_an_automation_may_ask_for_more_passes_and_never_for_none(board: Board):
    async with board.room.database.transaction() as tx:
        await reviews.require_repeats(tx, board.who, board.automation_id, repeats=3, with_model=5)
    run = await board.miss()
    feedback = await board.read(run)
    await board.end(feedback, "1.1.0", repeats=2)
    with pytest.raises(reviews.ResolutionUnprovenError) as caught:
        await board.say(run, status="resolved")
    assert codes(caught) == ["resolution_unproven", "too_few_repeats"]
    async with board.room.database.transaction() as tx:
        with pytest.raises(InvalidValueError):
            await reviews.require_repeats(tx, board.who, board.automation_id, repeats=0, with_model=1)
    await board.end(feedback, "1.1.0", repeats=3)
    evidence: Any = (await board.read(run)).evidence
    assert (evidence["repeats"], evidence["requiredRepeats"]) == (3, 3)


async def test_a_proof_that_is_there_already_is_taken_when_somebody_asks(board: Board):
    first = await board.miss("shared")
    await board.end(await board.read(first), "1.1.0")
    second = await board.run()
    await board.say(second, rating="fail", expected={"total": 14})
    promoted = await board.promote(second, name="shared")
    assert [issue.code for issue in promoted.issues] == ["example_replaced", "already_proven"]
    assert "Version 1.1.0" in promoted.issues[1].message
    assert await board.chip(second) == "open"
    assert (await board.promote(second)).issues == promoted.issues[1:]
    after = await board.say(second, status="resolved", override="not needed")
    assert (after.status, after.override_reason, after.evidence is None) == ("resolved", None, False)


# --- overrides


async def test_an_override_settles_it_and_is_marked_for_ever(board: Board):
    run = await board.miss()
    after = await board.say(run, status="resolved", override="the customer is gone")
    assert (after.status, after.override_reason, after.resolved_by) == (
        "resolved",
        "the customer is gone",
        board.who.user_id,
    )
    assert (await board.resolution(run)).proven is False
    await board.say(run, status="open")
    await board.end(await board.read(run), "1.1.0")
    found = await board.resolution(run)
    assert (found.proven, found.override) == (True, "the customer is gone")


@pytest.mark.parametrize(
    "wish", [{"rating": "pass"}, {"rating": None}, {"rating": "pass", "status": "resolved"}, {"status": None}]
)
async def test_a_promoted_miss_is_not_talked_away(board: Board, wish: dict[str, Any]):
    run = await board.miss()
    with pytest.raises(reviews.ResolutionUnprovenError):
        await board.say(run, **wish)
    await board.clear(run)
    assert await board.chip(run) == "open"
    with pytest.raises(reviews.ResolutionUnprovenError):
        await board.say(run, **wish)
    assert await board.chip(run) == "open"


async def test_called_right_for_a_reason_it_leaves_the_board(board: Board):
    run = await board.miss()
    after = await board.say(run, rating="pass", override="the reviewer misread it")
    assert (after.rating, after.status, after.override_reason) == ("pass", "resolved", "the reviewer misread it")


async def test_ignoring_takes_a_reason(board: Board):
    run = await board.miss()
    with pytest.raises(reviews.ReasonRequiredError):
        await board.say(run, status="ignored")
    assert (await board.say(run, status="ignored", body="a test document")).status == "ignored"
    await board.end(await board.read(run), "1.1.0")
    assert await board.chip(run) == "ignored"


async def test_a_remark_is_closed_without_a_proof_but_no_miss_becomes_one(board: Board):
    remark = await board.run()
    await board.say(remark, status="open", body="nice layout")
    assert (await board.say(remark, status="resolved")).status == "resolved"
    miss = await board.run()
    await board.say(miss, rating="fail", status="open")
    await board.say(miss, rating=None)
    with pytest.raises(reviews.ResolutionUnprovenError):
        await board.say(miss, status="resolved")


async def test_who_may_only_review_resolves_nothing(board: Board):
    run = await board.miss()
    reviewer = await board.room.reviewer()
    for change in ({"status": "resolved"}, {"status": "resolved", "override": "I say so"}, {"status": "ignored"}):
        with pytest.raises(reviews.OnlyReviewsError):
            await board.say(run, who=reviewer, **change)


# --- the example


async def test_the_example_of_an_open_miss_stays(board: Board):
    run = await board.miss()
    with pytest.raises(reviews.ExampleUnresolvedError):
        await board.delete("miss")
    await board.clear(run)
    with pytest.raises(reviews.ExampleUnresolvedError):
        await board.delete("miss")
    await board.end(await board.read(run), "1.1.0")
    await board.delete("miss")


async def test_another_expectation_takes_a_reason_and_is_what_has_to_pass_then(board: Board):
    run = await board.miss()
    before = await board.read(run)
    changes: list[dict[str, Any]] = [
        {"expected": {"total": 12}},
        {"input": {"n": 3}},
        {"overrides": {"steps": {"a": {"x": 1}}}},
    ]
    for values in changes:
        with pytest.raises(reviews.ExampleUnresolvedError):
            await board.edit("miss", **values)
    await board.edit("miss", annotation="seen", rowOrder=3)
    assert await board.read(run) == before
    await board.edit("miss", "the tax rate was wrong", expected={"total": 13})
    after = await board.read(run)
    assert (after.status, after.override_reason) == ("open", "the tax rate was wrong")
    await board.end(before, "1.1.0")
    assert await board.chip(run) == "open"
    await board.end(after, "1.1.0")
    assert await board.chip(run) == "passed"


async def test_a_proof_does_not_outlive_the_expectation_that_it_was_of(board: Board):
    run = await board.miss()
    await board.end(await board.read(run), "1.1.0")
    assert (await board.resolution(run)).proven
    await board.edit("miss", "the tax rate was wrong", expected={"total": 13})
    assert not (await board.resolution(run)).proven
    assert await board.chip(run) == "open"
    await board.end(await board.read(run), "1.1.0")
    assert await board.chip(run) == "passed"


async def test_a_run_that_is_called_right_is_not_opened_by_promoting_it_again(board: Board):
    run = await board.run()
    await board.say(run, rating="pass", status="resolved")
    await board.promote(run, name="golden")
    await board.say(run, expected={"total": 15})
    again = await board.promote(run, name="golden")
    assert (again.feedback.status, await board.chip(run)) == ("resolved", "passed")


async def test_setting_a_miss_aside_does_not_open_its_example(board: Board):
    run = await board.miss()
    await board.say(run, status="ignored", reason="later")
    with pytest.raises(reviews.ExampleUnresolvedError):
        await board.edit("miss", expected={"total": 12})


async def test_promoting_again_with_another_expectation_takes_a_reason(board: Board):
    run = await board.miss()
    await board.say(run, expected={"total": 12})
    for name in ("miss", "another", None):
        with pytest.raises(reviews.ExampleUnresolvedError):
            await board.promote(run, name=name)
    promoted = await board.promote(run, override="misread")
    assert (promoted.example.name, promoted.feedback.override_reason) == ("miss", "misread")


async def test_another_run_does_not_take_the_place_of_a_miss_without_a_reason(board: Board):
    run = await board.miss()
    other = await board.run()
    await board.say(other, rating="pass")
    with pytest.raises(reviews.ExampleUnresolvedError):
        await board.promote(other, name="miss")
    await board.promote(other, name="miss", override="the same document")
    assert (await board.read(run)).override_reason == "the same document"


async def test_an_example_that_gets_another_name_still_stands_for_its_miss(board: Board):
    run = await board.miss()
    await board.edit("miss", name="renamed")
    feedback = await board.read(run)
    assert feedback.promoted_example_name == "renamed"
    await board.end(feedback, "1.1.0")
    assert await board.chip(run) == "passed"


# --- coming back


async def test_a_later_failure_opens_the_same_feedback_as_regressed(board: Board):
    run = await board.miss()
    feedback = await board.read(run)
    fixing = await board.end(feedback, "1.1.0")
    for harmless in ("error", "ungraded", "cancelled"):
        await board.end(feedback, "1.2.0", harmless)
    await board.end(feedback, "1.0.0", "fail")
    assert await board.chip(run) == "passed"
    breaking = await board.end(feedback, "1.2.0", "fail")
    after = await board.read(run)
    assert (after.status, after.evidence, await board.chip(run)) == ("open", None, "regressed")
    back: Any = after.regressed
    assert back["fixedBy"] == {"experimentId": fixing, "versionId": board.versions["1.1.0"], "version": "1.1.0"}
    assert (back["brokenBy"]["version"], back["experimentId"]) == ("1.2.0", breaking)
    with pytest.raises(reviews.ResolutionUnprovenError):
        await board.say(run, status="resolved")
    await board.end(feedback, "1.3.0")
    assert await board.chip(run) == "passed"
    assert (await board.read(run)).regressed is None
    assert (await actions(board, run))[2:] == ["feedback.resolved", "feedback.regressed", "feedback.resolved"]


# --- any order, and at once

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("say"),
            st.fixed_dictionaries(
                {},
                optional={
                    "rating": st.sampled_from([None, "pass", "fail", "partial"]),
                    "status": st.sampled_from([None, "open", "resolved", "ignored"]),
                    "expected": st.sampled_from([None, {"total": 1}, {"total": 2}]),
                    "override": st.just("because"),
                    "reason": st.just("so"),
                },
            ),
        ),
        st.tuples(st.just("promote"), st.fixed_dictionaries({"name": st.sampled_from(["a", "b"])})),
        st.tuples(st.just("edit"), st.fixed_dictionaries({"expected": st.sampled_from([None, {"total": 1}])})),
        st.tuples(st.just("delete"), st.just({})),
        st.tuples(st.just("clear"), st.just({})),
        st.tuples(
            st.just("end"),
            st.fixed_dictionaries(
                {
                    "version": st.sampled_from(["1.0.0", "1.1.0", "1.2.0"]),
                    "verdict": st.sampled_from(["pass", "fail", "error"]),
                    "cancelled": st.booleans(),
                }
            ),
        ),
    ),
    min_size=3,
    max_size=12,
)
PROOF = """
SELECT EXISTS (SELECT FROM example_results r JOIN experiments e ON e.id = r.experiment_id
               WHERE r.experiment_id = $1 AND r.verdict = 'pass' AND r.version_id <> $2
                 AND e.cancel_requested_at IS NULL AND r.graded_hash = $3)
"""


async def check_invariant(board: Board, run: str) -> None:
    feedback = await board.read(run)
    if feedback.status != "resolved" or feedback.override_reason is not None:
        return
    if feedback.evidence is None:
        was_promoted_miss = feedback.promoted_example_id is not None and feedback.rating != "pass"
        assert feedback.rating not in {"fail", "partial"}
        assert not was_promoted_miss
        return
    evidence: Any = feedback.evidence
    async with board.room.database.transaction() as tx:
        first = board.versions["1.0.0"]
        assert await tx.fetch_value(PROOF, evidence["experimentId"], first, evidence["gradedHash"])


async def perform(board: Board, run: str, operation: str, values: dict[str, Any]) -> None:
    feedback = await board.read(run)
    try:
        if operation in {"edit", "delete"}:
            if feedback.promoted_example_name is not None:
                await getattr(board, operation)(feedback.promoted_example_name, **values)
        elif operation == "end":
            if feedback.promoted_example_id is not None:
                await board.end(feedback, **values)
        else:
            await getattr(board, operation)(run, **values)
    except (ConflictError, reviews.ReasonRequiredError, datasets.ExampleNotFoundError):
        pass


@given(operations=OPERATIONS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_order_of_events_resolves_a_miss_without_proof_or_override(board: Board, operations: Any):
    run = await board.run()
    await board.say(run, rating="fail", expected={"total": 14})
    for operation, values in operations:
        await perform(board, run, operation, values)
        await check_invariant(board, run)


async def test_whatever_happens_at_once_no_miss_is_resolved_without_proof_or_override(room: ReviewRoom):
    board = await Board.open(room, versions=3)
    for number in range(5):
        name = f"m{number}"
        both_runs = [await board.miss(name), await board.miss(name)]
        feedback = await board.read(both_runs[0])
        both = [
            board.end(feedback, "1.1.0"),
            board.edit(name, expected={"total": 12}),
            board.edit(name, "because", expected={"total": 13}),
            board.end(feedback, "1.2.0", "fail"),
            board.promote(both_runs[1], name=f"{name}-b"),
            board.say(both_runs[0], status="resolved"),
            board.say(both_runs[1], rating="pass"),
            board.delete(name),
            board.clear(both_runs[0]),
        ]
        done = await asyncio.gather(*both, return_exceptions=True)
        strange = [one for one in done if isinstance(one, BaseException) and not isinstance(one, ConflictError)]
        assert [one for one in strange if not isinstance(one, datasets.ExampleNotFoundError)] == []
        for run in both_runs:
            await check_invariant(board, run)


# --- what must not be forgotten


async def delete_run(board: Board, run: str) -> None:
    async with board.room.database.transaction() as tx:
        await runs.delete_run(tx, board.room.organization_id, run, user_id=board.who.user_id, key_id=board.who.key_id)


async def test_a_run_whose_miss_an_example_stands_for_is_not_deleted(board: Board):
    run = await board.miss()
    await board.end(await board.read(run), "1.1.0")
    await board.clear(run)
    with pytest.raises(runs.RunUnderReviewError):
        await delete_run(board, run)
    await board.delete("miss")
    await delete_run(board, run)


async def test_retention_keeps_what_an_example_stands_for(board: Board, tmp_path: Path):
    kept, right, plain = await board.miss(), await board.run(), await board.run()
    await board.end(await board.read(kept), "1.1.0")
    await board.say(right, rating="pass")
    await board.promote(right, name="right")
    async with board.room.database.transaction() as tx:
        await tx.execute("UPDATE automations SET retention_days = 1 WHERE id = $1", board.automation_id)
        sql = """UPDATE runs SET created_at = created_at - interval '3 days',
                                 completed_at = completed_at - interval '3 days' WHERE id = ANY($1)"""
        await tx.execute(sql, [kept, right, plain])
    await runs.delete_expired(board.room.database, files.Blobs.open(None, tmp_path))
    async with board.room.database.transaction() as tx:
        left = await tx.fetch("SELECT id FROM runs WHERE id = ANY($1)", [kept, right, plain])
    assert [row["id"] for row in left] == [kept]
