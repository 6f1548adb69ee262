"""What names an automation (`wf_…`, `workflows.<slug>`), and what names one of its versions."""

import re

from assay import db
from assay.automations import store
from assay.automations.errors import (
    AutomationNotFoundError,
    InvalidTargetError,
    NoCurrentVersionError,
    VersionNotFoundError,
)
from assay.automations.model import Address, Automation, Kind, RunTarget, Version

_PREFIXES: dict[str, Kind] = {"workflows.": "workflow", "agents.": "agent"}
_ID_PREFIX = "wf_"
_CURRENT = "latest"
_ADDRESSABLE = re.compile(r"[\x21-\x7e]{1,200}\Z")


async def get(tx: db.Transaction, organization_id: str, reference: str) -> Automation:
    """Find an automation by id, `workflows.<slug>` (or the id behind the prefix), or the bare slug of a workflow.

    Raises:
        AutomationNotFoundError: the organization has none of this name.
    """
    address = _prefixed(reference) or Address(reference, "workflow")
    found = await store.find(tx, organization_id, address) if _ADDRESSABLE.match(reference) else None
    if found is None:
        message = f"There is no automation {reference[:100]!r}."
        raise AutomationNotFoundError(message)
    return found


async def resolve_target(tx: db.Transaction, organization_id: str, target: str, ref: str | None) -> RunTarget:
    """Find what a run was asked for, in one round trip; without `ref`, or with `latest`, it is the current version.

    Raises:
        InvalidTargetError: the target is neither an id nor has a prefix.
        AutomationNotFoundError: the organization has none of this name.
        VersionNotFoundError: the automation has no version with this label or id.
        NoCurrentVersionError: no version is current, and none was named.
    """
    address = _prefixed(target)
    if address is None:
        message = f"The target {target[:100]!r} does not name an automation."
        raise InvalidTargetError(message, field="target")
    wanted = _wanted(ref)
    found = await store.find_run_target(tx, organization_id, address, wanted) if _ADDRESSABLE.match(target) else None
    if found is None:
        message = f"There is no automation {target[:100]!r}."
        raise AutomationNotFoundError(message, field="target", hint=_hint(target))
    automation, version_id, label = found
    if version_id is None:
        raise _missing_version(automation, wanted)
    return RunTarget(automation, version_id, label, ref)


async def version_by_ref(tx: db.Transaction, organization_id: str, automation: Automation, ref: str | None) -> Version:
    """Find a version by label or id; None and `latest` are the current one.

    Raises:
        VersionNotFoundError: the automation has no such version.
        NoCurrentVersionError: no version is current, and none was named.
    """
    wanted = _wanted(ref)
    reference = automation.current_version_id if wanted is None else wanted
    found = await store.find_version(tx, organization_id, automation.id, reference) if reference else None
    if found is None:
        raise _missing_version(automation, wanted)
    return found


def _prefixed(reference: str) -> Address | None:
    for prefix, kind in _PREFIXES.items():
        if reference.startswith(prefix):
            # A client that is given a prefixed slug as the slug of an object writes the prefix twice.
            return Address(reference.removeprefix(prefix).removeprefix(prefix), kind)
    return Address(reference, None) if reference.startswith(_ID_PREFIX) else None


def _wanted(ref: str | None) -> str | None:
    """Return the label or id that is asked for; None for the current version, a dash for what cannot exist."""
    if ref is None or ref in {"", _CURRENT}:
        return None
    return ref if _ADDRESSABLE.match(ref) else "-"


def _missing_version(automation: Automation, ref: str | None) -> NoCurrentVersionError | VersionNotFoundError:
    if ref is None:
        message = f"No version of {automation.slug!r} is current yet."
        return NoCurrentVersionError(message, field="version")
    message = f"{automation.slug!r} has no version {ref[:100]!r}."
    return VersionNotFoundError(message, field="version")


def _hint(target: str) -> str | None:
    if "@" not in target:
        return None
    name, version = target.rsplit("@", 1)
    return f"Name the version apart: target {name[:100]}, version {version[:100]}."
