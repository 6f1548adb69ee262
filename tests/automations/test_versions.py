"""Versions are added in order and never change; one of them is current."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable

import pytest

from assay import access, automations, db
from assay.errors import AssayError


def file(name: str, version: str = "1.0.0", *, extra: str = "") -> str:
    step = "steps: [{name: s, type: transform.set, with: {fields: {a: 1}}}]\n"
    return f"name: {name}\nversion: {version}\n{step}{extra}"


@pytest.fixture
async def tx(database: db.Database) -> AsyncGenerator[db.Transaction]:
    """A transaction that leaves nothing behind."""

    async with database.transaction() as opened:
        savepoint = opened.connection.transaction()
        await savepoint.start()
        yield opened
        await savepoint.rollback()


async def labels(tx: db.Transaction, organization_id: str, name: str) -> list[tuple[str | None, bool]]:
    found, total = await automations.list_versions(tx, organization_id, f"workflows.{name}")
    assert total == len(found)
    return [(version.label, version.is_current) for version in found]


async def reasons(tx: db.Transaction, automation_id: str) -> list[str]:
    rows = await tx.fetch(
        "SELECT reason FROM automation_activations WHERE automation_id = $1 ORDER BY created_at", automation_id
    )
    return [row["reason"] for row in rows]


async def audited(tx: db.Transaction, organization_id: str) -> list[str]:
    entries = await access.list_audit(tx, organization_id, 10)
    return [entry.action for entry in entries]


async def refused(attempt: Awaitable[object], error: type[AssayError], code: str) -> AssayError:
    with pytest.raises(error) as caught:
        await attempt
    assert caught.value.code == code
    return caught.value


async def test_the_first_push_makes_the_workflow_and_its_current_version(
    tx: db.Transaction, caller: access.Caller
) -> None:
    text = file("flow", "1.2.0", extra="description: What it does.\ntriggerMethods: [api]\n")
    pushed = await automations.push(tx, caller, source=text)
    assert pushed.created
    assert pushed.automation.id.startswith("wf_")
    assert pushed.automation.slug == "flow"
    assert pushed.automation.description == "What it does."
    assert pushed.automation.current_version_label == "1.2.0"
    assert pushed.automation.triggers == automations.Triggers(api=True, manual=True)
    assert pushed.version.is_current
    assert pushed.version.created_by == caller.user_id
    stored = await automations.read_version(tx, caller.organization_id, "workflows.flow", None)
    assert stored.source == text
    assert isinstance(stored.document, dict)
    assert stored.document["version"] == "1.2.0"
    assert {"automation.created", "version.pushed"} <= set(await audited(tx, caller.organization_id))


async def test_a_name_that_is_taken_is_refused_and_says_by_whom(tx: db.Transaction, caller: access.Caller) -> None:
    first = await automations.push(tx, caller, source=file("flow"))
    error = await refused(
        automations.push(tx, caller, source=file("flow", "2.0.0")),
        automations.WorkflowNameConflictError,
        "workflow_name_conflict",
    )
    assert isinstance(error, automations.WorkflowNameConflictError)
    assert error.conflicting_workflow_id == first.automation.id


async def test_organizations_may_use_the_same_name(
    tx: db.Transaction, caller: access.Caller, stranger: access.Caller
) -> None:
    mine = await automations.push(tx, caller, source=file("flow"))
    theirs = await automations.push(tx, stranger, source=file("flow"))
    assert mine.automation.id != theirs.automation.id


async def test_versions_only_go_up(tx: db.Transaction, caller: access.Caller) -> None:
    await automations.push(tx, caller, source=file("flow", "1.9.0"))
    await automations.push(tx, caller, source=file("flow", "1.10.0"), automation="flow")
    await refused(
        automations.push(tx, caller, source=file("flow", "1.9.5"), automation="flow"),
        automations.VersionNotIncreasingError,
        "version_not_increasing",
    )
    assert await labels(tx, caller.organization_id, "flow") == [("1.10.0", True), ("1.9.0", False)]


async def test_a_version_that_exists_says_whether_it_is_the_same(tx: db.Transaction, caller: access.Caller) -> None:
    await automations.push(tx, caller, source=file("flow"))
    same = automations.push(tx, caller, source=file("flow"), automation="flow")
    error = await refused(same, automations.VersionExistsError, "version_exists")
    assert "this very content" in error.message
    assert "Promote it" in (error.hint or "")
    other = automations.push(tx, caller, source=file("flow", extra="enabled: false\n"), automation="flow")
    error = await refused(other, automations.VersionExistsError, "version_exists")
    assert "other content" in error.message


async def test_a_name_never_changes(tx: db.Transaction, caller: access.Caller) -> None:
    await automations.push(tx, caller, source=file("flow"))
    renamed = automations.push(tx, caller, source=file("other", "2.0.0"), automation="flow")
    await refused(renamed, automations.NameMismatchError, "name_mismatch")


async def test_a_broken_file_is_refused_with_all_its_issues(tx: db.Transaction, caller: access.Caller) -> None:
    pushing = automations.push(tx, caller, source="name: A B\nsteps: []\n")
    error = await refused(pushing, automations.InvalidWorkflowError, "invalid_workflow")
    assert [(issue.code, issue.line) for issue in error.issues] == [("invalid_name", 1), ("invalid_value", 2)]


async def test_warnings_come_back_with_the_push(tx: db.Transaction, caller: access.Caller) -> None:
    pushed = await automations.push(tx, caller, source=file("flow", extra="triggerMethods: [email]\n"))
    assert [issue.code for issue in pushed.issues] == ["no_effect"]


async def test_a_staged_version_waits_for_its_promotion(tx: db.Transaction, caller: access.Caller) -> None:
    await automations.push(tx, caller, source=file("flow"))
    candidate = file("flow", "1.1.0", extra="description: New.\ntriggerMethods: [api]\n")
    staged = await automations.push(tx, caller, source=candidate, automation="flow", activate=False)
    assert staged.automation.current_version_label == "1.0.0"
    assert staged.automation.description is None
    assert not staged.automation.triggers.api
    assert not staged.version.is_current
    promoted = await automations.promote(tx, caller, automation="workflows.flow", version="1.1.0")
    assert promoted.reason == "promote"
    assert promoted.version.is_current
    assert promoted.automation.description == "New."
    assert promoted.automation.triggers.api
    assert await reasons(tx, staged.automation.id) == ["push", "promote"]


async def test_going_back_is_a_rollback_and_standing_still_is_nothing(
    tx: db.Transaction, caller: access.Caller
) -> None:
    first = await automations.push(tx, caller, source=file("flow"))
    await automations.push(tx, caller, source=file("flow", "2.0.0"), automation="flow")
    back = await automations.promote(tx, caller, automation="flow", version=first.version.id)
    assert back.reason == "rollback"
    assert back.automation.current_version_label == "1.0.0"
    again = await automations.promote(tx, caller, automation="flow", version="latest")
    assert again.reason is None
    assert await reasons(tx, first.automation.id) == ["push", "push", "rollback"]
    assert "version.rolled_back" in await audited(tx, caller.organization_id)


async def test_a_first_version_may_be_staged_and_then_none_is_current(
    tx: db.Transaction, caller: access.Caller
) -> None:
    pushed = await automations.push(tx, caller, source=file("flow"), activate=False)
    assert pushed.automation.current_version_id is None
    organization_id = caller.organization_id
    await refused(
        automations.resolve_target(tx, organization_id, "workflows.flow", None),
        automations.NoCurrentVersionError,
        "no_current_version",
    )
    named = await automations.resolve_target(tx, organization_id, "workflows.flow", "1.0.0")
    assert named.version_id == pushed.version.id


async def test_the_database_refuses_to_change_a_version(tx: db.Transaction, caller: access.Caller) -> None:
    await automations.push(tx, caller, source=file("flow"))
    with pytest.raises(Exception, match="append-only"):
        await tx.execute("UPDATE automation_versions SET source = ''")


async def test_a_definition_is_read_once(tx: db.Transaction, caller: access.Caller) -> None:
    pushed = await automations.push(tx, caller, source=file("flow"))
    first = await automations.definition_of(tx, caller.organization_id, pushed.version.id)
    assert first.name == "flow"
    assert await automations.definition_of(tx, caller.organization_id, pushed.version.id) is first


async def test_a_foreign_organization_finds_nothing(
    tx: db.Transaction, caller: access.Caller, stranger: access.Caller
) -> None:
    pushed = await automations.push(tx, caller, source=file("flow"))
    await automations.definition_of(tx, caller.organization_id, pushed.version.id)
    wf, wfv, foreign = pushed.automation.id, pushed.version.id, stranger.organization_id
    for attempt in (
        automations.get(tx, foreign, wf),
        automations.get(tx, foreign, "flow"),
        automations.list_versions(tx, foreign, wf),
        automations.read_version(tx, foreign, wf, wfv),
        automations.definition_of(tx, foreign, wfv),
        automations.resolve_target(tx, foreign, wf, None),
        automations.resolve_target(tx, foreign, "workflows.flow", wfv),
        automations.promote(tx, stranger, automation=wf, version=wfv),
        automations.push(tx, stranger, source=file("flow", "2.0.0"), automation=wf),
        automations.set_triggers(tx, stranger, automation=wf, api=True),
        automations.set_limits(tx, stranger, automation=wf, concurrency_limit=1, retention_days=None),
    ):
        with pytest.raises(AssayError) as caught:
            await attempt
        assert caught.value.kind == "not_found"
    assert await automations.list_automations(tx, foreign) == ([], 0)


async def test_pushes_at_once_stand_in_line(database: db.Database, caller: access.Caller) -> None:
    async with database.transaction() as tx:
        await automations.push(tx, caller, source=file("busy"))

    async def push(version: str) -> str:
        try:
            async with database.transaction() as tx:
                await automations.push(tx, caller, source=file("busy", version), automation="busy")
        except AssayError as error:
            return error.code
        return "pushed"

    outcomes = await asyncio.gather(*(push("1.1.0") for _ in range(5)))
    assert sorted(outcomes) == ["pushed", *["version_exists"] * 4]
    outcomes = await asyncio.gather(push("1.2.0"), push("1.3.0"), push("1.4.0"))
    async with database.transaction() as tx:
        current = await automations.get(tx, caller.organization_id, "busy")
        found = [label for label, _ in await labels(tx, caller.organization_id, "busy")]
    assert current.current_version_label == "1.4.0"
    assert len(found) == 2 + outcomes.count("pushed")


async def test_a_workflow_made_twice_at_once_is_made_once(database: db.Database, caller: access.Caller) -> None:
    async def create() -> str:
        try:
            async with database.transaction() as tx:
                await automations.push(tx, caller, source=file("twin"))
        except AssayError as error:
            return error.code
        return "pushed"

    outcomes = await asyncio.gather(*(create() for _ in range(4)))
    assert sorted(outcomes) == ["pushed", *["workflow_name_conflict"] * 3]
