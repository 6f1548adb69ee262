"""Which version serves a call, and why."""

import json

import pytest

from assay import access, automations, db, rollouts


def workflow(version: str) -> str:
    step = {"name": "a", "type": "transform.set", "with": {"fields": {"v": 1}}}
    return json.dumps({"name": "flow", "version": version, "steps": [step]})


@pytest.fixture
def caller(organization: access.Organization, owner: access.User) -> access.Caller:
    return access.Caller(
        organization_id=organization.id,
        organization_slug=organization.slug,
        organization_name=organization.name,
        user_id=owner.id,
        key_id="key_of_the_tests",
        email=owner.email,
        name=owner.name,
        scopes=frozenset({"full_access"}),
    )


async def test_the_current_version_serves_unless_another_is_named(database: db.Database, caller: access.Caller) -> None:
    own = caller.organization_id
    async with database.transaction() as tx:
        staged = await automations.push(tx, caller, source=workflow("0.9.0"), activate=False)
        flow, target = staged.automation, "workflows.flow"
        with pytest.raises(automations.NoCurrentVersionError):
            await rollouts.which_version(tx, own, target, None)
        for version in ("1.0.0", "1.1.0"):
            await automations.push(tx, caller, source=workflow(version), automation=target)
        await automations.push(tx, caller, source=workflow("2.0.0"), automation=target, activate=False)
        asked = [(target, None), (flow.id, ""), (flow.id, "latest"), (flow.id, "1.0.0"), (target, "2.0.0")]
        chosen = [(await rollouts.which_version(tx, own, *call)).chosen for call in asked]
    assert [(choice.version_label, choice.reason, choice.requested_ref) for choice in chosen] == [
        ("1.1.0", "current", None),
        ("1.1.0", "current", ""),
        ("1.1.0", "current", "latest"),
        ("1.0.0", "requested", "1.0.0"),
        ("2.0.0", "requested", "2.0.0"),
    ]
    assert {(choice.automation_id, choice.kind) for choice in chosen} == {(flow.id, "workflow")}


async def test_what_is_not_there_is_refused(database: db.Database, caller: access.Caller) -> None:
    async with database.transaction() as tx:
        found = await automations.get(tx, caller.organization_id, "workflows.flow")
        refused: list[tuple[str, str, str | None, type[Exception]]] = [
            (caller.organization_id, "workflows.none", None, automations.AutomationNotFoundError),
            (caller.organization_id, "flow", None, automations.InvalidTargetError),
            (caller.organization_id, found.id, "9.9.9", automations.VersionNotFoundError),
            ("org_other", found.id, None, automations.AutomationNotFoundError),
        ]
        for organization_id, target, ref, error in refused:
            with pytest.raises(error):
                await rollouts.which_version(tx, organization_id, target, ref)
