import asyncio
import hashlib
import os
import random
import stat
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from assay import files
from assay.db import Database, Transaction
from assay.files import Blobs, store

ORGANIZATION = "org_blobs"
HOUR = 3600


@pytest.fixture(scope="module", autouse=True)
async def organization(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO organizations (id, slug, name) VALUES ($1, $1, $1)", ORGANIZATION)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open(None, tmp_path)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def stored(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "blobs").glob("??/*")}


def spooled(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "blobs" / "spool").iterdir())


def grow_old(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


@asynccontextmanager
async def rolled_back(database: Database) -> AsyncGenerator[Transaction]:
    class Abandoned(Exception):  # noqa: N818 - no error, only the way out
        pass

    with suppress(Abandoned):
        async with database.transaction() as tx:
            yield tx
            raise Abandoned


async def upload(database: Database, blobs: Blobs, content: bytes) -> files.StoredFile:
    async with database.transaction() as tx:
        blob = await blobs.keep_bytes(tx, content)
        return await files.create(
            tx,
            organization_id=ORGANIZATION,
            filename="a.txt",
            content_type=None,
            blob=blob,
            purpose=None,
            created_by=None,
        )


async def remove(database: Database, file: files.StoredFile) -> None:
    async with database.transaction() as tx:
        await files.delete(tx, ORGANIZATION, file.id)


@pytest.mark.parametrize("size", [0, 1, 20_000, 256 * 1024, 3_000_000])
async def test_kept_bytes_are_read_back(database: Database, blobs: Blobs, tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    async with blobs.spool(limit=size) as spool, database.transaction() as tx:
        for start in range(0, size, 65_536):
            await spool.write(content[start : start + 65_536])
        blob = await blobs.keep(tx, spool)
    assert blob == files.Blob(sha256(content), size)
    assert await blobs.read(blob.sha256, limit=size) == content
    assert b"".join([piece async for piece in await blobs.stream(blob.sha256)]) == content
    await blobs.fetch_to(blob.sha256, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_bytes_lie_under_their_hash_for_their_owner_only(
    database: Database, blobs: Blobs, tmp_path: Path, size: int
) -> None:
    async with database.transaction() as tx:
        blob = await blobs.keep_bytes(tx, b"x" * size)
    path = tmp_path / "blobs" / blob.sha256[:2] / blob.sha256
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700
    assert spooled(tmp_path) == []


async def test_equal_bytes_lie_there_once(database: Database, blobs: Blobs, tmp_path: Path) -> None:
    first = await upload(database, blobs, b"twice")
    path = tmp_path / "blobs" / first.sha256[:2] / first.sha256
    before = path.stat().st_ino
    await upload(database, blobs, b"twice")
    assert path.stat().st_ino == before
    assert len(stored(tmp_path)) == 1


async def test_a_damaged_blob_is_healed_by_the_next_upload(database: Database, blobs: Blobs, tmp_path: Path) -> None:
    file = await upload(database, blobs, b"whole")
    (tmp_path / "blobs" / file.sha256[:2] / file.sha256).write_bytes(b"wh")
    await upload(database, blobs, b"whole")
    assert await blobs.read(file.sha256, limit=100) == b"whole"


async def test_too_many_bytes_are_refused_and_leave_nothing(blobs: Blobs, tmp_path: Path) -> None:
    async with blobs.spool(limit=1_000_000) as spool:
        await spool.write(bytes(1_000_000))
        with pytest.raises(files.FileTooLargeError):
            await spool.write(b"x")
    assert spooled(tmp_path) == []


async def test_a_spool_that_is_not_kept_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    async with blobs.spool(limit=10_000_000) as spool:
        await spool.write(bytes(1_000_000))
        (waiting,) = spooled(tmp_path)
        assert stat.S_IMODE(waiting.stat().st_mode) == 0o600
        assert spool.sha256 == sha256(bytes(1_000_000))
    assert spooled(tmp_path) == []
    assert stored(tmp_path) == set()


async def test_reading_more_than_the_limit_is_refused(database: Database, blobs: Blobs) -> None:
    file = await upload(database, blobs, b"12345")
    with pytest.raises(files.FileTooLargeError):
        await blobs.read(file.sha256, limit=4)


async def test_missing_bytes_are_told_before_the_first_piece(blobs: Blobs) -> None:
    with pytest.raises(files.BlobMissingError):
        await blobs.stream(sha256(b"never kept"))


async def test_a_blob_is_forgotten_with_its_last_row(database: Database, blobs: Blobs, tmp_path: Path) -> None:
    first, second = [await upload(database, blobs, b"shared") for _ in range(2)]
    await remove(database, first)
    assert await blobs.forget(database, [first.sha256]) == 0
    await remove(database, second)
    assert await blobs.forget(database, [second.sha256, second.sha256]) == 1
    assert stored(tmp_path) == set()
    assert await blobs.forget(database, [second.sha256]) == 1  # nothing is there, nothing fails


async def test_a_rolled_back_deletion_costs_no_bytes(database: Database, blobs: Blobs) -> None:
    file = await upload(database, blobs, b"deleted in vain")
    async with rolled_back(database) as tx:
        await files.delete(tx, ORGANIZATION, file.id)
        assert await blobs.forget(database, [file.sha256]) == 0
    assert await blobs.read(file.sha256, limit=100) == b"deleted in vain"


async def test_bytes_being_kept_are_not_forgotten(database: Database, blobs: Blobs) -> None:
    file = await upload(database, blobs, b"deleted and uploaded again")
    await remove(database, file)
    async with database.transaction() as tx:
        blob = await blobs.keep_bytes(tx, b"deleted and uploaded again")
        assert await blobs.forget(database, [file.sha256]) == 0
    assert await blobs.read(blob.sha256, limit=100) == b"deleted and uploaded again"


async def test_keeping_waits_while_the_bytes_are_being_forgotten(database: Database, blobs: Blobs) -> None:
    content = b"forgotten, then kept"
    async with database.transaction() as forgetting:
        await store.lock_blobs(forgetting, [sha256(content)])
        keeping = asyncio.create_task(upload(database, blobs, content))
        async with database.transaction() as watching:
            while not await watching.fetch_value(
                """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
            ):
                await asyncio.sleep(0.005)
        assert not keeping.done()
    file = await keeping
    assert await blobs.read(file.sha256, limit=100) == content


async def test_uploads_and_deletions_of_the_same_bytes_never_leave_a_row_without_bytes(
    database: Database, tmp_path: Path
) -> None:
    content = b"contended"
    survivors: list[files.StoredFile] = []

    async def come_and_go(seed: int) -> None:
        blobs = Blobs.open(None, tmp_path)  # as another process would
        for _ in range(15):
            file = await upload(database, blobs, content)
            assert await blobs.read(file.sha256, limit=100) == content
            await remove(database, file)
            await blobs.forget(database, [file.sha256])
        survivors.append(await upload(database, blobs, content))

    await asyncio.gather(*map(come_and_go, range(8)))
    blobs = Blobs.open(None, tmp_path)
    await blobs.forget(database, [sha256(content)])
    assert await blobs.read(sha256(content), limit=100) == content
    for file in survivors:
        await remove(database, file)
    await blobs.forget(database, [sha256(content)])
    assert stored(tmp_path) == set()


async def test_a_file_in_use_cannot_be_deleted_under_the_run_that_takes_it(database: Database, blobs: Blobs) -> None:
    file = await upload(database, blobs, b"used while deleted")
    async with database.transaction() as tx:
        assert await files.by_ids(tx, ORGANIZATION, [file.id]) == {file.id: file}
        async with rolled_back(database) as other:
            await other.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await files.delete(other, ORGANIZATION, file.id)


async def test_a_rolled_back_upload_leaves_bytes_that_the_sweep_finds(
    database: Database, blobs: Blobs, tmp_path: Path
) -> None:
    used = await upload(database, blobs, b"with a row")
    async with rolled_back(database) as tx:
        await blobs.keep_bytes(tx, b"without a row")
    assert await blobs.sweep(database) == 0  # too young: its transaction might be open
    for path in (tmp_path / "blobs").glob("??/*"):
        grow_old(path, 2 * HOUR)
    assert await blobs.sweep(database) == 1
    assert stored(tmp_path) == {used.sha256}


async def test_a_cancelled_forget_ends_what_it_began(database: Database, blobs: Blobs, tmp_path: Path) -> None:
    file = await upload(database, blobs, b"cancelled")
    await remove(database, file)
    forgetting = asyncio.create_task(blobs.forget(database, [file.sha256]))
    await asyncio.sleep(0)
    forgetting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forgetting
    assert stored(tmp_path) == set()


def test_opening_removes_what_dead_uploads_left_a_day_ago(blobs: Blobs, tmp_path: Path) -> None:
    spool = tmp_path / "blobs" / "spool"
    for name, age in (("old", 48 * HOUR), ("young", 12 * HOUR)):
        (spool / name).touch()
        grow_old(spool / name, age)
    Blobs.open(None, tmp_path)
    assert [path.name for path in spool.iterdir()] == ["young"]


async def test_a_file_url_names_the_folder(database: Database, tmp_path: Path) -> None:
    blobs = Blobs.open(f"file://{tmp_path}/other%20place", tmp_path)
    file = await upload(database, blobs, b"elsewhere")
    assert (tmp_path / "other place" / file.sha256[:2] / file.sha256).read_bytes() == b"elsewhere"
    await blobs.check()


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "s3://", "file://relative/x", "file://", "/plain", "memory://", "az://x"]
)
def test_an_unusable_storage_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(files.InvalidStorageUrlError):
        Blobs.open(url, tmp_path)


async def test_a_check_leaves_nothing_behind(blobs: Blobs, tmp_path: Path) -> None:
    await blobs.check()
    assert spooled(tmp_path) == []


async def test_a_broken_folder_is_named_with_its_setting(database: Database, blobs: Blobs, tmp_path: Path) -> None:
    broken = tmp_path / "blobs"
    broken.rename(tmp_path / "gone")
    broken.write_text("not a folder")
    with pytest.raises(files.StorageUnavailableError, match="ASSAY_STORAGE_URL"):
        await blobs.check()
    with pytest.raises(files.StorageUnavailableError):
        await upload(database, blobs, b"nowhere")
    with pytest.raises(files.StorageUnavailableError):
        Blobs.open(None, tmp_path)
