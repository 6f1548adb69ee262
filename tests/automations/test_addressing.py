"""How automations and versions are called, and who may start them."""

import pytest

from assay import access, automations, db
from assay.errors import AssayError, InvalidValueError

STEP = "steps: [{name: s, type: transform.set, with: {fields: {a: 1}}}]\n"


@pytest.fixture(scope="module")
async def flow(database: db.Database, caller: access.Caller) -> automations.Automation:
    """A workflow with versions 1.0.0, 2.0.0 (current) and 3.0.0 (staged)."""
    async with database.transaction() as tx:
        await automations.push(tx, caller, source=f"name: flow\nversion: 1.0.0\n{STEP}")
        await automations.push(tx, caller, source=f"name: flow\nversion: 2.0.0\n{STEP}", automation="flow")
        staged = f"name: flow\nversion: 3.0.0\n{STEP}"
        return (await automations.push(tx, caller, source=staged, automation="flow", activate=False)).automation


@pytest.mark.parametrize("reference", ["{id}", "workflows.flow", "workflows.{id}", "workflows.workflows.flow", "flow"])
async def test_an_automation_is_found_by_all_its_names(
    database: db.Database, caller: access.Caller, flow: automations.Automation, reference: str
) -> None:
    async with database.transaction() as tx:
        found = await automations.get(tx, caller.organization_id, reference.format(id=flow.id))
    assert found == flow


@pytest.mark.parametrize(
    "reference", ["agents.flow", "agents.{id}", "wf_missing", "workflows.", "", "flow\x00", "\ud800", "x" * 999]
)
async def test_what_does_not_exist_is_not_found(
    database: db.Database, caller: access.Caller, flow: automations.Automation, reference: str
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(automations.AutomationNotFoundError):
            await automations.get(tx, caller.organization_id, reference.format(id=flow.id))


@pytest.mark.parametrize(
    ("target", "ref", "label"),
    [
        ("workflows.flow", None, "2.0.0"),
        ("workflows.flow", "latest", "2.0.0"),
        ("workflows.flow", "1.0.0", "1.0.0"),
        ("workflows.flow", "3.0.0", "3.0.0"),
        ("{id}", None, "2.0.0"),
        ("workflows.{id}", "1.0.0", "1.0.0"),
    ],
)
async def test_a_target_names_an_exact_version(
    database: db.Database, caller: access.Caller, flow: automations.Automation, target: str, ref: str | None, label: str
) -> None:
    async with database.transaction() as tx:
        found = await automations.resolve_target(tx, caller.organization_id, target.format(id=flow.id), ref)
        by_id = await automations.resolve_target(tx, caller.organization_id, "workflows.flow", found.version_id)
    assert (found.automation, found.version_label, found.requested_ref) == (flow, label, ref)
    assert by_id.version_id == found.version_id


@pytest.mark.parametrize(
    ("target", "ref", "code"),
    [
        ("flow", None, "invalid_target"),
        ("", None, "invalid_target"),
        ("flows.flow", None, "invalid_target"),
        ("agents.flow", None, "not_found"),
        ("workflows.other", None, "not_found"),
        ("workflows.flow@1.0.0", None, "not_found"),
        ("workflows.flow\x00", None, "not_found"),
        ("wf_missing", None, "not_found"),
        ("workflows.flow", "9.9.9", "not_found"),
        ("workflows.flow", "wfv_missing", "not_found"),
        ("workflows.flow", "\x00", "not_found"),
        ("workflows.flow", "\ud800", "not_found"),
    ],
)
async def test_a_bad_target_gets_a_clear_answer(
    database: db.Database, caller: access.Caller, flow: automations.Automation, target: str, ref: str | None, code: str
) -> None:
    assert flow.slug == "flow"
    async with database.transaction() as tx:
        with pytest.raises(AssayError) as caught:
            await automations.resolve_target(tx, caller.organization_id, target, ref)
    assert caught.value.code == code


async def test_finding_a_target_is_one_statement(
    database: db.Database, caller: access.Caller, flow: automations.Automation
) -> None:
    statements: list[str] = []
    async with database.transaction() as tx:
        with tx.connection.query_logger(lambda logged: statements.append(logged.query)):
            await automations.resolve_target(tx, caller.organization_id, f"workflows.{flow.slug}", "1.0.0")
    assert len(statements) == 1


async def test_a_trigger_that_a_person_switched_survives_the_next_push(
    database: db.Database, caller: access.Caller
) -> None:
    async with database.transaction() as tx:
        pushed = await automations.push(tx, caller, source=f"name: switched\nversion: 1.0.0\n{STEP}")
        assert pushed.automation.triggers == automations.Triggers(api=False, manual=True)
        switched = await automations.set_triggers(tx, caller, automation=pushed.automation.id, api=True)
        assert switched.triggers == automations.Triggers(api=True, manual=True, api_switched=True)
        silent = f"name: switched\nversion: 1.1.0\ntriggerMethods: [{{type: manual, enabled: false}}]\n{STEP}"
        after = await automations.push(tx, caller, source=silent, automation="switched")
        assert after.automation.triggers == automations.Triggers(api=True, manual=False, api_switched=True)
        back = await automations.promote(tx, caller, automation="switched", version="1.0.0")
        assert back.automation.triggers == automations.Triggers(api=True, manual=True, api_switched=True)
        entries = await access.list_audit(tx, caller.organization_id, 100)
    assert ("triggers.switched", {"api": True}) in [(entry.action, entry.detail) for entry in entries]


async def test_switching_nothing_is_refused(
    database: db.Database, caller: access.Caller, flow: automations.Automation
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(InvalidValueError):
            await automations.set_triggers(tx, caller, automation=flow.id)


async def test_limits_are_set_and_lifted(database: db.Database, caller: access.Caller) -> None:
    async with database.transaction() as tx:
        limited = (await automations.push(tx, caller, source=f"name: limited\n{STEP}")).automation
        set_to = await automations.set_limits(tx, caller, automation=limited.id, concurrency_limit=2, retention_days=30)
        assert (set_to.concurrency_limit, set_to.retention_days) == (2, 30)
        assert automations.Limits(caller.organization_id, limited.id, 2, 30) in await automations.all_limits(tx)
        lifted = await automations.set_limits(
            tx, caller, automation=limited.id, concurrency_limit=None, retention_days=None
        )
        assert (lifted.concurrency_limit, lifted.retention_days) == (None, None)
        assert await automations.all_limits(tx) == []


@pytest.mark.parametrize("limit", [0, -1, 10**12])
async def test_limits_that_make_no_sense_are_refused(
    database: db.Database, caller: access.Caller, flow: automations.Automation, limit: int
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(InvalidValueError) as caught:
            await automations.set_limits(tx, caller, automation=flow.id, concurrency_limit=limit, retention_days=limit)
    assert [issue.field for issue in caught.value.issues] == ["concurrencyLimit", "retentionDays"]


async def test_a_list_is_paged_and_searched(database: db.Database, stranger: access.Caller) -> None:
    organization_id = stranger.organization_id
    async with database.transaction() as tx:
        for name, description in (("alpha", "100% sure"), ("beta", "Reads_Letters"), ("gamma", "none")):
            source = f"name: {name}\ndescription: {description}\n{STEP}"
            await automations.push(tx, stranger, source=source)

        async def found(search: str | None = None, limit: int = 100, offset: int = 0) -> tuple[list[str], int]:
            rows, total = await automations.list_automations(
                tx, organization_id, search=search, limit=limit, offset=offset
            )
            return [row.slug for row in rows], total

        assert await found() == (["gamma", "beta", "alpha"], 3)
        assert await found(limit=1, offset=1) == (["beta"], 3)
        assert await found("ALPH") == (["alpha"], 1)
        assert await found("s_l") == (["beta"], 1)
        assert await found("0%") == (["alpha"], 1)
        assert await found("%") == (["alpha"], 1)
        assert await found("\x00") == ([], 0)
        assert await automations.list_automations(tx, organization_id, kind="agent") == ([], 0)
