"""Which mail server takes the e-mail of this installation, and under which sender it is sent."""

import ipaddress
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from typing import Self
from urllib.parse import unquote, urlsplit

from assay.errors import InvalidValueError

_PORTS = {"smtp": 587, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server and the address that its mail comes from.

    `smtps` speaks TLS from the start. `smtp` turns to TLS where the server offers it, and insists on that before
    it sends a password to another machine; `smtp+starttls` always insists. A certificate is always verified.
    """

    host: str
    port: int
    sender: str
    tls: bool = False
    user: str | None = None
    password: str | None = None
    start_tls: bool = False

    @classmethod
    def parse(cls, url: str, sender: str) -> Self:
        """Read `smtp://user:password@host:port`, `smtp+starttls://…` or `smtps://…`; user and port may be missing.

        Raises:
            InvalidValueError: it is no such address, or the sender is none.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InvalidValueError("The mail server's address cannot be read.") from error
        if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.query:
            message = "The mail server is written as smtp://user:password@host:port, smtp+starttls://… or smtps://…"
            raise InvalidValueError(message)
        try:
            Address(addr_spec=sender)
        except (MessageError, ValueError, IndexError) as error:
            message = "The sender is an address alone, such as assay@example.org."
            raise InvalidValueError(message) from error
        user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            sender=sender,
            tls=parts.scheme == "smtps",
            user=user,
            password=password,
            start_tls=parts.scheme == "smtp+starttls",
        )

    @property
    def must_start_tls(self) -> bool:
        """Whether a server that does not offer TLS is to be left again."""
        return self.start_tls or (self.user is not None and not self.tls and not _is_loopback(self.host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
