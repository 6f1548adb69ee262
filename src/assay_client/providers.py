"""Model providers of the organization."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay_client.transport import Transport, segment


class Providers:
    """Everything below `/providers`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.providers`."""
        self._transport = transport

    def list(self) -> dict[str, Any]:
        """Return all providers, the default first, without their keys."""
        return self._transport.request("GET", "/providers")

    def add(self, name: str, models: Sequence[str], **settings: Any) -> dict[str, Any]:
        """Add a provider.

        `settings` are those of the API: `kind`, `baseUrl`, `options`, `prices` (`{model: {"input": 1, "output": 2}}`,
        US dollars for a million tokens), `key` or `keyVariable`, `isDefault`.

        Raises:
            ConflictError: there is a provider of this name.
        """
        body: Mapping[str, Any] = {"name": name, "models": list(models), **settings}
        return self._transport.request("POST", "/providers", body=body)

    def test(self, provider: str, model: str | None = None) -> dict[str, Any]:
        """Let the server ask a model one small question: `{ok, model, durationMs, error}`."""
        return self._transport.request("POST", f"/providers/{segment(provider)}/test", body={"model": model})

    def remove(self, provider: str) -> dict[str, Any]:
        """Remove a provider, by id or name.

        Raises:
            NotFoundError: there is none.
        """
        return self._transport.request("DELETE", f"/providers/{segment(provider)}")
