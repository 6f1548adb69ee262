"""What a stranger may send, and how long they may take, before there is a request to answer."""

import asyncio
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 32\r\n"
    b"connection: close\r\n\r\nThe head of the request is large"
)


class GuardedProtocol(HttpToolsProtocol):
    """One connection. uvicorn's parser keeps any head whole and waits for its end for ever; this one does neither.

    A head, trailer or chunk extension of more than `largest_head` bytes, one read of the socket more or less, is
    answered with 431. A connection on which nothing has been answered for `patience_seconds` is closed, be it silent,
    in the middle of a head or in a body that nobody wants; while an answer is being made it may take its time.
    """

    largest_head = 64 * 1024
    patience_seconds = 70.0  # longer than a kept connection may idle, so that its next request has time, too

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*arguments, **named)
        self._unparsed = 0
        self._open_requests = 0
        self._answered = self.loop.time()
        self._look_again: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._look()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._look_again is not None:
            self._look_again.cancel()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > self.largest_head and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    @override
    def on_headers_complete(self) -> None:
        self._unparsed = 0
        self._open_requests += 1
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    @override
    def on_response_complete(self) -> None:
        self._answered = self.loop.time()
        self._open_requests -= 1
        super().on_response_complete()

    def _look(self) -> None:
        if not self._open_requests and self.loop.time() - self._answered >= self.patience_seconds:
            self.transport.close()
            return
        self._look_again = self.loop.call_later(self.patience_seconds / 4, self._look)
