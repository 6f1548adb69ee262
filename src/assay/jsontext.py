"""How values become the JSON text that the database keeps, and back.

PostgreSQL cannot hold NUL or lone surrogates, and documents contain both: they become U+FFFD. What
is kept can be read back, and still be read when it stands inside a larger answer: its nesting is limited.
"""

import math
import re
from typing import Any

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, from_json, to_json

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
_SUSPICIOUS = ("\\u0000", "NaN", "Infinity")

# The library writes up to 254 levels and reads up to 200.
MAX_LEVELS = 150
_WRAPPING = 254 - MAX_LEVELS


def dump(value: Any) -> str:
    """Write a JSON value as compact text that the database can hold.

    Raises:
        ValueError: the value is not JSON, holds NaN or infinity, or is nested deeper than 150 levels.
    """
    text = write(value)
    if text.count("[") + text.count("{") > MAX_LEVELS:
        _refuse_deep(value)
    return text


def write(value: Any) -> str:
    """Like `dump`, for an answer that is built around what was kept: up to 254 levels.

    Raises:
        ValueError: the value is not JSON, holds NaN or infinity, or is nested too deeply.
    """
    try:
        text = to_json(value, inf_nan_mode="constants").decode()
    except (PydanticSerializationError, UnicodeEncodeError):
        text = _SUSPICIOUS[0]
    if any(mark in text for mark in _SUSPICIOUS):
        return _write_carefully(value)
    return text


def dump_or_none(value: Any) -> str | None:
    """Like `dump`, and None stays None (SQL NULL)."""
    return None if value is None else dump(value)


def load(text: str | None) -> Any:
    """Read JSON text written by `dump`; None stays None."""
    return None if text is None else from_json(text)


def storable_text(text: str) -> str:
    """Replace what the database cannot hold."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def _refuse_deep(value: Any) -> None:
    # Wrapped so often, the library itself finds what is nested too deeply, faster than a walk would.
    for _ in range(_WRAPPING):
        value = [value]
    write(value)


def _write_carefully(value: Any) -> str:
    try:
        return to_json(_storable(value)).decode()
    except (PydanticSerializationError, RecursionError) as error:
        message = "The value is not JSON, or nested too deeply."
        raise ValueError(message) from error


def _storable(value: Any) -> JsonValue:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {storable_text(str(key)): _storable(item) for key, item in value.items()}  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType] # any JSON
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]  # pyright: ignore[reportUnknownVariableType] # any JSON
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{value} is not a JSON number."
        raise ValueError(message)
    return value
