"""What the process before made of the same inputs: brought in all or none, and held against runs honestly."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.reviews.review_room import ReviewRoom

from assay import access, db, evaluators, reviews, runs


@pytest.fixture
def room(database: db.Database, organization: access.Organization) -> ReviewRoom:
    return ReviewRoom(database, organization.id)


@pytest.fixture
async def owner(room: ReviewRoom) -> access.Caller:
    return await room.reviewer("full_access")


async def bring(room: ReviewRoom, owner: access.Caller, automation: str, *outputs: Any) -> reviews.Imported:
    async with room.database.transaction() as tx:
        return await reviews.import_incumbents(tx, owner, automation, outputs)


async def agreement(room: ReviewRoom, automation: str, **how: Any) -> reviews.IncumbentAgreement:
    async with room.database.transaction() as tx:
        return await reviews.incumbent_agreement(tx, room.organization_id, automation, **how)


async def say(room: ReviewRoom, owner: access.Caller, run_id: str, **change: Any) -> None:
    async with room.database.transaction() as tx:
        await reviews.update(tx, owner, run_id, reviews.FeedbackChange(**change))


async def give(room: ReviewRoom, run_id: str, output: str, metadata: str = "{}") -> None:
    async with room.database.transaction() as tx:
        await tx.execute("UPDATE run_results SET output = $2::json WHERE run_id = $1", run_id, output)
        sql = "INSERT INTO run_inputs (run_id, organization_id, input, metadata) VALUES ($1, $2, '{}', $3)"
        await tx.execute(sql, run_id, room.organization_id, metadata)


def by_field(found: reviews.IncumbentAgreement) -> dict[str, reviews.FieldAgreement]:
    return {one.name: one for one in found.fields}


def codes(error: reviews.InvalidIncumbentsError) -> Sequence[tuple[str, str]]:
    return [(issue.field, issue.code) for issue in error.issues]


async def test_agreement_counts_each_field_that_the_process_before_has(room: ReviewRoom, owner: access.Caller):
    automation = await room.automation()
    same, other = await room.runs(automation, 2)
    await give(room, same, '{"total": 12, "date": "2026-01-01", "extra": 1}')
    await give(room, other, '{"total": 13, "date": null, "extra": 1}')
    await bring(
        room,
        owner,
        automation,
        {"runId": same, "output": {"total": "12.00", "date": "2026-01-01"}},
        {"runId": other, "output": {"total": 12, "date": ""}},
    )
    found = await agreement(room, automation)
    counted = {name: (one.agreed, one.compared) for name, one in by_field(found).items()}
    assert counted == {"total": (1, 2), "date": (2, 2)}
    assert (found.runs, found.identical) == (2, 1)
    assert found.fields[0].name == "total", "the worst comes first"
    assert found.fields[0].interval.lower < 0.5 < found.fields[0].interval.upper


async def test_a_blank_of_the_process_before_is_a_difference_where_the_run_has_something(
    room: ReviewRoom, owner: access.Caller
):
    automation = await room.automation()
    (run_id,) = await room.runs(automation)
    await bring(room, owner, automation, {"runId": run_id, "output": {"total": None}})
    async with room.database.transaction() as tx:
        found = await reviews.incumbent_difference(tx, room.organization_id, run_id)
    assert found.fields == {"total": False}
    assert found.mismatches == [{"path": "total", "incumbent": None, "run": 12, "reason": "must be empty"}]


async def test_it_compares_by_the_rules_in_force_also_what_it_had_compared_before(
    room: ReviewRoom, owner: access.Caller
):
    automation = await room.automation()
    (run_id,) = await room.runs(automation)
    await bring(room, owner, automation, {"runId": run_id, "output": {"total": 12.4}})
    assert (await agreement(room, automation)).identical == 0
    source = "evaluators: [{name: e, type: exact-diff, config: {numericTolerance: 0.5}}]"
    async with room.database.transaction() as tx:
        await evaluators.replace(tx, owner, automation, source)
    assert (await agreement(room, automation)).identical == 1


async def test_where_people_said_what_is_right_it_tells_who_was(room: ReviewRoom, owner: access.Caller):
    automation = await room.automation()
    both, run_only, incumbent_only, unjudged = await room.runs(automation, 4)
    outputs = {both: 12, run_only: 11, incumbent_only: 21, unjudged: 99}
    await bring(room, owner, automation, *({"runId": one, "output": {"total": n}} for one, n in outputs.items()))
    await say(room, owner, both, rating="pass")
    await say(room, owner, run_only, rating="pass")
    await say(room, owner, incumbent_only, rating="fail", status="open", expected={"total": 21})
    await say(room, owner, unjudged, rating="fail", status="open")
    found = await agreement(room, automation)
    judged = by_field(found)["total"].judged
    assert judged == reviews.Judged(runs=3, run_right=2, incumbent_right=2, both_right=1)
    assert (found.runs, found.judged, found.judged_at_random) == (4, 3, 0)


async def test_runs_without_an_output_are_counted_and_not_compared(room: ReviewRoom, owner: access.Caller):
    automation = await room.automation()
    (failed,) = await room.runs(automation, status="failed")
    (running,) = await room.runs(automation, status="running")
    await bring(room, owner, automation, *({"runId": one, "output": {"total": 12}} for one in (failed, running)))
    found = await agreement(room, automation)
    assert (found.runs, found.without_output, found.unfinished, found.fields) == (0, 1, 1, [])
    with pytest.raises(runs.RunNotFinishedError):
        async with room.database.transaction() as tx:
            await reviews.incumbent_difference(tx, room.organization_id, running)


async def test_a_run_is_found_by_its_metadata(room: ReviewRoom, owner: access.Caller):
    automation = await room.automation()
    first, second = await room.runs(automation, 2)
    await give(room, first, '{"total": 1}', '{"ticket": 4711, "urgent": true}')
    await give(room, second, '{"total": 2}', '{"ticket": "A-1"}')
    done = await bring(
        room,
        owner,
        automation,
        {"match": {"key": "ticket", "value": "A-1"}, "output": {"total": 2}, "source": "ERP"},
        {"match": {"key": "urgent", "value": True}, "output": {"total": 1}},
    )
    assert done == reviews.Imported(2, 0, [second, first])
    assert (await agreement(room, automation)).identical == 2


async def test_all_problems_are_told_at_once_and_nothing_is_imported(room: ReviewRoom, owner: access.Caller):
    automation, elsewhere = await room.automation(), await room.automation()
    one, two = await room.runs(automation, 2)
    (foreign,) = await room.runs(elsewhere)
    for run_id in (one, two):
        await give(room, run_id, "{}", '{"ticket": 1}')
    with pytest.raises(reviews.InvalidIncumbentsError) as raised:
        await bring(
            room,
            owner,
            automation,
            {"runId": one, "output": {}},
            {"runId": foreign, "output": {}},
            {"match": {"key": "ticket", "value": 1}, "output": {}},
            {"match": {"key": "ticket", "value": 2}, "output": {}},
            {"output": {}},
            {"runId": one, "output": {}},
            {"runId": two, "output": None},
            "text",
        )
    assert codes(raised.value) == [
        ("outputs[1].runId", "not_found"),
        ("outputs[2].match", "ambiguous"),
        ("outputs[3].match", "not_found"),
        ("outputs[4]", "no_run"),
        ("outputs[5]", "duplicate"),
        ("outputs[6].output", "invalid_value"),
        ("outputs[7]", "invalid_value"),
    ]
    assert (await agreement(room, automation)).runs == 0


async def test_ten_thousand_outputs_are_one_call_and_one_more_is_none(room: ReviewRoom, owner: access.Caller):
    automation = await room.automation()
    made = await room.runs(automation, 50)
    with pytest.raises(reviews.TooManyIncumbentsError):
        await bring(room, owner, automation, *([{"runId": made[0], "output": {}}] * 10_001))
    done = await bring(room, owner, automation, *({"runId": one, "output": {"total": 1}} for one in made))
    again = await bring(room, owner, automation, *({"runId": one, "output": {"total": 12}} for one in made))
    assert ((done.added, done.replaced), (again.added, again.replaced)) == ((50, 0), (0, 50))
    assert (await agreement(room, automation)).identical == 50


async def test_imports_of_the_same_runs_and_figures_of_them_at_once_do_no_harm(room: ReviewRoom, owner: access.Caller):
    automation = await room.automation()
    made = await room.runs(automation, 200)
    await bring(room, owner, automation, *({"runId": one, "output": {"total": 1}} for one in made))
    outputs = [{"runId": one, "output": {"total": 12}} for one in made]
    turns = [bring(room, owner, automation, *order) for order in (outputs, outputs[::-1], outputs[50:], outputs[::-3])]
    await asyncio.gather(*turns, *(agreement(room, automation) for _ in range(4)))
    assert (await agreement(room, automation)).identical == 200


async def test_another_organization_has_no_such_run(room: ReviewRoom, owner: access.Caller):
    (run_id,) = await room.runs(await room.automation())
    async with room.database.transaction() as tx:
        other = await access.create_organization(tx, slug="foreign-incumbents", name="Other")
    stranger = access.Caller(other.id, "o", "O", owner.user_id, "key_1", "a@b", None, frozenset({"full_access"}))
    with pytest.raises(runs.RunNotFoundError):
        async with room.database.transaction() as tx:
            await reviews.set_incumbent(tx, stranger, run_id, {"total": 1})
