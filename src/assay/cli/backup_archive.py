"""What a backup is: one tar file with all bytes by their hash, the database, and the key that opens its secrets.

The order is what makes it consistent while the server runs. Bytes come first, then the database of
one moment, then the bytes that came in between: whatever a row of that moment refers to is there,
also when the row was deleted meanwhile. The last member says that the backup is whole.
"""

import json
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

from assay import clock, db, files
from assay.cli.failure import Failure
from assay.db import Database
from assay.db import dump as dumps
from assay.settings import Settings

FORMAT = 1
FIRST, DATABASE, KEY, LAST = "backup.json", "database.dump", "secret.key", "complete.json"
_BLOB = re.compile(r"blobs/([0-9a-f]{64})")
_IN_MEMORY = 8 * 1024**2
_CHUNK = 1024**2

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands first in a backup."""

    created_at: str
    schema: str
    assay: str


async def write(database: Database, settings: Settings, target: Path, progress: Progress) -> int:
    """Write a backup to a new file that only its owner may read; return how many blobs it holds.

    Raises:
        AssayError: the database or the store could not be read; no file is left.
    """
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                count = await _write_members(archive, database, settings, progress)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return count


def manifest_of(source: Path) -> Manifest:
    """Read what a backup says of itself.

    Raises:
        Failure: the file is no backup, or one of a newer assay.
    """
    with _opened(source) as archive:
        first = archive.next()
        if first is None or first.name != FIRST:
            raise _foreign(source)
        found = _json(archive, first)
    if found.get("format") != FORMAT:
        raise Failure(f"{source} was written by assay {found.get('assay')}, in a form that this one does not know.")
    return Manifest(str(found["createdAt"]), str(found["schema"]), str(found["assay"]))


async def read(database: Database, settings: Settings, source: Path, progress: Progress) -> int:
    """Put back what a backup holds: first all bytes, then the whole database at once; return how many blobs.

    Raises:
        Failure: the file is no whole backup; the database is as it was.
        AssayError: the database or the store could not be written.
    """
    blobs = files.Blobs.open(settings.storage_url, settings.data_dir)
    count, is_complete = 0, False
    with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder, _opened(source) as archive:
        dumped, key = Path(folder, DATABASE), Path(folder, KEY)
        for member in _members(archive, source):
            blob = _BLOB.fullmatch(member.name)
            if blob:
                await _keep(database, blobs, archive, member, blob[1])
                count += 1
                progress(count)
            elif member.name in {DATABASE, KEY}:
                _extract(archive, member, Path(folder, member.name))
            is_complete = member.name == LAST
        if not is_complete or not dumped.exists():
            raise Failure(f"{source} is no whole backup (it ends too early). Nothing was restored.")
        await dumps.load(database.dsn, dumped, storage_id=await blobs.identity())
        if key.exists() and settings.secret_key is None:
            key.replace(settings.data_dir / KEY)
    await db.upgrade(database.dsn)
    return count


async def _write_members(archive: tarfile.TarFile, database: Database, settings: Settings, progress: Progress) -> int:
    blobs = files.Blobs.open(settings.storage_url, settings.data_dir)
    schema = await db.status(database.dsn)
    about = {"format": FORMAT, "createdAt": clock.iso(clock.now()), "schema": schema.current}
    _add(archive, FIRST, json.dumps({**about, "assay": metadata.version("assay")}).encode())
    if settings.secret_key is None and (settings.data_dir / KEY).exists():
        _add(archive, KEY, (settings.data_dir / KEY).read_bytes())
    written: set[str] = set()
    await _add_blobs(archive, blobs, written, progress)
    with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder:
        dumped = Path(folder, DATABASE)
        await dumps.dump(database.dsn, dumped)
        with dumped.open("rb") as file:  # noqa: ASYNC230 (nothing else waits for this process)
            _add_file(archive, DATABASE, file, dumped.stat().st_size)
    await _add_blobs(archive, blobs, written, progress)
    _add(archive, LAST, json.dumps({"blobs": len(written)}).encode())
    return len(written)


async def _add_blobs(archive: tarfile.TarFile, blobs: files.Blobs, written: set[str], progress: Progress) -> None:
    async for blob in blobs.all():
        if blob.sha256 in written:
            continue
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file, suppress(files.BlobMissingError):
            async for piece in await blobs.stream(blob.sha256):
                file.write(piece)
            size = file.tell()
            file.seek(0)
            _add_file(archive, f"blobs/{blob.sha256}", cast("IO[bytes]", file), size)
            written.add(blob.sha256)
            progress(len(written))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    _add_file(archive, name, BytesIO(content), len(content))


def _add_file(archive: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    member.mtime = int(clock.now().timestamp())
    archive.addfile(member, file)


@contextmanager
def _opened(source: Path) -> Generator[tarfile.TarFile]:
    try:
        with tarfile.open(source, "r:") as archive:
            yield archive
    except tarfile.TarError as error:
        raise Failure(f"{source} is no whole backup ({error}). Nothing was restored.") from error


def _members(archive: tarfile.TarFile, source: Path) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        if not member.isfile() or not (_BLOB.fullmatch(member.name) or member.name in {FIRST, DATABASE, KEY, LAST}):
            raise _foreign(source)
        yield member


async def _keep(
    database: Database, blobs: files.Blobs, archive: tarfile.TarFile, member: tarfile.TarInfo, sha256: str
) -> None:
    content = _content(archive, member)
    async with blobs.spool(member.size) as spool:
        while piece := content.read(_CHUNK):
            await spool.write(piece)
        if spool.sha256 != sha256:
            raise Failure(f"The backup is damaged at {member.name}. Nothing was restored.")
        async with database.transaction() as tx:
            await blobs.keep(tx, spool)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    content = _content(archive, member)
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := content.read(_CHUNK):
            file.write(piece)


def _json(archive: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(_content(archive, member).read()))
    except ValueError as error:
        raise Failure(f"The backup is damaged at {member.name}.") from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    assert content is not None, "only files get here"
    return content


def _foreign(source: Path) -> Failure:
    return Failure(f"{source} is no backup that assay wrote.")
