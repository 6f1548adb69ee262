"""The account of the API key's owner."""

from typing import Any

from assay_client.transport import Transport, segment


class Account:
    """Everything below `/account`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.account`."""
        self._transport = transport

    def sessions(self) -> dict[str, Any]:
        """Return the browsers that you are signed in with, newest first."""
        return self._transport.request("GET", "/account/sessions")

    def end_session(self, session_id: str) -> dict[str, Any]:
        """End one of them.

        Raises:
            NotFoundError: you have no such session, or no longer.
        """
        return self._transport.request("DELETE", f"/account/sessions/{segment(session_id)}")

    def set_password(self, password: str) -> dict[str, Any]:
        """Give yourself a new password; all sessions end, keys stay.

        Raises:
            InvalidRequestError: it has not 10 to 256 characters.
        """
        return self._transport.request("PUT", "/account/password", body={"password": password})
