"""How people sign in: by password, or once by a link; and how their sessions end."""

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import JsonValue

from assay import clock, db, ids
from assay.access import store
from assay.access.audit import record
from assay.access.errors import SignInRefusedError, TooManyAttemptsError, UnauthenticatedError
from assay.access.model import Caller, Member, NewSession, Organization, Role, Session, User
from assay.access.organizations import create_user
from assay.access.scopes import Scope
from assay.errors import ConflictError, InvalidValueError, NotFoundError

LinkPurpose = Literal["first", "invitation", "link"]

SESSION_DAYS = 14
LINK_HOURS = {"first": 24, "invitation": 7 * 24, "link": 1}
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 256
ATTEMPTS_OF_EMAIL = 10
ATTEMPTS_OF_NETWORK = 50
ATTEMPT_MINUTES = 15

SCOPES_OF: dict[Role, frozenset[Scope]] = {
    "owner": frozenset({"full_access"}),
    "admin": frozenset({"full_access"}),
    "member": frozenset({"automations:write", "datasets:write", "reviews:write", "runs:read", "runs:write"}),
    "reviewer": frozenset({"reviews:write"}),
}
"""What a person may do, by role: the same scopes that keys have."""

_hasher = PasswordHasher()


async def sign_in(
    tx: db.Transaction, organization_id: str, email: str, password: str, *, network: str, user_agent: str | None
) -> NewSession:
    """Begin a session for who knows the password.

    Raises:
        SignInRefusedError: address and password do not belong together; it does not say which is wrong.
            The caller commits the transaction all the same: the failure is noted in it.
        TooManyAttemptsError: too many failures lately, of this address or from this network.
    """
    since = clock.now() - timedelta(minutes=ATTEMPT_MINUTES)
    of_email, of_network = await store.failures(tx, organization_id, email, network, since)
    if of_email >= ATTEMPTS_OF_EMAIL or of_network >= ATTEMPTS_OF_NETWORK:
        raise TooManyAttemptsError(ATTEMPT_MINUTES * 60)
    found = await store.user_by_email(tx, organization_id, email)
    user, password_hash = found or (None, None)
    right = await asyncio.to_thread(_verify, password_hash, password[:LONGEST_PASSWORD])
    if user is None or password_hash is None or not right:
        await store.note_failure(tx, organization_id, email, network)
        raise SignInRefusedError
    return await _begin(tx, user, user_agent)


async def make_link(tx: db.Transaction, user: User, purpose: LinkPurpose, *, by: Caller | None = None) -> str:
    """Make a token that signs a user in once; it is in the answer and nowhere else.

    It is good for a day for the first administrator, a week for an invitation, else an hour.
    """
    token = secrets.token_urlsafe(32)
    expires_at = clock.now() + timedelta(hours=LINK_HOURS[purpose])
    await store.insert_link(tx, user, _hash(token), purpose, by.user_id if by else None, expires_at)
    await record(
        tx,
        organization_id=user.organization_id,
        user_id=by.user_id if by else None,
        key_id=by.key_id if by else None,
        action="sign_in_link.created",
        target=user.id,
        detail={"purpose": purpose, "expiresAt": clock.iso(expires_at)},
    )
    return token


async def sign_in_by_link(tx: db.Transaction, token: str, *, user_agent: str | None) -> tuple[NewSession, str]:
    """Begin a session for whom a link was made, and use it up; return the purpose too.

    Raises:
        SignInRefusedError: the link is unknown, used or over.
    """
    found = await store.use_link(tx, _hash(token), clock.now()) if token.isascii() else None
    if found is None:
        message = "This link has been used, or its time is over."
        raise SignInRefusedError(message)
    user, purpose = found
    return await _begin(tx, user, user_agent), purpose


async def session_caller(tx: db.Transaction, token: str | None) -> Caller:
    """Return who a session's cookie stands for, in one round trip.

    Raises:
        UnauthenticatedError: there is no cookie, or its session has ended.
    """
    found = await store.session_user(tx, _hash(token), clock.now()) if token and token.isascii() else None
    if found is None:
        raise UnauthenticatedError
    session_id, organization, user = found
    return _caller(session_id, organization, user)


async def end_sessions(tx: db.Transaction, caller: Caller, user_id: str, *, session_id: str | None = None) -> int:
    """End a user's sessions, or the one that is named; return how many held."""
    ended = await store.revoke_sessions(tx, caller.organization_id, user_id, clock.now(), session_id=session_id)
    if ended:
        detail = {"sessions": ended}
        await _record(tx, caller.organization_id, caller, "session.revoked", user_id, detail)
    return ended


async def list_sessions(tx: db.Transaction, organization_id: str, user_id: str) -> list[Session]:
    """Return the sessions of a user that hold, newest first."""
    return await store.list_sessions(tx, organization_id, user_id, clock.now())


async def list_members(tx: db.Transaction, organization_id: str) -> list[Member]:
    """Return everybody in an organization, by address."""
    return await store.list_members(tx, organization_id)


async def set_password(tx: db.Transaction, caller: Caller, password: str) -> None:
    """Give the caller a new password; all other sessions end.

    Raises:
        InvalidValueError: it is shorter than 10 or longer than 256 characters.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        message = f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
        raise InvalidValueError(message, field="password")
    await store.set_password(
        tx, caller.organization_id, caller.user_id, await asyncio.to_thread(_hasher.hash, password)
    )
    for session in await list_sessions(tx, caller.organization_id, caller.user_id):
        if session.id != caller.key_id:
            await store.revoke_sessions(tx, caller.organization_id, caller.user_id, clock.now(), session_id=session.id)
    await _record(tx, caller.organization_id, caller, "user.password_changed", caller.user_id, {})


async def invite(
    tx: db.Transaction, caller: Caller, email: str, *, name: str | None = None, role: Role = "member"
) -> tuple[User, str]:
    """Add a person and make the token that invites them; it is good for a week, and once.

    Who was invited and never signed in can be invited again, as what they were the first time: with a new token.

    Raises:
        InvalidValueError: the address or the name is not acceptable.
        ConflictError: the person has signed in already, or may not any more.
    """
    known = {member.user.email.lower(): member for member in await list_members(tx, caller.organization_id)}
    member = known.get(email.lower())
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
    """
    await _member(tx, organization_id, user_id)
    ended = await store.revoke_sessions(tx, organization_id, user_id, clock.now())
    if ended:
        await _record(tx, organization_id, by, "session.revoked", user_id, {"sessions": ended})
    return ended


async def change_member(
    tx: db.Transaction,
    organization_id: str,
    user_id: str,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    by: Caller | None = None,
) -> User:
    """Give a member another role, or take or give back the right to sign in, and record who did (None: the operator).

    The sessions of who is disabled end, and their keys are refused until they are enabled again.

    Raises:
        NotFoundError: the organization has no such user.
        ConflictError: nobody would be left who owns it.
    """
    # Two owners who disable each other would both find the other one left.
    await store.lock_organization(tx, organization_id)
    member = await _member(tx, organization_id, user_id)
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
    await _record(tx, organization_id, by, "user.changed", user_id, detail)
    return changed


async def _member(tx: db.Transaction, organization_id: str, user_id: str) -> Member:
    for member in await store.list_members(tx, organization_id):
        if member.user.id == user_id:
            return member
    message = "There is no such user."
    raise NotFoundError(message)


async def _begin(tx: db.Transaction, user: User, user_agent: str | None) -> NewSession:
    token, now = secrets.token_urlsafe(32), clock.now()
    agent = None if user_agent is None else user_agent[:300].replace("\x00", "")
    session = Session(
        ids.new_id("sess"), user.organization_id, user.id, agent, now, now, now + timedelta(days=SESSION_DAYS)
    )
    await store.insert_session(tx, session, _hash(token))
    await record(
        tx,
        organization_id=user.organization_id,
        user_id=user.id,
        key_id=session.id,
        action="session.created",
        target=user.id,
        detail={"userAgent": agent},
    )
    return NewSession(session, token)


def _caller(session_id: str, organization: Organization, user: User) -> Caller:
    return Caller(
        organization_id=organization.id,
        organization_slug=organization.slug,
        organization_name=organization.name,
        user_id=user.id,
        key_id=session_id,
        email=user.email,
        name=user.name,
        scopes=frozenset(SCOPES_OF[user.role]),
    )


async def _record(
    tx: db.Transaction,
    organization_id: str,
    by: Caller | None,
    action: str,
    target: str,
    detail: Mapping[str, JsonValue],
) -> None:
    await record(
        tx,
        organization_id=organization_id,
        user_id=by.user_id if by else None,
        key_id=by.key_id if by else None,
        action=action,
        target=target,
        detail=detail,
    )


@cache
def _nobodys_hash() -> str:
    """Checked where there is no such user, so that an answer takes as long as for one who exists."""
    return _hasher.hash(secrets.token_urlsafe())


def _verify(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
