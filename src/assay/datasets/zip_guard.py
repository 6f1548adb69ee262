"""Which ZIP files of strangers are opened at all, and which of their entries are taken."""

import io
import stat
import unicodedata
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from typing_extensions import override

from assay import files
from assay.datasets.archive_findings import Findings
from assay.datasets.errors import DAMAGE, ArchiveIssue, ArchiveTooLargeError, InvalidArchiveError
from assay.errors import Issue

MAX_ARCHIVE = 500 * 1024**2
"""Bytes of an archive."""
MAX_UNPACKED = 2 * 1024**3
"""Bytes of all its entries together."""
MAX_RATIO = 200
"""How many times its own size an archive may unpack to, once that is more than 64 MiB."""
MAX_ENTRIES = 50_000

_RATIO_FROM = 64 * 1024**2
# 50,000 entries with long names, which zipfile reads into memory before anybody can count them.
_MAX_DIRECTORY = 16 * 1024**2
_STRONGLY_ENCRYPTED = 0x40


@contextmanager
def opened(source: Path | bytes) -> Generator[zipfile.ZipFile]:
    """Open an archive of a stranger; for a thread. Nothing is unpacked yet.

    Raises:
        InvalidArchiveError: it is no ZIP file.
        ArchiveTooLargeError: it, its number of entries, or what it would unpack to is too large.
    """
    raw = cast("io.RawIOBase", io.BytesIO(source)) if isinstance(source, bytes) else source.open("rb", buffering=0)
    with _Guarded(raw) as file:
        size = file.seek(0, io.SEEK_END)
        if size > MAX_ARCHIVE:
            message = f"The archive has {size:,} bytes; {MAX_ARCHIVE:,} are taken at once."
            raise ArchiveTooLargeError(message, field="file")
        try:
            archive = zipfile.ZipFile(file)
        except DAMAGE as error:
            message = "This is no ZIP file, or it is damaged."
            raise InvalidArchiveError([Issue("file", message, ArchiveIssue.NOT_A_ZIP)]) from error
        with archive:
            _check_size(archive, size)
            yield archive


def checked_entries(archive: zipfile.ZipFile, findings: Findings) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by their paths (NFC); note what is wrong with the others."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        # `filename` has been cut at a NUL.
        path = unicodedata.normalize("NFC", info.orig_filename)
        if path in entries:
            findings.add(path, "The archive has two entries of this path.", ArchiveIssue.DUPLICATE)
        elif _accepted(info, findings) and not info.is_dir():
            entries[path] = info
    return entries


def read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return the bytes of an entry; for a thread. `DAMAGE` is raised if they are not what the archive says."""
    with archive.open(info) as entry:
        # Told to read all, zipfile unpacks up to two gigabytes at once and cuts them to the size afterwards.
        return entry.read(info.file_size)


class _Guarded(io.BufferedReader):
    """Refuses to read a central directory that memory should not hold: zipfile asks for all of it at once."""

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY:
            message = f"The archive has more than {MAX_ENTRIES:,} entries."
            raise ArchiveTooLargeError(message, field="file")
        return super().read(size)


def _check_size(archive: zipfile.ZipFile, size: int) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        message = f"The archive has {len(entries):,} entries; {MAX_ENTRIES:,} are taken at once."
        raise ArchiveTooLargeError(message, field="file")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED:
        message = f"The archive unpacks to {unpacked:,} bytes; {MAX_UNPACKED:,} are taken at once."
        raise ArchiveTooLargeError(message, field="file")
    if unpacked > max(_RATIO_FROM, size * MAX_RATIO):
        message = f"The archive unpacks to more than {MAX_RATIO} times its size; it does not look like a dataset."
        raise ArchiveTooLargeError(message, field="file")


def _accepted(info: zipfile.ZipInfo, findings: Findings) -> bool:
    path = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not _is_safe(path.removesuffix("/")):
        message = "A path is names joined by `/`: none empty, `.` or `..`, without backslash or control character."
        findings.add(path, message, ArchiveIssue.UNSAFE_PATH)
    elif kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        findings.add(path, "Links and other special files are not taken.", ArchiveIssue.SYMLINK)
    elif info.flag_bits & (1 | _STRONGLY_ENCRYPTED):
        findings.add(path, "Encrypted entries cannot be read.", ArchiveIssue.ENCRYPTED)
    # The others unpack without an end that could be set.
    elif info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        findings.add(path, "Entries are stored or deflated; nothing else.", ArchiveIssue.COMPRESSION)
    else:
        return True
    return False


def _is_safe(path: str) -> bool:
    try:
        files.safe_path(path)
    except (files.InvalidArtifactPathError, UnicodeEncodeError):
        return False
    return True
