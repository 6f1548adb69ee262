"""How numbers, moments and foreign text are written for people."""

import re
from datetime import date, datetime

# Escape sequences in a document must not reach the terminal that shows it.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Replace control characters except tab and line break by their escapes (`\x1b`)."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """Make text fit one line of a table: no breaks, no tabs, nothing invisible."""
    return visible(" ".join(text.split()))


def duration(milliseconds: float | None) -> str:
    """Write a duration: `0.4 ms`, `412 ms`, `3.2 s`, `2 min 05 s`, `3 h 10 min`; nothing for None."""
    if milliseconds is None:
        return ""
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: int | None) -> str:
    """Write a number of bytes: `312 B`, `45 kB`, `1.2 MB`; nothing for None."""
    if count is None:
        return ""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5 or unit == "GB":
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"
    raise AssertionError


def moment(iso: str | None) -> str:
    """Write a moment in the time zone of this machine, to the second; nothing for None."""
    if iso is None:
        return ""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def short_moment(iso: str | None, today: date) -> str:
    """Write a moment for a table: the time of a moment today, else `24 Nov 08:35`, of another year the date."""
    if iso is None:
        return ""
    local = datetime.fromisoformat(iso).astimezone()
    if local.date() == today:
        return local.strftime("%H:%M:%S")
    return local.strftime("%d %b %H:%M" if local.year == today.year else "%Y-%m-%d")


def count(number: int, noun: str) -> str:
    """Write `1 run`, `2 runs`, `1,200 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
