"""Whoever sends a head that does not end, or none, has neither memory nor a connection of ours."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from assay.cli.request_heads import GuardedProtocol

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
POST = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Hasty(GuardedProtocol):
    patience_seconds = 0.2


async def answer(scope: Any, _receive: Any, send: Any) -> None:
    if scope["path"] == "/slow":
        await asyncio.sleep(Hasty.patience_seconds * 3)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def connected(protocol: type[GuardedProtocol]) -> AsyncGenerator[Ends]:
    """A connection to a server that answers everything, `/slow` later than a hasty one waits for a head."""
    config = uvicorn.Config(answer, port=0, http=protocol, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def bytes_until_refused(writer: asyncio.StreamWriter, piece: bytes) -> int:
    """Send a piece over and over, until nobody takes it any more or it is far too much."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 100_000_000:
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
    return sent


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(GET + b"X: ", b"x" * 8192, id="one endless line"),
        pytest.param(GET, b"X: y\r\n" * 1000, id="endless lines"),
        pytest.param(POST + b"1\r\na\r\n0\r\nX: ", b"x" * 8192, id="an endless trailer"),
        pytest.param(POST + b"1;", b"x" * 8192, id="an endless extension of a chunk"),
    ],
)
async def test_a_head_without_end_is_refused_before_it_is_large(begin: bytes, piece: bytes) -> None:
    async with connected(GuardedProtocol) as (_, writer):
        writer.write(begin)
        assert await bytes_until_refused(writer, piece) < 20_000_000, "the sockets between us hold some"


async def test_a_head_that_is_too_large_is_told_so() -> None:
    async with connected(GuardedProtocol) as (reader, writer):
        writer.write((GET + b"X: ").ljust(GuardedProtocol.largest_head + 1, b"x"))
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_a_large_body_and_many_requests_on_a_connection_are_no_large_head() -> None:
    async with connected(GuardedProtocol) as (reader, writer):
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            for _ in range(50):
                writer.write(GET + b"X: " + b"y" * 8000 + b"\r\n\r\n")
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GET + b"X", id="half a head"),
        pytest.param(GET + b"\r\n" + GET, id="half a head after a request"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", id="half a body that nobody reads"),
    ],
)
async def test_a_connection_on_which_nothing_is_asked_is_closed(begin: bytes) -> None:
    async with connected(Hasty) as (reader, writer):
        writer.write(begin)
        assert (await asyncio.wait_for(reader.read(), 30)).count(b"HTTP/1.1 200") == (b"\r\n\r\n" in begin)


async def test_an_answer_that_takes_its_time_is_waited_for() -> None:
    async with connected(Hasty) as (reader, writer):
        writer.write(GET.replace(b"/ ", b"/slow ") + b"\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
