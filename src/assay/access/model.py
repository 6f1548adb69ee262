"""Organizations, the people in them, their keys, and the caller that a key stands for."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from assay.access.scopes import Scope, allows
from assay.outgoing import AllowList

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
    """A person as the list of members shows them; who `is_linked` signs in by a provider, too."""

    user: User
    disabled_at: datetime | None
    has_password: bool
    is_linked: bool
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenIdRegistration:
    """What the operator wrote down of a provider of sign-ins, which is named `name` on our pages.

    Hosts of the provider that `allow` names may have any address, and no TLS. Who is new here is let in with `role`
    when their address is of one of `domains` (in small letters), else only when somebody has invited them.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uri: str
    name: str
    allow: AllowList
    domains: frozenset[str]
    role: Literal["member", "reviewer"]


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A browser on its way to a provider and back: whatever proves that derives from `token`, its cookie."""

    token: str = field(repr=False)

    @property
    def state(self) -> str:
        """What the provider gives back to the browser, and nobody else can know."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What the ID token of this very sign-in has to hold."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What redeems the code (RFC 7636); the provider has seen its hash."""
        return self._derived("verifier")

    def _derived(self, purpose: str) -> str:
        digest = hmac.digest(self.token.encode(), f"assay open id {purpose}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at a provider; `email` has been verified there."""

    issuer: str
    subject: str
    email: str
    name: str | None


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
