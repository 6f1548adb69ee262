"""Where bytes wait until it is known how many they are and what they hash to: small ones in memory, others on disk."""

import asyncio
import hashlib
import os
import secrets
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from assay import clock
from assay.files.errors import FileTooLargeError, storage_errors

_IN_MEMORY = 256 * 1024
_ORPHAN_AGE = timedelta(days=1)


class Spool:
    """Bytes on their way into the store; `Blobs.spool` makes one. `size` is how many came so far."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Take up to `limit` bytes; what memory should not hold goes to a file (0600) in `folder`."""
        self.size = 0
        self._path = folder / secrets.token_hex(16)
        self._limit = limit
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self._file: BinaryIO | None = None

    @property
    def sha256(self) -> str:
        """The hash, in hex, of what was written so far."""
        digest = self._hash.copy()
        digest.update(self._waiting)
        return digest.hexdigest()

    async def write(self, chunk: bytes) -> None:
        """Append `chunk`; after an error the spool is good for nothing.

        Raises:
            FileTooLargeError: these are more bytes than the limit.
            StorageUnavailableError: the disk is full, or alike.
        """
        self.size += len(chunk)
        if self.size > self._limit:
            message = f"The file is larger than {self._limit:,} bytes."
            raise FileTooLargeError(message)
        self._waiting += chunk
        if len(self._waiting) > _IN_MEMORY:
            with storage_errors():
                await asyncio.to_thread(self._write_out)

    def content(self) -> bytes | Path:
        """Return the bytes if they are few, else the file that holds them; for a thread."""
        return bytes(self._waiting) if self._file is None else self.finish()

    def finish(self) -> Path:
        """Write all bytes to the disk for good and return their file, which may be moved away; for a thread."""
        if self._file is None or not self._file.closed:
            file = self._write_out()
            file.flush()
            os.fsync(file.fileno())
            file.close()
        return self._path

    def discard(self) -> None:
        """Remove the file unless it was moved away; a second call does nothing."""
        if self._file is None:
            return
        with suppress(OSError):  # of the last buffer, on a full disk; the bytes are not wanted any more
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _write_out(self) -> BinaryIO:
        if self._file is None:
            self._file = create(self._path)
        self._hash.update(self._waiting)
        self._file.write(self._waiting)
        self._waiting = bytearray()
        return self._file


def create(path: Path) -> BinaryIO:
    """Create a file that only its owner may read, and open it for writing.

    Raises:
        FileExistsError: it is there already.
    """
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def remove_orphans(folder: Path) -> None:
    """Remove files that processes which are no more left behind: those untouched for a day."""
    oldest = (clock.now() - _ORPHAN_AGE).timestamp()
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # its process ended it, or another one that starts
            if path.stat().st_mtime < oldest:
                path.unlink()
