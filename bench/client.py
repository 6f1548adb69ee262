"""A client that costs next to nothing, since it runs on the cores it measures: raw HTTP/1.1 on one connection."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self

from assay.dashboard.visitors import COOKIE


class Connection:
    """One kept-alive connection. Answers must carry a length, as assay's do."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        """Use `Connection.open` or `Connection.browse`."""
        self._reader = reader
        self._writer = writer
        self._head = f"Host: bench\r\nContent-Type: application/json\r\n{head}\r\n"

    @classmethod
    def open(cls, port: int, key: str) -> AbstractAsyncContextManager[Self]:
        """Connect as an application that has a key, and close at the end."""
        return cls._connect(port, f"Authorization: Bearer {key}")

    @classmethod
    def browse(cls, port: int, session: str) -> AbstractAsyncContextManager[Self]:
        """Connect as a browser that is signed in and takes packed answers, and close at the end."""
        return cls._connect(port, f"Cookie: {COOKIE}={session}\r\nAccept-Encoding: gzip")

    @classmethod
    @asynccontextmanager
    async def _connect(cls, port: int, head: str) -> AsyncGenerator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer, head)
        finally:
            writer.close()

    def prepared(self, method: str, path: str, body: object = None) -> bytes:
        """Build a request that can be sent any number of times."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        return head.encode() + content

    async def send(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer.

        Raises:
            RuntimeError: the answer is no success.
        """
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        start = head.lower().index(b"content-length: ") + 16
        content = await self._reader.readexactly(int(head[start : head.index(b"\r", start)]))
        if not head.startswith(b"HTTP/1.1 20"):
            message = f"{request.split(b' HTTP', 1)[0].decode()}: {head[9:12].decode()} {content[:500]!r}"
            raise RuntimeError(message)
        return content

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Send one request and return its answer's JSON."""
        return json.loads(await self.send(self.prepared(method, path, body)))
