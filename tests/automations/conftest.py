"""A caller, a stranger from another organization, and workflow files to push."""

import pytest

from assay import access, db


def caller_of(organization: access.Organization, user: access.User) -> access.Caller:
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


@pytest.fixture(scope="module")
def caller(organization: access.Organization, owner: access.User) -> access.Caller:
    return caller_of(organization, owner)


@pytest.fixture(scope="module")
async def stranger(database: db.Database) -> access.Caller:
    async with database.transaction() as tx:
        organization = await access.create_organization(tx, slug="elsewhere", name="Elsewhere")
        user = await access.create_user(tx, organization_id=organization.id, email="s@example.org", role="owner")
    return caller_of(organization, user)
