"""Alerts of an automation: kept, looked at by the clock, told through webhooks, and tried out on the past."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from assay import access, automations, clock, db, outbox, reviews
from assay.clock import iso
from assay.errors import ConflictError, InvalidValueError
from assay.ids import new_id
from assay.monitoring import alert_store, store
from assay.monitoring.alert_rules import AlertRule, Standing, State, Step, step
from assay.monitoring.alert_store import Alert
from assay.monitoring.dataset_likeness import dataset_likeness
from assay.monitoring.drifting import input_drift
from assay.monitoring.errors import AlertNotFoundError

MOST_ALERTS = 50
"""Of one automation."""
MOST_LOOKS = 200
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a rule would have seen at a moment, and how it would have stood."""

    at: datetime
    value: float | None
    state: State
    told: str | None


async def list_alerts(tx: db.Transaction, organization_id: str, automation: str) -> Sequence[Alert]:
    """Return the alerts of an automation, the oldest first.

    Raises:
        AutomationNotFoundError: there is no such automation.
    """
    found = await automations.get(tx, organization_id, automation)
    return await alert_store.list_alerts(tx, organization_id, found.id)


async def add_alert(tx: db.Transaction, caller: access.Caller, automation: str, rule: AlertRule) -> Alert:
    """Watch something; a second call adds a second alert.

    Raises:
        AutomationNotFoundError: there is no such automation.
        ConflictError: it has 50 already.
    """
    held = await automations.hold(tx, caller.organization_id, automation)
    if len(await alert_store.list_alerts(tx, caller.organization_id, held.id)) >= MOST_ALERTS:
        message = f"An automation has at most {MOST_ALERTS} alerts."
        raise ConflictError(message)
    added = await alert_store.add(tx, new_id("alr"), caller.organization_id, held.id, rule, caller.user_id)
    await _record(tx, caller, "alert.added", added)
    return added


async def remove_alert(tx: db.Transaction, caller: access.Caller, automation: str, alert_id: str) -> Alert:
    """Watch it no longer; nothing is told.

    Raises:
        AutomationNotFoundError: there is no such automation.
        AlertNotFoundError: it has no such alert.
    """
    found = await automations.get(tx, caller.organization_id, automation)
    removed = await alert_store.remove(tx, caller.organization_id, found.id, alert_id)
    if removed is None:
        raise AlertNotFoundError
    await _record(tx, caller, "alert.removed", removed)
    return removed


async def preview(
    tx: db.Transaction, organization_id: str, automation: str, rule: AlertRule, *, start: datetime, end: datetime
) -> Sequence[Look]:
    """Tell how a rule would have stood, at up to 200 moments evenly spread over the past; nothing is written.

    Feedback, queue and examples are taken as they are known now: what was open, ended and opened again counts as open.

    Raises:
        AutomationNotFoundError: there is no such automation.
        InvalidValueError: the time range is empty.
        asyncpg.QueryCanceledError: a statement took longer than ten seconds.
    """
    if start >= end:
        message = "from is before to."
        raise InvalidValueError(message, field="from")
    found = await automations.get(tx, organization_id, automation)
    await store.limit_time(tx, TIMEOUT_SECONDS)
    gap = max((end - start) / (MOST_LOOKS - 1), timedelta(minutes=5))
    moments = [end - gap * back for back in range(int((end - start) / gap), -1, -1)]
    seen = await _values(tx, organization_id, found.id, rule, moments)
    looks: list[Look] = []
    standing = Standing()
    for moment, value in zip(moments, seen, strict=True):
        moved = step(rule, standing, value, moment)
        standing = moved.standing
        looks.append(Look(moment, value, standing.state, moved.told))
    return looks


async def watch(database: db.Database) -> int:
    """Look at every alert once and tell what has changed; return how many were looked at.

    State and event are one transaction, so a change is told once, though several call this at once.
    """
    async with database.single_statement() as tx:
        ids = await alert_store.all_ids(tx)
    looked = 0
    for alert_id in ids:
        async with database.transaction() as tx:
            await store.limit_time(tx, TIMEOUT_SECONDS)
            alert = await alert_store.take(tx, alert_id)
            if alert is not None:
                await _look(tx, alert)
                looked += 1
    return looked


async def _look(tx: db.Transaction, alert: Alert) -> None:
    now = clock.now()
    (value,) = await _values(tx, alert.organization_id, alert.automation_id, alert.rule, [now])
    moved = step(alert.rule, alert.standing, value, now)
    await alert_store.save(tx, alert.id, moved.standing, value)
    if moved.told is not None:
        after = replace(alert, standing=moved.standing, last_value=value)
        await outbox.emit(tx, alert.organization_id, alert.automation_id, moved.told, _payload(after, moved))


def _payload(alert: Alert, moved: Step) -> dict[str, object]:
    since = moved.standing.changed_at
    return {
        "alert": {
            "id": alert.id,
            "automationId": alert.automation_id,
            **alert.rule.model_dump(by_alias=True),
            "state": moved.standing.state,
            "value": alert.last_value,
            "since": None if since is None else iso(since),
        },
        "repeated": moved.repeated,
    }


async def _values(
    tx: db.Transaction, organization_id: str, automation_id: str, rule: AlertRule, moments: Sequence[datetime]
) -> list[float | None]:
    if rule.metric == "drift":
        return await _daily(_drifted, tx, organization_id, automation_id, moments)
    if rule.metric == "unlike_dataset":
        return await _daily(_unlike, tx, organization_id, automation_id, moments)
    if rule.metric == "miss_rate":
        return await _miss_rates(tx, organization_id, automation_id, rule, moments)
    return await alert_store.values(tx, organization_id, automation_id, rule, moments)


_Measure = Callable[[db.Transaction, str, str, datetime], Awaitable[float | None]]


async def _daily(
    measure: _Measure, tx: db.Transaction, organization_id: str, automation_id: str, moments: Sequence[datetime]
) -> list[float | None]:
    """Measure once for each day: only past days count, so within one nothing changes."""
    by_day: dict[datetime, float | None] = {}
    for moment in moments:
        day = datetime.combine(moment.astimezone(UTC).date(), time(), UTC)
        if day not in by_day:
            by_day[day] = await measure(tx, organization_id, automation_id, moment)
    return [by_day[datetime.combine(moment.astimezone(UTC).date(), time(), UTC)] for moment in moments]


async def _drifted(tx: db.Transaction, organization_id: str, automation_id: str, moment: datetime) -> float | None:
    found = await input_drift(tx, organization_id, automation_id, until=moment)
    return None if found.state == "no_data" else float(found.state == "drifted")


async def _unlike(tx: db.Transaction, organization_id: str, automation_id: str, moment: datetime) -> float | None:
    return (await dataset_likeness(tx, organization_id, automation_id, until=moment)).unlike


async def _miss_rates(
    tx: db.Transaction, organization_id: str, automation_id: str, rule: AlertRule, moments: Sequence[datetime]
) -> list[float | None]:
    since = await store.version_since(tx, organization_id, automation_id)
    if since is None:
        return [None for _ in moments]
    groups = await alert_store.drawn_at(tx, organization_id, automation_id, since, moments)
    return [
        reviews.miss_rate(one).always.lower if sum(group.reviewed for group in one) >= rule.minimum else None
        for one in groups
    ]


async def _record(tx: db.Transaction, caller: access.Caller, action: str, alert: Alert) -> None:
    await access.record_by(
        tx,
        caller,
        action,
        alert.id,
        {"automationId": alert.automation_id, "metric": alert.rule.metric, "threshold": alert.rule.threshold},
    )
