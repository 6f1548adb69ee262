"""People of the organization."""

from typing import Any

from assay_client.transport import Transport, segment


class Members:
    """Everything below `/members`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.members`."""
        self._transport = transport

    def list(self) -> dict[str, Any]:
        """Return everybody, by address, also who may not sign in any more."""
        return self._transport.request("GET", "/members")

    def invite(self, email: str, *, name: str | None = None, role: str = "member") -> dict[str, Any]:
        """Add a person; `url` of the answer, and nothing else, invites them: it is good for a week, and once.

        Who has never signed in can be invited again, with a new `url`.

        Raises:
            ConflictError: the person has signed in already.
        """
        return self._transport.request("POST", "/members", body={"email": email, "name": name, "role": role})

    def change(self, user_id: str, *, role: str | None = None, disabled: bool | None = None) -> dict[str, Any]:
        """Give a member another role, or take or give back the right to sign in; None leaves it as it is.

        Raises:
            ConflictError: nobody would be left who owns the organization.
        """
        body = {"role": role, "disabled": disabled}
        return self._transport.request("PATCH", f"/members/{segment(user_id)}", body=body)

    def sign_out(self, user_id: str) -> dict[str, Any]:
        """End all sessions of a member; `ended` of the answer says how many. A second call ends none."""
        return self._transport.request("DELETE", f"/members/{segment(user_id)}/sessions")

    def unlink(self, user_id: str) -> dict[str, Any]:
        """Forget which account of the sign-in provider is a member's. A second call does nothing."""
        return self._transport.request("DELETE", f"/members/{segment(user_id)}/identities")
