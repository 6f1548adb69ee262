"""Organizations, the people in them, their keys, and the caller that a key stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from assay.access.scopes import Scope, allows

Role = Literal["owner", "admin", "member", "reviewer"]


@dataclass(frozen=True, slots=True)
class Organization:
    """What every row belongs to; `slug` is unique in the whole database."""

    id: str
    slug: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person in one organization; `email` is unique there."""

    id: str
    organization_id: str
    email: str
    name: str | None
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key: everything but the key itself. `last_used_at` lags by up to a minute."""

    id: str
    organization_id: str
    user_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; the only place where `secret` can ever be read."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody is signed in; `last_seen_at` lags by up to a minute."""

    id: str
    organization_id: str
    user_id: str
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just begun; the only place where `token`, the cookie, can ever be read."""

    session: Session
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Member:
    """A person as the list of members shows them."""

    user: User
    disabled_at: datetime | None
    has_password: bool
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, in whose name, and with which scopes."""

    organization_id: str
    organization_slug: str
    organization_name: str
    user_id: str
    key_id: str
    email: str
    name: str | None
    scopes: frozenset[str]

    @property
    def full_access(self) -> bool:
        """Whether the key may do everything."""
        return "full_access" in self.scopes

    @property
    def only_reviews(self) -> bool:
        """Whether it is to review and not to read runs: of those it sees none that was never queued for review."""
        return self.may("reviews:write") and not self.may("runs:read")

    def may(self, scope: Scope) -> bool:
        """Tell whether the key has this scope, by itself or with another one."""
        return allows(self.scopes, scope)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did; without a user it was the operator of this machine or the system."""

    id: str
    organization_id: str
    created_at: datetime
    user_id: str | None
    key_id: str | None
    action: str
    target: str
    detail: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host that an organization's runs may reach whatever its address: `host`, `host:port`, `*.domain`."""

    host: str
    created_by: str | None
    created_at: datetime
