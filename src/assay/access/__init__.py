"""Access: organizations, the people in them, their keys, what each may do, and what they did."""

from assay.access.audit import list_audit, record
from assay.access.errors import InsufficientScopeError, RateLimitedError, UnauthenticatedError
from assay.access.keys import authenticate, create_key, list_keys, revoke_key
from assay.access.model import AllowedHost, ApiKey, AuditEntry, Caller, NewKey, Organization, Role, User
from assay.access.organizations import create_organization, create_user, ensure_default_organization
from assay.access.outgoing_hosts import allow_list, change_allowed_hosts, list_allowed_hosts
from assay.access.policy import POLICY, require, scope_for
from assay.access.rate_limit import RateLimiter
from assay.access.scopes import SCOPES, Scope

__all__ = [
    "POLICY",
    "SCOPES",
    "AllowedHost",
    "ApiKey",
    "AuditEntry",
    "Caller",
    "InsufficientScopeError",
    "NewKey",
    "Organization",
    "RateLimitedError",
    "RateLimiter",
    "Role",
    "Scope",
    "UnauthenticatedError",
    "User",
    "allow_list",
    "authenticate",
    "change_allowed_hosts",
    "create_key",
    "create_organization",
    "create_user",
    "ensure_default_organization",
    "list_allowed_hosts",
    "list_audit",
    "list_keys",
    "record",
    "require",
    "revoke_key",
    "scope_for",
]
