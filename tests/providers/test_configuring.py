from typing import Any

import pytest
from tests.providers.conftest import SECRET

from assay import access, db, providers
from assay.errors import AssayError, ConflictError, InvalidValueError, NotFoundError

LOCAL = "http://127.0.0.1:9/v1"


def new(name: str = "local", **fields: Any) -> providers.NewProvider:
    given: dict[str, Any] = {"models": [providers.OfferedModel(name="tiny")], "options": {"baseUrl": LOCAL}, **fields}
    return providers.NewProvider(name=name, **given)


async def add(
    database: db.Database, caller: access.Caller, provider: providers.NewProvider
) -> providers.ConfiguredProvider:
    async with database.transaction() as tx:
        return await providers.add(tx, caller, provider, secret=SECRET)


async def listed(database: db.Database, organization_id: str) -> list[providers.ConfiguredProvider]:
    async with database.transaction() as tx:
        return await providers.list_providers(tx, organization_id)


async def test_what_was_added_is_listed_as_it_was(database: db.Database, caller: access.Caller) -> None:
    price = providers.Price(input=0.5, output=1)
    added = await add(database, caller, new(prices={"tiny": price}, key_variable="LOCAL_API_KEY"))
    assert await listed(database, caller.organization_id) == [added]
    assert added.options["baseUrl"] == LOCAL
    assert added.is_default


async def test_the_first_is_the_default_until_another_is_made_it(database: db.Database, caller: access.Caller) -> None:
    await add(database, caller, new("one"))
    await add(database, caller, new("two"))
    await add(database, caller, new("three", is_default=True))
    found = await listed(database, caller.organization_id)
    assert [(provider.name, provider.is_default) for provider in found] == [
        ("three", True),
        ("one", False),
        ("two", False),
    ]


async def test_when_the_default_goes_the_oldest_takes_its_place(database: db.Database, caller: access.Caller) -> None:
    for name in ("one", "two"):
        await add(database, caller, new(name))
    async with database.transaction() as tx:
        await providers.remove(tx, caller, "one")
    found = await listed(database, caller.organization_id)
    assert [(provider.name, provider.is_default) for provider in found] == [("two", True)]


async def test_a_stored_key_is_nowhere_to_be_read(database: db.Database, caller: access.Caller) -> None:
    added = await add(database, caller, new(key="sk-very-secret"))
    assert added.encrypted_key is not None
    assert b"sk-very-secret" not in added.encrypted_key
    assert "sk-very-secret" not in repr(added)
    async with database.transaction() as tx:
        entries = await access.list_audit(tx, caller.organization_id, 10)
    assert "sk-very-secret" not in repr(entries)


async def test_who_added_and_removed_what_is_in_the_audit(database: db.Database, caller: access.Caller) -> None:
    added = await add(database, caller, new("audited"))
    async with database.transaction() as tx:
        await providers.remove(tx, caller, added.id)
        removal, addition = (await access.list_audit(tx, caller.organization_id, 2))[:2]
    assert (addition.action, removal.action) == ("provider.added", "provider.removed")
    assert (addition.target, addition.key_id) == (added.id, caller.key_id)
    assert (addition.detail["baseUrl"], addition.detail["privateAddress"]) == (LOCAL, True)


async def test_another_organization_sees_and_removes_nothing(database: db.Database, caller: access.Caller) -> None:
    added = await add(database, caller, new())
    async with database.transaction() as tx:
        stranger = await access.create_organization(tx, slug="strangers", name="Strangers")
    assert await listed(database, stranger.id) == []
    async with database.transaction() as tx:
        with pytest.raises(NotFoundError):
            await providers.find(tx, stranger.id, added.id)


async def test_a_name_is_taken_once(database: db.Database, caller: access.Caller) -> None:
    await add(database, caller, new())
    with pytest.raises(ConflictError):
        await add(database, caller, new())


async def test_what_is_not_there_cannot_be_removed(database: db.Database, caller: access.Caller) -> None:
    async with database.transaction() as tx:
        with pytest.raises(NotFoundError):
            await providers.remove(tx, caller, "nobody")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Big Name"},
        {"name": ""},
        {"kind": "telepathy"},
        {"models": []},
        {"models": [providers.OfferedModel(name="a"), providers.OfferedModel(name="a")]},
        {"options": {"baseUrl": "ftp://models"}},
        {"options": {"baseUrl": "file:///etc/passwd"}},
        {"options": {"baseUrl": "https://user:pw@models/v1"}},
        {"options": {"baseUrl": LOCAL, "maxConcurrency": 0}},
        {"options": {"baseUrl": LOCAL, "noSuchOption": 1}},
        {"prices": {"other": providers.Price(input=1, output=1)}},
        {"key": "sk-a", "key_variable": "LOCAL_API_KEY"},
        {"key": "sk-with\nnewline"},
        {"key": ""},
        {"key_variable": "ASSAY_SECRET_KEY"},
        {"key_variable": "ASSAY_DATABASE_URL"},
        {"key_variable": "ASSAY_API_KEY"},
        {"key_variable": "AWS_SECRET_ACCESS_KEY"},
        {"key_variable": "lower_API_KEY"},
    ],
)
async def test_what_does_not_fit_is_refused(
    database: db.Database, caller: access.Caller, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidValueError):
        await add(database, caller, new(**wrong))
    assert await listed(database, caller.organization_id) == []


# --- which model a step gets


async def chosen(
    models: providers.Models, caller: access.Caller, requested: str | None, flow: str | None = None
) -> str:
    model = await models.model(caller.organization_id, requested=requested, workflow_default=flow)
    return f"{model.provider}/{model.name}"


async def test_the_step_goes_before_the_workflow_before_the_organization(
    database: db.Database, caller: access.Caller, models: providers.Models
) -> None:
    offered = [providers.OfferedModel(name=name) for name in ("small", "vendor/large")]
    await add(database, caller, new("one", models=offered))
    await add(database, caller, new("two", models=[providers.OfferedModel(name="other"), offered[0]]))
    assert await chosen(models, caller, None) == "one/small"
    assert await chosen(models, caller, None, "two") == "two/other"
    assert await chosen(models, caller, "vendor/large", "two") == "one/vendor/large"
    assert await chosen(models, caller, "one/vendor/large") == "one/vendor/large"
    assert await chosen(models, caller, "two/small") == "two/small"
    assert await chosen(models, caller, "small") == "one/small"
    with pytest.raises(providers.ModelUnknownError) as unknown:
        await chosen(models, caller, "gpt-99")
    assert "one/small" in str(unknown.value.hint)


async def test_the_machines_own_model_serves_who_has_no_provider(
    database: db.Database, caller: access.Caller, models: providers.Models
) -> None:
    models.worker_default = providers.provider_of_the_machine(LOCAL, "own", None)
    assert await chosen(models, caller, None) == "machine/own"
    await add(database, caller, new("one"))
    assert await chosen(models, caller, None) == "one/tiny"
    assert providers.provider_of_the_machine(LOCAL, None, None) is None


async def test_without_a_provider_the_error_names_the_command(caller: access.Caller, models: providers.Models) -> None:
    with pytest.raises(providers.ProviderNotConfiguredError) as missing:
        await chosen(models, caller, "gpt-5")
    assert missing.value.code == "provider_not_configured"
    assert "assay providers add" in str(missing.value.hint)


async def test_a_key_stored_with_another_secret_does_not_open(database: db.Database, caller: access.Caller) -> None:
    await add(database, caller, new(key="sk-a"))
    other = providers.Models(database, "another secret", {}.get)
    with pytest.raises(AssayError) as failed:
        await chosen(other, caller, None)
    assert failed.value.code == "provider_key_unreadable"


async def test_a_key_variable_that_is_not_set_says_so(database: db.Database, caller: access.Caller) -> None:
    await add(database, caller, new(key_variable="LOCAL_API_KEY"))
    bare = providers.Models(database, SECRET, {}.get)
    with pytest.raises(providers.ProviderKeyError, match="LOCAL_API_KEY"):
        await chosen(bare, caller, None)
