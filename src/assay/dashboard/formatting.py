"""How numbers, moments and sizes read on a page."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from markupsafe import Markup, escape

from assay import clock

NONE = "\u2013"
"""Stands where there is no value."""
_MOST_COLUMNS = 12
_MOST_CHARACTERS = 100_000
_UNITS = ("B", "KB", "MB", "GB", "TB")
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
"""What their names for themselves hold: each also holds the marks of those behind it."""
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def number(value: float | None) -> str:
    """Write a number with thousands apart, at most three decimals; a dash for none."""
    if value is None:
        return NONE
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", "\u202f")


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share as per cent; a dash for none."""
    if value is None:
        return NONE
    text = f"{value * 100:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value * 100:.0f}"
    return f"{text}\u202f%"


def duration(milliseconds: float | None) -> str:
    """Write a time span in the unit that suits it; a dash for none."""
    if milliseconds is None:
        return NONE
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} days"


def size(amount: int | None) -> str:
    """Write a number of bytes; a dash for none."""
    if amount is None:
        return NONE
    value = float(amount)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def moment(value: datetime) -> str:
    """Write a moment in UTC; the page shows it in the reader's zone once its script runs."""
    return value.strftime("%Y-%m-%d %H:%M UTC")


def age(value: datetime | None) -> str:
    """Write how long ago a moment was, in one unit; a dash for none."""
    if value is None:
        return NONE
    seconds = max(0.0, (clock.now() - value).total_seconds())
    for limit, divisor, unit in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            return f"{round(seconds / divisor)} {unit}"
    return f"{round(seconds / 86_400)} d"


def columns_of(values: Sequence[Any]) -> list[str]:
    """Return the columns of a table that a list of JSON values fits into; none where it is no list of flat objects."""
    if not all(value and isinstance(value, dict) for value in values):
        return []
    rows = cast("Sequence[Mapping[str, Any]]", values)
    names = list(dict.fromkeys(name for row in rows for name in row))
    flat = all(not isinstance(inner, (dict, list)) for row in rows for inner in row.values())
    return names if flat and len(names) <= _MOST_COLUMNS else []


def pretty(value: Any) -> str:
    """Write a JSON value over several lines; what is longer than 100,000 characters is cut, and says so."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    left_out = len(text) - _MOST_CHARACTERS
    return text if left_out <= 0 else f"{text[:_MOST_CHARACTERS]}\n… and {number(left_out)} characters more"


def browser(user_agent: str | None) -> str:
    """Name a browser and its system, as far as they are known; else what it calls itself."""
    said = user_agent or ""
    name = next((name for mark, name in _BROWSERS if mark in said), None)
    system = next((system for mark, system in _SYSTEMS if mark in said), None)
    if name is None:
        return said or "Unknown browser"
    return f"{name} on {system}" if system else name


def coded(text: str) -> Markup:
    """Show what stands between backticks as code, as the descriptions of types are written."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped before
