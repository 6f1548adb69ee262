"""What people did, kept for ever: entries are added and never changed."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from assay import clock, db
from assay.access import store
from assay.access.model import AuditEntry, Caller
from assay.errors import InvalidValueError
from assay.ids import new_id


async def record(
    tx: db.Transaction,
    *,
    organization_id: str,
    user_id: str | None,
    key_id: str | None,
    action: str,
    target: str,
    detail: Mapping[str, JsonValue],
) -> None:
    """Append what somebody did; it stands if and only if the transaction does.

    `action` is a thing and a past participle (`key.revoked`), `target` the id it was done to, `detail`
    what else a reader needs, never a secret or a payload. Without `user_id` and `key_id` it was the
    operator of this machine or the system. Every call appends.
    """
    entry = AuditEntry(new_id("aud"), organization_id, clock.now(), user_id, key_id, action, target, detail)
    await store.insert_audit(tx, entry)


async def record_by(
    tx: db.Transaction, caller: Caller, action: str, target: str, detail: Mapping[str, JsonValue]
) -> None:
    """Append what a caller did; the rest is as for `record`."""
    await record_in(tx, caller.organization_id, caller, action, target, detail)


async def record_in(
    tx: db.Transaction,
    organization_id: str,
    by: Caller | None,
    action: str,
    target: str,
    detail: Mapping[str, JsonValue],
) -> None:
    """Append what a caller did to an organization, None: the operator; the rest is as for `record`."""
    await record(
        tx,
        organization_id=organization_id,
        user_id=by.user_id if by else None,
        key_id=by.key_id if by else None,
        action=action,
        target=target,
        detail=detail,
    )


async def list_audit(
    tx: db.Transaction,
    organization_id: str,
    limit: int,
    before: str | None = None,
    *,
    action: str | None = None,
    user_id: str | None = None,
) -> list[AuditEntry]:
    """Return up to `limit` entries of an organization, newest first, that are older than the entry `before`.

    `action` is one (`key.revoked`) or the thing alone (`key`); `user_id` is who did it.

    Raises:
        InvalidValueError: the organization has no entry `before`.
    """
    place: tuple[datetime, str] | None = None
    if before is not None:
        moment = await store.audit_time(tx, organization_id, before)
        if moment is None:
            message = "There is no audit entry with this id."
            raise InvalidValueError(message, field="before")
        place = moment, before
    return await store.list_audit(tx, organization_id, limit, place, action=action, user_id=user_id)
