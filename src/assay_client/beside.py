"""Which files may travel with a workflow file: visible ones inside its folder, reached by no symlink that leads out."""

from pathlib import Path

from assay_client.errors import AssayClientError

MAX_FILE_BYTES = 10 * 1024**2


class FileBesideError(AssayClientError):
    """A file cannot travel with the workflow file in whose folder it is, or should be."""


def read_beside(folder: Path, path: str) -> bytes:
    """Return the bytes of the file at a relative path in the folder of a workflow file.

    Raises:
        FileBesideError: there is none, it lies elsewhere, is hidden, larger than 10 MiB, or cannot be read.
    """
    found = _inside(folder, path)
    try:
        if not found.is_file():
            raise FileBesideError(f"There is no file {path!r} beside the workflow, in {folder}.")
        size = found.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FileBesideError(f"The file {path!r} has {size:,} bytes; {MAX_FILE_BYTES:,} are allowed.")
        return found.read_bytes()
    except OSError as error:
        raise FileBesideError(f"The file {path!r} cannot be read: {error.strerror}.") from error


def write_beside(folder: Path, path: str, content: bytes) -> None:
    """Write a file at a relative path in the folder of a workflow file, over one that is there.

    Raises:
        FileBesideError: it would lie elsewhere or be hidden, or cannot be written.
    """
    target = _inside(folder, path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as error:
        raise FileBesideError(f"The file {path!r} cannot be written: {error.strerror}.") from error


def _inside(folder: Path, path: str) -> Path:
    # What begins with a dot (`.git`, `.env`) is no business of a workflow; `..` does too.
    if "\\" in path or any(not segment or segment.startswith(".") for segment in path.split("/")):
        raise FileBesideError(f"{path!r} is no path of a file beside the workflow: relative, without hidden parts.")
    try:
        root = folder.resolve()
        found = (root / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise FileBesideError(f"The path {path!r} leads nowhere.") from error
    if not found.is_relative_to(root):
        raise FileBesideError(f"The file {path!r} leads out of {folder}, where the workflow lies.")
    return found
