"""How JSON values behave in templates: their members, their equality, their text and their number."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

from liquid.builtin.expressions.primitive import Blank, Empty
from liquid.exceptions import FilterError, ResourceLimitError
from liquid.undefined import Undefined
from pydantic import JsonValue

from assay.expressions.limits import MAX_NUMBER_BITS, weigh

_PLAIN = frozenset({str, int, float, bool, type(None), list, dict})
_NUMBER = re.compile(r"[+-]?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,3})?")
_INTEGER = re.compile(r"-?\d{1,18}")


def plain(value: object) -> JsonValue:
    """Return what an expression gave as JSON: the very object where it is JSON, what is missing as null."""
    if type(value) in _PLAIN:
        return cast("JsonValue", value)
    if isinstance(value, Undefined):
        return None
    if isinstance(value, tuple | range):
        return list(cast("Sequence[JsonValue]", value))
    if isinstance(value, Empty | Blank):
        return ""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in cast("Mapping[str, object]", value).items() if key != "parentloop"}
    msg = f"{type(value).__name__} is not a JSON value"
    raise FilterError(msg, token=None)


def member(value: object, key: object) -> object:
    """Return one step of a path: a key of an object, an index of a list, `size`, `first` or `last`.

    Raises:
        LookupError: there is no such thing.
    """
    if isinstance(value, Mapping):
        return _object_member(cast("Mapping[str, object]", value), key)
    if isinstance(value, list | tuple | range):
        return _list_member(cast("Sequence[object]", value), key)
    if isinstance(value, str) and key == "size":
        return len(value)
    raise LookupError(key)


def is_truthy(value: object) -> bool:
    """Tell whether Liquid counts the value as true: everything but nil, false and what is missing."""
    return not (value is None or value is False or isinstance(value, Undefined))


def equal(left: object, right: object) -> bool:
    """Compare two values as LiquidJS does: `true` is not 1, nil is blank, what is missing is nil."""
    if isinstance(right, Empty | Blank):
        left, right = right, left
    if isinstance(left, Empty | Blank):
        return type(left) is type(right) or _is_void(left, plain(right))
    left, right = plain(left), plain(right)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def text(value: object) -> str:
    """Write a value the way a template prints it: nil as nothing, lists run together, objects as JSON.

    Raises:
        ResourceLimitError: the text would be too long.
    """
    if isinstance(value, str):
        return value
    found = plain(value)
    if isinstance(found, list | dict):
        weigh(found)
    return _text(found)


def to_json(value: JsonValue, indent: int | None = None) -> str:
    """Write a value as JSON, compact or indented.

    Raises:
        ResourceLimitError: the value is too large.
    """
    weigh(value)
    separators = (",", ": ") if indent else (",", ":")
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)


def number(value: JsonValue) -> int | float:
    """Read a number; nil and empty text are 0.

    Raises:
        FilterError: the value is no number.
    """
    if isinstance(value, int | float):
        return int(value) if isinstance(value, bool) else value
    if value is None or value == "":
        return 0
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value.strip())):
        return bounded(float(match.group()) if match.group(1) or match.group(2) else int(match.group()))
    msg = f"{_short(value)} is not a number"
    raise FilterError(msg, token=None)


def whole(value: JsonValue) -> int:
    """Read a whole number, cutting off decimals.

    Raises:
        FilterError: the value is no number.
    """
    return int(number(value))


def bounded(value: int | float) -> int | float:
    """Return the number.

    Raises:
        ResourceLimitError: it is larger than a double can be.
    """
    if isinstance(value, int) and value.bit_length() <= MAX_NUMBER_BITS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    msg = "the number is too large"
    raise ResourceLimitError(msg, token=None)


def _object_member(value: Mapping[str, object], key: object) -> object:
    name = str(key) if isinstance(key, int) else key
    if not isinstance(name, str):
        raise LookupError(name)
    if name in value:
        return value[name]
    if name == "size":
        return len(value)
    if name == "first" and value:
        return next(iter(value.items()))
    raise LookupError(name)


def _list_member(value: Sequence[object], key: object) -> object:
    if isinstance(key, int):
        return value[key]
    if key == "size":
        return len(value)
    if key == "first":
        return value[0]
    if key == "last":
        return value[-1]
    if isinstance(key, str) and _INTEGER.fullmatch(key):
        return value[int(key)]
    raise LookupError(key)


def _is_void(kind: Empty | Blank, value: JsonValue) -> bool:
    if isinstance(value, str):
        return not (value.strip() if isinstance(kind, Blank) else value)
    if isinstance(value, list | dict):
        return not value
    return isinstance(kind, Blank) and (value is None or value is False)


def _text(value: JsonValue) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _decimal_text(value)
        case list():
            return "".join(map(_text, value))
        case dict():
            return to_json(value)


def _decimal_text(value: float) -> str:
    """Write a float as JavaScript does: 100.0 is 100, small numbers have no exponent."""
    if not 1e-6 <= abs(value) < 1e21:
        return "0" if value == 0 else repr(value)
    digits = format(Decimal(repr(value)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _short(value: JsonValue) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return json.dumps(value if not isinstance(value, str) or len(value) <= 40 else f"{value[:37]}...")
