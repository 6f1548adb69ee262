"""A run that is removed is gone: rows, bytes, and its place in a chain."""

import asyncio

import pytest
from tests.runs.conftest import Desk
from tests.runs.test_starting import FILE, SET, artifacts, inline

from assay import files, runs


async def rows_of(desk: Desk, run_id: str) -> dict[str, int]:
    """Count the rows of every table that name the run as theirs."""
    async with desk.database.transaction() as tx:
        tables = await tx.fetch(
            """SELECT table_name FROM information_schema.columns
               WHERE table_schema = 'public' AND column_name = 'run_id' AND table_name <> 'idempotency_keys'"""
        )
        counted = {
            row["table_name"]: await tx.fetch_value(
                f"SELECT count(*) FROM {row['table_name']} WHERE run_id = $1", run_id
            )
            for row in tables
        }
        counted["runs"] = await tx.fetch_value("SELECT count(*) FROM runs WHERE id = $1", run_id)
    return counted


async def complete(desk: Desk, text: str) -> runs.RunDetail:
    flow = await desk.push([{"name": "f", "type": "test.file", "with": {"content": text}}, SET], inputs=[FILE])
    run = await desk.run(flow, {"document": inline(text)})
    async with desk.database.transaction() as tx:
        sql = "INSERT INTO run_events (run_id, organization_id, type) VALUES ($1, $2, 'run.redelivered')"
        await tx.execute(sql, run.summary.id, desk.organization_id)
    return run


async def test_a_deleted_run_leaves_no_row_and_no_byte_and_is_audited(desk: Desk) -> None:
    run = await complete(desk, "only this run has it")
    again = await desk.rerun(run.summary.id)
    run_id = run.summary.id
    before = await rows_of(desk, run_id)
    known = {"runs", "run_inputs", "run_results", "run_steps", "run_events", "run_artifacts"}
    assert {name for name, count in before.items() if count} == known
    hashes = {file.sha256 for file in await artifacts(desk, run_id)}
    await _delete(desk, run_id)
    assert set((await rows_of(desk, run_id)).values()) == {0}
    # The rerun still has the bytes; they go with it.
    assert await desk.artifact(again, "input/document/letter.txt") == b"only this run has it"
    await _delete(desk, again.summary.id)
    for sha256 in hashes:
        with pytest.raises(files.BlobMissingError):
            await desk.blobs.read(sha256, 100)
    async with desk.database.transaction() as tx:
        sql = "SELECT action, user_id FROM audit_entries WHERE target = $1"
        entry = await tx.fetch_one(sql, run_id)
    assert entry is not None
    assert tuple(entry) == ("run.deleted", desk.caller.user_id)


async def test_deleting_a_rerun_takes_it_out_of_its_chain(desk: Desk) -> None:
    run = await complete(desk, "chained")
    again = await desk.rerun(run.summary.id)
    await _delete(desk, again.summary.id)
    assert (await desk.read(run.summary.id)).summary.next_run_id is None
    async with desk.database.transaction() as tx:
        with pytest.raises(runs.RunNotFoundError):
            await runs.delete_run(tx, desk.organization_id, again.summary.id, user_id=None, key_id=None)


async def _delete(desk: Desk, run_id: str) -> None:
    async with desk.database.transaction() as tx:
        hashes = await runs.delete_run(tx, desk.organization_id, run_id, user_id=desk.caller.user_id, key_id=None)
    await desk.blobs.forget(desk.database, hashes)


async def test_retention_removes_what_is_older_and_nothing_else(desk: Desk) -> None:
    old, young, kept = [await complete(desk, text) for text in ("old", "young", "without retention")]
    for run, days in ((old, 8), (young, 6), (kept, 400)):
        await _age(desk, run, days)
    for run in (old, young):
        async with desk.database.transaction() as tx:
            await tx.execute("UPDATE automations SET retention_days = 7 WHERE id = $1", run.summary.automation_id)
    (output,) = old.output_files
    assert await runs.delete_expired(desk.database, desk.blobs) == 1
    assert set((await rows_of(desk, old.summary.id)).values()) == {0}
    assert (await rows_of(desk, young.summary.id))["runs"] == 1
    assert (await rows_of(desk, kept.summary.id))["runs"] == 1
    with pytest.raises(files.BlobMissingError):
        await desk.blobs.read(output.sha256, 100)
    assert await runs.delete_expired(desk.database, desk.blobs) == 0


async def test_retention_passes_over_a_run_whose_review_is_being_opened(desk: Desk) -> None:
    run = await complete(desk, "about to be reviewed")
    await _age(desk, run, 30)
    async with desk.database.transaction() as tx:
        await tx.execute("UPDATE automations SET retention_days = 7 WHERE id = $1", run.summary.automation_id)
    async with desk.database.transaction() as tx:
        await tx.execute("UPDATE runs SET review_status = 'open' WHERE id = $1", run.summary.id)
        removing = asyncio.create_task(runs.delete_expired(desk.database, desk.blobs))
        await asyncio.wait({removing}, timeout=0.5)  # what passes over it ends at once, what waits for it must not
    assert await removing == 0
    assert (await rows_of(desk, run.summary.id))["runs"] == 1


async def _age(desk: Desk, run: runs.RunDetail, days: int) -> None:
    async with desk.database.transaction() as tx:
        await tx.execute(
            """UPDATE runs SET created_at = created_at - make_interval(days => $2),
                   completed_at = completed_at - make_interval(days => $2) WHERE id = $1""",
            run.summary.id,
            days,
        )
