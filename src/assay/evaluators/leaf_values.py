"""When two values that are no objects or arrays mean the same: `"yes"` and true, `"12.50"` and 12.5."""

import re
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Final

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII)
_WHOLE_NUMBER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_LONGEST_NUMBER: Final = 400
_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}
_LONGEST_BOOLEAN: Final = 20

_MILLIONTH: Final = 1e-6
# Numbers are compared as they are written: 1.01 and 1 are 0.01 apart, which they are not in binary.
_AS_WRITTEN: Final = Context(prec=100, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


def same_leaf(expected: object, actual: object, tolerance: Decimal | None) -> bool:
    """Compare two leaves.

    A boolean equals the words for it; a number, or a text that is one, equals a number that is at
    most `tolerance` away. Without a tolerance that is a millionth of the larger one, and a millionth
    below 1; but two texts of digits alone are the same number or not, for they are often identifiers.
    """
    if type(expected) is type(actual) and expected == actual:
        return True
    if isinstance(expected, bool) or isinstance(actual, bool):
        meant = _as_boolean(expected)
        return meant is not None and meant == _as_boolean(actual)
    if isinstance(expected, int | float) and isinstance(actual, int | float) and tolerance is None:
        return _close(expected, actual)
    left, right = _as_number(expected), _as_number(actual)
    if left is None or right is None:
        return False
    if tolerance is None and _is_whole_text(expected) and _is_whole_text(actual):
        return left == right
    return left == right or _within(left, right, tolerance)


def _as_boolean(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= _LONGEST_BOOLEAN:
        return _BOOLEANS.get(value.strip().lower())
    return None


def _as_number(value: object) -> Decimal | None:
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None


def _is_whole_text(value: object) -> bool:
    return isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()) is not None


def _close(left: float, right: float) -> bool:
    try:
        return abs(left - right) <= _MILLIONTH * max(1.0, abs(left), abs(right))
    except OverflowError:  # an integer that is larger than any float
        return _within(Decimal(left), Decimal(right), None)


def _within(left: Decimal, right: Decimal, tolerance: Decimal | None) -> bool:
    if tolerance is None:
        tolerance = _AS_WRITTEN.multiply(Decimal("1e-6"), max(Decimal(1), abs(left), abs(right)))
    return abs(_AS_WRITTEN.subtract(left, right)) <= tolerance
