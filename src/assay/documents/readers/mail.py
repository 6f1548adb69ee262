"""What a mail is as text: the headers a person sees, the body, and the names of its attachments."""

import email
import email.policy
from email.message import MIMEPart
from pathlib import Path
from typing import Any, Final

from assay.documents.characters import clean
from assay.documents.errors import DocumentTooLargeError, DocumentUnreadableError
from assay.documents.model import Limits
from assay.documents.readers.html import html_text

_HEADERS: Final = ("From", "To", "Cc", "Date", "Subject")
_ATTACHMENTS_FACTOR: Final = 2


def read_mail(path: Path, limits: Limits, *, marked: bool = False) -> tuple[str, dict[str, object]]:
    """Return the text of a mail, and its headers and attachments as metadata; `marked` as in HTML.

    Raises:
        DocumentTooLargeError: The file is larger than twice what the output may be.
        DocumentUnreadableError: Its parts are nested deeper than can be followed.
    """
    if path.stat().st_size > limits.output_bytes * _ATTACHMENTS_FACTOR:
        raise DocumentTooLargeError("The mail is larger than this server parses.")
    try:
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        headers = {name: clean(str(message[name])) for name in _HEADERS if message[name] is not None}
        attachments = [clean(part.get_filename() or part.get_content_type()) for part in message.iter_attachments()]
        body = _body(message, marked=marked)
    except RecursionError as error:
        raise DocumentUnreadableError("The parts of the mail are nested too deeply.") from error
    lines = [f"{name}: {value}" for name, value in headers.items()]
    text = "\n".join([*lines, "", body.strip("\n")])
    if attachments:
        text += "\n\nAttachments: " + ", ".join(attachments)
    return text, {"headers": {name.lower(): value for name, value in headers.items()}, "attachments": attachments}


def _body(message: "MIMEPart[Any, Any]", *, marked: bool) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    content = _content(part)
    return html_text(content, marked=marked)[0] if part.get_content_subtype() == "html" else clean(content)


def _content(part: "MIMEPart[Any, Any]") -> str:
    try:
        return str(part.get_content())
    except LookupError:
        # An unknown character set.
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
