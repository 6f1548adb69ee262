"""API keys of the organization."""

from collections.abc import Sequence
from typing import Any

from assay_client.transport import Transport, segment


class Keys:
    """Everything below `/keys`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.keys`."""
        self._transport = transport

    def list(self) -> dict[str, Any]:
        """Return all keys, without the keys themselves, with the revoked and the expired ones."""
        return self._transport.request("GET", "/keys")

    def create(self, name: str, scopes: Sequence[str], *, expires_at: str | None = None) -> dict[str, Any]:
        """Make a key; the answer holds it, and nothing else ever will. `expires_at` is ISO 8601 with a zone."""
        body = {"name": name, "scopes": list(scopes), "expiresAt": expires_at}
        return self._transport.request("POST", "/keys", body=body)

    def revoke(self, key_id: str) -> dict[str, Any]:
        """Withdraw a key for ever. A second call does nothing."""
        return self._transport.request("DELETE", f"/keys/{segment(key_id)}")
