"""Which private hosts an organization's runs may reach, and that every change of it is recorded."""

from collections.abc import Sequence

from assay import clock, db
from assay.access import store
from assay.access.audit import record_by
from assay.access.model import AllowedHost, Caller
from assay.errors import InvalidValueError, Issue
from assay.outgoing import AllowList

MAX_HOSTS = 200
MAX_HOST_CHARACTERS = 260


async def list_allowed_hosts(tx: db.Transaction, organization_id: str) -> list[AllowedHost]:
    """Return the hosts of an organization, by name."""
    return await store.list_allowed_hosts(tx, organization_id)


async def allow_list(tx: db.Transaction, organization_id: str) -> AllowList:
    """Return what the organization's runs may reach, beside what the server allows everybody."""
    found = await store.list_allowed_hosts(tx, organization_id)
    return AllowList.parse(",".join(allowed.host for allowed in found))


async def change_allowed_hosts(
    tx: db.Transaction, caller: Caller, *, allow: Sequence[str] = (), refuse: Sequence[str] = ()
) -> list[AllowedHost]:
    """Put hosts on the organization's list and take others off it; return the list as it then is.

    Hosts are written `host`, `host:port`, `*.domain` or `[v6]:port`, and kept in one spelling. What is on the list
    already, or is not, stays so; a call that changes nothing records nothing.

    Raises:
        InvalidValueError: entries are none, or stand in both lists; all of them at once. Or the list grows too long.
    """
    adding, removing = _checked(allow, refuse)
    await store.lock_organization(tx, caller.organization_id)
    before = {allowed.host for allowed in await store.list_allowed_hosts(tx, caller.organization_id)}
    added, removed = sorted(adding - before), sorted(removing & before)
    if len(before) + len(added) - len(removed) > MAX_HOSTS:
        message = f"An organization allows at most {MAX_HOSTS} hosts."
        raise InvalidValueError(message, field="allow")
    if added or removed:
        await store.insert_allowed_hosts(tx, caller.organization_id, added, caller.user_id, clock.now())
        await store.delete_allowed_hosts(tx, caller.organization_id, removed)
        await record_by(
            tx, caller, "outgoing.changed", caller.organization_id, {"allowed": list(added), "refused": list(removed)}
        )
    return await store.list_allowed_hosts(tx, caller.organization_id)


def _checked(allow: Sequence[str], refuse: Sequence[str]) -> tuple[set[str], set[str]]:
    issues: list[Issue] = []
    adding = _spelled("allow", allow, issues)
    removing = _spelled("refuse", refuse, issues)
    issues += [
        Issue("refuse", f"{host} cannot be allowed and refused at once.", "invalid_value")
        for host in sorted(adding & removing)
    ]
    if issues:
        raise InvalidValueError(issues[0].message, field=issues[0].field, issues=issues)
    return adding, removing


def _spelled(field: str, entries: Sequence[str], issues: list[Issue]) -> set[str]:
    hosts = set[str]()
    for index, entry in enumerate(entries):
        try:
            hosts.add(_spelling(entry))
        except InvalidValueError as error:
            issues.append(Issue(f"{field}.{index}", error.message, "invalid_value"))
    return hosts


def _spelling(entry: str) -> str:
    if len(entry) > MAX_HOST_CHARACTERS or not entry.isprintable() or "," in entry or not entry.strip():
        message = f"{entry[:100]!r} is no host to allow; write host, host:port, *.domain or [v6]:port."
        raise InvalidValueError(message)
    return AllowList.parse(entry).spelled()[0]
