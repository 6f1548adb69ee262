"""A client that costs next to nothing, since it runs on the cores it measures: raw HTTP/1.1 on one connection."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self


class Connection:
    """One kept-alive connection. Answers must carry a length, as assay's do."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        """Use `Connection.open`."""
        self._reader = reader
        self._writer = writer
        self._head = f"Host: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int, key: str) -> AsyncGenerator[Self]:
        """Connect, and close at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer, key)
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
