"""How dates in data are read and written: only given dates, in their own zone or else UTC."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from liquid.exceptions import FilterError
from pydantic import JsonValue

from assay.expressions.values import text

_DEFAULT_FORMAT = "%A, %B %-d, %Y at %-I:%M %P %z"
_WORDED = ("%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y", "%d %B %Y", "%d %b %Y", "%Y/%m/%d", "%m/%d/%Y")
_DIRECTIVE = re.compile(r"%(%|s|q|:z)")


def _date(left: JsonValue, pattern: JsonValue = None) -> JsonValue:
    moment = _moment(left)
    return left if moment is None else _written(moment, text(pattern) or _DEFAULT_FORMAT)


def _date_to_xmlschema(left: JsonValue) -> JsonValue:
    return _date(left, "%Y-%m-%dT%H:%M:%S%:z")


def _date_to_rfc822(left: JsonValue) -> JsonValue:
    return _date(left, "%a, %d %b %Y %H:%M:%S %z")


def _date_to_string(left: JsonValue, kind: JsonValue = None, style: JsonValue = None) -> JsonValue:
    return _date(left, _day_and_month("%b", kind, style))


def _date_to_long_string(left: JsonValue, kind: JsonValue = None, style: JsonValue = None) -> JsonValue:
    return _date(left, _day_and_month("%B", kind, style))


def _day_and_month(month: str, kind: JsonValue, style: JsonValue) -> str:
    if kind != "ordinal":
        return f"%d {month} %Y"
    return f"{month} %-d%q, %Y" if style == "US" else f"%-d%q {month} %Y"


def _moment(value: JsonValue) -> datetime | None:
    """Read a date, or None where the value is none: LiquidJS then hands the value through."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _since_epoch(value)
    if not isinstance(value, str):
        return None
    if value.strip().lower() in {"now", "today"}:
        msg = "the present time is not available in templates, because a replayed run must give the same answer"
        raise FilterError(msg, token=None)
    return _read(value.strip())


def _read(written: str) -> datetime | None:
    if written.isascii() and written.isdigit():
        return _since_epoch(int(written[:20]))
    for attempt in _READERS:
        try:
            moment = attempt(written)
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _since_epoch(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _worded(pattern: str) -> Callable[[str], datetime]:
    return lambda written: datetime.strptime(written, pattern).replace(tzinfo=UTC)


_READERS: tuple[Callable[[str], datetime], ...] = (
    datetime.fromisoformat,
    *map(_worded, _WORDED),
    parsedate_to_datetime,
)


def _written(moment: datetime, pattern: str) -> str:
    """Format a date; what the C library lacks, or reads from the machine's own zone, is filled in first."""
    own = {
        "%": "%%",
        "s": str(int(moment.timestamp())),
        "q": _ordinal(moment.day),
        ":z": moment.isoformat()[-6:],
    }
    return moment.strftime(_DIRECTIVE.sub(lambda match: own[match.group(1)], pattern))


def _ordinal(day: int) -> str:
    if day in {11, 12, 13}:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


DATE_FILTERS: dict[str, Callable[..., JsonValue]] = {
    "date": _date,
    "date_to_long_string": _date_to_long_string,
    "date_to_rfc822": _date_to_rfc822,
    "date_to_string": _date_to_string,
    "date_to_xmlschema": _date_to_xmlschema,
}
