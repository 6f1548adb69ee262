"""What is known of a file besides its bytes."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that lie in the store: their SHA-256 in hex, and how many they are."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Room:
    """Where the bytes lie (a folder, or None: a bucket), and of the folder's disk the free and all bytes."""

    folder: str | None
    free: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A reusable upload. `size` in bytes; `created_by` is a user id, None for the system."""

    id: str
    filename: str
    content_type: str
    size: int
    sha256: str
    purpose: str | None
    created_by: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of one run, found by `path`; `role` is `input`, `output`, `debug`, `report`…; `size` in bytes."""

    path: str
    name: str
    role: str
    step_name: str | None
    content_type: str
    size: int
    sha256: str
