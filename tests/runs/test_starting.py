"""How runs begin, are done again, and are found again by their key."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import pytest
from tests.runs.conftest import Desk

from assay import access, automations, db, files, runs
from assay.errors import InvalidValueError

SET = {"name": "a", "type": "transform.set", "with": {"fields": {"v": 1}}}
FILE = {"name": "document", "type": "file"}


def inline(text: str, filename: str = "letter.txt") -> dict[str, Any]:
    return {
        "$inline": {"filename": filename, "mimeType": "text/plain", "base64": base64.b64encode(text.encode()).decode()}
    }


async def given(desk: Desk, run_id: str) -> runs.RunInput:
    async with desk.database.transaction() as tx:
        found = await runs.get_input(tx, desk.organization_id, run_id)
    assert found is not None
    return found


async def artifacts(desk: Desk, run_id: str) -> list[files.Artifact]:
    async with desk.database.transaction() as tx:
        return await files.list_artifacts(tx, desk.organization_id, run_id)


async def keep_file(desk: Desk, content: bytes, filename: str = "stored.txt") -> files.StoredFile:
    async with desk.database.transaction() as tx:
        blob = await desk.blobs.keep_bytes(tx, content)
        return await files.create(
            tx,
            organization_id=desk.organization_id,
            filename=filename,
            content_type=None,
            blob=blob,
            purpose=None,
            created_by=None,
        )


# --- files


async def test_every_form_of_reference_becomes_a_file_of_the_run(idle_desk: Desk) -> None:
    many = {"name": "many", "type": "array", "items": {"type": "file"}}
    flow = await idle_desk.push([SET], inputs=[FILE, many])
    stored = await keep_file(idle_desk, b"stored")
    async with idle_desk.blobs.spool(100) as one, idle_desk.blobs.spool(100) as two:
        await one.write(b"one")
        await two.write(b"two")
        uploads = [runs.Upload("many", "u.txt", None, one), runs.Upload("many", "u.txt", "text/csv", two)]
        references = [{"fileId": stored.id, "filename": "renamed.txt"}, {"$fileId": stored.id}, inline("inline")]
        run_id = await idle_desk.start(flow, {"document": {"$fileId": stored.id}, "many": references}, uploads=uploads)
    found = (await given(idle_desk, run_id)).input
    assert found["document"] == {
        "$file": "input/document/stored.txt",
        "filename": "stored.txt",
        "mimeType": "text/plain",
        "size": 6,
    }
    assert isinstance(found["many"], list)
    paths = [str(item["$file"]) for item in found["many"] if isinstance(item, dict)]
    assert paths == [
        "input/many/renamed.txt",
        "input/many/stored.txt",
        "input/many/letter.txt",
        "input/many/u.txt",
        "input/many/2-u.txt",
    ]
    run = await idle_desk.read(run_id)
    contents = [await idle_desk.artifact(run, path) for path in paths]
    assert contents == [b"stored", b"stored", b"inline", b"one", b"two"]
    assert {file.path for file in await artifacts(idle_desk, run_id)} == {"input/document/stored.txt", *paths}


async def test_a_run_keeps_its_file_after_the_reusable_one_is_deleted(idle_desk: Desk) -> None:
    flow = await idle_desk.push([SET], inputs=[FILE])
    stored = await keep_file(idle_desk, b"kept")
    run_id = await idle_desk.start(flow, {"document": {"fileId": stored.id}})
    async with idle_desk.database.transaction() as tx:
        await files.delete(tx, idle_desk.organization_id, stored.id)
    await idle_desk.blobs.forget(idle_desk.database, [stored.sha256])
    assert await idle_desk.artifact(await idle_desk.read(run_id), "input/document/stored.txt") == b"kept"


@pytest.mark.parametrize(
    "reference",
    [
        {"$fileId": "file_nothing"},
        {"$fileId": "upload letter.txt"},
        {"fileId": None},
        {"$inline": {"filename": "a", "base64": "no base 64!"}},
        {"$inline": "text"},
        {"$file": "input/document/letter.txt"},
    ],
)
async def test_a_reference_that_leads_nowhere_is_refused_and_nothing_is_kept(
    idle_desk: Desk, reference: Mapping[str, Any]
) -> None:
    flow = await idle_desk.push([SET], inputs=[FILE, {**FILE, "name": "second"}])
    run_id = runs.new_run_id()
    with pytest.raises(runs.InvalidFileReferenceError) as refused:
        await idle_desk.start(flow, {"document": reference, "second": reference}, run_id=run_id)
    assert [issue.field for issue in refused.value.issues] == ["document", "second"]
    async with idle_desk.database.transaction() as tx:
        assert await runs.get(tx, idle_desk.organization_id, run_id) is None
        assert await tx.fetch_value("SELECT count(*) FROM pgqueuer WHERE dedupe_key = $1", run_id) == 0


async def test_a_file_of_another_organization_is_not_found(idle_desk: Desk) -> None:
    async with idle_desk.database.transaction() as tx:
        other = await access.create_organization(tx, slug="file-owner", name="Other")
        blob = await idle_desk.blobs.keep_bytes(tx, b"secret")
        named: dict[str, Any] = {"filename": "s.txt", "content_type": None, "purpose": None, "created_by": None}
        secret = await files.create(tx, organization_id=other.id, blob=blob, **named)
    flow = await idle_desk.push([SET], inputs=[FILE])
    with pytest.raises(runs.InvalidFileReferenceError):
        await idle_desk.start(flow, {"document": {"$fileId": secret.id}})


async def test_base_64_may_be_broken_into_lines(idle_desk: Desk) -> None:
    flow = await idle_desk.push([SET], inputs=[FILE])
    broken = {"$inline": {"filename": "a.txt", "base64": " aGVs\r\nbG8=\n"}}
    run = await idle_desk.read(await idle_desk.start(flow, {"document": broken}))
    assert await idle_desk.artifact(run, "input/document/a.txt") == b"hello"


async def test_a_default_file_is_taken_like_one_that_was_sent(idle_desk: Desk) -> None:
    flow = await idle_desk.push([SET], inputs=[{**FILE, "required": False, "default": inline("default")}])
    run_id = await idle_desk.start(flow)
    assert (await given(idle_desk, run_id)).input["document"] == {
        "$file": "input/document/letter.txt",
        "filename": "letter.txt",
        "mimeType": "text/plain",
        "size": 7,
    }


# --- what a start refuses


async def test_all_fields_that_do_not_fit_are_named_at_once(idle_desk: Desk) -> None:
    flow = await idle_desk.push(
        [SET], inputs=[FILE, {"name": "n", "type": "number"}, {"name": "c", "type": "enum", "values": ["a"]}]
    )
    with pytest.raises(automations.InvalidInputError) as refused:
        await idle_desk.start(flow, {"n": "x", "c": "b"})
    found = [(issue.field, issue.code) for issue in refused.value.issues]
    assert found == [("document", "missing_required"), ("n", "type_mismatch"), ("c", "enum_mismatch")]


async def test_a_version_that_says_enabled_false_starts_no_runs(idle_desk: Desk) -> None:
    flow = await idle_desk.push([SET])
    first = await idle_desk.run_and_cancel(flow)
    await idle_desk.push([SET], name=flow.slug, version="1.1.0", enabled=False)
    with pytest.raises(runs.AutomationDisabledError):
        await idle_desk.start(flow)
    with pytest.raises(runs.AutomationDisabledError):
        await idle_desk.queue_again(first)
    assert await idle_desk.start(flow, version="1.0.0")


@pytest.mark.parametrize(
    ("trigger", "error"),
    [
        ("api", runs.ApiTriggerDisabledError),
        ("cli", runs.ApiTriggerDisabledError),
        ("manual", runs.ManualTriggerDisabledError),
    ],
)
async def test_a_trigger_that_is_off_lets_nothing_pass(
    idle_desk: Desk, trigger: runs.TriggerType, error: type[Exception]
) -> None:
    off = await idle_desk.push([SET], triggerMethods=[])
    async with idle_desk.database.transaction() as tx:
        off = await automations.set_triggers(tx, idle_desk.caller, automation=off.id, api=False, manual=False)
    with pytest.raises(error):
        runs.check_trigger(off, trigger)
    on = await idle_desk.push([SET], triggerMethods=[{"type": "api"}, {"type": "manual"}])
    runs.check_trigger(on, trigger)


# --- what a run stores


async def test_a_run_stores_why_it_runs_what_it_runs(idle_desk: Desk) -> None:
    flow = await idle_desk.push([SET])
    run_id = await idle_desk.start(
        flow, {"extra": [1]}, mode="shadow", metadata={"a": 1}, overrides={"steps": {}}, routing_key="customer-7"
    )
    summary = (await idle_desk.read(run_id)).summary
    assert summary.status is runs.RunStatus.PENDING
    assert (summary.mode, summary.version_label, summary.version_reason) == ("shadow", "1.0.0", "current")
    assert (summary.routing_key, summary.root_run_id, summary.parent_run_id) == ("customer-7", run_id, None)
    assert summary.sample_rank == runs.sample_rank(idle_desk.organization_id, run_id)
    assert summary.triggered_by is not None
    assert summary.triggered_by.email == idle_desk.caller.email
    assert (summary.started_at, summary.completed_at, summary.duration_ms) == (None, None, None)
    found = await given(idle_desk, run_id)
    assert (found.input, found.metadata, found.overrides) == ({"extra": [1]}, {"a": 1}, {"steps": {}})


async def test_another_organization_finds_nothing(idle_desk: Desk) -> None:
    run_id = await idle_desk.start(await idle_desk.push([SET]))
    async with idle_desk.database.transaction() as tx:
        assert await runs.get(tx, "org_other", run_id) is None
        assert await runs.get_input(tx, "org_other", run_id) is None
        with pytest.raises(runs.RunNotFoundError):
            await runs.run_to_repeat(tx, "org_other", run_id)
        with pytest.raises(runs.RunNotFoundError):
            await runs.delete_run(tx, "org_other", run_id, user_id=None, key_id=None)


# --- reruns


async def test_a_rerun_has_input_files_and_place_of_the_run_before(idle_desk: Desk) -> None:
    flow = await idle_desk.push([SET], inputs=[FILE])
    first = await idle_desk.run_and_cancel(flow, {"document": inline("hello")}, metadata={"m": 1}, routing_key="r")
    second = await idle_desk.queue_again(first)
    assert await given(idle_desk, second) == await given(idle_desk, first)
    assert await artifacts(idle_desk, second) == await artifacts(idle_desk, first)
    before, after = (await idle_desk.read(first)).summary, (await idle_desk.read(second)).summary
    assert (before.next_run_id, before.next_run_status) == (second, "pending")
    assert (after.previous_run_id, after.retry_number, after.routing_key) == (first, 1, "r")
    assert await idle_desk.artifact(await idle_desk.read(second), "input/document/letter.txt") == b"hello"


async def test_a_rerun_is_served_by_the_current_version_unless_told_otherwise(idle_desk: Desk) -> None:
    flow = await idle_desk.push([SET])
    first = await idle_desk.run_and_cancel(flow)
    await idle_desk.push([SET], name=flow.slug, version="2.0.0")
    served = [
        (await idle_desk.read(await idle_desk.queue_again(first, version))).summary
        for version in (None, "latest", "original", "1.0.0")
    ]
    assert [(run.version_label, run.version_reason, run.requested_ref) for run in served] == [
        ("2.0.0", "current", None),
        ("2.0.0", "current", "latest"),
        ("1.0.0", "rerun_original", "original"),
        ("1.0.0", "requested", "1.0.0"),
    ]


async def test_a_rerun_gets_the_defaults_of_its_version_and_must_fit_its_inputs(idle_desk: Desk) -> None:
    flow = await idle_desk.push([SET], inputs=[FILE])
    first = await idle_desk.run_and_cancel(flow, {"document": inline("hello")})
    added = [{**FILE, "name": "terms", "default": inline("terms")}, {"name": "n", "type": "number", "default": 3}]
    await idle_desk.push([SET], name=flow.slug, version="2.0.0", inputs=[FILE, *added])
    found = (await given(idle_desk, await idle_desk.queue_again(first))).input
    assert (found["n"], dict(found["terms"])["$file"]) == (3, "input/terms/letter.txt")  # type: ignore[arg-type]
    await idle_desk.push([SET], name=flow.slug, version="3.0.0", inputs=[{"name": "must", "type": "string"}])
    with pytest.raises(automations.InvalidInputError):
        await idle_desk.queue_again(first)


async def test_a_run_in_flight_is_not_done_again_nor_deleted(idle_desk: Desk) -> None:
    run_id = await idle_desk.start(await idle_desk.push([SET]))
    async with idle_desk.database.transaction() as tx:
        with pytest.raises(runs.RunNotFinishedError):
            await runs.run_to_repeat(tx, idle_desk.organization_id, run_id)
        with pytest.raises(runs.RunNotFinishedError):
            await runs.delete_run(tx, idle_desk.organization_id, run_id, user_id=None, key_id=None)


# --- idempotency


async def held(desk: Desk, run_id: str, key: str, fingerprint: bytes = b"same") -> str | None:
    async with desk.database.transaction() as tx:
        return await runs.replayed(tx, desk.organization_id, run_id, runs.IdempotencyKey(key, fingerprint))


async def test_a_key_belongs_to_the_first_run_and_to_what_was_asked_then(idle_desk: Desk) -> None:
    assert await held(idle_desk, "exec_1", "key-1") is None
    assert await held(idle_desk, "exec_2", "key-1") == "exec_1"
    with pytest.raises(runs.IdempotencyConflictError):
        await held(idle_desk, "exec_3", "key-1", b"other")
    async with idle_desk.database.transaction() as tx:
        elsewhere = await access.create_organization(tx, slug="other-keys", name="Other")
        key = runs.IdempotencyKey("key-1", b"other")
        assert await runs.replayed(tx, elsewhere.id, "exec_4", key) is None


async def test_of_two_at_the_same_time_one_gets_the_key_and_the_other_its_run(idle_desk: Desk) -> None:
    async with idle_desk.database.transaction() as tx:
        key = runs.IdempotencyKey("key-2", b"same")
        assert await runs.replayed(tx, idle_desk.organization_id, "exec_1", key) is None
        second = asyncio.create_task(held(idle_desk, "exec_2", "key-2"))
        await _until_somebody_waits(idle_desk.database)
        assert not second.done()
    assert await second == "exec_1"


async def test_the_key_of_a_start_that_was_rolled_back_is_free(idle_desk: Desk) -> None:
    async def start_and_fail() -> None:
        async with idle_desk.database.transaction() as tx:
            key = runs.IdempotencyKey("key-3", b"same")
            await runs.replayed(tx, idle_desk.organization_id, "exec_1", key)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await start_and_fail()
    assert await held(idle_desk, "exec_2", "key-3") is None


async def test_a_key_is_free_again_after_a_day_and_then_forgotten(idle_desk: Desk) -> None:
    for key in ("old", "used again", "young"):
        await held(idle_desk, "exec_1", key)
    async with idle_desk.database.transaction() as tx:
        await tx.execute(
            "UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' WHERE key <> 'young'"
        )
    assert await held(idle_desk, "exec_2", "used again", b"other") is None
    assert await held(idle_desk, "exec_3", "used again", b"other") == "exec_2"
    async with idle_desk.database.transaction() as tx:
        await runs.forget_old_idempotency_keys(tx)
        left = await tx.fetch("SELECT key FROM idempotency_keys WHERE key IN ('old', 'used again', 'young')")
    assert {row["key"] for row in left} == {"used again", "young"}


async def _until_somebody_waits(database: db.Database) -> None:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while True:
        async with database.transaction() as tx:
            if await tx.fetch_value(sql):
                return
        await asyncio.sleep(0.01)


async def test_an_override_of_a_step_that_does_not_exist_is_refused(idle_desk: Desk) -> None:
    flow = await idle_desk.push([{"name": "a", "type": "transform.set", "with": {"fields": {"v": 1}}}])
    with pytest.raises(InvalidValueError) as refused:
        await idle_desk.start(flow, overrides={"steps": {"b": {"v": 2}}})
    assert refused.value.field == "overrides.steps.b"
