"""Pages of runs while runs come and go, and cursors that are none of ours."""

from typing import Any

import pytest
from tests.runs.conftest import Desk

from assay import runs
from assay.runs import store

SET = {"name": "a", "type": "transform.set", "with": {"fields": {"v": 1}}}


async def page(desk: Desk, filters: runs.RunFilters, cursor: str | None = None) -> runs.RunPage:
    async with desk.database.transaction() as tx:
        return await runs.list_runs(tx, desk.organization_id, filters, cursor=cursor, limit=3, timeout_seconds=30)


async def some_runs(desk: Desk, count: int) -> tuple[runs.RunFilters, list[str]]:
    """Start runs of a new workflow; return the filter that shows only them, and their ids, newest first."""
    flow = await desk.push([SET])
    started = [await desk.run_and_cancel(flow) for _ in range(count)]
    return runs.RunFilters(automations=[flow.id]), started[::-1]


def ids(found: runs.RunPage) -> list[str]:
    return [run.id for run in found.runs]


async def test_runs_that_start_meanwhile_do_not_shift_the_next_page(idle_desk: Desk) -> None:
    filters, started = await some_runs(idle_desk, 6)
    first = await page(idle_desk, filters)
    async with idle_desk.database.transaction() as tx:
        before = await runs.run_to_repeat(tx, idle_desk.organization_id, started[0])
    await idle_desk.queue_again(before.id)
    second = await page(idle_desk, filters, first.next_cursor)
    assert ids(first) + ids(second) == started
    assert second.next_cursor is None


async def test_a_list_goes_on_although_the_last_run_of_the_page_was_deleted(idle_desk: Desk) -> None:
    filters, started = await some_runs(idle_desk, 6)
    first = await page(idle_desk, filters)
    async with idle_desk.database.transaction() as tx:
        await runs.delete_run(tx, idle_desk.organization_id, ids(first)[-1], user_id=None, key_id=None)
    assert ids(await page(idle_desk, filters, first.next_cursor)) == started[3:]


async def test_a_run_that_is_deleted_while_its_page_is_read_does_not_end_the_list(
    idle_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters, started = await some_runs(idle_desk, 6)
    summaries = store.summaries

    async def after_a_deletion(*arguments: Any) -> list[runs.RunSummary]:
        async with idle_desk.database.transaction() as tx:
            await runs.delete_run(tx, idle_desk.organization_id, started[1], user_id=None, key_id=None)
        monkeypatch.setattr(store, "summaries", summaries)
        return await summaries(*arguments)

    monkeypatch.setattr(store, "summaries", after_a_deletion)
    first = await page(idle_desk, filters)
    assert ids(first) == [started[0], started[2]]
    assert ids(await page(idle_desk, filters, first.next_cursor)) == started[3:]


@pytest.mark.parametrize("name", ["automations", "statuses", "triggers", "triggered_by", "version_labels", "modes"])
async def test_a_value_that_is_named_twice_shows_its_runs_once(idle_desk: Desk, name: str) -> None:
    filters, started = await some_runs(idle_desk, 2)
    value: Any = {
        "automations": filters.automations[0],
        "statuses": "cancelled",
        "triggers": "api",
        "triggered_by": idle_desk.caller.user_id,
        "version_labels": "1.0.0",
        "modes": "live",
    }[name]
    named: dict[str, Any] = {"automations": filters.automations, name: [value, value]}
    twice = runs.RunFilters(**named)
    assert ids(await page(idle_desk, twice)) == started


CURSORS = ["", "x", "AAAA", "ä", "AAAAAAAAAAA", "f_____8AAABleGVjXw", "AAAAAAAAAABydW5fMQ", "=" * 8, "\x00"]


@pytest.mark.parametrize("cursor", CURSORS)
async def test_a_cursor_of_somebody_else_is_refused(idle_desk: Desk, cursor: str) -> None:
    with pytest.raises(runs.InvalidCursorError):
        await page(idle_desk, runs.RunFilters(), cursor)
