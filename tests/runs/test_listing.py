"""Lists: every filter means what it says, in any combination, and pages never skip, repeat or come back short."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import asyncpg
import pytest

from assay import access, db, runs
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


@pytest.fixture(scope="module")
async def past(database: db.Database, organization: access.Organization) -> list[dict[str, Any]]:
    """Runs of all kinds, some of the same moment, some that took days."""
    chance = random.Random(7)
    async with database.transaction() as tx:
        for automation in AUTOMATIONS:
            kind = "agent" if automation == "agent_d" else "workflow"
            await tx.execute(
                "INSERT INTO automations (id, organization_id, kind, slug, api_enabled, manual_enabled)"
                " VALUES ($1, $2, $3, $1, true, true)",
                automation,
                organization.id,
                kind,
            )
        rows = [_row(chance, number) for number in range(COUNT)]
        for row in rows:
            columns = ", ".join(row)
            marks = ", ".join(f"${index}" for index in range(1, len(row) + 1))
            await tx.execute(
                f"INSERT INTO runs ({columns}, organization_id, version_id, version_reason, root_run_id,"
                f" entrypoint) VALUES ({marks}, '{organization.id}', 'wfv_1', 'current', $1, 'runs')",
                *row.values(),
            )
            if row["review_created_at"] is not None:
                await tx.execute(
                    "INSERT INTO feedback (run_id, organization_id, automation_id, body) VALUES ($1, $2, $3, $4)",
                    row["id"],
                    organization.id,
                    row["automation_id"],
                    _body(row),
                )
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)


def _row(chance: random.Random, number: int) -> dict[str, Any]:
    status = chance.choice(STATUSES)
    created = NOW - timedelta(minutes=chance.randrange(400) * 10)
    took = timedelta(seconds=chance.choice([1, 60, 901, 100_000]))
    batch = chance.choice([*BATCHES, None, None])
    automation = chance.choice([name for name in AUTOMATIONS if name != "wf_still"])
    ended = status in ENDED
    return {
        "id": f"exec_{number:05}",
        **(_reviewed(chance, created) if ended and chance.random() < 0.6 else _UNREVIEWED),
        "sample_rank": chance.choice([0.01, 0.04, 0.2, 0.9]),
        "sampled": ended and chance.random() < 0.3,
        "automation_id": automation,
        "kind": "agent" if automation == "agent_d" else "workflow",
        "status": status,
        "trigger_type": chance.choice(TRIGGERS),
        "triggered_by": chance.choice(PEOPLE),
        "version_label": chance.choice(LABELS),
        "mode": chance.choice(["live", "live", "eval", "shadow"]),
        "batch_id": batch,
        "example_id": batch and chance.choice(EXAMPLES),
        "created_at": created,
        "completed_at": created + took if ended else None,
    }


def _reviewed(chance: random.Random, created: datetime) -> dict[str, Any]:
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


_NEVER: dict[str, Any] = _reviewed(random.Random(1), NOW)
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


def _is_shown(row: dict[str, Any], filters: RunFilters, past: Sequence[dict[str, Any]]) -> bool:
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


@pytest.mark.parametrize("seed", range(160))
async def test_any_combination_of_filters_shows_exactly_the_runs_it_names(
    database: db.Database, organization: access.Organization, past: list[dict[str, Any]], seed: int
) -> None:
    chance = random.Random(seed)
    names = [list(FACETS)[seed]] if seed < len(FACETS) else chance.sample(list(FACETS), chance.randint(0, 4))
    by_completion = chance.random() < 0.3
    filters = RunFilters(**{name: FACETS[name](chance) for name in names})
    ascending, limit = chance.random() < 0.3, chance.choice([7, 20, 50])
    matching = [row for row in past if _is_shown(row, filters, past)]
    if by_completion:
        ended = [row for row in matching if row["completed_at"] is not None]
        matching = sorted(ended, key=lambda row: (row["completed_at"], row["id"]), reverse=True)
    expected = [row["id"] for row in matching]
    if ascending:
        expected.reverse()
    offset = chance.choice([0, 0, 3])

    shown: list[str] = []
    cursor: str | None = None
    async with database.transaction() as tx:
        while True:
            page = await runs.list_runs(
                tx,
                organization.id,
                filters,
                cursor=cursor,
                offset=offset if cursor is None else 0,
                limit=limit,
                ascending=ascending,
                by_completion=by_completion,
                timeout_seconds=30,
            )
            shown.extend(run.id for run in page.runs)
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.runs) == limit

    assert shown == expected[offset:], filters


async def test_a_list_that_takes_too_long_is_given_up(
    database: db.Database, organization: access.Organization, past: list[dict[str, Any]]
) -> None:
    async def list_and_go_on() -> None:
        async with database.transaction() as tx:
            await runs.list_runs(tx, organization.id, RunFilters(), timeout_seconds=0.05)
            await tx.execute("SELECT pg_sleep(10)")

    with pytest.raises(asyncpg.QueryCanceledError):
        await list_and_go_on()


async def test_another_organization_sees_nothing(database: db.Database, past: list[dict[str, Any]]) -> None:
    async with database.transaction() as tx:
        other = await access.create_organization(tx, slug="other", name="Other")
        every = [RunFilters(), RunFilters(ids=[past[0]["id"]]), RunFilters(completed_after=NOW - timedelta(days=90))]
        pages = [await runs.list_runs(tx, other.id, filters, timeout_seconds=30) for filters in every]
    assert [list(page.runs) for page in pages] == [[], [], []]


async def test_a_claim_changes_no_index(database: db.Database, organization: access.Organization) -> None:
    async with database.transaction() as tx:
        indexed = await tx.fetch_value(
            """SELECT array_agg(DISTINCT a.attname) FROM pg_index i
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
               WHERE i.indrelid = 'runs'::regclass"""
        )
        predicates = await tx.fetch_value(
            "SELECT string_agg(pg_get_expr(indpred, indrelid), ' ') FROM pg_index WHERE indrelid = 'runs'::regclass"
        )
    changed_by_a_claim = {"status", "delivery", "lost_deliveries", "started_at", "alone", "cancel_requested_at"}
    assert not changed_by_a_claim & set(indexed)
    assert not any(name in predicates for name in changed_by_a_claim)
