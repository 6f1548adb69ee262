"""Organizations and users: unique, checked, and one default pair whoever starts first."""

import asyncio

import pytest

from assay import access, db
from assay.errors import ConflictError, InvalidValueError


async def _ensure(database: db.Database) -> tuple[access.Organization, access.User]:
    async with database.transaction() as tx:
        return await access.ensure_default_organization(tx)


async def _created(database: db.Database) -> list[str]:
    async with database.transaction() as tx:
        return [row["action"] for row in await tx.fetch("SELECT action FROM audit_entries ORDER BY id")]


async def test_processes_that_start_at_once_make_one_organization_and_one_owner(database: db.Database) -> None:
    pairs = await asyncio.gather(*(_ensure(database) for _ in range(8)))
    assert all(pair == pairs[0] for pair in pairs)
    organization, owner = pairs[0]
    assert (organization.slug, owner.role, owner.organization_id) == ("default", "owner", organization.id)
    assert await _created(database) == ["organization.created", "user.created"]
    assert await _ensure(database) == pairs[0]


async def test_a_default_organization_without_owner_gets_one(database: db.Database) -> None:
    await _ensure(database)
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM users")
    pairs = await asyncio.gather(*(_ensure(database) for _ in range(8)))
    assert len({owner.id for _, owner in pairs}) == 1


async def test_two_writers_at_once_agree_on_the_owner(database: db.Database) -> None:
    await _ensure(database)
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM users")
    async with database.transaction() as first:
        pair = await access.ensure_default_organization(first)
        second = asyncio.create_task(_ensure(database))
        await _until_somebody_waits_for_a_lock(database)
    assert await second == pair


async def _until_somebody_waits_for_a_lock(database: db.Database) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while True:
            async with database.transaction() as tx:  # a new one each time: the view is frozen within one
                if await tx.fetch_value(waiting):
                    return
            await asyncio.sleep(0.01)


async def test_a_slug_is_taken_once(database: db.Database) -> None:
    async with database.transaction() as tx:
        await access.create_organization(tx, slug="acme", name="Acme")
        with pytest.raises(ConflictError) as refused:
            await access.create_organization(tx, slug="acme", name="Acme again")
        assert refused.value.field == "slug"
        assert await tx.fetch_value("SELECT name FROM organizations WHERE slug = 'acme'") == "Acme"


async def test_an_email_address_is_taken_once_in_an_organization(database: db.Database) -> None:
    async with database.transaction() as tx:
        here = await access.create_organization(tx, slug="here", name="Here")
        there = await access.create_organization(tx, slug="there", name="There")
        user = await access.create_user(tx, organization_id=here.id, email="a@example.org", name="A", role="reviewer")
        assert (user.role, user.name) == ("reviewer", "A")
        await access.create_user(tx, organization_id=there.id, email="a@example.org")
        with pytest.raises(ConflictError) as refused:
            await access.create_user(tx, organization_id=here.id, email="a@example.org")
    assert refused.value.field == "email"


@pytest.mark.parametrize("slug", ["", "Acme", "a_b", "-a", "a--b", "a" * 65, "a\n", "ä"])
async def test_a_bad_slug_is_refused(database: db.Database, slug: str) -> None:
    async with database.transaction() as tx:
        with pytest.raises(InvalidValueError) as refused:
            await access.create_organization(tx, slug=slug, name="n")
    assert refused.value.field == "slug"


@pytest.mark.parametrize("email", ["", "a", "a@", "@b", "a@b@c", "a b@c", "a@b\0", f"{'a' * 253}@b"])
async def test_a_bad_email_address_is_refused(database: db.Database, email: str) -> None:
    async with database.transaction() as tx:
        with pytest.raises(InvalidValueError) as refused:
            await access.create_user(tx, organization_id="org_x", email=email)
    assert refused.value.field == "email"
