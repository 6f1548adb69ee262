"""Access: organizations, the people in them, their keys, what each may do, and what they did."""

from assay.access.audit import list_audit, record
from assay.access.errors import (
    InsufficientScopeError,
    RateLimitedError,
    SignInRefusedError,
    TooManyAttemptsError,
    UnauthenticatedError,
)
from assay.access.keys import authenticate, create_key, list_keys, revoke_key
from assay.access.model import (
    AllowedHost,
    ApiKey,
    AuditEntry,
    Caller,
    Member,
    NewKey,
    NewSession,
    Organization,
    Role,
    Session,
    User,
)
from assay.access.organizations import create_organization, create_user, ensure_default_organization, ensure_user
from assay.access.outgoing_hosts import allow_list, change_allowed_hosts, list_allowed_hosts
from assay.access.policy import POLICY, Needed, require, scope_for, scopes_of
from assay.access.rate_limit import RateLimiter
from assay.access.scopes import SCOPES, Scope
from assay.access.signing_in import (
    SCOPES_OF,
    LinkPurpose,
    change_member,
    end_sessions,
    list_members,
    list_sessions,
    make_link,
    session_caller,
    set_password,
    sign_in,
    sign_in_by_link,
)

__all__ = [
    "POLICY",
    "SCOPES",
    "SCOPES_OF",
    "AllowedHost",
    "ApiKey",
    "AuditEntry",
    "Caller",
    "InsufficientScopeError",
    "LinkPurpose",
    "Member",
    "Needed",
    "NewKey",
    "NewSession",
    "Organization",
    "RateLimitedError",
    "RateLimiter",
    "Role",
    "Scope",
    "Session",
    "SignInRefusedError",
    "TooManyAttemptsError",
    "UnauthenticatedError",
    "User",
    "allow_list",
    "authenticate",
    "change_allowed_hosts",
    "change_member",
    "create_key",
    "create_organization",
    "create_user",
    "end_sessions",
    "ensure_default_organization",
    "ensure_user",
    "list_allowed_hosts",
    "list_audit",
    "list_keys",
    "list_members",
    "list_sessions",
    "make_link",
    "record",
    "require",
    "revoke_key",
    "scope_for",
    "scopes_of",
    "session_caller",
    "set_password",
    "sign_in",
    "sign_in_by_link",
]
