"""Organizations and their people, and the pair that every installation starts with."""

from assay import clock, db
from assay.access import store
from assay.access.audit import record_in
from assay.access.errors import OperatorsOnlyError
from assay.access.model import Caller, Organization, Role, User
from assay.access.names import check_email, check_name, check_slug
from assay.errors import ConflictError
from assay.ids import new_id

_DEFAULT = ("default", "Default")
_OWNER = ("owner@localhost", "Owner")


async def create_organization(tx: db.Transaction, *, slug: str, name: str, by: Caller | None = None) -> Organization:
    """Make an organization without users, and record who did (None: the operator).

    Raises:
        InvalidValueError: the slug or the name is not acceptable.
        ConflictError: the slug is taken, so also on a second call.
    """
    organization = await _new_organization(tx, slug, name, by)
    if organization is None:
        message = f"There is an organization {slug} already."
        raise ConflictError(message, field="slug")
    return organization


async def create_user(
    tx: db.Transaction,
    *,
    organization_id: str,
    email: str,
    name: str | None = None,
    role: Role = "member",
    by: Caller | None = None,
) -> User:
    """Add a person to an organization, and record who did (None: the operator).

    Raises:
        InvalidValueError: the address or the name is not acceptable.
        ConflictError: the organization has a user with this address, so also on a second call.
    """
    check_email(email)
    if name is not None:
        check_name(name)
    user = User(new_id("user"), organization_id, email, name, role, clock.now())
    if not await store.insert_user(tx, user):
        message = f"There is a user {email} already."
        raise ConflictError(message, field="email")
    await record_in(tx, organization_id, by, "user.created", user.id, {"email": email, "role": role})
    return user


async def ensure_user(tx: db.Transaction, *, organization_id: str, email: str, role: Role) -> User:
    """Return the person with this address, who is added with the role if there is none yet.

    Raises:
        InvalidValueError: the address is not acceptable.
        ConflictError: the person may not sign in any more.
    """
    found = await store.user_by_email(tx, organization_id, email)
    return found[0] if found else await create_user(tx, organization_id=organization_id, email=email, role=role)


async def ensure_default_organization(tx: db.Transaction) -> tuple[Organization, User]:
    """Return the organization `default` and its owner, made by whichever process comes first.

    A second call, also at the same time in another process, returns the same two.
    """
    slug, name = _DEFAULT
    organization = await store.get_organization(tx, slug)
    if organization is None:
        # Where another process is making it, this waits for its commit and then finds the row.
        organization = await _new_organization(tx, slug, name, None) or await store.get_organization(tx, slug)
    assert organization is not None
    return organization, await store.first_owner(tx, organization.id) or await _first_owner(tx, organization.id)


def check_operates(caller: Caller) -> None:
    """Let nobody through but the organization `default`, which whoever runs the server is in.

    Raises:
        OperatorsOnlyError: the caller is of another one.
    """
    if caller.organization_slug != _DEFAULT[0]:
        raise OperatorsOnlyError


async def _first_owner(tx: db.Transaction, organization_id: str) -> User:
    await store.lock_organization(tx, organization_id)
    owner = await store.first_owner(tx, organization_id)
    if owner is not None:
        return owner
    email, name = _OWNER
    return await create_user(tx, organization_id=organization_id, email=email, name=name, role="owner")


async def _new_organization(tx: db.Transaction, slug: str, name: str, by: Caller | None) -> Organization | None:
    check_slug(slug)
    check_name(name)
    organization = Organization(new_id("org"), slug, name, clock.now())
    if not await store.insert_organization(tx, organization):
        return None
    await record_in(tx, organization.id, by, "organization.created", organization.id, {"slug": slug, "name": name})
    return organization
