"""What of a step's configuration is kept out of traces: values whose names say that they are secret."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import JsonValue

HIDDEN = "(hidden)"

_SECRET = re.compile(
    r"authori[sz]|(^|[-_.])auth($|[-_.])|cookie|credential|passw|secret|session|signature|token|(api|access|private).?key",
    re.IGNORECASE,
)


def without_secrets(values: JsonValue) -> JsonValue:
    """Hide texts of an object, such as headers, whose names say that they are secret; leave anything else as it is."""
    if not isinstance(values, dict):
        return values
    return {
        name: HIDDEN if isinstance(value, str) and _SECRET.search(name) else value for name, value in values.items()
    }


def url_without_secrets(url: JsonValue) -> JsonValue:
    """Hide user and password of an address, and values of its query whose names say that they are secret."""
    if not isinstance(url, str):
        return url
    try:
        parts = urlsplit(url)
        named = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return HIDDEN
    place = f"{HIDDEN}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    query = parts.query
    if any(_SECRET.search(name) for name, _ in named):
        query = urlencode([(name, HIDDEN if _SECRET.search(name) else value) for name, value in named], safe="()")
    return urlunsplit(parts._replace(netloc=place, query=query))


def request_without_secrets(config: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Hide what is secret in `url`, `headers` and `body` of a request."""
    hiding = {"url": url_without_secrets, "headers": without_secrets, "body": without_secrets}
    return {name: hiding[name](value) if name in hiding else value for name, value in config.items()}
