"""A scripted model server and an organization that can be given providers."""

from collections.abc import AsyncGenerator, Generator

import pytest
from tests.fakes.openai_server import OpenAiServer, openai_server

from assay import access, db, providers

SECRET = "a secret of the tests"
ENVIRONMENT = {"LOCAL_API_KEY": "sk-from-the-environment"}


@pytest.fixture
def server_says() -> Generator[OpenAiServer]:
    with openai_server() as script:
        yield script


@pytest.fixture(scope="module")
def caller(ownership: tuple[access.Organization, access.User]) -> access.Caller:
    organization, user = ownership
    return access.Caller(
        organization_id=organization.id,
        organization_slug=organization.slug,
        organization_name=organization.name,
        user_id=user.id,
        key_id="key_of_the_tests",
        email=user.email,
        name=user.name,
        scopes=frozenset({"full_access"}),
    )


@pytest.fixture
async def models(database: db.Database) -> AsyncGenerator[providers.Models]:
    patience = providers.Patience(attempts=3, seconds=2.0, first_delay=0.01)
    opened = providers.Models(database, SECRET, ENVIRONMENT.get, patience)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
async def no_providers_left(database: db.Database, caller: access.Caller) -> AsyncGenerator[None]:
    yield
    async with database.transaction() as tx:
        for provider in await providers.list_providers(tx, caller.organization_id):
            await providers.remove(tx, caller, provider.id)
