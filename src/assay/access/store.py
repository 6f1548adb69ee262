"""The SQL of organizations, users, keys and audit; every query names its organization."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from assay import db
from assay.access.model import (
    AllowedHost,
    ApiKey,
    AuditEntry,
    Caller,
    Member,
    Organization,
    Role,
    Session,
    User,
)
from assay.access.scopes import within

# One round trip. The touch skips a key that another request is touching: waiting for that request's
# transaction would make all users of a key queue once a minute.
AUTHENTICATE = """
WITH found AS (
    SELECT o.id AS organization_id, o.slug AS organization_slug, o.name AS organization_name,
           u.id AS user_id, u.email, u.name, u.role, k.id AS key_id, k.scopes, k.last_used_at
    FROM api_keys k
    JOIN users u ON u.id = k.user_id
    JOIN organizations o ON o.id = k.organization_id
    WHERE k.key_hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)
        AND u.disabled_at IS NULL
), touched AS (
    UPDATE api_keys SET last_used_at = $2
    WHERE id = (
        SELECT k.id FROM api_keys k JOIN found ON k.id = found.key_id
        WHERE k.last_used_at IS NULL OR k.last_used_at <= $2 - interval '1 minute'
        FOR NO KEY UPDATE OF k SKIP LOCKED
    )
)
SELECT organization_id, organization_slug, organization_name, user_id, key_id, email, name, role, scopes FROM found
"""

_KEY_COLUMNS = "id, organization_id, user_id, name, scopes, created_at, expires_at, revoked_at, last_used_at"

INSERT_KEY = f"""
INSERT INTO api_keys (id, organization_id, user_id, name, key_hash, scopes, created_at, expires_at)
SELECT $1, organization_id, id, $4, $5, $6, $7, $8 FROM users WHERE organization_id = $2 AND id = $3
RETURNING {_KEY_COLUMNS}
"""

LIST_KEYS = f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE organization_id = $1 ORDER BY created_at DESC, id DESC"

GET_KEY = f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE organization_id = $1 AND id = $2"

REVOKE_KEY = f"""
UPDATE api_keys SET revoked_at = $3
WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL
RETURNING {_KEY_COLUMNS}
"""

_ORGANIZATION_COLUMNS = "id, slug, name, created_at"

INSERT_ORGANIZATION = f"""
INSERT INTO organizations ({_ORGANIZATION_COLUMNS}) VALUES ($1, $2, $3, $4)
ON CONFLICT (slug) DO NOTHING
RETURNING {_ORGANIZATION_COLUMNS}
"""

GET_ORGANIZATION = f"SELECT {_ORGANIZATION_COLUMNS} FROM organizations WHERE slug = $1"

LOCK_ORGANIZATION = "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE"

_USER_COLUMNS = "id, organization_id, email, name, role, created_at"

# Addresses that differ in the case of letters are the same person's.
INSERT_USER = f"""
INSERT INTO users ({_USER_COLUMNS}) SELECT $1, $2, $3, $4, $5, $6
WHERE NOT EXISTS (SELECT FROM users WHERE organization_id = $2 AND lower(email) = lower($3))
ON CONFLICT (organization_id, email) DO NOTHING
RETURNING {_USER_COLUMNS}
"""

FIRST_OWNER = f"""
SELECT {_USER_COLUMNS} FROM users WHERE organization_id = $1 AND role = 'owner' ORDER BY created_at, id LIMIT 1
"""

_AUDIT_COLUMNS = "id, organization_id, created_at, user_id, key_id, action, target, detail"

INSERT_AUDIT = f"INSERT INTO audit_entries ({_AUDIT_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"

AUDIT_TIME = "SELECT created_at FROM audit_entries WHERE organization_id = $1 AND id = $2"

LIST_AUDIT = f"""
SELECT {_AUDIT_COLUMNS} FROM audit_entries
WHERE organization_id = $1 AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4))
    AND ($5::text IS NULL OR action = $5 OR starts_with(action, $5 || '.')) AND ($6::text IS NULL OR user_id = $6)
ORDER BY created_at DESC, id DESC LIMIT $2
"""

LIST_ALLOWED_HOSTS = (
    "SELECT host, created_by, created_at FROM outgoing_allowed WHERE organization_id = $1 ORDER BY host"
)

INSERT_ALLOWED_HOSTS = """
INSERT INTO outgoing_allowed (organization_id, host, created_by, created_at)
SELECT $1, unnest($2::text[]), $3, $4
"""

DELETE_ALLOWED_HOSTS = "DELETE FROM outgoing_allowed WHERE organization_id = $1 AND host = ANY($2::text[])"


async def authenticate(tx: db.Transaction, key_hash: bytes, moment: datetime) -> Caller | None:
    """Find whom a key stands for at this moment, and note that it was used if the last note is a minute old."""
    row = await tx.fetch_one(AUTHENTICATE, key_hash, moment)
    if row is None:
        return None
    values: dict[str, Any] = {**row, "scopes": within(row["role"], row["scopes"])}
    del values["role"]
    return Caller(**values)


async def insert_key(tx: db.Transaction, key: ApiKey, key_hash: bytes) -> ApiKey | None:
    """Store a key with its hash; None if the user is not of the organization."""
    row = await tx.fetch_one(
        INSERT_KEY,
        key.id,
        key.organization_id,
        key.user_id,
        key.name,
        key_hash,
        key.scopes,
        key.created_at,
        key.expires_at,
    )
    return _key(row) if row else None


async def list_keys(tx: db.Transaction, organization_id: str) -> list[ApiKey]:
    """Return all keys of an organization, newest first."""
    return [_key(row) for row in await tx.fetch(LIST_KEYS, organization_id)]


async def get_key(tx: db.Transaction, organization_id: str, key_id: str) -> ApiKey | None:
    """Return one key."""
    row = await tx.fetch_one(GET_KEY, organization_id, key_id)
    return _key(row) if row else None


async def revoke_key(tx: db.Transaction, organization_id: str, key_id: str, moment: datetime) -> ApiKey | None:
    """Revoke a key; None if it is revoked already or there is none."""
    row = await tx.fetch_one(REVOKE_KEY, organization_id, key_id, moment)
    return _key(row) if row else None


async def insert_organization(tx: db.Transaction, organization: Organization) -> bool:
    """Store an organization; False if its slug is taken."""
    values = (organization.id, organization.slug, organization.name, organization.created_at)
    return await tx.fetch_one(INSERT_ORGANIZATION, *values) is not None


async def get_organization(tx: db.Transaction, slug: str) -> Organization | None:
    """Return the organization with this slug."""
    row = await tx.fetch_one(GET_ORGANIZATION, slug)
    return Organization(**row) if row else None


async def lock_organization(tx: db.Transaction, organization_id: str) -> None:
    """Wait until no other transaction holds this lock, and hold it until this one ends."""
    await tx.execute(LOCK_ORGANIZATION, organization_id)


async def insert_user(tx: db.Transaction, user: User) -> bool:
    """Store a user; False if the email address is taken in the organization."""
    values = (user.id, user.organization_id, user.email, user.name, user.role, user.created_at)
    return await tx.fetch_one(INSERT_USER, *values) is not None


async def first_owner(tx: db.Transaction, organization_id: str) -> User | None:
    """Return the owner who has been there longest."""
    row = await tx.fetch_one(FIRST_OWNER, organization_id)
    return User(**row) if row else None


async def list_allowed_hosts(tx: db.Transaction, organization_id: str) -> list[AllowedHost]:
    """Return the hosts that an organization's runs may reach, by name."""
    return [AllowedHost(**row) for row in await tx.fetch(LIST_ALLOWED_HOSTS, organization_id)]


async def insert_allowed_hosts(
    tx: db.Transaction, organization_id: str, hosts: Sequence[str], user_id: str, moment: datetime
) -> None:
    """Put hosts on an organization's list; none of them may be there."""
    await tx.execute(INSERT_ALLOWED_HOSTS, organization_id, hosts, user_id, moment)


async def delete_allowed_hosts(tx: db.Transaction, organization_id: str, hosts: Sequence[str]) -> None:
    """Take hosts off an organization's list."""
    await tx.execute(DELETE_ALLOWED_HOSTS, organization_id, hosts)


async def insert_audit(tx: db.Transaction, entry: AuditEntry) -> None:
    """Append an entry."""
    await tx.execute(
        INSERT_AUDIT,
        entry.id,
        entry.organization_id,
        entry.created_at,
        entry.user_id,
        entry.key_id,
        entry.action,
        entry.target,
        json.dumps(entry.detail),
    )


async def audit_time(tx: db.Transaction, organization_id: str, entry_id: str) -> datetime | None:
    """Return when an entry was written."""
    return await tx.fetch_value(AUDIT_TIME, organization_id, entry_id)


async def list_audit(
    tx: db.Transaction,
    organization_id: str,
    limit: int,
    before: tuple[datetime, str] | None,
    *,
    action: str | None,
    user_id: str | None,
) -> list[AuditEntry]:
    """Return up to `limit` entries, newest first, that lie before a time and id; None leaves a filter out."""
    moment, entry_id = before or (None, None)
    return _entries(await tx.fetch(LIST_AUDIT, organization_id, limit, moment, entry_id, action, user_id))


def _key(row: db.Row) -> ApiKey:
    values: dict[str, Any] = {**row, "scopes": tuple(row["scopes"])}
    return ApiKey(**values)


def _entries(rows: Sequence[db.Row]) -> list[AuditEntry]:
    return [AuditEntry(**{**row, "detail": json.loads(row["detail"])}) for row in rows]


# --- people and their sessions

_USER = "id, organization_id, email, name, role, created_at"

_SESSION_CALLER = """
WITH found AS (
    SELECT s.id, s.organization_id, o.slug, o.name AS organization_name, u.id AS user_id, u.email, u.name, u.role,
           s.last_seen_at
    FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN organizations o ON o.id = s.organization_id
    WHERE s.token_hash = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND u.disabled_at IS NULL
), seen AS (
    UPDATE user_sessions SET last_seen_at = $2 FROM found
    WHERE user_sessions.id = found.id AND found.last_seen_at < $2 - interval '1 minute'
)
SELECT * FROM found
"""


async def session_user(
    tx: db.Transaction, token_hash: bytes, moment: datetime
) -> tuple[str, Organization, User] | None:
    """Return session id, organization and user of a session that holds; notes its use at most once a minute."""
    row = await tx.fetch_one(_SESSION_CALLER, token_hash, moment)
    if row is None:
        return None
    organization = Organization(row["organization_id"], row["slug"], row["organization_name"], moment)
    user = User(row["user_id"], row["organization_id"], row["email"], row["name"], row["role"], moment)
    return row["id"], organization, user


async def insert_session(tx: db.Transaction, session: Session, token_hash: bytes) -> None:
    """Add a session."""
    await tx.execute(
        """INSERT INTO user_sessions (id, organization_id, user_id, token_hash, user_agent, created_at, last_seen_at,
               expires_at) VALUES ($1, $2, $3, $4, $5, $6, $6, $7)""",
        session.id,
        session.organization_id,
        session.user_id,
        token_hash,
        session.user_agent,
        session.created_at,
        session.expires_at,
    )


async def list_sessions(tx: db.Transaction, organization_id: str, user_id: str, moment: datetime) -> list[Session]:
    """Return the sessions of a user that hold, newest first."""
    sql = """SELECT id, organization_id, user_id, user_agent, created_at, last_seen_at, expires_at FROM user_sessions
             WHERE organization_id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3
             ORDER BY created_at DESC"""
    return [Session(**dict(row)) for row in await tx.fetch(sql, organization_id, user_id, moment)]


async def revoke_sessions(
    tx: db.Transaction,
    organization_id: str,
    user_id: str,
    moment: datetime,
    *,
    session_id: str | None = None,
    but: str | None = None,
) -> int:
    """End one session of a user, or all `but` one; return how many held until now."""
    sql = """UPDATE user_sessions SET revoked_at = $3
             WHERE organization_id = $1 AND user_id = $2 AND revoked_at IS NULL AND ($4::text IS NULL OR id = $4)
                 AND id IS DISTINCT FROM $5"""
    return await tx.execute(sql, organization_id, user_id, moment, session_id, but)


async def insert_link(
    tx: db.Transaction, user: User, token_hash: bytes, purpose: str, created_by: str | None, expires_at: datetime
) -> None:
    """Add a link that signs a user in once."""
    sql = """INSERT INTO sign_in_links (token_hash, organization_id, user_id, purpose, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)"""
    await tx.execute(sql, token_hash, user.organization_id, user.id, purpose, created_by, expires_at)


async def use_link(tx: db.Transaction, token_hash: bytes, moment: datetime) -> tuple[User, str] | None:
    """Use up a link; return whom it signs in and what it is for, None if it is unknown, used or over."""
    sql = """UPDATE sign_in_links SET used_at = $2 FROM users u
             WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 AND u.id = user_id AND u.disabled_at IS NULL
             RETURNING u.id, u.organization_id, u.email, u.name, u.role, u.created_at, purpose"""
    row = await tx.fetch_one(sql, token_hash, moment)
    return None if row is None else (User(**{name: row[name] for name in User.__dataclass_fields__}), row["purpose"])


async def user_by_email(tx: db.Transaction, organization_id: str, email: str) -> tuple[User, str | None] | None:
    """Return a user who may sign in, with the hash of the password if there is one."""
    sql = f"""SELECT {_USER}, password_hash FROM users
              WHERE organization_id = $1 AND lower(email) = lower($2) AND disabled_at IS NULL"""
    row = await tx.fetch_one(sql, organization_id, email)
    if row is None:
        return None
    return User(**{name: row[name] for name in User.__dataclass_fields__}), row["password_hash"]


async def list_members(tx: db.Transaction, organization_id: str) -> list[Member]:
    """Return everybody in an organization, by address, also who may not sign in any more."""
    sql = f"""SELECT {_USER}, disabled_at, password_hash IS NOT NULL AS has_password,
                  EXISTS (SELECT FROM user_identities i WHERE i.user_id = users.id) AS is_linked,
                  (SELECT max(last_seen_at) FROM user_sessions s WHERE s.user_id = users.id) AS last_seen_at
              FROM users WHERE organization_id = $1 ORDER BY email"""
    return [
        Member(
            User(**{name: row[name] for name in User.__dataclass_fields__}),
            row["disabled_at"],
            row["has_password"],
            row["is_linked"],
            row["last_seen_at"],
        )
        for row in await tx.fetch(sql, organization_id)
    ]


async def set_password(tx: db.Transaction, organization_id: str, user_id: str, password_hash: str) -> bool:
    """Keep the hash of a new password."""
    sql = "UPDATE users SET password_hash = $3 WHERE organization_id = $1 AND id = $2"
    return await tx.execute(sql, organization_id, user_id, password_hash) > 0


async def change_user(
    tx: db.Transaction, organization_id: str, user_id: str, *, role: Role, disabled_at: datetime | None
) -> User | None:
    """Give a user another role, or take or give back the right to sign in; None if there is no such user."""
    sql = f"UPDATE users SET role = $3, disabled_at = $4 WHERE organization_id = $1 AND id = $2 RETURNING {_USER}"
    row = await tx.fetch_one(sql, organization_id, user_id, role, disabled_at)
    return None if row is None else User(**dict(row))


async def count_owners(tx: db.Transaction, organization_id: str) -> int:
    """Count the owners who may sign in."""
    sql = "SELECT count(*) FROM users WHERE organization_id = $1 AND role = 'owner' AND disabled_at IS NULL"
    return int(await tx.fetch_value(sql, organization_id))


async def note_failure(tx: db.Transaction, organization_id: str, email: str, network: str) -> None:
    """Remember that somebody failed to sign in; old failures go."""
    await tx.execute("DELETE FROM sign_in_failures WHERE created_at < now() - interval '1 day'")
    sql = "INSERT INTO sign_in_failures (organization_id, email, network) VALUES ($1, lower($2), $3)"
    await tx.execute(sql, organization_id, email[:320], network)


async def failures(
    tx: db.Transaction, organization_id: str, email: str, network: str, since: datetime
) -> tuple[int, int]:
    """Count failures of an address and of a network since a moment."""
    sql = """SELECT count(*) FILTER (WHERE email = lower($2)) AS of_email,
                    count(*) FILTER (WHERE network = $3) AS of_network
             FROM sign_in_failures
             WHERE organization_id = $1 AND created_at > $4 AND (email = lower($2) OR network = $3)"""
    row = await tx.fetch_one(sql, organization_id, email[:320], network, since)
    assert row is not None, "an aggregate always has a row"
    return row["of_email"], row["of_network"]


# --- who people are at providers of sign-ins


async def insert_attempt(
    tx: db.Transaction, organization_id: str, token_hash: bytes, next_path: str, moment: datetime, expires_at: datetime
) -> None:
    """Remember a browser that is sent to a provider; those whose time is over go."""
    await tx.execute("DELETE FROM open_id_attempts WHERE expires_at <= $1", moment)
    sql = "INSERT INTO open_id_attempts (organization_id, token_hash, next_path, expires_at) VALUES ($1, $2, $3, $4)"
    await tx.execute(sql, organization_id, token_hash, next_path, expires_at)


async def use_attempt(tx: db.Transaction, organization_id: str, token_hash: bytes, moment: datetime) -> str | None:
    """Use up an attempt; return where to go then, None if it is unknown, used or over."""
    sql = """DELETE FROM open_id_attempts WHERE organization_id = $1 AND token_hash = $2 AND expires_at > $3
             RETURNING next_path"""
    return await tx.fetch_value(sql, organization_id, token_hash, moment)


async def user_by_identity(
    tx: db.Transaction, organization_id: str, issuer: str, subject: str
) -> tuple[User, datetime | None] | None:
    """Return who is linked to a subject of a provider, and since when they may not sign in."""
    sql = """SELECT u.id, u.organization_id, u.email, u.name, u.role, u.created_at, u.disabled_at
             FROM user_identities i JOIN users u ON u.id = i.user_id
             WHERE i.organization_id = $1 AND i.issuer = $2 AND i.subject = $3"""
    row = await tx.fetch_one(sql, organization_id, issuer, subject)
    if row is None:
        return None
    return User(**{name: row[name] for name in User.__dataclass_fields__}), row["disabled_at"]


async def insert_identity(tx: db.Transaction, user: User, issuer: str, subject: str, moment: datetime) -> bool:
    """Link a user to a subject; False if either is linked already."""
    sql = """INSERT INTO user_identities (organization_id, issuer, subject, user_id, created_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"""
    return await tx.execute(sql, user.organization_id, issuer, subject, user.id, moment) > 0


async def delete_identities(tx: db.Transaction, organization_id: str, user_id: str) -> int:
    """Forget who a user is at every provider; return at how many that was known."""
    return await tx.execute(
        "DELETE FROM user_identities WHERE organization_id = $1 AND user_id = $2", organization_id, user_id
    )
