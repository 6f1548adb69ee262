"""Whom somebody is here that a provider vouches for, and who is let in without an invitation."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from assay import clock, db
from assay.access import store
from assay.access.audit import record
from assay.access.errors import OpenIdRefusedError
from assay.access.model import Identity, NewSession, OpenIdRegistration, SignInAttempt, User
from assay.access.names import check_name
from assay.access.organizations import create_user
from assay.access.signing_in import begin_session
from assay.errors import InvalidValueError

OPEN_ID_MINUTES = 10


async def begin_open_id(tx: db.Transaction, organization_id: str, following: str) -> SignInAttempt:
    """Remember that a browser goes to the provider, and `following`, where it goes once signed in.

    It has ten minutes. The attempt's token is in the answer and nowhere else.
    """
    attempt, now = SignInAttempt(secrets.token_urlsafe(32)), clock.now()
    over = now + timedelta(minutes=OPEN_ID_MINUTES)
    await store.insert_attempt(tx, organization_id, _hash(attempt.token), following, now, over)
    return attempt


async def finish_open_id(
    tx: db.Transaction, organization_id: str, token: str | None, state: str | None
) -> tuple[SignInAttempt, str]:
    """Use up the attempt of a browser that came back with a state; return it, and where to go once signed in.

    Raises:
        OpenIdRefusedError: another browser began it, it has come back already, or its time is over.
    """
    attempt = SignInAttempt(token or "")
    known = token and token.isascii() and state and state.isascii() and hmac.compare_digest(state, attempt.state)
    following = await store.use_attempt(tx, organization_id, _hash(attempt.token), clock.now()) if known else None
    if following is None:
        message = "This sign-in was begun elsewhere, has been used, or took too long."
        raise OpenIdRefusedError(message, hint="Begin again.")
    return attempt, following


async def sign_in_by_open_id(
    tx: db.Transaction,
    organization_id: str,
    identity: Identity,
    registration: OpenIdRegistration,
    user_agent: str | None,
) -> NewSession:
    """Begin a session for the person that an identity is linked to.

    At the first time that is who has its address, else somebody new of one of the domains that are let in.

    Raises:
        OpenIdRefusedError: there is nobody, or they may not sign in any more, or are linked to another identity.
    """
    # Somebody who comes for the first time in two windows at once is added once.
    await store.lock_organization(tx, organization_id)
    linked = await store.user_by_identity(tx, organization_id, identity.issuer, identity.subject)
    user, disabled_at = linked or await _linked_now(tx, organization_id, identity, registration)
    if disabled_at is not None:
        raise _disabled(user.email)
    return await begin_session(tx, user, user_agent, by="open_id")


async def _linked_now(
    tx: db.Transaction, organization_id: str, identity: Identity, registration: OpenIdRegistration
) -> tuple[User, None]:
    user = await _person(tx, organization_id, identity, registration)
    if not await store.insert_identity(tx, user, identity.issuer, identity.subject, clock.now()):
        # An address that was given to somebody else must not bring what its last owner had.
        message = f"{user.email} belongs to another account of {registration.name} here."
        raise OpenIdRefusedError(message, hint="Ask an administrator to unlink it.")
    await record(
        tx,
        organization_id=organization_id,
        user_id=user.id,
        key_id=None,
        action="user.linked",
        target=user.id,
        detail={"issuer": identity.issuer, "email": identity.email},
    )
    return user, None


async def _person(
    tx: db.Transaction, organization_id: str, identity: Identity, registration: OpenIdRegistration
) -> User:
    address = identity.email.lower()
    # The lower case of some letters outside ASCII is a letter inside it: another address would be the same.
    if not identity.email.isascii():
        raise _uninvited(identity.email)
    members = await store.list_members(tx, organization_id)
    known = next((member for member in members if member.user.email.lower() == address), None)
    if known is not None and known.disabled_at is not None:
        raise _disabled(address)
    if known is not None:
        return known.user
    if address.rpartition("@")[2] not in registration.domains:
        raise _uninvited(address)
    return await create_user(
        tx, organization_id=organization_id, email=address, name=_acceptable(identity.name), role=registration.role
    )


def _acceptable(name: str | None) -> str | None:
    try:
        check_name(name or "")
    except InvalidValueError:
        return None
    return name


def _uninvited(email: str) -> OpenIdRefusedError:
    return OpenIdRefusedError(f"Nobody has invited {email} here.", hint="Ask an administrator for an invitation.")


def _disabled(email: str) -> OpenIdRefusedError:
    return OpenIdRefusedError(f"{email} may not sign in here any more.", hint="Ask an administrator.")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
