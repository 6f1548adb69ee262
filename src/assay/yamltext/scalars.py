"""What a plain scalar means: the core schema of YAML 1.2 and nothing beyond it, so that dates and `yes` stay text."""

import math
import re

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOLEAN = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INTEGER = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_A_NUMBER = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_MAX_DIGITS = 1_000


def plain_value(text: str) -> str | int | float | bool | None:
    """Return the value of a plain scalar.

    Raises:
        ValueError: it is a number that JSON does not know, or one of more than 1,000 digits.
    """
    if _NULL.match(text):
        return None
    if _BOOLEAN.match(text):
        return text.lower() == "true"
    if _INTEGER.match(text):
        return _integer(text)
    if _NOT_A_NUMBER.match(text):
        message = f"{text} is not a JSON number."
        raise ValueError(message)
    return _float(text) if _FLOAT.match(text) else text


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        message = f"The number has more than {_MAX_DIGITS:,} digits."
        raise ValueError(message)
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        message = f"The number {text[:30]} is too large."
        raise ValueError(message)
    return number
