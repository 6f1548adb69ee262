"""The one chooser of versions: every start of a run, whoever asks for it, goes through here."""

from dataclasses import dataclass

from assay import automations, db
from assay.runs import AutomationDisabledError, Chosen, RunSummary

ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Choice:
    """The automation that was asked for, and the version that serves the call."""

    automation: automations.Automation
    chosen: Chosen


async def which_version(tx: db.Transaction, organization_id: str, target: str, ref: str | None) -> Choice:
    """Choose for a new call: the version that was named, else the current one.

    Raises:
        InvalidTargetError: the target names nothing.
        AutomationNotFoundError: the organization has no such automation.
        VersionNotFoundError: it has no such version.
        NoCurrentVersionError: none is current, and none was named.
        AutomationDisabledError: the automation is archived.
    """
    found = await automations.resolve_target(tx, organization_id, target, ref)
    current = ref in {None, "", "latest"}
    return _choice(found, "current" if current else "requested", ref)


async def which_version_again(tx: db.Transaction, organization_id: str, before: RunSummary, ref: str | None) -> Choice:
    """Choose for a rerun: the current version, the run's own (`original`), or the one that was named.

    Raises:
        VersionNotFoundError: there is no such version.
        NoCurrentVersionError: none is current, and none was named.
        AutomationDisabledError: the automation is archived.
    """
    if ref == ORIGINAL:
        found = await automations.resolve_target(tx, organization_id, before.automation_id, before.version_id)
        return _choice(found, "rerun_original", ref)
    return await which_version(tx, organization_id, before.automation_id, ref)


def _choice(found: automations.RunTarget, reason: str, ref: str | None) -> Choice:
    automation = found.automation
    if automation.status != "active":
        message = f"The automation {automation.slug} is archived, so it starts no runs."
        hint = f"Take it back into use: assay automations archive {automation.slug} --undo"
        raise AutomationDisabledError(message, field="target", hint=hint)
    chosen = Chosen(
        automation_id=automation.id,
        kind=automation.kind,
        version_id=found.version_id,
        version_label=found.version_label,
        requested_ref=ref,
        reason=reason,
        concurrency_limit=automation.concurrency_limit,
    )
    return Choice(automation, chosen)
