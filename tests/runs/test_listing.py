"""Lists: every filter means what it says, in any combination, and pages never skip, repeat or come back short."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
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
                f"INSERT INTO runs ({columns}, organization_id, version_id, version_reason, root_run_id, sample_rank,"
                f" entrypoint) VALUES ({marks}, '{organization.id}', 'wfv_1', 'current', $1, 0.5, 'runs')",
                *row.values(),
            )
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)


def _row(chance: random.Random, number: int) -> dict[str, Any]:
    status = chance.choice(STATUSES)
    created = NOW - timedelta(minutes=chance.randrange(400) * 10)
    took = timedelta(seconds=chance.choice([1, 60, 901, 100_000]))
    batch = chance.choice([*BATCHES, None, None])
    automation = chance.choice([name for name in AUTOMATIONS if name != "wf_still"])
    return {
        "id": f"exec_{number:05}",
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
        "completed_at": created + took if status in ENDED else None,
    }


def _is_shown(row: dict[str, Any], filters: RunFilters) -> bool:
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
    "ids": lambda chance: [f"exec_{chance.randrange(COUNT):05}" for _ in range(200)],
}


@pytest.mark.parametrize("seed", range(80))
async def test_any_combination_of_filters_shows_exactly_the_runs_it_names(
    database: db.Database, organization: access.Organization, past: list[dict[str, Any]], seed: int
) -> None:
    chance = random.Random(seed)
    names = [list(FACETS)[seed]] if seed < len(FACETS) else chance.sample(list(FACETS), chance.randint(0, 4))
    filters = RunFilters(**{name: FACETS[name](chance) for name in names})
    ascending, limit = chance.random() < 0.3, chance.choice([7, 20, 50])
    expected = [row["id"] for row in past if _is_shown(row, filters)]
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
