"""A list is paged through while runs are added and reviewed: what matches all the while is shown once."""

import random
from typing import Any

import pytest
from tests.runs.listed_runs import AUTOMATIONS, FACETS, is_shown, make_row, review_columns, write, write_feedback

from assay import access, db, runs
from assay.runs import RunFilters

COUNT = 60


@pytest.mark.parametrize("seed", range(12))
async def test_runs_that_are_added_and_reviewed_meanwhile_neither_repeat_nor_hide_others(
    database: db.Database, seed: int
) -> None:
    chance, suffix = random.Random(seed), f"{seed}x"
    async with database.transaction() as tx:
        organization = await access.create_organization(tx, slug=f"busy-{seed}", name="Busy")
        past = [make_row(chance, number, suffix) for number in range(COUNT)]
        await write(tx, organization.id, past, [name + suffix for name in AUTOMATIONS])
    names = chance.sample(sorted(set(FACETS) - {"ids", "since_last_resolved"}), 2)
    filters = RunFilters(**{name: _suffixed(FACETS[name](chance), name, suffix) for name in names})
    matched = {one["id"] for one in past if is_shown(one, filters, past)}
    by_completion = chance.random() < 0.5

    shown: list[str] = []
    cursor: str | None = None
    added = COUNT
    while True:
        async with database.transaction() as tx:
            page = await runs.list_runs(
                tx,
                organization.id,
                filters,
                cursor=cursor,
                limit=4,
                by_completion=by_completion,
                timeout_seconds=30,
            )
        shown += [run.id for run in page.runs]
        cursor = page.next_cursor
        if cursor is None:
            break
        new = [make_row(chance, added, suffix)]
        added += 1
        async with database.transaction() as tx:
            await write(tx, organization.id, new)
            past += new
            for one in chance.sample(past, 3):
                if one["completed_at"] is not None:
                    await _review(tx, organization.id, one, chance)
        matched &= {one["id"] for one in past if is_shown(one, filters, past)}

    assert len(shown) == len(set(shown))
    ended = {one["id"] for one in past if one["completed_at"] is not None}
    assert set(shown) >= (matched & ended if by_completion else matched)


def _suffixed(value: Any, name: str, suffix: str) -> Any:
    return [one + suffix for one in value] if name == "automations" else value


async def _review(tx: db.Transaction, organization_id: str, one: dict[str, Any], chance: random.Random) -> None:
    changed = review_columns(chance, one["created_at"])
    one.update(changed)
    assignments = ", ".join(f"{name} = ${index}" for index, name in enumerate(changed, 2))
    await tx.execute(f"UPDATE runs SET {assignments} WHERE id = $1", one["id"], *changed.values())
    await write_feedback(tx, organization_id, one)
