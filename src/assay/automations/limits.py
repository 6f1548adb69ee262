"""How many runs of an automation may go on at once, and how long its finished runs are kept."""

from assay import access, db
from assay.automations import store
from assay.automations.addressing import get
from assay.automations.model import Automation, Limits
from assay.errors import InvalidValueError, Issue

_HIGHEST = 1_000_000


async def set_limits(
    tx: db.Transaction,
    caller: access.Caller,
    *,
    automation: str,
    concurrency_limit: int | None,
    retention_days: int | None,
) -> Automation:
    """Set both limits; None lifts one.

    Raises:
        InvalidValueError: a limit is not between 1 and 1,000,000.
        AutomationNotFoundError: the organization has no such automation.
    """
    wanted = {"concurrencyLimit": concurrency_limit, "retentionDays": retention_days}
    issues = [
        Issue(name, f"{name} must be between 1 and {_HIGHEST:,}.", "invalid_value")
        for name, limit in wanted.items()
        if limit is not None and not 1 <= limit <= _HIGHEST
    ]
    if issues:
        raise InvalidValueError(issues[0].message, field=issues[0].field, issues=issues)
    target = await get(tx, caller.organization_id, automation)
    await store.set_limits(
        tx, caller.organization_id, target.id, concurrency_limit=concurrency_limit, retention_days=retention_days
    )
    await access.record_by(tx, caller, "limits.set", target.id, {**wanted})
    return await get(tx, caller.organization_id, target.id)


async def all_limits(tx: db.Transaction) -> list[Limits]:
    """Return the limits of every automation that has any, over all organizations: for workers, not for callers."""
    return await store.list_limits(tx)
