"""Which characters of a document reach the outside, and how bytes become characters."""

import codecs
import re
from typing import Final

REPLACEMENT: Final = "\ufffd"
_FORBIDDEN: Final = re.compile("[\x00\ud800-\udfff\ufdd0-\ufdd3]")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES: Final = 8192


def clean(text: str) -> str:
    """Replace NUL, lone surrogates and our own marks by U+FFFD and write every line end as one newline."""
    return _FORBIDDEN.sub(REPLACEMENT, text).replace("\r\n", "\n").replace("\r", "\n")


def join_surrogates(text: str) -> str:
    """Make one character of each surrogate pair; what has no partner becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def encoding_of(content: bytes) -> str | None:
    """Name the encoding of a text file, or None where the bytes are not text.

    A byte-order mark decides; else UTF-8 where it fits, UTF-16 where every other byte is NUL, and
    Windows-1252, in which every file can be read.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    sample = content[:_SAMPLE_BYTES]
    wide = _utf_16(sample)
    if wide:
        return wide
    if _control_characters(sample) > 1 + len(sample) // 50:
        return None
    try:
        content.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _utf_16(sample: bytes) -> str | None:
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half_of_them = len(sample) // 4
    if odd > half_of_them and not even:
        return "utf-16-le"
    if even > half_of_them and not odd:
        return "utf-16-be"
    return None


def _control_characters(sample: bytes) -> int:
    return sum(1 for byte in sample if byte < 32 and byte not in b"\t\n\r\f\x1b")
