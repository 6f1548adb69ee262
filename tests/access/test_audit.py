"""The audit: says who did what, in order, to its own organization only, and cannot be changed."""

import asyncpg
import pytest

from assay import access, db
from assay.errors import InvalidValueError


@pytest.fixture(scope="module")
async def entries(database: db.Database, organization: access.Organization) -> list[access.AuditEntry]:
    async with database.transaction() as tx:
        for number in range(5):
            await access.record(
                tx,
                organization_id=organization.id,
                user_id=None,
                key_id=None,
                action="thing.counted",
                target="thing",
                detail={"number": number, "text": "\0\ud800é"},
            )
    async with database.transaction() as tx:
        return await access.list_audit(tx, organization.id, 100)


async def test_what_was_recorded_is_read_back_newest_first(entries: list[access.AuditEntry]) -> None:
    counted = [entry.detail for entry in entries if entry.action == "thing.counted"]
    assert sorted(counted, key=lambda detail: str(detail["number"])) == [
        {"number": number, "text": "\0\ud800é"} for number in range(5)
    ]
    moments = [entry.created_at for entry in entries]
    assert moments == sorted(moments, reverse=True)


async def test_pages_follow_each_other_without_gap(
    database: db.Database, organization: access.Organization, entries: list[access.AuditEntry]
) -> None:
    paged: list[access.AuditEntry] = []
    async with database.transaction() as tx:
        while page := await access.list_audit(tx, organization.id, 2, paged[-1].id if paged else None):
            paged += page
    assert paged == entries


async def test_another_organization_sees_nothing_of_it(database: db.Database, entries: list[access.AuditEntry]) -> None:
    async with database.transaction() as tx:
        other = await access.create_organization(tx, slug="other", name="Other")
        assert [entry.target for entry in await access.list_audit(tx, other.id, 100)] == [other.id]
        with pytest.raises(InvalidValueError):
            await access.list_audit(tx, other.id, 100, entries[0].id)


@pytest.mark.parametrize("statement", ["DELETE FROM audit_entries", "UPDATE audit_entries SET action = 'x'"])
@pytest.mark.usefixtures("entries")
async def test_an_entry_cannot_be_changed(database: db.Database, statement: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        async with database.transaction() as tx:
            await tx.execute(statement)


async def test_what_a_caller_does_carries_their_name(
    database: db.Database, organization: access.Organization, owner: access.User
) -> None:
    async with database.transaction() as tx:
        made = await access.create_key(
            tx, organization_id=organization.id, user_id=owner.id, name="boss", scopes=["full_access"]
        )
        caller = await access.authenticate(tx, made.secret)
        user = await access.create_user(tx, organization_id=organization.id, email="new@example.org", by=caller)
        theirs = await access.create_key(
            tx, organization_id=organization.id, user_id=user.id, name="new", scopes=["runs:read"], by=caller
        )
        await access.revoke_key(tx, organization.id, theirs.key.id, by=caller)
        second = await access.create_organization(tx, slug="second", name="Second", by=caller)
        done = await access.list_audit(tx, organization.id, 3) + await access.list_audit(tx, second.id, 1)
    assert {entry.action for entry in done} == {"user.created", "key.created", "key.revoked", "organization.created"}
    assert {(entry.user_id, entry.key_id) for entry in done} == {(owner.id, made.key.id)}
