"""`action.email`: sends an e-mail."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import Any, ClassVar

import aiosmtplib
from pydantic import Field, JsonValue
from typing_extensions import override

from assay import clock
from assay.steps.base import Effect, FailureCategory, Step, StepContext, StepError
from assay.steps.mail_server import MailServer

MAX_RECIPIENTS = 100
MAX_ATTACHMENT_BYTES = 25 * 1024**2


class ActionEmail(Step):
    """Send an e-mail.

    It goes to the mail server of the installation and comes from the address that is set there. Should a crash make
    the step send it again, it carries the same Message-ID, by which mail programs show it once.
    """

    type_name = "action.email"
    effect = Effect.WRITE
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "messageId": {"type": "string"},
            "accepted": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Addresses that the mail server took it for.",
            },
            "rejected": {
                "type": "array",
                "description": "Addresses that it refused, while it took others.",
                "items": {
                    "type": "object",
                    "properties": {"address": {"type": "string"}, "message": {"type": "string"}},
                    "required": ["address", "message"],
                },
            },
        },
        "required": ["messageId", "accepted", "rejected"],
        "additionalProperties": False,
    }
    example: ClassVar[str] = """\
name: tell
version: 1.0.0
inputs:
  - { name: send, type: boolean, required: false, default: false }
steps:
  - name: mail
    type: action.email
    if: '{{ input.send }}'
    with:
      to: Ada <ada@example.com>
      subject: An invoice has arrived
      text: Please have a look at it.
output:
  sent: '{{ steps.mail.status }}'
"""

    to: str | list[str] = Field(max_length=10_000, description="Who gets it: addresses, alone or as `Name <address>`.")
    cc: str | list[str] = Field(default_factory=list[str], max_length=10_000, description="Who gets a copy.")
    bcc: str | list[str] = Field(
        default_factory=list[str], max_length=10_000, description="Who gets a copy that the others do not know of."
    )
    reply_to: str | list[str] = Field(
        default_factory=list[str],
        alias="replyTo",
        max_length=10_000,
        description="Where answers go, if not to the sender.",
    )
    subject: str = Field(min_length=1, max_length=900, description="One line that says what it is about.")
    text: str = Field(default="", max_length=5_000_000, description="The message as plain text.")
    html: str | None = Field(
        default=None, max_length=5_000_000, description="The message as HTML, for programs that show it."
    )
    attachments: list[JsonValue] = Field(
        default_factory=list[JsonValue],
        max_length=50,
        description="Files to send along: file inputs of the workflow or files that steps made; 25 MB together.",
    )
    timeout: int = Field(
        default=60_000, ge=1, le=600_000, description="How long the mail server may take, in milliseconds."
    )

    @override
    async def run(self, context: StepContext) -> JsonValue:
        server = context.mail_server
        if server is None:
            raise StepError(
                "email_not_configured",
                "No mail server is configured.",
                category="validation",
                hint="Whoever runs the server sets ASSAY_SMTP_URL=smtp://user:password@host:port and ASSAY_SMTP_FROM.",
            )
        recipients = self._recipients()
        message = self._message(server, context.idempotency_key)
        await self._attach(message, context)
        refused = await self._send(server, message, recipients)
        return {
            "messageId": str(message["Message-ID"]),
            "accepted": [address for address in recipients if address not in refused],
            "rejected": [{"address": address, "message": said} for address, said in refused.items()],
        }

    def _recipients(self) -> list[str]:
        named = [*_addresses("to", self.to), *_addresses("cc", self.cc), *_addresses("bcc", self.bcc)]
        recipients = list(dict.fromkeys(address.addr_spec for address in named))
        if not 0 < len(recipients) <= MAX_RECIPIENTS:
            message = f"An e-mail goes to 1 to {MAX_RECIPIENTS} addresses, not to {len(recipients)}."
            raise StepError("email_recipients_invalid", message, category="validation")
        return recipients

    def _message(self, server: MailServer, key: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        if not self.subject.isprintable():
            raise StepError("email_subject_invalid", "The subject is more than one line.", category="validation")
        message["Subject"] = self.subject
        message["From"] = server.sender
        for name, field, written in (
            ("To", "to", self.to),
            ("Cc", "cc", self.cc),
            ("Reply-To", "replyTo", self.reply_to),
        ):
            addresses = _addresses(field, written)
            if addresses:
                message[name] = addresses
        message["Date"] = format_datetime(clock.now())
        message["Message-ID"] = f"<{key}@{server.sender.partition('@')[2]}>"
        message.set_content(self.text)
        if self.html is not None:
            message.add_alternative(self.html, subtype="html")
        return message

    async def _attach(self, message: EmailMessage, context: StepContext) -> None:
        room = MAX_ATTACHMENT_BYTES
        for reference in self.attachments:
            file = await context.open_file(reference)
            room -= file.size
            if room < 0:
                text = f"The attachments have more than {MAX_ATTACHMENT_BYTES} bytes."
                raise StepError("email_too_large", text, category="validation")
            content = await asyncio.to_thread(file.path.read_bytes)
            kind, _, subtype = file.content_type.partition(";")[0].strip().lower().partition("/")
            if kind not in {"application", "audio", "image", "text", "video"} or not subtype.isascii():
                kind, subtype = "application", "octet-stream"
            name = "".join(character if character.isprintable() else "_" for character in file.filename)
            message.add_attachment(content, maintype=kind, subtype=subtype or "octet-stream", filename=name)

    async def _send(self, server: MailServer, message: EmailMessage, recipients: Sequence[str]) -> dict[str, str]:
        """Hand it over; return what was said to addresses that were refused."""
        try:
            async with asyncio.timeout(self.timeout / 1000):
                refused, _ = await aiosmtplib.send(
                    message,
                    sender=server.sender,
                    recipients=recipients,
                    hostname=server.host,
                    port=server.port,
                    username=server.user,
                    password=server.password,
                    use_tls=server.tls,
                    start_tls=False if server.tls else (True if server.must_start_tls else None),
                    # Asking for our own name may wait for a name server.
                    local_hostname=server.sender.partition("@")[2],
                    timeout=None,
                )
        except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
            raise _failure(error) from error
        return {address: said.message for address, said in refused.items()}


def _addresses(field: str, written: str | list[str]) -> list[Address]:
    """Read addresses as they are written; refuse what would add a header or another recipient."""
    texts = [written] if isinstance(written, str) else written
    try:
        # The parser takes line breaks for blanks and would hide them.
        if not all(text.isprintable() for text in texts):
            raise MessageError
        parsed = getaddresses([text for text in texts if text.strip()])
        return [Address(name, addr_spec=address) for name, address in parsed]
    except (MessageError, ValueError, IndexError) as error:
        message = f"In `{field}`, {', '.join(texts)[:200]!r} is not made of addresses."
        raise StepError("email_address_invalid", message, category="validation") from error


def _failure(error: Exception) -> StepError:
    untrusted = _tls_failure(error)
    if untrusted is not None:
        reason = getattr(untrusted, "verify_message", "") or untrusted.reason or "TLS failed"
        message = f"No trusted connection to the mail server: {reason}."
        hint = "Its certificate must be signed by an authority that the server's system trusts, for the host's name."
        return StepError("email_tls_failed", message, category="validation", hint=hint)
    if isinstance(error, TimeoutError):
        return StepError("email_timeout", "The mail server did not answer in time.", category="timeout")
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return StepError(
            "email_login_failed", f"The mail server refuses the login: {error.message}", category="authentication"
        )
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{refused.recipient}: {refused.message}" for refused in error.recipients[:5])
        temporary = all(400 <= refused.code < 500 for refused in error.recipients)
        return StepError("email_recipients_refused", f"Nobody would get it: {said}", category=_category(temporary))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"The mail server refuses it: {error.code} {error.message}"
        return StepError("email_refused", text, category=_category(400 <= error.code < 500))
    if isinstance(error, OSError):
        message = f"The mail server cannot be reached, or broke off: {str(error)[:300]}"
        return StepError("email_server_unreachable", message, category="temporarily_unavailable")
    return StepError("email_refused", f"The mail server cannot take it: {str(error)[:300]}", category="validation")


def _tls_failure(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__
    return None


def _category(temporary: bool) -> FailureCategory:
    return "temporarily_unavailable" if temporary else "validation"
