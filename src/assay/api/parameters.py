"""Query parameters: each one known, typed, and named in the error when it is not."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from fastapi import Request

from assay import clock
from assay.errors import InvalidValueError

MAX_OFFSET = 1_000_000
_AGO = re.compile(r"(?:now)?-?(\d{1,6})(m|h|d|w)")
_FRACTION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,2})?")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class UnknownParameterError(InvalidValueError):
    """There is no such query parameter here."""

    code = "unknown_parameter"


def only(request: Request, known: Collection[str]) -> None:
    """Refuse query parameters that would otherwise be ignored in silence.

    Raises:
        UnknownParameterError: names one that is not in `known`.
    """
    for name in request.query_params:
        if name in known:
            continue
        camel = re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
        near = camel if camel in known else next(iter(get_close_matches(name, known, 1)), None)
        message = f"There is no query parameter {name[:80]!r} here."
        raise UnknownParameterError(message, field=name[:80] or "<root>", hint=near and f"Did you mean {near}?")


def text(request: Request, name: str) -> str | None:
    """Return a parameter's value, None when it is absent or empty."""
    value = request.query_params.get(name) or None
    if value is not None and "\x00" in value:
        message = f"{name} holds the character NUL."
        raise InvalidValueError(message, field=name)
    return value


def values(request: Request, name: str, allowed: Collection[str] = ()) -> Sequence[str]:
    """Return the values of a comma list, or of a repeated parameter; each one of `allowed`, if that is given."""
    raw = request.query_params.getlist(name)
    found = [part.strip() for item in raw for part in item.split(",") if part.strip()]
    for value in found:
        if "\x00" in value or (allowed and value not in allowed):
            choices = f" It is one of {', '.join(sorted(allowed))}." if allowed else ""
            message = f"{name} cannot be {value[:80]!r}.{choices}"
            raise InvalidValueError(message, field=name)
    return list(dict.fromkeys(found))


def number(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    """Return a whole number between `least` and `most`."""
    raw = text(request, name)
    if raw is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", raw) or not least <= int(raw) <= most:
        message = f"{name} is a whole number from {least} to {most}."
        raise InvalidValueError(message, field=name)
    return int(raw)


def fraction(request: Request, name: str) -> float | None:
    """Return a number from 0 to 1, None when it is absent or empty."""
    raw = text(request, name)
    if raw is None:
        return None
    if not _FRACTION.fullmatch(raw) or not 0 <= float(raw) <= 1:
        message = f"{name} is a number from 0 to 1."
        raise InvalidValueError(message, field=name)
    return float(raw)


def flag(request: Request, name: str, *, default: bool) -> bool:
    """Return a boolean written as true, false, 1 or 0."""
    found = flag_or_none(request, name)
    return default if found is None else found


def flag_or_none(request: Request, name: str) -> bool | None:
    """Return a boolean like `flag`, None when it is absent or empty."""
    raw = text(request, name)
    if raw is None:
        return None
    if raw not in {"true", "false", "1", "0"}:
        message = f"{name} is true or false."
        raise InvalidValueError(message, field=name)
    return raw in {"true", "1"}


def moment(request: Request, *names: str) -> datetime | None:
    """Return the moment that the first given of these parameters names: ISO 8601, or `7d`, `24h`, `90m` ago."""
    for name in names:
        raw = text(request, name)
        if raw is not None:
            return _moment(name, raw)
    return None


def _moment(name: str, raw: str) -> datetime:
    ago = _AGO.fullmatch(raw)
    try:
        if ago is not None:
            return clock.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        # A `+` in a query reads as a blank.
        parsed = datetime.fromisoformat(raw.replace(" ", "+") if "T" in raw else raw)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        message = f"{name} is a moment in ISO 8601 (2026-11-24T08:00:00Z), or how long ago: 90m, 24h, 7d."
        raise InvalidValueError(message, field=name) from error
