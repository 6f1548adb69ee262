"""Whether the bytes of a response are text, and in which encoding."""

import codecs
import re
from email.message import Message

_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_META_CHARSET = re.compile(rb"""<meta[^>]{0,400}?charset\s{0,10}=\s{0,10}["']?([A-Za-z0-9_:.-]{1,40})""", re.IGNORECASE)
_META_WITHIN = 4096


def content_type(header: str) -> tuple[str, str | None]:
    """Split a `Content-Type` into the type, in lower case, and the charset it names."""
    message = Message()
    message["content-type"] = header
    charset = message.get_param("charset")
    return message.get_content_type() if header else "", charset if isinstance(charset, str) else None


def decoded(body: bytes, charset: str | None) -> tuple[str, str] | None:
    """Return the text and its encoding: by byte order mark, as declared, else UTF-8; None where it is no text.

    What does not fit a declared encoding becomes U+FFFD; without one, all bytes must be UTF-8 and none NUL.
    """
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if body.startswith(mark)), None)
    if marked is not None:
        return body.decode(marked, errors="replace"), marked.removesuffix("-sig")
    if charset is not None and is_text_encoding(charset):
        return body.decode(charset, errors="replace"), charset.lower()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else (text, "utf-8")


def decoded_page(body: bytes, charset: str | None) -> str:
    """Return the text of an HTML page as browsers would: mark, header, `<meta>`, UTF-8, else windows-1252."""
    declared = _META_CHARSET.search(body[:_META_WITHIN])
    label = (charset or (declared[1].decode() if declared else "")).lower()
    text = decoded(body, "windows-1252" if label in _WINDOWS_IN_BROWSERS else label)
    return text[0] if text is not None else body.decode("windows-1252", errors="replace")


def is_text_encoding(label: str) -> bool:
    """Tell whether a label names an encoding that text is sent in."""
    try:
        found = codecs.lookup(label)
    except (LookupError, ValueError):
        return False
    # Labels such as `hex` or `zip` name transformations of bytes.
    return getattr(found, "_is_text_encoding", False) and found.name not in _NEVER_SENT


# UTF-7 hides markup from whoever looks for it; the others are Python's own.
_NEVER_SENT = frozenset({"utf-7", "idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
_WINDOWS_IN_BROWSERS = frozenset({"iso-8859-1", "latin1", "us-ascii", "ascii"})
