"""API keys: how they are made, recognised and withdrawn."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime

from assay import clock, db, ids
from assay.access import store
from assay.access.audit import record, record_in
from assay.access.errors import UnauthenticatedError
from assay.access.model import ApiKey, Caller, NewKey
from assay.access.names import check_name
from assay.access.scopes import checked
from assay.errors import InvalidValueError, NotFoundError

# Letters and digits only, so that a double click selects the whole key; 43 of them hold 256 bits.
_PREFIX = "asy_"
_CHARACTERS = 43
_SECRET = re.compile(f"{_PREFIX}[0-9A-Za-z]{{{_CHARACTERS}}}")


async def authenticate(tx: db.Transaction, token: str | None) -> Caller:
    """Return whom a key stands for, in one round trip; notes its use at most once a minute.

    Raises:
        UnauthenticatedError: no key was given, or it is malformed, unknown, revoked or expired;
            of these the message tells only the first from the rest.
    """
    if not token:
        message = "An API key is needed."
        raise UnauthenticatedError(message)
    if not _SECRET.fullmatch(token):
        raise UnauthenticatedError
    caller = await store.authenticate(tx, _hash(token), clock.now())
    if caller is None:
        raise UnauthenticatedError
    return caller


async def create_key(
    tx: db.Transaction,
    *,
    organization_id: str,
    user_id: str,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    by: Caller | None = None,
) -> NewKey:
    """Make a key that acts for a user, and record it as done `by` a caller (None: that user).

    The secret is in the answer and nowhere else; only its SHA-256 is stored. `expires_at` carries its
    zone; None is never. Every call makes another key, also under a name that exists.

    Raises:
        InvalidValueError: the name, a scope or the expiry is not acceptable.
        NotFoundError: the organization has no such user.
    """
    now = clock.now()
    check_name(name)
    if expires_at is not None and expires_at <= now:
        message = "The expiry lies in the past."
        raise InvalidValueError(message, field="expires_at")
    secret = _PREFIX + "".join(secrets.choice(ids.ALPHABET) for _ in range(_CHARACTERS))
    wanted = ApiKey(ids.new_id("key"), organization_id, user_id, name, checked(scopes), now, expires_at, None, None)
    key = await store.insert_key(tx, wanted, _hash(secret))
    if key is None:
        message = "There is no such user."
        raise NotFoundError(message, field="user_id")
    await record(
        tx,
        organization_id=organization_id,
        user_id=by.user_id if by else user_id,
        key_id=by.key_id if by else None,
        action="key.created",
        target=key.id,
        detail={"name": name, "userId": user_id, "scopes": list(key.scopes), "expiresAt": _iso(expires_at)},
    )
    return NewKey(key, secret)


async def list_keys(tx: db.Transaction, organization_id: str) -> list[ApiKey]:
    """Return all keys of an organization, newest first, with the revoked and the expired ones."""
    return await store.list_keys(tx, organization_id)


async def revoke_key(tx: db.Transaction, organization_id: str, key_id: str, *, by: Caller | None = None) -> ApiKey:
    """Withdraw a key for ever, and record who did (None: the operator). A second call does nothing.

    Admins withdraw the keys of owners, too: one that leaked has to be stopped by whoever hears of it first.

    Raises:
        NotFoundError: the organization has no such key.
    """
    revoked = await store.revoke_key(tx, organization_id, key_id, clock.now())
    if revoked is None:
        return await _existing(tx, organization_id, key_id)
    await record_in(tx, organization_id, by, "key.revoked", key_id, {"name": revoked.name})
    return revoked


async def _existing(tx: db.Transaction, organization_id: str, key_id: str) -> ApiKey:
    key = await store.get_key(tx, organization_id, key_id)
    if key is None:
        # The id is not repeated: whoever mistook the key itself for its id would find it in a log.
        message = "There is no API key with this id."
        raise NotFoundError(message, hint="`assay keys list` shows the ids; they begin with `key_`.")
    return key


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _iso(moment: datetime | None) -> str | None:
    return clock.iso(moment) if moment else None
