"""Keys: shown once, recognised until revoked or expired, never readable anywhere."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

import pytest

from assay import access, clock, db
from assay.errors import InvalidValueError, NotFoundError


@pytest.fixture
async def new_key(
    database: db.Database, organization: access.Organization, owner: access.User
) -> AsyncGenerator[access.NewKey]:
    async with database.transaction() as tx:
        made = await access.create_key(
            tx, organization_id=organization.id, user_id=owner.id, name="laptop", scopes=["runs:read"]
        )
    yield made
    async with database.transaction() as tx:
        await access.revoke_key(tx, organization.id, made.key.id)


@pytest.fixture(scope="module")
async def neighbour(database: db.Database) -> access.User:
    async with database.transaction() as tx:
        organization = await access.create_organization(tx, slug="neighbour", name="Neighbour")
        return await access.create_user(tx, organization_id=organization.id, email="n@example.org", role="owner")


async def test_a_key_stands_for_its_user(
    database: db.Database, organization: access.Organization, owner: access.User, new_key: access.NewKey
) -> None:
    async with database.transaction() as tx:
        caller = await access.authenticate(tx, new_key.secret)
    assert caller == access.Caller(
        organization_id=organization.id,
        organization_slug="default",
        organization_name="Default",
        user_id=owner.id,
        key_id=new_key.key.id,
        email=owner.email,
        name=owner.name,
        scopes=frozenset({"runs:read"}),
    )


async def test_recognising_a_key_is_one_statement(database: db.Database, new_key: access.NewKey) -> None:
    statements: list[str] = []
    async with database.transaction() as tx:
        with tx.connection.query_logger(lambda logged: statements.append(logged.query)):
            await access.authenticate(tx, new_key.secret)
    assert len(statements) == 1


async def test_only_the_hash_is_stored(database: db.Database, new_key: access.NewKey) -> None:
    async with database.transaction() as tx:
        stored = await tx.fetch_one("SELECT * FROM api_keys WHERE id = $1", new_key.key.id)
        audited = await tx.fetch("SELECT * FROM audit_entries")
    assert stored is not None
    assert stored["key_hash"] == hashlib.sha256(new_key.secret.encode()).digest()
    assert new_key.secret not in f"{[*stored.values()]} {[[*row.values()] for row in audited]}"


async def test_the_secret_is_in_no_repr_and_no_log(
    database: db.Database, new_key: access.NewKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with database.transaction() as tx:
        caller = await access.authenticate(tx, new_key.secret)
    assert new_key.secret not in f"{new_key!r} {caller!r} {caplog.text}"


async def test_every_key_differs_and_has_256_bits(
    database: db.Database, organization: access.Organization, owner: access.User
) -> None:
    async with database.transaction() as tx:
        made = [
            await access.create_key(
                tx, organization_id=organization.id, user_id=owner.id, name="n", scopes=["runs:read"]
            )
            for _ in range(5)
        ]
    assert len({each.secret for each in made}) == 5
    assert all(each.secret.startswith("asy_") and 62 ** (len(each.secret) - 4) >= 2**256 for each in made)


async def test_a_missing_key_is_told_from_a_wrong_one(database: db.Database) -> None:
    async with database.transaction() as tx:
        for missing in (None, ""):
            with pytest.raises(access.UnauthenticatedError, match="is needed"):
                await access.authenticate(tx, missing)


async def test_all_wrong_keys_get_the_same_answer(
    database: db.Database, organization: access.Organization, owner: access.User, new_key: access.NewKey
) -> None:
    async with database.transaction() as tx:
        expired = await access.create_key(
            tx,
            organization_id=organization.id,
            user_id=owner.id,
            name="short",
            scopes=["full_access"],
            expires_at=clock.now() + timedelta(hours=1),
        )
        assert (await access.authenticate(tx, expired.secret)).full_access
        await tx.execute("UPDATE api_keys SET expires_at = $2 WHERE id = $1", expired.key.id, clock.now())
        await access.revoke_key(tx, organization.id, new_key.key.id)
        answers = [
            await _refusal(tx, token)
            for token in (
                new_key.secret,
                expired.secret,
                "asy_" + "x" * 43,
                "asy_short",
                new_key.secret + "\n",
                new_key.secret.upper(),
                "asy_" + "\ud800" * 43,
                "asy_" + "\0" * 43,
                "x" * 100_000,
            )
        ]
    assert set(answers) == {("unauthorized", "The API key is not valid.")}


async def _refusal(tx: db.Transaction, token: str) -> tuple[str, str]:
    with pytest.raises(access.UnauthenticatedError) as refused:
        await access.authenticate(tx, token)
    return refused.value.code, refused.value.message


async def test_use_is_noted_at_most_once_a_minute(
    database: db.Database, organization: access.Organization, new_key: access.NewKey
) -> None:
    async with database.transaction() as tx:
        await access.authenticate(tx, new_key.secret)
        first = await _last_used(tx, organization.id, new_key.key.id)
        await access.authenticate(tx, new_key.secret)
        assert await _last_used(tx, organization.id, new_key.key.id) == first
        a_minute_ago = clock.now() - timedelta(minutes=1)
        await tx.execute("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", new_key.key.id, a_minute_ago)
        await access.authenticate(tx, new_key.secret)
        assert await _last_used(tx, organization.id, new_key.key.id) >= first


async def _last_used(tx: db.Transaction, organization_id: str, key_id: str) -> datetime:
    key = next(key for key in await access.list_keys(tx, organization_id) if key.id == key_id)
    assert key.last_used_at is not None
    return key.last_used_at


async def test_a_request_never_waits_for_another_with_the_same_key(
    database: db.Database, new_key: access.NewKey
) -> None:
    async with database.transaction() as first, database.transaction() as second, asyncio.timeout(30):
        assert await access.authenticate(first, new_key.secret) == await access.authenticate(second, new_key.secret)


async def test_keys_are_listed_newest_first_and_never_to_neighbours(
    database: db.Database, organization: access.Organization, owner: access.User, neighbour: access.User
) -> None:
    async with database.transaction() as tx:
        ours = [
            await access.create_key(
                tx, organization_id=organization.id, user_id=owner.id, name=name, scopes=["runs:read"]
            )
            for name in ("first", "second")
        ]
        theirs = await access.create_key(
            tx, organization_id=neighbour.organization_id, user_id=neighbour.id, name="theirs", scopes=["runs:read"]
        )
        listed = [key.id for key in await access.list_keys(tx, organization.id)]
    assert listed[:2] == [ours[1].key.id, ours[0].key.id]
    assert theirs.key.id not in listed


async def test_revoking_twice_changes_nothing_the_second_time(
    database: db.Database, organization: access.Organization, new_key: access.NewKey
) -> None:
    async with database.transaction() as tx:
        first = await access.revoke_key(tx, organization.id, new_key.key.id)
        second = await access.revoke_key(tx, organization.id, new_key.key.id)
        actions = [each.action for each in await access.list_audit(tx, organization.id, 100) if each.target == first.id]
    assert first.revoked_at is not None
    assert second == first
    assert actions == ["key.revoked", "key.created"]


async def test_a_foreign_key_is_not_found(
    database: db.Database, neighbour: access.User, new_key: access.NewKey
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(NotFoundError):
            await access.revoke_key(tx, neighbour.organization_id, new_key.key.id)
        assert (await access.authenticate(tx, new_key.secret)).key_id == new_key.key.id


async def test_a_key_mistaken_for_its_id_is_not_repeated(
    database: db.Database, organization: access.Organization, new_key: access.NewKey
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(NotFoundError) as refused:
            await access.revoke_key(tx, organization.id, new_key.secret)
    assert new_key.secret not in f"{refused.value} {refused.value.issues} {refused.value.hint}"


async def test_a_key_for_a_foreign_user_is_refused(
    database: db.Database, organization: access.Organization, neighbour: access.User
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(NotFoundError):
            await access.create_key(
                tx, organization_id=organization.id, user_id=neighbour.id, name="n", scopes=["runs:read"]
            )


@pytest.mark.parametrize("name", ["", " ", "x" * 129, "two\nlines", "nul\0", "\ud800", "\u202eright"])
async def test_an_unprintable_or_overlong_name_is_refused(
    database: db.Database, organization: access.Organization, owner: access.User, name: str
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(InvalidValueError) as refused:
            await access.create_key(
                tx, organization_id=organization.id, user_id=owner.id, name=name, scopes=["runs:read"]
            )
    assert refused.value.field == "name"


async def test_every_unknown_scope_is_an_issue(
    database: db.Database, organization: access.Organization, owner: access.User
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(InvalidValueError) as refused:
            await access.create_key(
                tx, organization_id=organization.id, user_id=owner.id, name="n", scopes=["all", "runs:read", "*"]
            )
    assert [issue.message for issue in refused.value.issues] == ["There is no scope 'all'.", "There is no scope '*'."]
    assert "runs:write" in (refused.value.hint or "")


async def test_a_key_without_scopes_is_refused(
    database: db.Database, organization: access.Organization, owner: access.User
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(InvalidValueError, match="at least one scope"):
            await access.create_key(tx, organization_id=organization.id, user_id=owner.id, name="n", scopes=[])


async def test_a_scope_given_twice_is_kept_once(
    database: db.Database, organization: access.Organization, owner: access.User
) -> None:
    async with database.transaction() as tx:
        made = await access.create_key(
            tx,
            organization_id=organization.id,
            user_id=owner.id,
            name="n",
            scopes=["runs:write", "runs:read", "runs:write"],
        )
    assert made.key.scopes == ("runs:write", "runs:read")


async def test_an_expiry_in_the_past_is_refused(
    database: db.Database, organization: access.Organization, owner: access.User
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(InvalidValueError, match="past"):
            await access.create_key(
                tx,
                organization_id=organization.id,
                user_id=owner.id,
                name="n",
                scopes=["runs:read"],
                expires_at=clock.now() - timedelta(seconds=1),
            )


async def test_a_reviewers_key_can_do_nothing_but_review(
    database: db.Database, organization: access.Organization
) -> None:
    async with database.transaction() as tx:
        user = await access.ensure_user(tx, organization_id=organization.id, email="r@example.org", role="reviewer")
        assert (
            await access.ensure_user(tx, organization_id=organization.id, email="R@example.org", role="owner") == user
        )
        found: list[access.Caller] = []
        for scopes in (["full_access"], ["reviews:write", "runs:read"], ["runs:write"]):
            made = await access.create_key(
                tx, organization_id=organization.id, user_id=user.id, name="reviewing", scopes=scopes
            )
            found.append(await access.authenticate(tx, made.secret))
    assert [caller.scopes for caller in found] == [{"reviews:write"}, {"reviews:write"}, set()]
    assert [caller.only_reviews for caller in found] == [True, True, False]
