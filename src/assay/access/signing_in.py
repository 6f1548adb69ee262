"""How people sign in by password, or once by a link; how sessions begin and end."""

import asyncio
import hashlib
import secrets
from datetime import timedelta
from functools import cache
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from assay import clock, db, ids
from assay.access import store
from assay.access.audit import record, record_by, record_in
from assay.access.errors import SignInRefusedError, TooManyAttemptsError, UnauthenticatedError
from assay.access.model import Caller, NewSession, Organization, Role, Session, User
from assay.access.scopes import OF_MEMBERS, Scope
from assay.errors import InvalidValueError

LinkPurpose = Literal["first", "invitation", "link"]
SignInWay = Literal["password", "link", "open_id"]

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
    "member": OF_MEMBERS,
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
    return await begin_session(tx, user, user_agent, by="password")


async def make_link(tx: db.Transaction, user: User, purpose: LinkPurpose, *, by: Caller | None = None) -> str:
    """Make a token that signs a user in once; it is in the answer and nowhere else.

    It is good for a day for the first administrator, a week for an invitation, else an hour.
    """
    token = secrets.token_urlsafe(32)
    expires_at = clock.now() + timedelta(hours=LINK_HOURS[purpose])
    await store.insert_link(tx, user, _hash(token), purpose, by.user_id if by else None, expires_at)
    await record_in(
        tx,
        user.organization_id,
        by,
        "sign_in_link.created",
        user.id,
        {"purpose": purpose, "expiresAt": clock.iso(expires_at)},
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
    return await begin_session(tx, user, user_agent, by="link"), purpose


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
        await record_by(tx, caller, "session.revoked", user_id, {"sessions": ended})
    return ended


async def list_sessions(tx: db.Transaction, organization_id: str, user_id: str) -> list[Session]:
    """Return the sessions of a user that hold, newest first."""
    return await store.list_sessions(tx, organization_id, user_id, clock.now())


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
    await store.revoke_sessions(tx, caller.organization_id, caller.user_id, clock.now(), but=caller.key_id)
    await record_by(tx, caller, "user.password_changed", caller.user_id, {})


async def begin_session(tx: db.Transaction, user: User, user_agent: str | None, *, by: SignInWay) -> NewSession:
    """Begin a session for somebody who has proved who they are, and record `by` what."""
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
        detail={"userAgent": agent, "by": by},
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
