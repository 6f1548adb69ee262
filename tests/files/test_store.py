import asyncio
import io
import zipfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from assay import files
from assay.db import Database
from assay.files import Artifact, Blobs

ORGANIZATIONS = ("org_files", "org_other")
ORGANIZATION, OTHER = ORGANIZATIONS
RUN, RERUN = "exec_files", "exec_files_again"


@pytest.fixture(scope="module", autouse=True)
async def rows(database: Database) -> None:
    async with database.transaction() as tx:
        for organization in ORGANIZATIONS:
            await tx.execute("INSERT INTO organizations (id, slug, name) VALUES ($1, $1, $1)", organization)
        await tx.execute(
            """INSERT INTO automations (id, organization_id, kind, slug, api_enabled, manual_enabled)
               VALUES ('wf_files', $1, 'workflow', 'files', true, true)""",
            ORGANIZATION,
        )
        await tx.execute(
            """INSERT INTO automation_versions
                   (id, organization_id, automation_id, kind, source, definition, content_hash)
               VALUES ('wfv_files', $1, 'wf_files', 'workflow', '', '{}', '')""",
            ORGANIZATION,
        )
        for run in (RUN, RERUN):
            await tx.execute(
                """INSERT INTO runs (id, organization_id, automation_id, kind, version_id, version_reason, mode,
                       root_run_id, trigger_type, sample_rank, status, entrypoint)
                   VALUES ($1, $2, 'wf_files', 'workflow', 'wfv_files', 'current', 'live',
                       $1, 'api', 0, 'created', 'run')""",
                run,
                ORGANIZATION,
            )


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open(None, tmp_path)


async def upload(database: Database, blobs: Blobs, content: bytes, *, name: str = "a.pdf") -> files.StoredFile:
    async with database.transaction() as tx:
        blob = await blobs.keep_bytes(tx, content)
        return await files.create(
            tx,
            organization_id=ORGANIZATION,
            filename=name,
            content_type=None,
            blob=blob,
            purpose="run-input",
            created_by="user_1",
        )


async def attach(database: Database, blobs: Blobs, path: str, content: bytes, *, role: str = "output") -> Artifact:
    async with database.transaction() as tx:
        blob = await blobs.keep_bytes(tx, content)
        name = path.rsplit("/", 1)[-1]
        artifact = Artifact(path, name, role, "parse", files.content_type_of(name, None), blob.size, blob.sha256)
        await files.add_artifacts(tx, ORGANIZATION, RUN, [artifact])
    return artifact


async def test_a_file_is_found_under_its_id(database: Database, blobs: Blobs) -> None:
    file = await upload(database, blobs, b"content", name="../Rechnung.pdf")
    assert (file.filename, file.content_type, file.size) == ("Rechnung.pdf", "application/pdf", 7)
    assert (file.purpose, file.created_by) == ("run-input", "user_1")
    async with database.transaction() as tx:
        assert await files.get(tx, ORGANIZATION, file.id) == file


@pytest.mark.parametrize("file_id", ["file_none", "", "file_\x00", "file_\ud800", "é"])
async def test_an_unknown_id_is_not_found_whatever_it_holds(database: Database, file_id: str) -> None:
    async with database.transaction() as tx:
        with pytest.raises(files.StoredFileNotFoundError):
            await files.get(tx, ORGANIZATION, file_id)
        with pytest.raises(files.StoredFileNotFoundError):
            await files.delete(tx, ORGANIZATION, file_id)
        assert await files.by_ids(tx, ORGANIZATION, [file_id]) == {}


async def test_another_organizations_file_is_not_there(database: Database, blobs: Blobs) -> None:
    file = await upload(database, blobs, b"ours")
    async with database.transaction() as tx:
        with pytest.raises(files.StoredFileNotFoundError):
            await files.get(tx, OTHER, file.id)
        with pytest.raises(files.StoredFileNotFoundError):
            await files.delete(tx, OTHER, file.id)
        assert await files.by_ids(tx, OTHER, [file.id]) == {}
        assert await files.get(tx, ORGANIZATION, file.id) == file


async def test_a_deleted_file_is_gone_and_gone_again(database: Database, blobs: Blobs) -> None:
    file = await upload(database, blobs, b"once")
    async with database.transaction() as tx:
        assert await files.delete(tx, ORGANIZATION, file.id) == file
    async with database.transaction() as tx:
        with pytest.raises(files.StoredFileNotFoundError):
            await files.delete(tx, ORGANIZATION, file.id)


@pytest.mark.parametrize("purpose", ["", "two words", "x" * 65, "a\x00", "a\n"])
async def test_a_purpose_is_a_plain_word(database: Database, blobs: Blobs, purpose: str) -> None:
    async with database.transaction() as tx:
        blob = await blobs.keep_bytes(tx, b"content")
        with pytest.raises(files.InvalidPurposeError):
            await files.create(
                tx,
                organization_id=ORGANIZATION,
                filename="a",
                content_type=None,
                blob=blob,
                purpose=purpose,
                created_by=None,
            )


async def test_a_runs_artifact_outlives_the_file_it_came_from(database: Database, blobs: Blobs) -> None:
    file = await upload(database, blobs, b"history")
    async with database.transaction() as tx:
        artifact = Artifact("input/doc/a.pdf", "a.pdf", "input", None, file.content_type, file.size, file.sha256)
        await files.add_artifacts(tx, ORGANIZATION, RUN, [artifact])
        await files.delete(tx, ORGANIZATION, file.id)
    assert await blobs.forget(database, [file.sha256]) == 0
    async with database.transaction() as tx:
        assert await files.get_artifact(tx, ORGANIZATION, RUN, "input/doc/a.pdf") == artifact
    assert await blobs.read(file.sha256, limit=100) == b"history"


async def test_a_repeated_step_replaces_its_artifact(database: Database, blobs: Blobs) -> None:
    await attach(database, blobs, "steps/parse/words.json", b"[1]")
    second = await attach(database, blobs, "steps/parse/words.json", b"[1, 2]")
    async with database.transaction() as tx:
        assert await files.get_artifact(tx, ORGANIZATION, RUN, "steps/parse/words.json") == second
        listed = await files.list_artifacts(tx, ORGANIZATION, RUN)
        assert [artifact.path for artifact in listed].count("steps/parse/words.json") == 1
        await files.add_artifacts(tx, ORGANIZATION, RUN, [])


@pytest.mark.parametrize("path", ["none.txt", "März.pdf"])
async def test_an_unknown_artifact_is_not_found(database: Database, path: str) -> None:
    async with database.transaction() as tx:
        with pytest.raises(files.ArtifactNotFoundError):
            await files.get_artifact(tx, ORGANIZATION, RUN, path)
        with pytest.raises(files.ArtifactNotFoundError):
            await files.get_artifact(tx, ORGANIZATION, "exec_\x00", path)


async def test_a_path_that_leads_elsewhere_is_refused_both_ways(database: Database) -> None:
    async with database.transaction() as tx:
        with pytest.raises(files.InvalidArtifactPathError):
            await files.get_artifact(tx, ORGANIZATION, RUN, "../../secret")
        with pytest.raises(files.InvalidArtifactPathError):
            await files.add_artifacts(
                tx, ORGANIZATION, RUN, [Artifact("/etc/passwd", "passwd", "output", None, "text/plain", 0, "0" * 64)]
            )


async def test_another_organizations_artifacts_are_not_there(database: Database, blobs: Blobs) -> None:
    artifact = await attach(database, blobs, "output/ours.txt", b"ours")
    async with database.transaction() as tx:
        assert await files.list_artifacts(tx, OTHER, RUN) == []
        with pytest.raises(files.ArtifactNotFoundError):
            await files.get_artifact(tx, OTHER, RUN, artifact.path)
        assert await files.copy_artifacts(tx, OTHER, from_run_id=RUN, to_run_id=RERUN, roles=["output"]) == 0


async def test_a_rerun_takes_over_the_artifacts_of_a_role(database: Database, blobs: Blobs) -> None:
    taken = await attach(database, blobs, "input/rerun.pdf", b"input", role="input")
    await attach(database, blobs, "output/rerun.json", b"{}", role="output")
    async with database.transaction() as tx:
        await files.copy_artifacts(tx, ORGANIZATION, from_run_id=RUN, to_run_id=RERUN, roles=["input"])
        copied = await files.list_artifacts(tx, ORGANIZATION, RERUN)
        await files.copy_artifacts(tx, ORGANIZATION, from_run_id=RUN, to_run_id=RERUN, roles=["input"])
        assert await files.list_artifacts(tx, ORGANIZATION, RERUN) == copied
    assert taken in copied
    assert {artifact.role for artifact in copied} == {"input"}


async def test_a_held_artifact_lends_its_bytes_to_another_row_though_its_run_is_deleted(
    database: Database, blobs: Blobs
) -> None:
    kept = await attach(database, blobs, "held.txt", b"held")
    async with database.transaction() as tx:
        held = await files.hold_artifacts(tx, ORGANIZATION, RUN)
        assert kept.sha256 in {artifact.sha256 for artifact in held}

        async def remove() -> None:
            async with database.transaction() as other:
                await other.execute("DELETE FROM run_artifacts WHERE run_id = $1 AND path = $2", RUN, kept.path)
            await blobs.forget(database, [kept.sha256])

        removing = asyncio.create_task(remove())
        await files.add_artifacts(tx, ORGANIZATION, RERUN, [replace(kept, path="copy.txt")])
    await removing
    async with database.transaction() as tx:
        remaining = [artifact.path for artifact in await files.list_artifacts(tx, ORGANIZATION, RERUN)]
    assert "copy.txt" in remaining
    assert await blobs.read(kept.sha256, 10) == b"held"


async def test_many_spools_are_kept_at_once_in_their_order(database: Database, blobs: Blobs) -> None:
    contents = [b"a", b"b" * 300_000, b"a", b""]
    async with AsyncExitStack() as stack:
        spools = [await stack.enter_async_context(blobs.spool(300_000)) for _ in contents]
        for spool, content in zip(spools, contents, strict=True):
            await spool.write(content)
        async with database.transaction() as tx:
            kept = await blobs.keep_all(tx, spools)
    assert [await blobs.read(blob.sha256, blob.size) for blob in kept] == contents


async def test_a_zip_holds_every_artifact_under_its_path(database: Database, blobs: Blobs) -> None:
    contents = {"input/März.txt": b"m" * 3_000_000, "output/empty": b"", "output/a.json": b"{}"}
    artifacts = [await attach(database, blobs, path, content) for path, content in contents.items()]
    packed = b"".join([piece async for piece in files.zip_stream(blobs, artifacts, limit=10_000_000)])
    archive = zipfile.ZipFile(io.BytesIO(packed))
    assert archive.testzip() is None
    assert {name: archive.read(name) for name in archive.namelist()} == contents


async def test_a_zip_is_made_piece_by_piece(database: Database, blobs: Blobs) -> None:
    artifact = await attach(database, blobs, "output/large.bin", bytes(20_000_000))
    pieces = [len(piece) async for piece in files.zip_stream(blobs, [artifact], limit=20_000_000)]
    assert max(pieces) < 4_000_000


async def test_too_much_for_one_zip_is_refused_before_the_first_byte(blobs: Blobs) -> None:
    large = Artifact("a", "a", "output", None, "text/plain", 11, "0" * 64)
    with pytest.raises(files.ZipTooLargeError) as caught:
        files.zip_stream(blobs, [large], limit=10)
    assert caught.value.code == "artifacts_zip_too_large"


async def test_an_empty_zip_is_a_zip(blobs: Blobs) -> None:
    packed = b"".join([piece async for piece in files.zip_stream(blobs, [], limit=10)])
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == []
