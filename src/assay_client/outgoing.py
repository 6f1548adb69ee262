"""Private hosts that the organization's runs may reach."""

from collections.abc import Sequence
from typing import Any

from assay_client.transport import Transport


class OutgoingHosts:
    """Everything below `/outgoing`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.outgoing`."""
        self._transport = transport

    def list(self) -> dict[str, Any]:
        """Return the hosts that runs may reach although their addresses are private."""
        return self._transport.request("GET", "/outgoing")

    def change(self, *, allow: Sequence[str] = (), refuse: Sequence[str] = ()) -> dict[str, Any]:
        """Put hosts on the list and take others off it; return the list as it then is. A second call does nothing.

        Raises:
            InvalidRequestError: entries are no hosts; all of them at once.
        """
        return self._transport.request("PATCH", "/outgoing", body={"allow": list(allow), "refuse": list(refuse)})
