"""How many artifacts travel as one ZIP file: stored, not deflated, made while it is sent."""

import io
import zipfile
from collections.abc import AsyncGenerator, Sequence

from typing_extensions import Buffer, override

from assay.files.blobs import Blobs
from assay.files.errors import ZipTooLargeError
from assay.files.model import Artifact


def zip_stream(blobs: Blobs, artifacts: Sequence[Artifact], limit: int) -> AsyncGenerator[bytes]:
    """Return the bytes of a ZIP file that holds the artifacts under their paths.

    Holds about a megabyte in memory, however large the artifacts. Equal artifacts give equal bytes.

    Raises:
        ZipTooLargeError: the artifacts hold more than `limit` bytes; raised before the first byte.
        BlobMissingError: while iterating, an artifact's bytes are gone.
        StorageUnavailableError: while iterating, the store does not answer.
    """
    total = sum(artifact.size for artifact in artifacts)
    if total > limit:
        message = f"The artifacts hold {total:,} bytes; at most {limit:,} are packed into one ZIP file."
        raise ZipTooLargeError(message)
    return _packed(blobs, artifacts)


async def _packed(blobs: Blobs, artifacts: Sequence[Artifact]) -> AsyncGenerator[bytes]:
    outbox = Outbox()
    with zipfile.ZipFile(outbox, "w") as archive:
        for artifact in artifacts:
            with archive.open(_entry(artifact), "w") as entry:
                async for chunk in await blobs.stream(artifact.sha256):
                    entry.write(chunk)
                    yield outbox.take()
    yield outbox.take()


def _entry(artifact: Artifact) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(artifact.path)
    entry.file_size = artifact.size  # an estimate is enough: it decides whether the entry is ZIP64
    entry.external_attr = 0o644 << 16
    return entry


class Outbox(io.RawIOBase):
    """A file that cannot seek, whose content is taken away while it grows."""

    def __init__(self) -> None:
        super().__init__()
        self._content = bytearray()

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, content: Buffer, /) -> int:
        self._content += content
        return memoryview(content).nbytes

    @property
    def size(self) -> int:
        """How many bytes wait to be taken."""
        return len(self._content)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = bytes(self._content)
        self._content.clear()
        return taken
