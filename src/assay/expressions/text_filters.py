"""What the filters do that make text of text, as in LiquidJS."""

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote_plus

from pydantic import JsonValue

from assay.expressions.limits import require_room
from assay.expressions.values import text, whole

_BLANKS = re.compile(r"\s+")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|#39|#34);)")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_SLUG_BREAKS = {
    "raw": re.compile(r"\s+"),
    "default": re.compile(r"[\W_]+"),
    "latin": re.compile(r"[\W_]+"),
    "pretty": re.compile(r"[^\w.~!$&'()+,;=@]+"),
    "ascii": re.compile(r"[^A-Za-z0-9]+"),
}


def _append(left: JsonValue, suffix: JsonValue) -> str:
    return _joined(text(left), text(suffix))


def _prepend(left: JsonValue, prefix: JsonValue) -> str:
    return _joined(text(prefix), text(left))


def _joined(head: str, tail: str) -> str:
    require_room(len(head) + len(tail), 0)
    return head + tail


def _capitalize(left: JsonValue) -> str:
    return text(left).capitalize()


def _downcase(left: JsonValue) -> str:
    return text(left).lower()


def _upcase(left: JsonValue) -> str:
    return text(left).upper()


def _strip(left: JsonValue, characters: JsonValue = None) -> str:
    return text(left).strip(text(characters) or None)


def _lstrip(left: JsonValue, characters: JsonValue = None) -> str:
    return text(left).lstrip(text(characters) or None)


def _rstrip(left: JsonValue, characters: JsonValue = None) -> str:
    return text(left).rstrip(text(characters) or None)


def _strip_newlines(left: JsonValue) -> str:
    return text(left).replace("\r\n", "").replace("\n", "")


def _newline_to_br(left: JsonValue) -> str:
    return text(left).replace("\r\n", "\n").replace("\n", "<br />\n")


def _squish(left: JsonValue) -> str:
    return _BLANKS.sub(" ", text(left).strip())


def _normalize_whitespace(left: JsonValue) -> str:
    return _BLANKS.sub(" ", text(left))


def _replace(left: JsonValue, old: JsonValue, new: JsonValue = "") -> str:
    subject, pattern, replacement = text(left), text(old), text(new)
    matches = subject.count(pattern)
    require_room(len(subject) + matches * (len(replacement) - len(pattern)), len(subject))
    return subject.replace(pattern, replacement) if pattern else replacement.join(subject)


def _replace_first(left: JsonValue, old: JsonValue, new: JsonValue = "") -> str:
    return text(left).replace(text(old), text(new), 1)


def _replace_last(left: JsonValue, old: JsonValue, new: JsonValue = "") -> str:
    subject, pattern = text(left), text(old)
    at = subject.rfind(pattern)
    return subject if at < 0 else subject[:at] + text(new) + subject[at + len(pattern) :]


def _remove(left: JsonValue, old: JsonValue) -> str:
    return text(left).replace(text(old), "")


def _split(left: JsonValue, separator: JsonValue = None) -> list[JsonValue]:
    subject, mark = text(left), text(separator)
    parts = subject.split(mark) if mark else list(subject)
    while parts and not parts[-1]:
        parts.pop()
    return list(parts)


def _truncate(left: JsonValue, length: JsonValue = 50, ellipsis: JsonValue = "...") -> str:
    subject, limit, end = text(left), whole(length), text(ellipsis)
    return subject if len(subject) <= limit else subject[: max(limit - len(end), 0)] + end


def _truncatewords(left: JsonValue, count: JsonValue = 15, ellipsis: JsonValue = "...") -> str:
    subject, limit = text(left), max(whole(count), 1)
    words = subject.split()
    return subject if len(words) <= limit else " ".join(words[:limit]) + text(ellipsis)


def _number_of_words(left: JsonValue, mode: JsonValue = None) -> int:
    subject = text(left)
    if mode not in {"cjk", "auto"}:
        return len(subject.split())
    return len(_CJK.findall(subject)) + len(_CJK.sub(" ", subject).split())


def _escape(left: JsonValue) -> str:
    return text(left).replace("&", "&amp;").translate(_ENTITIES)


def _escape_once(left: JsonValue) -> str:
    return _BARE_AMPERSAND.sub("&amp;", text(left)).translate(_ENTITIES)


_ENTITIES = str.maketrans({"<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


def _strip_html(left: JsonValue) -> str:
    subject = text(left)
    for opening, closing in (("<script", "</script>"), ("<style", "</style>"), ("<!--", "-->"), ("<", ">")):
        subject = _without(subject, opening, closing)
    return subject


def _without(subject: str, opening: str, closing: str) -> str:
    """Cut out every stretch between two marks, in linear time: a regular expression is quadratic here."""
    kept: list[str] = []
    position = 0
    while (start := subject.find(opening, position)) >= 0:
        end = subject.find(closing, start + len(opening))
        if end < 0:
            break
        kept.append(subject[position:start])
        position = end + len(closing)
    return "".join([*kept, subject[position:]])


def _url_encode(left: JsonValue) -> str:
    return quote_plus(text(left), safe="!'()*")


def _cgi_escape(left: JsonValue) -> str:
    return quote_plus(text(left))


def _uri_escape(left: JsonValue) -> str:
    return quote(text(left), safe=";,/?:@&=+$-_.!~*'()#[]")


def _url_decode(left: JsonValue) -> str:
    return unquote_plus(text(left))


def _slugify(left: JsonValue, mode: JsonValue = "default", cased: JsonValue = False) -> str:
    subject, kind = text(left), text(mode) or "default"
    if kind not in _SLUG_BREAKS:
        return subject
    if kind == "latin":
        letters = unicodedata.normalize("NFKD", subject)
        subject = "".join(letter for letter in letters if not unicodedata.combining(letter))
    slug = _SLUG_BREAKS[kind].sub("-", subject).strip("-")
    return slug if cased is True else slug.lower()


def _base64_encode(left: JsonValue) -> str:
    return base64.b64encode(text(left).encode()).decode()


def _base64_decode(left: JsonValue) -> str:
    return base64.b64decode(text(left)).decode()


def _sha256(left: JsonValue) -> str:
    return hashlib.sha256(text(left).encode()).hexdigest()


def _hmac_sha256(left: JsonValue, secret: JsonValue) -> str:
    return hmac.new(text(secret).encode(), text(left).encode(), hashlib.sha256).hexdigest()


TEXT_FILTERS: dict[str, Callable[..., JsonValue]] = {
    "append": _append,
    "base64_decode": _base64_decode,
    "base64_encode": _base64_encode,
    "capitalize": _capitalize,
    "cgi_escape": _cgi_escape,
    "downcase": _downcase,
    "escape": _escape,
    "escape_once": _escape_once,
    "hmac_sha256": _hmac_sha256,
    "lstrip": _lstrip,
    "newline_to_br": _newline_to_br,
    "normalize_whitespace": _normalize_whitespace,
    "number_of_words": _number_of_words,
    "prepend": _prepend,
    "remove": _remove,
    "remove_first": _replace_first,
    "remove_last": _replace_last,
    "replace": _replace,
    "replace_first": _replace_first,
    "replace_last": _replace_last,
    "rstrip": _rstrip,
    "sha256": _sha256,
    "slugify": _slugify,
    "split": _split,
    "squish": _squish,
    "strip": _strip,
    "strip_html": _strip_html,
    "strip_newlines": _strip_newlines,
    "truncate": _truncate,
    "truncatewords": _truncatewords,
    "upcase": _upcase,
    "uri_escape": _uri_escape,
    "url_decode": _url_decode,
    "url_encode": _url_encode,
    "xml_escape": _escape,
}
