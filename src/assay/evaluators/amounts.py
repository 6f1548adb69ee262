"""Numbers as they are written: 1.01 is 0.01 more than 1, which it is not in binary."""

from decimal import Decimal

from pydantic import JsonValue

from assay.readings import number


def exactly(value: float) -> Decimal:
    """Return the number that the shortest writing of a value means."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


def amount(value: JsonValue) -> Decimal | None:
    """Return a number, or the one that a text is, in whatever way documents write it; None where it is none."""
    read = number(value) if isinstance(value, str) else value
    return None if isinstance(read, bool) or not isinstance(read, int | float) else exactly(read)
