"""Who is in an organization and what they may do; owners are made and changed by owners alone."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from assay import clock, db
from assay.access import store
from assay.access.audit import record_in
from assay.access.errors import OwnersOnlyError
from assay.access.model import Caller, Member, Role, User
from assay.access.organizations import create_user
from assay.access.signing_in import make_link
from assay.errors import ConflictError, NotFoundError


async def list_members(tx: db.Transaction, organization_id: str) -> list[Member]:
    """Return everybody in an organization, by address, also who may not sign in any more."""
    return await store.list_members(tx, organization_id)


async def addresses(tx: db.Transaction, organization_id: str) -> Mapping[str, str]:
    """Return the address of everybody in an organization by their ids, in the order of the addresses."""
    return {member.user.id: member.user.email for member in await list_members(tx, organization_id)}


async def invite(
    tx: db.Transaction, caller: Caller, email: str, *, name: str | None = None, role: Role = "member"
) -> tuple[User, str]:
    """Add a person and make the token that invites them; it is good for a week, and once.

    Who was invited and never signed in can be invited again, as what they were the first time: with a new token.

    Raises:
        InvalidValueError: the address or the name is not acceptable.
        ConflictError: the person has signed in already, or may not any more.
        OwnersOnlyError: it would be an owner, and the caller is none.
    """
    known = {member.user.email.lower(): member for member in await list_members(tx, caller.organization_id)}
    member = known.get(email.lower())
    # A link signs in as whoever it is for.
    await _check_owners(tx, caller.organization_id, caller, role if member is None else member.user.role)
    if member is None:
        user = await create_user(
            tx, organization_id=caller.organization_id, email=email, name=name, role=role, by=caller
        )
    elif member.last_seen_at is None and not member.has_password and member.disabled_at is None:
        user = member.user
    else:
        message = f"There is a user {member.user.email} already."
        hint = "`assay users link` on the server prints a link for who has lost the password."
        raise ConflictError(message, field="email", hint=hint)
    return user, await make_link(tx, user, "invitation", by=caller)


async def sign_out_member(tx: db.Transaction, organization_id: str, user_id: str, *, by: Caller | None = None) -> int:
    """End all sessions of a member, and record who did (None: the operator); return how many held.

    Raises:
        NotFoundError: the organization has no such user.
        OwnersOnlyError: the member is an owner, and the caller is none.
    """
    member = await _member(tx, organization_id, user_id)
    await _check_owners(tx, organization_id, by, member.user.role)
    ended = await store.revoke_sessions(tx, organization_id, user_id, clock.now())
    if ended:
        await record_in(tx, organization_id, by, "session.revoked", user_id, {"sessions": ended})
    return ended


async def unlink_member(tx: db.Transaction, organization_id: str, user_id: str, *, by: Caller | None = None) -> int:
    """Forget who a member is at providers of sign-ins, and record who did (None: the operator); return how many.

    The next sign-in with the member's verified address links them anew. A second call forgets nothing.

    Raises:
        NotFoundError: the organization has no such user.
        OwnersOnlyError: the member is an owner, and the caller is none.
    """
    member = await _member(tx, organization_id, user_id)
    await _check_owners(tx, organization_id, by, member.user.role)
    forgotten = await store.delete_identities(tx, organization_id, user_id)
    if forgotten:
        await record_in(tx, organization_id, by, "user.unlinked", user_id, {"identities": forgotten})
    return forgotten


async def change_member(
    tx: db.Transaction,
    organization_id: str,
    user_id: str,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    by: Caller | None = None,
) -> Member:
    """Give a member another role, or take or give back the right to sign in, and record who did (None: the operator).

    The sessions of who is disabled end, and their keys are refused until they are enabled again.

    Raises:
        NotFoundError: the organization has no such user.
        OwnersOnlyError: the member is an owner or would become one, and the caller is none.
        ConflictError: nobody would be left who owns it.
    """
    # Two owners who disable each other would both find the other one left.
    await store.lock_organization(tx, organization_id)
    member = await _member(tx, organization_id, user_id)
    await _check_owners(tx, organization_id, by, member.user.role, role)
    disabled_at = member.disabled_at if disabled is None else (clock.now() if disabled else None)
    changed = await store.change_user(
        tx, organization_id, user_id, role=role or member.user.role, disabled_at=disabled_at
    )
    assert changed is not None, "it was found above"
    if await store.count_owners(tx, organization_id) == 0:
        message = "Somebody has to own the organization."
        raise ConflictError(message, hint="Make another member owner first.")
    if disabled:
        await store.revoke_sessions(tx, organization_id, user_id, clock.now())
    detail: dict[str, JsonValue] = {"role": changed.role, "disabled": disabled_at is not None}
    await record_in(tx, organization_id, by, "user.changed", user_id, detail)
    return replace(member, user=changed, disabled_at=disabled_at)


async def _check_owners(tx: db.Transaction, organization_id: str, by: Caller | None, *roles: Role | None) -> None:
    """Refuse what is done to, or makes, an owner unless an owner does it, or the operator (None)."""
    if by is None or "owner" not in roles:
        return
    if (await _member(tx, organization_id, by.user_id)).user.role != "owner":
        raise OwnersOnlyError


async def _member(tx: db.Transaction, organization_id: str, user_id: str) -> Member:
    for member in await store.list_members(tx, organization_id):
        if member.user.id == user_id:
            return member
    message = "There is no such user."
    raise NotFoundError(message)
