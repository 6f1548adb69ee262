"""Who may make and change whom: owners stand above admins, and somebody always owns the organization."""

from collections.abc import Awaitable, Callable

import pytest

from assay import access, db
from assay.errors import ConflictError

Act = Callable[[db.Transaction, access.Caller | None, access.User], Awaitable[object]]


async def _caller(tx: db.Transaction, user: access.User) -> access.Caller:
    token = await access.make_link(tx, user, "link")
    session, _ = await access.sign_in_by_link(tx, token, user_agent=None)
    return await access.session_caller(tx, session.token)


async def _person(tx: db.Transaction, organization: access.Organization, role: access.Role, email: str) -> access.User:
    return await access.ensure_user(tx, organization_id=organization.id, email=email, role=role)


def _to(role: access.Role) -> Act:
    async def act(tx: db.Transaction, by: access.Caller | None, user: access.User) -> object:
        return await access.change_member(tx, user.organization_id, user.id, role=role, by=by)

    return act


async def _disable(tx: db.Transaction, by: access.Caller | None, user: access.User) -> object:
    return await access.change_member(tx, user.organization_id, user.id, disabled=True, by=by)


async def _enable(tx: db.Transaction, by: access.Caller | None, user: access.User) -> object:
    return await access.change_member(tx, user.organization_id, user.id, disabled=False, by=by)


async def _sign_out(tx: db.Transaction, by: access.Caller | None, user: access.User) -> object:
    return await access.sign_out_member(tx, user.organization_id, user.id, by=by)


async def _unlink(tx: db.Transaction, by: access.Caller | None, user: access.User) -> object:
    return await access.unlink_member(tx, user.organization_id, user.id, by=by)


async def _invite_again(tx: db.Transaction, by: access.Caller | None, user: access.User) -> object:
    assert by is not None, "the operator adds people in another way"
    return await access.invite(tx, by, user.email.upper(), role="member")


async def _invite_another(tx: db.Transaction, by: access.Caller | None, user: access.User) -> object:
    assert by is not None, "the operator adds people in another way"
    return await access.invite(tx, by, f"another-{user.email}", role=user.role)


@pytest.mark.parametrize(
    "act",
    [_to("admin"), _to("owner"), _disable, _enable, _sign_out, _unlink, _invite_again, _invite_another],
)
async def test_an_admin_does_nothing_to_owners_and_makes_none(
    database: db.Database, organization: access.Organization, act: Act
):
    async with database.transaction() as tx:
        admin = await _caller(tx, await _person(tx, organization, "admin", "admin@example.org"))
        second = await _person(tx, organization, "owner", "second@example.org")
    with pytest.raises(access.OwnersOnlyError):
        async with database.transaction() as tx:
            await act(tx, admin, second)
    async with database.transaction() as tx:
        owner = await _caller(tx, await _person(tx, organization, "owner", "third@example.org"))
        await act(tx, owner, await _person(tx, organization, "owner", f"to-change-{act.__name__}@example.org"))


async def test_an_admin_makes_nobody_an_owner_not_even_themselves(
    database: db.Database, organization: access.Organization
):
    async with database.transaction() as tx:
        user = await _person(tx, organization, "admin", "climber@example.org")
        admin = await _caller(tx, user)
        plain = await _person(tx, organization, "member", "plain@example.org")
    for wanted in (user, plain):
        with pytest.raises(access.OwnersOnlyError):
            async with database.transaction() as tx:
                await _to("owner")(tx, admin, wanted)
    async with database.transaction() as tx:
        for act in (_to("admin"), _sign_out, _disable, _enable):
            await act(tx, admin, plain)


async def test_the_rule_goes_by_what_one_is_now_and_holds_for_keys_too(
    database: db.Database, organization: access.Organization
):
    async with database.transaction() as tx:
        user = await _person(tx, organization, "owner", "was-owner@example.org")
        made = await access.create_key(
            tx, organization_id=organization.id, user_id=user.id, name="k", scopes=["full_access"]
        )
        second = await _person(tx, organization, "owner", "second@example.org")
        await access.sign_out_member(tx, organization.id, second.id, by=await access.authenticate(tx, made.secret))
        await access.change_member(tx, organization.id, user.id, role="admin")
    with pytest.raises(access.OwnersOnlyError):
        async with database.transaction() as tx:
            await _disable(tx, await access.authenticate(tx, made.secret), second)


async def test_who_is_no_admin_any_more_has_no_key_that_administers(
    database: db.Database, organization: access.Organization
):
    async with database.transaction() as tx:
        user = await _person(tx, organization, "admin", "was-admin@example.org")
        keys = [
            await access.create_key(tx, organization_id=organization.id, user_id=user.id, name="k", scopes=scopes)
            for scopes in (["full_access"], ["observability:read", "runs:read"])
        ]
        await access.change_member(tx, organization.id, user.id, role="member")
        found = [(await access.authenticate(tx, key.secret)).scopes for key in keys]
    assert found == [access.SCOPES_OF["member"], {"observability:read", "runs:read"}]


async def test_the_last_owner_stays_whoever_asks(database: db.Database):
    async with database.transaction() as tx:
        organization = await access.create_organization(tx, slug="alone", name="Alone")
        user = await _person(tx, organization, "owner", "only@example.org")
        owner = await _caller(tx, user)
    for act in (_to("admin"), _disable):
        for by in (owner, None):
            with pytest.raises(ConflictError):
                async with database.transaction() as tx:
                    await act(tx, by, user)


async def test_addresses_that_differ_in_case_are_one_persons(database: db.Database, organization: access.Organization):
    async with database.transaction() as tx:
        await access.create_user(tx, organization_id=organization.id, email="Case@example.org")
        with pytest.raises(ConflictError):
            await access.create_user(tx, organization_id=organization.id, email="case@Example.org")
