"""All SQL about endpoints and deliveries; events are written where they happen, and fanned out by the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from assay import db, outbox
from assay.webhooks.model import Attempt, Claimed, Delivery, Endpoint, Outcome, State

_ENDPOINT = (
    "id, organization_id, url, description, events, automation_id, enabled, disabled_reason, failures, failing_since, "
    "encrypted_secret, encrypted_old_secret, old_secret_until, created_by, created_at, updated_at"
)

_INSERT = f"""
INSERT INTO webhook_endpoints ({_ENDPOINT})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""

_UPDATE = """
UPDATE webhook_endpoints
SET url = $3, description = $4, events = $5, automation_id = $6, enabled = $7, disabled_reason = $8, failures = $9,
    failing_since = $10, encrypted_secret = $11, encrypted_old_secret = $12, old_secret_until = $13, updated_at = $14
WHERE organization_id = $1 AND id = $2
"""

_DELIVERIES = """
SELECT delivery.id, delivery.endpoint_id, delivery.event_id, event.type AS event_type,
       event.endpoint_id IS NOT NULL AS is_test, delivery.state, delivery.attempts, delivery.next_attempt_at,
       delivery.last_status, delivery.last_error, delivery.created_at, delivery.delivered_at
FROM webhook_deliveries delivery JOIN webhook_events event ON event.id = delivery.event_id
WHERE delivery.organization_id = $1 AND delivery.endpoint_id = $2
"""

_ATTEMPTS = """
SELECT number, started_at, duration_ms, status, error FROM webhook_attempts
WHERE organization_id = $1 AND delivery_id = $2 ORDER BY number
"""

_PAYLOAD = """
SELECT event.payload FROM webhook_deliveries delivery JOIN webhook_events event ON event.id = delivery.event_id
WHERE delivery.organization_id = $1 AND delivery.id = $2
"""

_REDELIVER = """
UPDATE webhook_deliveries
SET state = 'pending', tries = 0, delivered_at = NULL, next_attempt_at = clock_timestamp()
WHERE organization_id = $1 AND endpoint_id = $2 AND id = $3
"""

_TEST = """
WITH event AS (
    INSERT INTO webhook_events (id, organization_id, automation_id, endpoint_id, type, payload)
    VALUES ($1, $2, $3, $4, $5, $6)
)
SELECT NULL
"""

# One of each endpoint at a time: a slow or busy one holds nobody up. Until the end of the lease it is nobody else's.
_CLAIM = f"""
WITH picked AS (
    SELECT due.id
    FROM (SELECT id FROM webhook_endpoints WHERE enabled AND id <> ALL($1::text[]) ORDER BY random()) AS endpoint
    CROSS JOIN LATERAL (
        SELECT id FROM webhook_deliveries
        WHERE endpoint_id = endpoint.id AND state = 'pending' AND next_attempt_at <= clock_timestamp()
        ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS due
    LIMIT $2
), claimed AS (
    UPDATE webhook_deliveries delivery
    SET attempts = attempts + 1, tries = tries + 1, next_attempt_at = clock_timestamp() + $3::interval
    FROM picked WHERE delivery.id = picked.id
    RETURNING delivery.*
), begun AS (
    INSERT INTO webhook_attempts (organization_id, delivery_id, number)
    SELECT organization_id, id, attempts FROM claimed
)
SELECT claimed.id AS delivery_id, claimed.attempts AS attempt, claimed.tries, claimed.event_id,
       event.type AS event_type, event.endpoint_id IS NOT NULL AS is_test, event.payload,
       event.created_at AS emitted_at, {", ".join(f"endpoint.{name.strip()}" for name in _ENDPOINT.split(","))}
FROM claimed
JOIN webhook_events event ON event.id = claimed.event_id
JOIN webhook_endpoints endpoint ON endpoint.id = claimed.endpoint_id
"""

# An attempt that was given up for lost, and ends after all, changes nothing but its own row, unless it was accepted.
_RECORD = """
WITH attempt AS (
    UPDATE webhook_attempts SET duration_ms = $4, status = $5, error = $6
    WHERE organization_id = $1 AND delivery_id = $2 AND number = $3
)
UPDATE webhook_deliveries
SET state = $7, next_attempt_at = $8, last_status = $5, last_error = $6,
    delivered_at = CASE WHEN $7 = 'delivered' THEN clock_timestamp() END
WHERE organization_id = $1 AND id = $2 AND state = 'pending' AND (attempts = $3 OR $7 = 'delivered')
"""

_WORKS = """
UPDATE webhook_endpoints SET failures = 0, failing_since = NULL WHERE organization_id = $1 AND id = $2 AND failures > 0
"""

_FAILED = """
UPDATE webhook_endpoints SET failures = failures + 1, failing_since = coalesce(failing_since, clock_timestamp())
WHERE organization_id = $1 AND id = $2 AND enabled
RETURNING failures, clock_timestamp() - failing_since AS failing_for
"""

_DISABLE = """
UPDATE webhook_endpoints SET enabled = false, disabled_reason = $3 WHERE organization_id = $1 AND id = $2
"""

_FORGET = """
DELETE FROM webhook_events WHERE id IN (
    SELECT id FROM webhook_events WHERE created_at < now() - make_interval(days => $1) ORDER BY created_at LIMIT $2)
"""


async def lock_organization(tx: db.Transaction, organization_id: str) -> None:
    """Wait until no other transaction adds endpoints to the organization."""
    await tx.execute("SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE", organization_id)


async def insert(tx: db.Transaction, endpoint: Endpoint) -> None:
    """Store an endpoint."""
    names = [name.strip() for name in _ENDPOINT.split(",")]
    await tx.execute(_INSERT, *(getattr(endpoint, name) for name in names))


async def update(tx: db.Transaction, endpoint: Endpoint) -> None:
    """Store what became of an endpoint that `get` locked."""
    await tx.execute(
        _UPDATE,
        endpoint.organization_id,
        endpoint.id,
        endpoint.url,
        endpoint.description,
        endpoint.events,
        endpoint.automation_id,
        endpoint.enabled,
        endpoint.disabled_reason,
        endpoint.failures,
        endpoint.failing_since,
        endpoint.encrypted_secret,
        endpoint.encrypted_old_secret,
        endpoint.old_secret_until,
        endpoint.updated_at,
    )


async def list_endpoints(tx: db.Transaction, organization_id: str) -> list[Endpoint]:
    """Return the endpoints of an organization, the oldest first."""
    sql = f"SELECT {_ENDPOINT} FROM webhook_endpoints WHERE organization_id = $1 ORDER BY created_at, id"
    return [_endpoint(row) for row in await tx.fetch(sql, organization_id)]


async def get(tx: db.Transaction, organization_id: str, endpoint_id: str, *, lock: bool = False) -> Endpoint | None:
    """Return an endpoint of the organization; with `lock`, nobody else changes it until the transaction ends."""
    sql = f"SELECT {_ENDPOINT} FROM webhook_endpoints WHERE organization_id = $1 AND id = $2"
    row = await tx.fetch_one(f"{sql} FOR NO KEY UPDATE" if lock else sql, organization_id, endpoint_id)
    return None if row is None else _endpoint(row)


async def delete(tx: db.Transaction, organization_id: str, endpoint_id: str) -> None:
    """Delete an endpoint with its deliveries."""
    sql = "DELETE FROM webhook_endpoints WHERE organization_id = $1 AND id = $2"
    await tx.execute(sql, organization_id, endpoint_id)


async def add_test(tx: db.Transaction, endpoint: Endpoint, event_id: str, event_type: str, payload: str) -> str:
    """Write an event for this endpoint alone; return the id of its delivery."""
    await tx.execute(
        _TEST, event_id, endpoint.organization_id, endpoint.automation_id, endpoint.id, event_type, payload
    )
    outbox.wake_after_commit(tx)
    sql = "SELECT id FROM webhook_deliveries WHERE organization_id = $1 AND event_id = $2"
    return await tx.fetch_value(sql, endpoint.organization_id, event_id)


async def list_deliveries(
    tx: db.Transaction, endpoint: Endpoint, *, state: State | None, after: str | None, limit: int
) -> list[Delivery]:
    """Return up to `limit` deliveries to an endpoint, newest first, that are older than the one with the id `after`."""
    sql = _DELIVERIES
    arguments: list[object] = [endpoint.organization_id, endpoint.id]
    if state is not None:
        arguments.append(state)
        sql += f" AND delivery.state = ${len(arguments)}"
    if after is not None:
        # Values of the row before, not a subquery: an index can go on from there.
        last = await get_delivery(tx, endpoint, after)
        if last is None:
            return []
        arguments += [last.created_at, last.id]
        sql += f" AND (delivery.created_at, delivery.id) < (${len(arguments) - 1}, ${len(arguments)})"
    sql += f" ORDER BY delivery.created_at DESC, delivery.id DESC LIMIT {limit:d}"
    return [Delivery(**row) for row in await tx.fetch(sql, *arguments)]


async def get_delivery(tx: db.Transaction, endpoint: Endpoint, delivery_id: str) -> Delivery | None:
    """Return one delivery to an endpoint."""
    row = await tx.fetch_one(f"{_DELIVERIES} AND delivery.id = $3", endpoint.organization_id, endpoint.id, delivery_id)
    return None if row is None else Delivery(**row)


async def attempts_of(tx: db.Transaction, organization_id: str, delivery_id: str) -> list[Attempt]:
    """Return the attempts of a delivery, the first first."""
    return [Attempt(**row) for row in await tx.fetch(_ATTEMPTS, organization_id, delivery_id)]


async def payload_of(tx: db.Transaction, organization_id: str, delivery_id: str) -> str:
    """Return the JSON text of what the event of a delivery tells."""
    return await tx.fetch_value(_PAYLOAD, organization_id, delivery_id)


async def redeliver(tx: db.Transaction, endpoint: Endpoint, delivery_id: str) -> None:
    """Let a delivery begin anew, now, whatever came of it."""
    await tx.execute(_REDELIVER, endpoint.organization_id, endpoint.id, delivery_id)
    outbox.wake_after_commit(tx)


async def claim(tx: db.Transaction, busy: Sequence[str], most: int, lease: timedelta) -> list[Claimed]:
    """Take up to `most` due deliveries, at most one of each endpoint and none of those that are `busy`.

    Nobody else gets them before the lease is over.
    """
    return [_claimed(row) for row in await tx.fetch(_CLAIM, list(busy), most, lease)]


async def record(
    tx: db.Transaction, claimed: Claimed, outcome: Outcome, state: State, next_attempt_at: datetime | None
) -> bool:
    """Write what came of an attempt; False if the delivery is not this attempt's any more."""
    touched = await tx.execute(
        _RECORD,
        claimed.endpoint.organization_id,
        claimed.delivery_id,
        claimed.attempt,
        outcome.duration_ms,
        outcome.status,
        outcome.error,
        state,
        next_attempt_at,
    )
    return touched > 0


async def endpoint_works(tx: db.Transaction, endpoint: Endpoint) -> None:
    """Note that an endpoint accepted something."""
    await tx.execute(_WORKS, endpoint.organization_id, endpoint.id)


async def endpoint_failed(tx: db.Transaction, endpoint: Endpoint) -> tuple[int, timedelta]:
    """Note that an endpoint did not; return how many times in a row, and for how long by now."""
    row = await tx.fetch_one(_FAILED, endpoint.organization_id, endpoint.id)
    return (0, timedelta()) if row is None else (row["failures"], row["failing_for"])


async def disable(tx: db.Transaction, endpoint: Endpoint, reason: str) -> None:
    """Send nothing to an endpoint any more."""
    await tx.execute(_DISABLE, endpoint.organization_id, endpoint.id, reason)


async def forget(tx: db.Transaction, days: int, most: int) -> int:
    """Delete up to `most` events that are older than so many days, with their deliveries; return how many."""
    return await tx.execute(_FORGET, days, most)


def _endpoint(row: db.Row) -> Endpoint:
    values: dict[str, Any] = {name.strip(): row[name.strip()] for name in _ENDPOINT.split(",")}
    values["events"] = tuple(values["events"])
    return Endpoint(**values)


def _claimed(row: db.Row) -> Claimed:
    return Claimed(
        delivery_id=row["delivery_id"],
        attempt=row["attempt"],
        tries=row["tries"],
        endpoint=_endpoint(row),
        event_id=row["event_id"],
        event_type=row["event_type"],
        is_test=row["is_test"],
        payload=row["payload"],
        emitted_at=row["emitted_at"],
    )
