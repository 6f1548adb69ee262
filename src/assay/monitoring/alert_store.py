"""The SQL of alerts: rules, where they stand, and what they watch at any moments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from assay import db, jsontext
from assay.monitoring.alert_rules import AlertRule, Metric, Standing
from assay.reviews import DrawnGroup

MOST_MEASURED = 50_000
"""Runs of a window whose time is measured: the newest."""

_COLUMNS = (
    "id, organization_id, automation_id, rule, state, changed_at, notified_at, last_value, created_by, created_at"
)

_LIST = f"""
SELECT {_COLUMNS} FROM alert_rules WHERE organization_id = $1 AND automation_id = $2 ORDER BY created_at, id
"""

_ADD = f"""
INSERT INTO alert_rules (id, organization_id, automation_id, rule, created_by) VALUES ($1, $2, $3, $4, $5)
RETURNING {_COLUMNS}
"""

_REMOVE = f"""
DELETE FROM alert_rules WHERE organization_id = $1 AND automation_id = $2 AND id = $3 RETURNING {_COLUMNS}
"""

_ALL = "SELECT id FROM alert_rules ORDER BY automation_id, id"

_TAKE = f"SELECT {_COLUMNS} FROM alert_rules WHERE id = $1 FOR UPDATE SKIP LOCKED"

_SAVE = """
UPDATE alert_rules SET state = $2, changed_at = $3, notified_at = $4, last_value = $5 WHERE id = $1
"""

_ENDED = """
FROM runs
WHERE organization_id = $1 AND automation_id = $2 AND outcome IS NOT NULL AND mode <> 'eval'
    AND completed_at > look.moment - $4 * interval '1 minute' AND completed_at <= look.moment
"""

_VALUES: Mapping[Literal["failure_rate", "error_count", "latency_p95", "open_debt_age", "queue_age"], str] = {
    "failure_rate": f"""
SELECT count(*) FILTER (WHERE outcome = 'failed')::float8 / nullif(count(*) FILTER (WHERE outcome IN
    ('completed', 'failed')), 0) AS value, count(*) FILTER (WHERE outcome IN ('completed', 'failed')) AS runs {_ENDED}
""",
    "error_count": f"SELECT count(*) FILTER (WHERE outcome = 'failed')::float8 AS value, $5::bigint AS runs {_ENDED}",
    "latency_p95": f"""
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS value, count(*) AS runs
FROM (SELECT extract(epoch FROM completed_at - created_at)::float8 * 1000 AS took {_ENDED}
          AND outcome IN ('completed', 'failed')
      ORDER BY completed_at DESC LIMIT {MOST_MEASURED}) AS measured
""",
    "open_debt_age": """
SELECT coalesce(extract(epoch FROM look.moment - min(created_at))::float8 / 3600, 0) AS value, $5::bigint AS runs
FROM feedback WHERE organization_id = $1 AND automation_id = $2 AND status IS NOT NULL AND created_at <= look.moment
    AND (status = 'open' OR resolved_at > look.moment) AND $4 > 0
""",
    "queue_age": """
SELECT coalesce(extract(epoch FROM look.moment - min(created_at))::float8 / 3600, 0) AS value, $5::bigint AS runs
FROM review_items WHERE organization_id = $1 AND automation_id = $2 AND created_at <= look.moment
    AND (state <> 'done' OR done_at > look.moment) AND $4 > 0
""",
}

_LOOKS = """
SELECT CASE WHEN found.runs >= $5::bigint THEN found.value END AS value
FROM unnest($3::timestamptz[]) WITH ORDINALITY AS look (moment, place), LATERAL ({value}) AS found
ORDER BY look.place
"""

# What was drawn of the current version's runs, as it stood at each moment.
_DRAWN = """
SELECT look.place, drawn.*
FROM unnest($3::timestamptz[]) WITH ORDINALITY AS look (moment, place), LATERAL (
    SELECT coalesce(sample_stratum, '') AS stratum, count(*) AS sampled, sum(1 / sample_probability) AS population,
           count(*) FILTER (WHERE review_rating IS NOT NULL AND review_created_at <= look.moment) AS reviewed,
           count(*) FILTER (WHERE review_rating = 'fail' AND review_created_at <= look.moment) AS failed,
           count(*) FILTER (WHERE review_rating = 'partial' AND review_created_at <= look.moment) AS partial
    FROM runs
    WHERE organization_id = $1 AND automation_id = $2 AND sampled AND mode = 'live' AND outcome = 'completed'
        AND parent_run_id IS NULL AND sample_probability > 0 AND created_at >= $4 AND created_at <= look.moment
        AND version_id = (SELECT current_version_id FROM automations WHERE id = $2)
    GROUP BY 1
) AS drawn ORDER BY look.place, drawn.stratum
"""


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule of an automation, where it stands, and the value that was seen last."""

    id: str
    organization_id: str
    automation_id: str
    rule: AlertRule
    standing: Standing
    last_value: float | None
    created_by: str | None
    created_at: datetime


async def list_alerts(tx: db.Transaction, organization_id: str, automation_id: str) -> list[Alert]:
    """Return the alerts of an automation, the oldest first."""
    return [_alert(row) for row in await tx.fetch(_LIST, organization_id, automation_id)]


async def add(
    tx: db.Transaction, alert_id: str, organization_id: str, automation_id: str, rule: AlertRule, created_by: str
) -> Alert:
    """Write an alert."""
    text = jsontext.dump(rule.model_dump(by_alias=True))
    row = await tx.fetch_one(_ADD, alert_id, organization_id, automation_id, text, created_by)
    assert row is not None
    return _alert(row)


async def remove(tx: db.Transaction, organization_id: str, automation_id: str, alert_id: str) -> Alert | None:
    """Remove an alert; None if there is none."""
    row = await tx.fetch_one(_REMOVE, organization_id, automation_id, alert_id)
    return None if row is None else _alert(row)


async def all_ids(tx: db.Transaction) -> list[str]:
    """Name the alerts of all organizations."""
    return [row["id"] for row in await tx.fetch(_ALL)]


async def take(tx: db.Transaction, alert_id: str) -> Alert | None:
    """Return an alert and keep it from others until the transaction ends; None if somebody has it, or it is gone."""
    row = await tx.fetch_one(_TAKE, alert_id)
    return None if row is None else _alert(row)


async def save(tx: db.Transaction, alert_id: str, standing: Standing, value: float | None) -> None:
    """Write where an alert stands."""
    text = None if value is None else jsontext.dump(value)
    await tx.execute(_SAVE, alert_id, standing.state, standing.changed_at, standing.notified_at, text)


async def values(
    tx: db.Transaction, organization_id: str, automation_id: str, rule: AlertRule, moments: Sequence[datetime]
) -> list[float | None]:
    """Return a rule's value at each moment; None where there were too few runs."""
    sql = _LOOKS.format(value=_VALUES[_plain(rule.metric)])
    rows = await tx.fetch(sql, organization_id, automation_id, list(moments), rule.window_minutes, rule.minimum)
    return [row["value"] for row in rows]


async def drawn_at(
    tx: db.Transaction, organization_id: str, automation_id: str, since: datetime, moments: Sequence[datetime]
) -> list[list[DrawnGroup]]:
    """Return what had been drawn and reviewed of the current version's live runs at each moment, by stratum."""
    found: list[list[DrawnGroup]] = [list[DrawnGroup]() for _ in moments]
    for row in await tx.fetch(_DRAWN, organization_id, automation_id, list(moments), since):
        place: int = row["place"]
        found[place - 1].append(
            DrawnGroup(
                stratum=row["stratum"],
                sampled=row["sampled"],
                population=row["population"],
                per_day=0.0,
                reviewed=row["reviewed"],
                failed=row["failed"],
                partial=row["partial"],
                weight=float(row["reviewed"]),
                missed_weight=float(row["failed"] + row["partial"]),
                clean=0,
                waiting=row["sampled"] - row["reviewed"],
                overdue=0,
                last_missed_at=None,
            )
        )
    return found


def _plain(
    metric: Metric,
) -> Literal["failure_rate", "error_count", "latency_p95", "open_debt_age", "queue_age"]:
    assert metric not in {"miss_rate", "drift", "unlike_dataset"}
    return metric  # pyright: ignore[reportReturnType] # a set does not narrow


def _alert(row: db.Row) -> Alert:
    return Alert(
        row["id"],
        row["organization_id"],
        row["automation_id"],
        AlertRule.model_validate_json(row["rule"]),
        Standing(row["state"], row["changed_at"], row["notified_at"]),
        None if row["last_value"] is None else jsontext.load(row["last_value"]),
        row["created_by"],
        row["created_at"],
    )
