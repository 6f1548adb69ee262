"""What happens around every request: it gets an id, it is counted, and it is logged without its contents."""

import logging
import re
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay import ids
from assay.api.health import REQUESTS, SECONDS

log = logging.getLogger("assay.requests")

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_SECURITY = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class RequestFrame:
    """ASGI middleware: `x-request-id` on every answer, metrics and one log line a request."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or ids.new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                known = {name for name, _ in message["headers"]}
                extra = [header for header in _SECURITY if header[0] not in known]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *extra]
            await send(message)

        try:
            await self._app(scope, receive, send_framed)
        finally:
            self._count(scope, status, time.perf_counter() - started, request_id)

    @staticmethod
    def _count(scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route: Any = scope.get("route")
        template = getattr(route, "path", "unknown")
        REQUESTS.labels(scope["method"], template, status).inc()
        SECONDS.labels(scope["method"], template).observe(seconds)
        log.info("%s %s %s %.1f ms %s", scope["method"], template, status, seconds * 1000, request_id)


def _given_id(scope: Scope) -> str | None:
    """Take over the caller's id for the request, if it is harmless."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if _ACCEPTABLE_ID.fullmatch(text) else None
    return None
