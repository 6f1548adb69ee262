"""Who may start runs of an automation, once a person has decided it."""

from assay import access, db
from assay.automations import store
from assay.automations.addressing import get
from assay.automations.model import Automation
from assay.errors import InvalidValueError


async def set_triggers(
    tx: db.Transaction,
    caller: access.Caller,
    *,
    automation: str,
    api: bool | None = None,
    manual: bool | None = None,
) -> Automation:
    """Switch triggers on or off; None leaves one as it is. What was switched here survives every later push.

    Raises:
        InvalidValueError: no trigger is given.
        AutomationNotFoundError: the organization has no such automation.
    """
    if api is None and manual is None:
        message = "Name at least one trigger: api, manual."
        raise InvalidValueError(message)
    target = await get(tx, caller.organization_id, automation)
    await store.switch_triggers(tx, caller.organization_id, target.id, api=api, manual=manual)
    switched = {name: value for name, value in (("api", api), ("manual", manual)) if value is not None}
    await access.record_by(tx, caller, "triggers.switched", target.id, {**switched})
    return await get(tx, caller.organization_id, target.id)
