"""What a key can be allowed to do, and which permission comes with which."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, cast, get_args

from assay.errors import InvalidValueError, Issue

Scope = Literal[
    "full_access",
    "automations:read",
    "automations:write",
    "datasets:write",
    "observability:read",
    "reviews:write",
    "runs:read",
    "runs:write",
]

SCOPES: tuple[Scope, ...] = get_args(Scope)

# Everybody who works with an automation must be able to look it up; a scraper of metrics works with none, and a
# reviewer with the runs that he is given.
INCLUDED_IN: Mapping[Scope, frozenset[Scope]] = {
    "automations:read": frozenset({"automations:write", "datasets:write", "runs:read", "runs:write"}),
}
"""A scope, and the scopes that bring it along. Beyond these, only `full_access` implies others: all of them."""


OF_MEMBERS: frozenset[Scope] = frozenset(
    {"automations:write", "datasets:write", "reviews:write", "runs:read", "runs:write"}
)
"""What a member may do, and whose key for everything comes to no more."""


def allows(granted: Collection[str], wanted: Scope) -> bool:
    """Tell whether a key with the `granted` scopes has the `wanted` one."""
    if "full_access" in granted or wanted in granted:
        return True
    return not INCLUDED_IN.get(wanted, frozenset()).isdisjoint(granted)


def within(role: str, granted: Collection[str]) -> frozenset[str]:
    """Return what a key comes to in the hands of its user, who may have had another role when it was made.

    A reviewer's can do nothing but review, and a member's does not administer.
    """
    if role == "reviewer":
        return frozenset({"reviews:write"}) if allows(granted, "reviews:write") else frozenset()
    if role == "member" and "full_access" in granted:
        return OF_MEMBERS
    return frozenset(granted)


def checked(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """Return the scopes, each once, in the order they were given.

    Raises:
        InvalidValueError: one is unknown, or there is none at all; every unknown one is an issue.
    """
    wanted = list(dict.fromkeys(scopes))
    issues = [
        Issue("scopes", f"There is no scope {scope!r}.", "invalid_value") for scope in wanted if scope not in SCOPES
    ]
    if issues or not wanted:
        message = issues[0].message if issues else "A key needs at least one scope."
        raise InvalidValueError(message, field="scopes", hint=f"Scopes are {', '.join(SCOPES)}.", issues=issues)
    return tuple(cast("list[Scope]", wanted))
