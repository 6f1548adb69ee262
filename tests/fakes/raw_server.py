"""An HTTP server on loopback that sends exactly the bytes a test tells it to, and keeps what it was asked."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Answering = Callable[[Asked], AsyncIterator[bytes]]


@dataclass
class RawServer:
    """Where it listens and what it was asked; `connections` are the local addresses that were dialled."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    sent: int = 0

    def url(self, path: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def response(
    body: bytes = b"", *, status: str = "200 OK", headers: Mapping[str, str] | None = None
) -> AsyncIterator[bytes]:
    """A whole response."""
    lines = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return pieces(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)


async def pieces(*sent: bytes) -> AsyncIterator[bytes]:
    """Bytes as they are."""
    for piece in sent:
        yield piece


def redirect(location: str, *, status: str = "302 Found") -> AsyncIterator[bytes]:
    """A response that leads elsewhere."""
    return response(status=status, headers={"Location": location})


@asynccontextmanager
async def raw_server(
    answering: Answering, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncGenerator[RawServer]:
    """Run the server while the block lasts; every connection takes one request."""
    served = RawServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections.append(writer.get_extra_info("sockname")[0])
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            asked = await _read(reader)
            served.asked.append(asked)
            async for piece in answering(asked):
                writer.write(piece)
                await writer.drain()
                served.sent += len(piece)
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))
