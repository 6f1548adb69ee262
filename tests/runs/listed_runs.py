"""Runs of all kinds, made up, and what a list of them should show, said naively."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from assay import db, runs
from assay.runs import RunFilters

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
COUNT = 400
AUTOMATIONS = ["wf_a", "wf_b", "wf_c", "wf_still", "agent_d"]
ENDED = ("completed", "failed", "cancelled", "rejected")
STATUSES = [status.value for status in runs.RunStatus]
TRIGGERS = ["api", "manual", "schedule"]
PEOPLE = ["user_1", "user_2", None]
LABELS = ["1.0.0", "1.1.0", None]
BATCHES = ["exp_1", "exp_2"]
EXAMPLES = ["ex_10%", "ex_100", "other"]
CODES = ["step_timeout", "http_failed", "output_invalid"]
STEPS = ["fetch", "read", None]


async def write(
    tx: db.Transaction, organization_id: str, rows: Sequence[dict[str, Any]], automations: Sequence[str] = ()
) -> None:
    """Insert automations, and runs with the feedback that their columns tell of."""
    for automation in automations:
        await tx.execute(
            "INSERT INTO automations (id, organization_id, kind, slug, api_enabled, manual_enabled)"
            " VALUES ($1, $2, $3, $1, true, true)",
            automation,
            organization_id,
            _kind(automation),
        )
    for row in rows:
        columns = ", ".join(row)
        marks = ", ".join(f"${index}" for index in range(1, len(row) + 1))
        await tx.execute(
            f"INSERT INTO runs ({columns}, organization_id, version_id, version_reason, root_run_id,"
            f" entrypoint) VALUES ({marks}, '{organization_id}', 'wfv_1', 'current', $1, 'runs')",
            *row.values(),
        )
        await write_feedback(tx, organization_id, row)


async def write_feedback(tx: db.Transaction, organization_id: str, row: dict[str, Any]) -> None:
    if row["review_created_at"] is None:
        return
    await tx.execute(
        "INSERT INTO feedback (run_id, organization_id, automation_id, body) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        row["id"],
        organization_id,
        row["automation_id"],
        _body(row),
    )


def _kind(automation: str) -> str:
    return "agent" if automation.startswith("agent_d") else "workflow"


def make_row(chance: random.Random, number: int, suffix: str = "") -> dict[str, Any]:
    """Make up a run; its id and automation end with `suffix`."""
    status = chance.choice(STATUSES)
    created = NOW - timedelta(minutes=chance.randrange(400) * 10)
    took = timedelta(seconds=chance.choice([1, 60, 901, 100_000]))
    batch = chance.choice([*BATCHES, None, None])
    automation = chance.choice([name for name in AUTOMATIONS if name != "wf_still"])
    ended = status in ENDED
    return {
        "id": f"exec_{suffix}{number:05}",
        **(review_columns(chance, created) if ended and chance.random() < 0.6 else _UNREVIEWED),
        "sample_rank": chance.choice([0.01, 0.04, 0.2, 0.9]),
        "sampled": ended and chance.random() < 0.3,
        "automation_id": automation + suffix,
        "kind": _kind(automation),
        "status": status,
        "trigger_type": chance.choice(TRIGGERS),
        "triggered_by": chance.choice(PEOPLE),
        "version_label": chance.choice(LABELS),
        "mode": "eval" if batch else chance.choice(["live", "live", "eval", "shadow"]),
        "batch_id": batch,
        "example_id": batch and chance.choice(EXAMPLES),
        "error_code": chance.choice(CODES) if status in {"failed", "rejected"} else None,
        "error_step": chance.choice(STEPS) if status == "failed" else None,
        "created_at": created,
        "completed_at": created + took if ended else None,
    }


def review_columns(chance: random.Random, created: datetime) -> dict[str, Any]:
    """Make up what is said of a run."""
    said = created + timedelta(minutes=chance.choice([1, 50, 3000]))
    status = chance.choice([None, "open", "open", "resolved", "ignored"])
    return {
        "review_rating": chance.choice([None, "pass", "fail", "partial"]),
        "review_status": status,
        "review_regressed": chance.random() < 0.3,
        "review_created_at": said,
        "review_updated_at": said + timedelta(minutes=chance.choice([0, 700])),
        "review_resolved_at": said if status in {"resolved", "ignored"} else None,
        "review_has_expected_json": chance.random() < 0.3,
        "review_has_expected_files": chance.random() < 0.2,
        "review_has_corrections": chance.random() < 0.2,
        "promoted_example_name": chance.choice([None, None, "first", "second"]),
    }


_NEVER: dict[str, Any] = review_columns(random.Random(1), NOW)
_UNREVIEWED = {name: False if isinstance(value, bool) else None for name, value in _NEVER.items()}
BODIES = ["The total is missing", "100% wrong", "", "a_b"]


def _body(row: dict[str, Any]) -> str:
    return BODIES[int(row["id"][-5:]) % len(BODIES)]


def _chip(row: dict[str, Any]) -> str | None:
    rating, status = row["review_rating"], row["review_status"]
    if status == "ignored":
        return "ignored"
    if status == "open":
        return "regressed" if row["review_regressed"] else "open"
    if rating == "pass" or status == "resolved":
        return "passed"
    if rating is not None:
        return "failed"
    return "unreviewed" if row["status"] == "completed" else None


def is_shown(row: dict[str, Any], filters: RunFilters, past: Sequence[dict[str, Any]]) -> bool:
    """Say naively whether a list with these filters shows the run."""
    return _is_among(row, filters) and _is_reviewed_so(row, filters, past)


def _is_reviewed_so(row: dict[str, Any], filters: RunFilters, past: Sequence[dict[str, Any]]) -> bool:
    json, files = row["review_has_expected_json"], row["review_has_expected_files"]
    has_record = row["review_created_at"] is not None
    resolved = [
        other["created_at"]
        for other in past
        if other["automation_id"] == row["automation_id"] and other["review_status"] == "resolved"
    ]
    standing = (row["review_status"], row["review_rating"])
    said = filters.feedback_contains
    return all(
        [
            not filters.review_states or _chip(row) in filters.review_states,
            filters.sampled in {None, row["sampled"]},
            filters.sample_rate is None or row["sample_rank"] < filters.sample_rate,
            filters.has_feedback in {None, has_record},
            filters.standings is None or (has_record and standing in filters.standings),
            filters.has_expected in {None, json or files},
            filters.has_expected_json in {None, json},
            filters.has_expected_files in {None, files},
            filters.has_corrections in {None, row["review_has_corrections"]},
            filters.is_promoted in {None, row["promoted_example_name"] is not None},
            not filters.promoted_example_names or row["promoted_example_name"] in filters.promoted_example_names,
            filters.has_example in {None, row["example_id"] is not None},
            said is None or (has_record and said.lower() in _body(row).lower()),
            not filters.since_last_resolved or not resolved or row["created_at"] > max(resolved),
            *(
                _is_within(
                    row[f"review_{name}_at"],
                    getattr(filters, f"feedback_{name}_after"),
                    getattr(filters, f"feedback_{name}_before"),
                )
                for name in ("created", "updated", "resolved")
            ),
        ]
    )


def _is_within(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if after is before is None:
        return True
    return moment is not None and (after is None or moment >= after) and (before is None or moment <= before)


def _is_among(row: dict[str, Any], filters: RunFilters) -> bool:
    done = row["completed_at"]
    return all(
        [
            not filters.kinds or row["kind"] in filters.kinds,
            not filters.automations or row["automation_id"] in filters.automations,
            not filters.statuses or row["status"] in filters.statuses,
            not filters.triggers or row["trigger_type"] in filters.triggers,
            not filters.triggered_by or (row["triggered_by"] or runs.SYSTEM) in filters.triggered_by,
            not filters.version_labels or row["version_label"] in filters.version_labels,
            not filters.modes or row["mode"] in filters.modes,
            not filters.error_codes or row["error_code"] in filters.error_codes,
            not filters.error_steps or row["error_step"] in filters.error_steps,
            not filters.batch_ids or row["batch_id"] in filters.batch_ids,
            not filters.example_ids or row["example_id"] in filters.example_ids,
            filters.example_id_contains is None or filters.example_id_contains in (row["example_id"] or ""),
            filters.experiments or row["batch_id"] is None,
            filters.created_after is None or row["created_at"] >= filters.created_after,
            filters.created_before is None or row["created_at"] <= filters.created_before,
            filters.completed_after is None or (done is not None and done >= filters.completed_after),
            filters.completed_before is None or (done is not None and done <= filters.completed_before),
            filters.ids is None or row["id"] in filters.ids,
        ]
    )


def _some(chance: random.Random, values: Sequence[Any]) -> list[Any]:
    return chance.sample(list(values), chance.randint(1, min(3, len(values))))


def _moment(chance: random.Random) -> datetime:
    return NOW - timedelta(minutes=chance.randrange(5000))


def _either(chance: random.Random) -> bool:
    return chance.random() < 0.5


STATES = ["ignored", "regressed", "open", "passed", "failed", "unreviewed"]
STANDINGS = list(product([None, "open", "resolved", "ignored"], [None, "pass", "fail", "partial"]))
FACETS: dict[str, Any] = {
    "kinds": lambda chance: _some(chance, ["workflow", "agent"]),
    "automations": lambda chance: _some(chance, [*AUTOMATIONS, "wf_unknown"]),
    "statuses": lambda chance: _some(chance, STATUSES),
    "triggers": lambda chance: _some(chance, [*TRIGGERS, "email"]),
    "triggered_by": lambda chance: _some(chance, ["user_1", "user_2", runs.SYSTEM, "user_9"]),
    "version_labels": lambda chance: _some(chance, ["1.0.0", "1.1.0", "9.0.0"]),
    "modes": lambda chance: _some(chance, ["live", "eval", "shadow"]),
    "error_codes": lambda chance: _some(chance, [*CODES, "step_failed"]),
    "error_steps": lambda chance: _some(chance, ["fetch", "read", "write"]),
    "batch_ids": lambda chance: _some(chance, [*BATCHES, "exp_9"]),
    "example_ids": lambda chance: _some(chance, EXAMPLES),
    "example_id_contains": lambda chance: chance.choice(["ex_10", "10%", "x_", "th", "%"]),
    "experiments": lambda _: False,
    "created_after": _moment,
    "created_before": _moment,
    "completed_after": _moment,
    "completed_before": _moment,
    "review_states": lambda chance: _some(chance, STATES),
    "sampled": _either,
    "sample_rate": lambda chance: chance.choice([0.02, 0.05, 0.5, 1.0]),
    "has_feedback": _either,
    "standings": lambda chance: _some(chance, STANDINGS),
    "has_expected": _either,
    "has_expected_json": _either,
    "has_expected_files": _either,
    "has_corrections": _either,
    "is_promoted": _either,
    "promoted_example_names": lambda chance: _some(chance, ["first", "second", "third"]),
    "has_example": lambda _: True,
    "feedback_contains": lambda chance: chance.choice(["TOTAL", "100%", "a_b", "nothing", "%"]),
    "since_last_resolved": lambda _: True,
    **{
        f"feedback_{name}_{side}": _moment
        for name in ("created", "updated", "resolved")
        for side in ("after", "before")
    },
    "ids": lambda chance: [f"exec_{chance.randrange(COUNT):05}" for _ in range(200)],
}
