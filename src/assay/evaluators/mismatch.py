"""How results show a place where an output is not what was expected."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import JsonValue

MAX_MISMATCHES: Final = 200
_LONGEST_SHOWN: Final = 300
_LONGEST_PATH: Final = 200
_ROOM: Final = 200_000
_MOST_INNER_VALUES: Final = 50


class Missing:
    """What stands where there is no value, not even null."""


MISSING: Final = Missing()
Found = JsonValue | Missing


def mismatch(path: str, expected: Found, actual: Found, reason: str | None = None) -> JsonValue:
    """Describe one place: `{path, expected, actual, reason?}`; long values are shortened, what is absent is null."""
    shown: dict[str, JsonValue] = {
        "path": path[:_LONGEST_PATH],
        "expected": _shortened(expected),
        "actual": _shortened(actual),
    }
    if reason is None and isinstance(actual, Missing):
        reason = "missing"
    if reason is not None:
        shown["reason"] = reason
    return shown


def first_mismatches(mismatches: Iterable[JsonValue]) -> list[JsonValue]:
    """Return the first 200, or as many of them as a result has room for."""
    kept: list[JsonValue] = []
    room = _ROOM
    for one in mismatches:
        room -= len(json.dumps(one, ensure_ascii=False))
        if room < 0 or len(kept) == MAX_MISMATCHES:
            break
        kept.append(one)
    return kept


def _shortened(value: Found) -> JsonValue:
    if isinstance(value, Missing):
        return None
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
    if not isinstance(value, dict | list):
        return value
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > _LONGEST_SHOWN:
            return f"{text[:_LONGEST_SHOWN]}…"
    # What is nested deeply cannot be kept inside of a result.
    return text if text.count("[") + text.count("{") > _MOST_INNER_VALUES else value


def _pieces(value: JsonValue) -> Iterator[str]:
    """Write JSON piece by piece, so that of a large value only the beginning is written."""
    if isinstance(value, dict):
        yield "{"
        for index, (name, below) in enumerate(value.items()):
            yield f"{', ' if index else ''}{_leaf(name)}: "
            yield from _pieces(below)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for index, below in enumerate(value):
            yield ", " if index else ""
            yield from _pieces(below)
        yield "]"
    else:
        yield _leaf(value)


def _leaf(value: JsonValue) -> str:
    short = value[: _LONGEST_SHOWN + 1] if isinstance(value, str) else value
    return json.dumps(short, ensure_ascii=False)
