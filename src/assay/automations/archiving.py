"""Whether an automation is still in use: an archived one keeps everything and starts nothing."""

from assay import access, db
from assay.automations import store
from assay.automations.model import Automation
from assay.automations.versions import hold


async def set_archived(tx: db.Transaction, caller: access.Caller, *, automation: str, archived: bool) -> Automation:
    """Archive an automation, or take it back into use. Doing so a second time changes nothing.

    Runs that wait or run go on; new ones are refused with `automation_disabled`.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
    """
    target = await hold(tx, caller.organization_id, automation)
    if (target.status == "archived") == archived:
        return target
    await store.set_status(tx, caller.organization_id, target.id, "archived" if archived else "active")
    await access.record_by(
        tx, caller, "automation.archived" if archived else "automation.restored", target.id, {"slug": target.slug}
    )
    return await hold(tx, caller.organization_id, target.id)
