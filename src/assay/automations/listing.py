"""Which automations and versions there are, page by page."""

from assay import db
from assay.automations import store
from assay.automations.addressing import get
from assay.automations.model import Automation, Kind, Version


async def list_automations(
    tx: db.Transaction,
    organization_id: str,
    *,
    search: str | None = None,
    kind: Kind | None = None,
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[Automation], int]:
    """Return a page of an organization's automations, newest first, and how many match in all.

    `search` is found anywhere in slug, name or description, whatever the case; `%` and `_` stand for themselves.
    """
    return await store.list_automations(tx, organization_id, search, kind, limit, offset)


async def list_versions(
    tx: db.Transaction, organization_id: str, automation: str, *, limit: int = 100, offset: int = 0
) -> tuple[list[Version], int]:
    """Return a page of an automation's versions, highest first, and how many there are.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
    """
    target = await get(tx, organization_id, automation)
    return await store.list_versions(tx, organization_id, target.id, limit, offset)
