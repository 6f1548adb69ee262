"""Bytes by their hash, reusable files, and the artifacts of a run."""

from assay.files.archive import Outbox, zip_stream
from assay.files.blobs import Blobs
from assay.files.errors import (
    ArtifactNotFoundError,
    BlobMissingError,
    FileTooLargeError,
    InvalidArtifactPathError,
    InvalidPurposeError,
    InvalidStorageUrlError,
    StorageUnavailableError,
    StoredFileNotFoundError,
    ZipTooLargeError,
)
from assay.files.input_folder import InputFolder
from assay.files.model import Artifact, Blob, Room, StoredFile
from assay.files.names import content_type_of, download_headers, safe_filename, safe_path
from assay.files.spool import Spool
from assay.files.store import (
    add_artifacts,
    add_artifacts_of,
    by_ids,
    copy_artifacts,
    create,
    delete,
    get,
    get_artifact,
    hold_artifacts,
    list_artifacts,
)

__all__ = [
    "Artifact",
    "ArtifactNotFoundError",
    "Blob",
    "BlobMissingError",
    "Blobs",
    "FileTooLargeError",
    "InputFolder",
    "InvalidArtifactPathError",
    "InvalidPurposeError",
    "InvalidStorageUrlError",
    "Outbox",
    "Room",
    "Spool",
    "StorageUnavailableError",
    "StoredFile",
    "StoredFileNotFoundError",
    "ZipTooLargeError",
    "add_artifacts",
    "add_artifacts_of",
    "by_ids",
    "content_type_of",
    "copy_artifacts",
    "create",
    "delete",
    "download_headers",
    "get",
    "get_artifact",
    "hold_artifacts",
    "list_artifacts",
    "safe_filename",
    "safe_path",
    "zip_stream",
]
