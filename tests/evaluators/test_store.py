"""Which evaluators are in force, and that none that ever were are lost."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from tests.automations.conftest import caller_of
from tests.automations.test_versions import file

from assay import access, automations, db, evaluators

FIRST = "evaluators: [{name: a, type: exact-diff}]"
SECOND = f"# the same, with a remark\n{FIRST}"
THIRD = "evaluators: []"


@pytest.fixture(scope="module")
def caller(ownership: tuple[access.Organization, access.User]) -> access.Caller:
    return caller_of(*ownership)


@pytest.fixture
async def tx(database: db.Database) -> AsyncGenerator[db.Transaction]:
    """A transaction that leaves nothing behind."""
    async with database.transaction() as opened:
        savepoint = opened.connection.transaction()
        await savepoint.start()
        yield opened
        await savepoint.rollback()


@pytest.fixture
async def automation(tx: db.Transaction, caller: access.Caller) -> str:
    return (await automations.push(tx, caller, source=file("judged"))).automation.id


async def test_each_text_has_a_number_and_stays(tx: db.Transaction, caller: access.Caller, automation: str) -> None:
    org = caller.organization_id
    assert await evaluators.current(tx, org, automation) is None
    stored = [await evaluators.replace(tx, caller, automation, text) for text in (FIRST, SECOND, THIRD, FIRST)]
    assert [one.number for one in stored] == [1, 2, 3, 4]
    assert stored[0].content_hash == stored[1].content_hash == stored[3].content_hash != stored[2].content_hash
    assert await evaluators.current(tx, org, automation) == stored[-1]
    assert [await evaluators.by_id(tx, org, one.id) for one in stored] == stored
    assert evaluators.set_of(stored[1]).source == SECOND
    entries = await access.list_audit(tx, org, 10)
    assert [entry.detail["number"] for entry in entries if entry.action == "evaluators.replaced"] == [4, 3, 2, 1]


async def test_the_text_that_is_in_force_changes_nothing(
    tx: db.Transaction, caller: access.Caller, automation: str
) -> None:
    first = await evaluators.replace(tx, caller, automation, FIRST)
    assert await evaluators.replace(tx, caller, automation, FIRST) == first
    entries = await access.list_audit(tx, caller.organization_id, 10)
    assert [entry.action for entry in entries].count("evaluators.replaced") == 1


async def test_a_text_that_is_not_valid_leaves_the_one_before(
    tx: db.Transaction, caller: access.Caller, automation: str
) -> None:
    first = await evaluators.replace(tx, caller, automation, FIRST)
    with pytest.raises(evaluators.InvalidEvaluatorsError):
        await evaluators.replace(tx, caller, automation, "evaluators: [{name: a}]")
    assert await evaluators.current(tx, caller.organization_id, automation) == first


async def test_what_is_another_organizations_is_not_found(
    tx: db.Transaction, caller: access.Caller, automation: str
) -> None:
    stored = await evaluators.replace(tx, caller, automation, FIRST)
    assert await evaluators.current(tx, "org_other", automation) is None
    assert await evaluators.by_id(tx, "org_other", stored.id) is None


async def test_changes_at_once_get_numbers_without_gaps(database: db.Database, caller: access.Caller) -> None:
    async with database.transaction() as tx:
        automation = (await automations.push(tx, caller, source=file("contended"))).automation.id

    async def change(index: int) -> int:
        async with database.transaction() as tx:
            return (await evaluators.replace(tx, caller, automation, f"# {index}\n{FIRST}")).number

    assert sorted(await asyncio.gather(*map(change, range(8)))) == list(range(1, 9))


async def test_a_text_that_an_older_assay_took_is_told_as_such(
    tx: db.Transaction, caller: access.Caller, automation: str
) -> None:
    await tx.execute(
        "INSERT INTO evaluator_sets (id, organization_id, automation_id, number, source, content_hash) "
        "VALUES ('evs_old', $1, $2, 1, 'evaluators: [{name: a, type: gone}]', 'h')",
        caller.organization_id,
        automation,
    )
    stored = await evaluators.current(tx, caller.organization_id, automation)
    assert stored is not None
    with pytest.raises(evaluators.StoredEvaluatorsError) as refused:
        evaluators.set_of(stored)
    assert refused.value.issues[0].field == "evaluators.0.type"
