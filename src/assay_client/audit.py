"""The record of what people changed."""

from collections.abc import Iterator
from typing import Any

from assay_client.transport import Transport

PAGE = 100


class Audit:
    """`/audit`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.audit`."""
        self._transport = transport

    def list(
        self,
        *,
        action: str | None = None,
        email: str | None = None,
        user_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> dict[str, Any]:
        """Return a page `{data}`, newest first; `before` is the id of the last entry of the page before.

        `action` is one (`key.revoked`) or the thing alone (`key`); `email` or `user_id` says who did it.
        """
        query = {"action": action, "email": email, "userId": user_id, "before": before, "limit": limit}
        return self._transport.request("GET", "/audit", query=query)

    def iterate(
        self, *, action: str | None = None, email: str | None = None, limit: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield entries, newest first, asking for the next page when it is needed."""
        left, before = limit, None
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = self.list(action=action, email=email, before=before, limit=size)["data"]
            yield from page
            if len(page) < size:
                return
            left = None if left is None else left - size
            before = page[-1]["id"]
