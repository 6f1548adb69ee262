"""What time it is. The only module that asks the operating system for the date."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment in UTC, with its zone."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write a moment as the wire does: `2026-11-24T08:35:00.123Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
