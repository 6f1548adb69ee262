"""Multipart bodies, read as they come: text parts into memory, files into spools, nothing larger than allowed."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from assay import files
from assay.api.bodies import BodyTooLargeError, chunks
from assay.errors import InvalidValueError

MAX_PARTS = 200
MAX_TEXT_BYTES = 10 * 1024**2


class MalformedMultipartError(InvalidValueError):
    """The multipart body is malformed."""

    code = "invalid_multipart"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part with a file name; its bytes lie in the spool as long as the form is open."""

    name: str
    filename: str
    content_type: str | None
    spool: files.Spool


@dataclass(slots=True)
class Form:
    """A whole multipart body. Text parts are unique; several files may share a name."""

    texts: dict[str, str] = field(default_factory=dict[str, str])
    files: list[FilePart] = field(default_factory=list[FilePart])


@dataclass(slots=True)
class _Part:
    headers: dict[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass(slots=True)
class _Events:
    """What the parser said since it was last fed; a part's headers, some of its bytes, or its end."""

    found: list[_Part | bytes | None] = field(default_factory=list["_Part | bytes | None"])
    ended: bool = False
    _part: _Part = field(default_factory=_Part)
    _name: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)

    def on_part_begin(self) -> None:
        self._part = _Part()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._part.headers[self._name.decode("latin-1").lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def on_headers_finished(self) -> None:
        self.found.append(self._part)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.found.append(data[start:end])

    def on_part_end(self) -> None:
        self.found.append(None)

    def on_end(self) -> None:
        self.ended = True


@asynccontextmanager
async def open_form(request: Request, blobs: files.Blobs, limit: int) -> AsyncGenerator[Form]:
    """Read a multipart body of at most `limit` bytes; its files are gone when the block ends unless kept.

    Raises:
        MalformedMultipartError: it is no multipart body, ends early, repeats a text part or has too many parts.
        BodyTooLargeError: it is too large as a whole, or a text part is.
    """
    async with AsyncExitStack() as stack:
        form = Form()
        reader = _Reader(form, blobs, stack, limit)
        async for chunk in _with_boundary(request, reader, limit):
            await reader.feed(chunk)
        reader.finish()
        yield form


async def _with_boundary(request: Request, reader: "_Reader", limit: int) -> AsyncIterator[bytes]:
    """Set the reader's boundary from the header, else from the body's first line, and yield the body."""
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if boundary is not None:
        reader.begin(boundary)
    held = b""
    async for chunk in chunks(request, limit):
        if boundary is not None:
            yield chunk
            continue
        held += chunk
        line, end, _ = held.partition(b"\r\n")
        if end:
            boundary = _sniffed(line)
            reader.begin(boundary)
            yield held
        elif len(held) > 256:
            _sniffed(held)
    if boundary is None:
        _sniffed(held)


def _sniffed(line: bytes) -> bytes:
    """Some clients name the boundary only in the body."""
    if line.startswith(b"--") and 2 < len(line) <= 74:
        return line[2:]
    message = "The Content-Type names no boundary, and the body does not begin with one."
    raise MalformedMultipartError(message)


class _Reader:
    def __init__(self, form: Form, blobs: files.Blobs, stack: AsyncExitStack, limit: int) -> None:
        self._form = form
        self._blobs = blobs
        self._stack = stack
        self._limit = limit
        self._events = _Events()
        self._parser: MultipartParser | None = None
        self._text: tuple[str, bytearray] | None = None
        self._file: FilePart | None = None
        self._parts = 0

    def begin(self, boundary: bytes) -> None:
        names = [name for name in dir(_Events) if name.startswith("on_")]
        callbacks = {name: getattr(self._events, name) for name in names}
        try:
            self._parser = MultipartParser(boundary, callbacks)  # pyright: ignore[reportArgumentType] # a TypedDict there
        except FormParserError as error:
            message = "The boundary is too long."
            raise MalformedMultipartError(message) from error

    async def feed(self, chunk: bytes) -> None:
        assert self._parser is not None
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            message = f"The multipart body is malformed: {error}."
            raise MalformedMultipartError(message) from error
        found, self._events.found = self._events.found, []
        for event in found:
            await self._take(event)

    def finish(self) -> None:
        # Only the last boundary tells a whole body from one that was cut off between two parts.
        if not self._events.ended or self._parts == 0:
            message = "The multipart body ends before its last part does."
            raise MalformedMultipartError(message)

    async def _take(self, event: _Part | bytes | None) -> None:
        if isinstance(event, _Part):
            await self._begin_part(event)
        elif event is None:
            self._end_part()
        elif self._file is not None:
            await self._file.spool.write(event)
        elif self._text is not None:
            self._text[1].extend(event)
            if len(self._text[1]) > MAX_TEXT_BYTES:
                message = f"The part {self._text[0]!r} is larger than {MAX_TEXT_BYTES:,} bytes."
                raise BodyTooLargeError(message)

    async def _begin_part(self, part: _Part) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            message = f"A form may have {MAX_PARTS} parts."
            raise MalformedMultipartError(message)
        kind, options = parse_options_header(part.headers.get("content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            message = "Every part needs Content-Disposition: form-data with a name."
            raise MalformedMultipartError(message)
        name = _text(options[b"name"])
        if b"filename" not in options:
            self._text = (name, bytearray())
            return
        spool = await self._stack.enter_async_context(self._blobs.spool(self._limit))
        content_type = part.headers.get("content-type")
        filename = _text(options[b"filename"]).replace("%22", '"')
        self._file = FilePart(name, filename, None if content_type is None else _text(content_type), spool)

    def _end_part(self) -> None:
        if self._file is not None:
            self._form.files.append(self._file)
            self._file = None
            return
        assert self._text is not None
        name, content = self._text
        self._text = None
        if name in self._form.texts:
            message = f"The part {name[:80]!r} is there twice."
            raise MalformedMultipartError(message, field=name)
        self._form.texts[name] = _text(bytes(content))


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message = "A text part or a name is not UTF-8."
        raise MalformedMultipartError(message) from error
    if "\x00" in text:
        message = "A text part or a name holds the character NUL."
        raise MalformedMultipartError(message)
    return text
