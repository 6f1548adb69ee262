"""Webhook endpoints of the organization, and their deliveries."""

from typing import Any

from assay_client.transport import Transport, segment


class Webhooks:
    """Everything below `/webhooks`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.webhooks`."""
        self._transport = transport

    def list(self) -> dict[str, Any]:
        """Return all endpoints, the oldest first, without their secrets."""
        return self._transport.request("GET", "/webhooks")

    def get(self, webhook_id: str) -> dict[str, Any]:
        """Return an endpoint.

        Raises:
            NotFoundError: there is none.
        """
        return self._transport.request("GET", _path(webhook_id))

    def add(self, url: str, **settings: Any) -> dict[str, Any]:
        """Add an endpoint; `secret` in the answer is given out this once.

        `settings` are those of the API: `description`, `events`, `automationId`, `enabled`.

        Raises:
            InvalidRequestError: the address or an event is none.
        """
        return self._transport.request("POST", "/webhooks", body={"url": url, **settings})

    def change(self, webhook_id: str, **settings: Any) -> dict[str, Any]:
        """Change an endpoint: `url`, `description`, `events`, `automationId`, `enabled`; what is left out stays.

        Raises:
            NotFoundError: there is none.
        """
        return self._transport.request("PATCH", _path(webhook_id), body=settings)

    def remove(self, webhook_id: str) -> dict[str, Any]:
        """Remove an endpoint with its deliveries.

        Raises:
            NotFoundError: there is none.
        """
        return self._transport.request("DELETE", _path(webhook_id))

    def rotate(self, webhook_id: str, overlap_seconds: int | None = None) -> dict[str, Any]:
        """Make a new secret, given out this once; the old one signs too for a day, or so many seconds.

        Raises:
            NotFoundError: there is none.
        """
        body = {} if overlap_seconds is None else {"overlapSeconds": overlap_seconds}
        return self._transport.request("POST", f"{_path(webhook_id)}/rotate", body=body)

    def test(self, webhook_id: str) -> dict[str, Any]:
        """Let a worker send an event made up for the purpose; return its delivery, which is under way.

        Raises:
            ConflictError: the endpoint is disabled.
        """
        return self._transport.request("POST", f"{_path(webhook_id)}/test")

    def deliveries(self, webhook_id: str, **parameters: Any) -> dict[str, Any]:
        """Return a page of deliveries, newest first: `limit`, `cursor`, `state` (pending, delivered, failed)."""
        return self._transport.request("GET", f"{_path(webhook_id)}/deliveries", query=parameters)

    def delivery(self, webhook_id: str, delivery_id: str) -> dict[str, Any]:
        """Return a delivery with its attempts and what the event tells.

        Raises:
            NotFoundError: there is none.
        """
        return self._transport.request("GET", f"{_path(webhook_id)}/deliveries/{segment(delivery_id)}")

    def redeliver(self, webhook_id: str, delivery_id: str) -> dict[str, Any]:
        """Send an event again, with its own id.

        Raises:
            ConflictError: the endpoint is disabled.
        """
        return self._transport.request("POST", f"{_path(webhook_id)}/deliveries/{segment(delivery_id)}/redeliver")


def _path(webhook_id: str) -> str:
    return f"/webhooks/{segment(webhook_id)}"
