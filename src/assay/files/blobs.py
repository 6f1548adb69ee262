"""Where bytes lie, and why none vanishes under a row that refers to them.

Bytes lie under their SHA-256. `keep` makes them durable before its transaction can commit, and
holds a shared advisory lock on the hash until that transaction ends. `forget` runs in a
transaction of its own, after the deletion of rows was committed: it takes the lock alone, asks
which hashes no committed row refers to, and only then deletes, still under the lock. So

- a deletion of rows that is rolled back never cost any bytes: `forget` had not begun, or still
  saw the rows;
- a `keep` that came first makes `forget` pass over the blob; one that comes later waits, and
  then writes the bytes anew;
- what a crash or a rollback leaves behind is bytes without a row, never a row without bytes;
  `sweep` finds them.

The store belongs to one database: `sweep` and `forget` know of no other's rows.
"""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from assay import clock
from assay.db import Database, Transaction
from assay.files import store
from assay.files.errors import (
    BlobMissingError,
    FileTooLargeError,
    InvalidStorageUrlError,
    StorageUnavailableError,
    storage_errors,
)
from assay.files.model import Blob, Room
from assay.files.spool import Spool, create, remove_orphans

if TYPE_CHECKING:
    from obstore import GetResult  # exists for type checkers only

_CHUNK = 1024**2
_IDENTITY = "store-id"
_BATCH = 100
_SWEEP_AGE = timedelta(hours=1)
_REMOTE_SCHEMES = {"s3", "gs", "az"}
_KEY = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})")
_T = TypeVar("_T")


class Blobs:
    """The content-addressed store: a local folder, or a bucket. Layout `<aa>/<sha256>`."""

    def __init__(self, objects: ObjectStore, spool_folder: Path, folder: Path | None) -> None:
        """Use `Blobs.open`."""
        self._objects = objects
        self._spool_folder = spool_folder
        self._folder = folder

    @classmethod
    def open(cls, storage_url: str | None, data_dir: Path) -> "Blobs":
        """Open `<data_dir>/blobs`, or what the URL names (`s3://`, `gs://`, `az://`, `file://`).

        A local folder is made (0700) if it is not there; nothing is asked of a remote one yet, see
        `check`. Credentials and endpoint of a remote one are those of its own tools (`AWS_…`,
        `GOOGLE_…`, `AZURE_…`). Left-over temporary files older than a day are removed.

        Raises:
            InvalidStorageUrlError: the URL is none of these.
            StorageUnavailableError: the local folder cannot be made or written.
        """
        folder = data_dir / "blobs" if storage_url is None else _local_folder(storage_url)
        spool_folder = (folder or data_dir) / "spool"
        with storage_errors():
            if folder is not None:
                _make_folders(folder)
            spool_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_orphans(spool_folder)
        return cls(LocalStore(folder) if folder else _remote(storage_url or ""), spool_folder, folder)

    def room(self) -> Room:
        """Tell where the bytes lie, and how much room is left there."""
        if self._folder is None:
            return Room(None, None, None)
        with storage_errors():
            usage = shutil.disk_usage(self._folder)
        return Room(str(self._folder), usage.free, usage.total)

    @asynccontextmanager
    async def spool(self, limit: int) -> AsyncGenerator[Spool]:
        """Lend a place for up to `limit` bytes that come in pieces; they are gone when the block ends unless kept.

        Raises:
            FileTooLargeError: more than `limit` bytes were written.
            StorageUnavailableError: the disk is full, or alike.
        """
        spool = Spool(self._spool_folder, limit)
        try:
            yield spool
        finally:
            spool.discard()

    async def keep(self, tx: Transaction, spool: Spool) -> Blob:
        """Make the bytes durable and hold them until `tx` ends; add the row that refers to them in `tx`.

        Bytes that lie there already are not written again. Keep a spool once.

        Raises:
            StorageUnavailableError: the bytes could not be written.
        """
        return (await self.keep_all(tx, [spool]))[0]

    async def keep_all(self, tx: Transaction, spools: Sequence[Spool]) -> list[Blob]:
        """Keep several spools at once, in their order: much quicker for many small ones; otherwise as `keep`.

        Raises:
            StorageUnavailableError: some bytes could not be written.
        """
        blobs = [Blob(spool.sha256, spool.size) for spool in spools]
        await store.hold_blobs(tx, [blob.sha256 for blob in blobs])
        await asyncio.gather(*map(self._write, blobs, spools))
        return blobs

    async def keep_bytes(self, tx: Transaction, content: bytes) -> Blob:
        """Keep bytes that are in memory; otherwise as `keep`.

        Raises:
            StorageUnavailableError: the bytes could not be written.
        """
        async with self.spool(len(content)) as spool:
            await spool.write(content)
            return await self.keep(tx, spool)

    async def forget(self, database: Database, hashes: Iterable[str]) -> int:
        """Delete those of the blobs that no row of any organization refers to; return how many.

        Call it after the transaction that deleted the rows has committed; earlier it only finds
        that they are still referred to. What is being kept at this moment is passed over. A second
        call does nothing.

        Raises:
            StorageUnavailableError: the store did not delete some of them; `sweep` will.
        """
        candidates = sorted(set(hashes))
        deleted = 0
        for start in range(0, len(candidates), _BATCH):
            # A deletion that has been sent cannot be called back, so the lock must outlast it.
            deleted += await _uninterrupted(self._forget(database, candidates[start : start + _BATCH]))
        return deleted

    async def sweep(self, database: Database) -> int:
        """Forget all blobs older than an hour that no row refers to (left by crashes and rollbacks); return how many.

        Raises:
            StorageUnavailableError: the store does not answer.
        """
        deleted = 0
        before = clock.now() - _SWEEP_AGE
        with storage_errors():
            pages = obstore.list(self._objects, chunk_size=1000)  # pyright: ignore[reportUnknownMemberType] # its Arrow form
            async for page in pages:
                found = [_KEY.fullmatch(entry["path"]) for entry in page if entry["last_modified"] < before]
                deleted += await self.forget(database, [match[1] for match in found if match])
        return deleted

    async def all(self) -> AsyncGenerator[Blob]:
        """Yield what lies in the store; what is kept or deleted meanwhile may be missing or not.

        Raises:
            StorageUnavailableError: the store does not answer.
        """
        with storage_errors():
            pages = obstore.list(self._objects, chunk_size=1000)  # pyright: ignore[reportUnknownMemberType] # its Arrow form
            async for page in pages:
                for entry in page:
                    found = _KEY.fullmatch(entry["path"])
                    if found:
                        yield Blob(found[1], entry["size"])

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        """Open a blob and return its bytes in pieces of about a megabyte.

        Raises:
            BlobMissingError: it is not there; raised before the first piece.
            StorageUnavailableError: the store does not answer; while iterating, too.
        """
        return _pieces(await self._get(sha256))

    async def read(self, sha256: str, limit: int) -> bytes:
        """Return a whole blob.

        Raises:
            FileTooLargeError: it has more than `limit` bytes.
            BlobMissingError: it is not there.
            StorageUnavailableError: the store does not answer.
        """
        found = await self._get(sha256)
        if found.meta["size"] > limit:
            message = f"The file is larger than {limit:,} bytes."
            raise FileTooLargeError(message)
        with storage_errors():
            return bytes(await found.bytes_async())

    async def fetch_to(self, sha256: str, path: Path) -> None:
        """Copy a blob to a new file that only its owner may read.

        Raises:
            FileExistsError: there is something at `path`.
            BlobMissingError: the blob is not there.
            StorageUnavailableError: the store does not answer, or the disk is full; a part may lie at `path`.
        """
        pieces = await self.stream(sha256)
        with create(path) as file, storage_errors():
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)

    async def check(self) -> None:
        """Write, read and delete a probe.

        Raises:
            StorageUnavailableError: one of these does not work; the message says which setting to look at, and why.
        """
        probe = f"spool/{secrets.token_hex(8)}"
        try:
            await obstore.put_async(self._objects, probe, probe.encode())
            found = bytes(await (await obstore.get_async(self._objects, probe)).bytes_async())
            await obstore.delete_async(self._objects, probe)
        except (BaseError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise StorageUnavailableError(f"{self._place_name} cannot be used: {reason}") from error
        if found != probe.encode():
            raise StorageUnavailableError(f"{self._place_name} does not give back what was written.")

    async def identity(self) -> str:
        """Return the id of this store, which lies in it since it was first used.

        Raises:
            StorageUnavailableError: the store cannot be read or written.
        """
        with storage_errors(), suppress(AlreadyExistsError):
            await obstore.put_async(self._objects, _IDENTITY, secrets.token_hex(16).encode(), mode="create")
        with storage_errors():
            found = await obstore.get_async(self._objects, _IDENTITY)
            return bytes(await found.bytes_async()).decode()

    @property
    def _place_name(self) -> str:
        if self._folder is None:
            return "The storage that ASSAY_STORAGE_URL names"
        return f"The folder {self._folder} (ASSAY_STORAGE_URL, else the data folder)"

    async def _get(self, sha256: str) -> "GetResult":
        with storage_errors():
            try:
                return await obstore.get_async(self._objects, _key(sha256))
            except FileNotFoundError as error:
                raise BlobMissingError from error

    async def _write(self, blob: Blob, spool: Spool) -> None:
        with storage_errors():
            if self._folder is None:
                await self._upload(blob, spool)
            else:
                await asyncio.to_thread(_place, spool, self._folder / _key(blob.sha256))

    async def _upload(self, blob: Blob, spool: Spool) -> None:
        key = _key(blob.sha256)
        try:
            if (await obstore.head_async(self._objects, key))["size"] == blob.size:
                return
        except FileNotFoundError:
            pass
        await obstore.put_async(self._objects, key, await asyncio.to_thread(spool.content), max_concurrency=4)

    async def _forget(self, database: Database, hashes: Sequence[str]) -> int:
        async with database.transaction() as tx:
            # Asked twice: first to leave blobs in use unlocked, then to be sure.
            locked = await store.lock_blobs(tx, await store.unused_hashes(tx, hashes))
            unused = await store.unused_hashes(tx, locked)
            results = await asyncio.gather(*map(self._delete, unused), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(unused)

    async def _delete(self, sha256: str) -> None:
        with storage_errors():
            try:
                await obstore.delete_async(self._objects, _key(sha256))
            except FileNotFoundError:
                return


async def _uninterrupted(work: Awaitable[_T]) -> _T:
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _pieces(found: "GetResult") -> AsyncGenerator[bytes]:
    with storage_errors():
        async for piece in found.stream(_CHUNK):
            yield piece


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _local_folder(storage_url: str) -> Path | None:
    url = urlsplit(storage_url)
    if url.scheme == "file" and url.netloc in {"", "localhost"} and len(url.path) > 1:
        return Path(unquote(url.path))
    if url.scheme in _REMOTE_SCHEMES and url.netloc:
        return None
    raise InvalidStorageUrlError(f"{storage_url!r} is not a storage URL that assay can use.")


def _remote(storage_url: str) -> ObjectStore:
    try:
        return from_url(
            storage_url,
            # Plain HTTP is used only where an endpoint of that kind was configured. The timeout is that of a whole
            # transfer; a store that is down must not hold the database transaction for long.
            client_options={"allow_http": True, "timeout": timedelta(minutes=10)},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
        )
    except (BaseError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidStorageUrlError(f"The storage URL cannot be used: {reason}") from error


def _make_folders(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # All at once, so that keeping a blob never has to make one durable.
    for number in range(256):
        (folder / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
    _sync(folder)
    _sync(folder.parent)


def _place(spool: Spool, target: Path) -> None:
    # Whoever renamed a file that is there had synced it, but perhaps not yet its folder.
    if not _has_size(target, spool.size):
        spool.finish().replace(target)
    _sync(target.parent)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
