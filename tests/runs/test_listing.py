"""Lists: every filter means what it says, in any combination, and pages never skip, repeat or come back short."""

import random
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.runs.listed_runs import AUTOMATIONS, COUNT, FACETS, NOW, is_shown, make_row, write

from assay import access, db, runs
from assay.runs import RunFilters


@pytest.fixture(scope="module")
async def past(database: db.Database, organization: access.Organization) -> list[dict[str, Any]]:
    """Runs of all kinds, some of the same moment, some that took days."""
    chance = random.Random(7)
    rows = [make_row(chance, number) for number in range(COUNT)]
    async with database.transaction() as tx:
        await write(tx, organization.id, rows, AUTOMATIONS)
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)


@pytest.mark.parametrize("seed", range(120))
async def test_any_combination_of_filters_shows_exactly_the_runs_it_names(
    database: db.Database, organization: access.Organization, past: list[dict[str, Any]], seed: int
) -> None:
    chance = random.Random(seed)
    names = [list(FACETS)[seed]] if seed < len(FACETS) else chance.sample(list(FACETS), chance.randint(0, 4))
    by_completion = chance.random() < 0.3
    filters = RunFilters(**{name: FACETS[name](chance) for name in names})
    ascending, limit = chance.random() < 0.3, chance.choice([7, 20, 50])
    matching = [row for row in past if is_shown(row, filters, past)]
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
