"""How a file is fetched: into the folder that was meant, and under its name only once it is whole."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from assay.cli.failure import Failure


def inside(path: str) -> PurePosixPath:
    """Refuse a path that would lead out of the folder: the server is not to be trusted with this machine's files."""
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or "\\" in path or "\0" in path:
        raise Failure(f"The path {path!r} leads out of the folder.")
    return relative


@contextmanager
def arriving(target: Path) -> Generator[IO[bytes]]:
    """Yield a file to write to; it takes the place of `target` if the block ends well, else it is removed.

    A link is followed, and what is no file, such as a pipe, stays: both are written to at once.
    """
    if target.is_symlink() or (target.exists() and not target.is_file()):
        with target.open("wb") as file:
            yield file
        return
    draft = target.with_name(f".{target.name}.part")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
