"""API and pages under one address."""

import contextlib
import gc
from functools import cached_property

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from assay import api
from assay.server import Server

_API_PATHS = ("/api/", "/v1/")
_PROBES = frozenset({"/api", "/v1", "/healthz", "/metrics"})
_PACKED_ALREADY = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/pdf", "application/octet-stream")


class Site:
    """ASGI application of a server process. The pages are loaded when the first one is asked for."""

    def __init__(self, server: Server) -> None:
        """Build it on what was opened; the caller closes that."""
        self._server = server
        self._api: ASGIApp = api.create_app(lambda: contextlib.nullcontext(server))
        _spare_what_is_loaded()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["path"].startswith(_API_PATHS) or scope["path"] in _PROBES:
            await self._api(scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    @cached_property
    def _pages(self) -> ASGIApp:
        from assay import dashboard  # noqa: PLC0415 # templates cost a start that serves the API alone

        pages = dashboard.create_app(lambda: self._server)
        _spare_what_is_loaded()
        return GZipMiddleware(pages, compresslevel=6, exclude_content_types=_PACKED_ALREADY)


def _spare_what_is_loaded() -> None:
    # It stays until the process ends, and looking through it took 0.1 s of one request in twenty that read 5,000 rows.
    gc.freeze()
