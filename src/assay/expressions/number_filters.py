"""What the filters do that compute: whole numbers stay whole, decimals are exact."""

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext

from liquid.exceptions import FilterError
from pydantic import JsonValue

from assay.expressions.values import bounded, number, whole

_Exact = int | Decimal


def plus(left: JsonValue, right: JsonValue) -> int | float:
    """Add two numbers.

    Raises:
        FilterError: one of them is no number.
    """
    return _inexact(_exact(left) + _exact(right))


def _minus(left: JsonValue, right: JsonValue) -> int | float:
    return _inexact(_exact(left) - _exact(right))


def _times(left: JsonValue, right: JsonValue) -> int | float:
    return _inexact(_exact(left) * _exact(right))


def _divided_by(left: JsonValue, right: JsonValue, integer: JsonValue = False) -> int | float:
    dividend, divisor = _exact(left), _divisor(right)
    if integer is True:
        return bounded(math.floor(Decimal(dividend) / Decimal(divisor)))
    if isinstance(dividend, int) and isinstance(divisor, int) and dividend % divisor == 0:
        return dividend // divisor
    return _inexact(Decimal(dividend) / Decimal(divisor))


def _modulo(left: JsonValue, right: JsonValue) -> int | float:
    dividend, divisor = _exact(left), _divisor(right)
    if isinstance(dividend, int) and isinstance(divisor, int):
        return dividend % divisor
    return _inexact(dividend - divisor * math.floor(Decimal(dividend) / Decimal(divisor)))


def _round(left: JsonValue, digits: JsonValue = 0) -> int | float:
    value, places = _exact(left), max(min(whole(digits), 20), -20)
    with localcontext() as context:
        context.prec = 400
        rounded = Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return _inexact(rounded) if places > 0 and isinstance(value, Decimal) else int(rounded)


def _ceil(left: JsonValue) -> int:
    return math.ceil(number(left))


def _floor(left: JsonValue) -> int:
    return math.floor(number(left))


def _abs(left: JsonValue) -> int | float:
    return abs(number(left))


def _at_least(left: JsonValue, least: JsonValue) -> int | float:
    return max(number(left), number(least))


def _at_most(left: JsonValue, most: JsonValue) -> int | float:
    return min(number(left), number(most))


def _exact(value: JsonValue) -> _Exact:
    read = number(value)
    return Decimal(repr(read)) if isinstance(read, float) else read


def _inexact(value: _Exact) -> int | float:
    return bounded(value if isinstance(value, int) else float(value))


def _divisor(value: JsonValue) -> _Exact:
    divisor = _exact(value)
    if not divisor:
        msg = "division by zero"
        raise FilterError(msg, token=None)
    return divisor


NUMBER_FILTERS: dict[str, Callable[..., JsonValue]] = {
    "abs": _abs,
    "at_least": _at_least,
    "at_most": _at_most,
    "ceil": _ceil,
    "divided_by": _divided_by,
    "floor": _floor,
    "minus": _minus,
    "modulo": _modulo,
    "plus": plus,
    "round": _round,
    "times": _times,
    "to_integer": whole,
}
