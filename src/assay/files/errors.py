"""What can be wrong with files, artifacts and the place where their bytes lie."""

from collections.abc import Generator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from assay.errors import InvalidValueError, NotFoundError, TooLargeError, UnavailableError


class StoredFileNotFoundError(NotFoundError):
    """There is no such file."""


class ArtifactNotFoundError(NotFoundError):
    """The run has no artifact of that path."""


class InvalidArtifactPathError(InvalidValueError):
    """An artifact's path is names joined by `/`: none empty, `.` or `..`, without backslash or control character."""


class InvalidPurposeError(InvalidValueError):
    """A purpose is 1 to 64 letters, digits, dots, colons, dashes or underscores."""


class InvalidStorageUrlError(InvalidValueError):
    """The storage URL is none that assay can use."""

    code = "invalid_storage_url"
    hint = "Set ASSAY_STORAGE_URL to s3://bucket/prefix, gs://bucket/prefix, az://account/container/prefix or file:///folder."


class FileTooLargeError(TooLargeError):
    """The file is larger than this server accepts."""


class ZipTooLargeError(TooLargeError):
    """The artifacts together are larger than what is packed into one ZIP file."""

    code = "artifacts_zip_too_large"
    hint = "Download the artifacts one by one."


class StorageUnavailableError(UnavailableError):
    """The place where files lie cannot be read or written right now; try again shortly."""

    code = "storage_unavailable"
    hint = "See ASSAY_STORAGE_URL and its credentials, or the rights and the free space of the data folder."


class BlobMissingError(UnavailableError):
    """The file is known, but its bytes are not where they should lie."""

    code = "file_bytes_missing"
    hint = "See whether ASSAY_STORAGE_URL names the place the file was written to."


@contextmanager
def storage_errors() -> Generator[None]:
    """Turn what disks and buckets raise into a `StorageUnavailableError`."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise StorageUnavailableError from error
