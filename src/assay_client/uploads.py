"""How files travel: as parts that are opened anew for every attempt and never held in memory whole."""

import io
import mimetypes
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from typing_extensions import override

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
    """One part of a multipart body: a file, or JSON or plain text where `source` is a string.

    `sent` is told the size of each piece of a file that is read from the disk to be sent.
    """

    name: str
    source: FileSource | str
    content_type: str | None = None
    sent: Callable[[int], None] | None = None


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
    file = source.open("rb") if part.sent is None else _Watched(source, part.sent)
    return source.name, stack.enter_context(file), part.content_type or _guess(source.name)


class _Watched(io.FileIO):
    def __init__(self, path: Path, sent: Callable[[int], None]) -> None:
        super().__init__(path)
        self._sent = sent

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._sent(len(piece))
        return piece


def _guess(filename: str) -> str:
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"
