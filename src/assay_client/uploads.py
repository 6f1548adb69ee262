"""How files travel: as parts that are opened anew for every attempt and never held in memory whole."""

import mimetypes
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HttpxPart = tuple[str, tuple[str | None, IO[bytes] | bytes, str | None]]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is in memory; without a content type the name decides."""

    filename: str
    content: bytes
    content_type: str | None = None


FileSource = Path | Upload


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body: a file, or JSON or plain text where `source` is a string."""

    name: str
    source: FileSource | str
    content_type: str | None = None


@contextmanager
def opened(parts: Sequence[Part]) -> Generator[list[HttpxPart]]:
    """Open the files of all parts, in order, for one attempt.

    Raises:
        OSError: a file cannot be read.
    """
    with ExitStack() as stack:
        yield [(part.name, _content(part, stack)) for part in parts]


def _content(part: Part, stack: ExitStack) -> tuple[str | None, IO[bytes] | bytes, str | None]:
    source = part.source
    if isinstance(source, str):
        return None, source.encode(), part.content_type
    if isinstance(source, Upload):
        return source.filename, source.content, source.content_type or _guess(source.filename)
    return source.name, stack.enter_context(source.open("rb")), _guess(source.name)


def _guess(filename: str) -> str:
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"
