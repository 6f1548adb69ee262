"""The list of private hosts: one spelling, all problems at once, recorded, and nobody else's."""

import asyncio

import pytest

from assay import access, db
from assay.errors import InvalidValueError


@pytest.fixture
async def caller(database: db.Database, request: pytest.FixtureRequest) -> access.Caller:
    slug = f"org-{abs(hash(request.node.name))}"
    async with database.transaction() as tx:
        organization = await access.create_organization(tx, slug=slug, name="Any")
        user = await access.create_user(tx, organization_id=organization.id, email="a@example.org", role="owner")
    scopes = frozenset({"full_access"})
    return access.Caller(organization.id, slug, "Any", user.id, "key_1", user.email, None, scopes)


async def change(
    database: db.Database, caller: access.Caller, *, allow: tuple[str, ...] = (), refuse: tuple[str, ...] = ()
) -> list[str]:
    async with database.transaction() as tx:
        found = await access.change_allowed_hosts(tx, caller, allow=allow, refuse=refuse)
    return [allowed.host for allowed in found]


async def changes(database: db.Database, caller: access.Caller) -> list[access.AuditEntry]:
    async with database.transaction() as tx:
        found = await access.list_audit(tx, caller.organization_id, 100)
    return [entry for entry in found if entry.action == "outgoing.changed"]


async def test_a_host_has_one_spelling(database: db.Database, caller: access.Caller) -> None:
    written = ("ERP.Corp.Example.", " erp.corp.example ", "*.Lan:8080", "[FD00:0:0::1]:80", "fd00-db:5432")
    spelled = ["*.lan:8080", "[fd00::1]:80", "erp.corp.example", "fd00-db:5432"]
    assert await change(database, caller, allow=written) == spelled
    assert await change(database, caller, refuse=("[fd00::0001]:80", "erp.CORP.example")) == [
        "*.lan:8080",
        "fd00-db:5432",
    ]


async def test_what_was_changed_is_recorded_once(database: db.Database, caller: access.Caller) -> None:
    for _ in range(2):
        await change(database, caller, allow=("a.lan", "b.lan"))
        await change(database, caller, allow=("a.lan",), refuse=("c.lan",))
    await change(database, caller, refuse=("b.lan",))
    assert [entry.detail for entry in await changes(database, caller)] == [
        {"allowed": [], "refused": ["b.lan"]},
        {"allowed": ["a.lan", "b.lan"], "refused": []},
    ]
    assert (await changes(database, caller))[0].user_id == caller.user_id


async def test_every_entry_that_is_none_is_named_and_nothing_is_changed(
    database: db.Database, caller: access.Caller
) -> None:
    wrong = ("http://a.lan", "a.lan/path", "*", "a.*.lan", "", " ", "a,b", "a\x00b", "a b", "user@a.lan", "a.lan:99999")
    wrong += ("a.lan:0", "fd00::1", "x" * 300)
    with pytest.raises(InvalidValueError) as refused:
        await change(database, caller, allow=("fine.lan", *wrong), refuse=("?", "fine.lan"))
    fields = [issue.field for issue in refused.value.issues]
    assert fields == [*(f"allow.{index + 1}" for index in range(len(wrong))), "refuse.0", "refuse"]
    assert await change(database, caller) == []
    assert await changes(database, caller) == []


async def test_a_list_has_an_end(database: db.Database, caller: access.Caller) -> None:
    await change(database, caller, allow=tuple(f"h{number}.lan" for number in range(200)))
    with pytest.raises(InvalidValueError, match="200"):
        await change(database, caller, allow=("one-more.lan",))
    assert "one-more.lan" in await change(database, caller, allow=("one-more.lan",), refuse=("h0.lan",))


async def test_two_changes_at_once_both_stand(database: db.Database, caller: access.Caller) -> None:
    await asyncio.gather(*(change(database, caller, allow=(f"h{number}.lan", "all.lan")) for number in range(5)))
    assert len(await change(database, caller)) == 6


async def test_another_organization_has_its_own_list(database: db.Database, caller: access.Caller) -> None:
    await change(database, caller, allow=("a.lan",))
    async with database.transaction() as tx:
        other = await access.create_organization(tx, slug="other-hosts", name="Other")
        assert await access.list_allowed_hosts(tx, other.id) == []
        assert not (await access.allow_list(tx, other.id)).allows("a.lan", 80)
        assert (await access.allow_list(tx, caller.organization_id)).allows("a.lan", 80)
