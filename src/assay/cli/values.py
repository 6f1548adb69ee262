"""How a JSON value is laid out for reading: as YAML would, with a count of everything that was left out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from rich.text import Text

from assay.cli.formats import count, visible

KEY = "cyan"
LEFT_OUT = "italic bright_black"
INDENT = "  "


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a value is shown; None shows everything."""

    characters: int | None = 300
    lines: int | None = 6
    items: int | None = 6
    depth: int | None = 6


EVERYTHING = Limits(None, None, None, None)


def laid_out(value: object, limits: Limits, *, indent: int = 0) -> list[Text]:
    """Return the lines of a value, each indented by `indent` levels."""
    return [Text(INDENT * indent) + line for line in _lines(value, limits, 0)]


def _lines(value: object, limits: Limits, depth: int) -> Iterator[Text]:
    if isinstance(value, dict) and value:
        yield from _object(cast("dict[str, Any]", value), limits, depth)
    elif isinstance(value, list) and value:
        yield from _list(cast("list[Any]", value), limits, depth)
    elif isinstance(value, str) and "\n" in value.strip():
        yield from _text_lines(value, limits)
    else:
        yield _scalar(cast("object", value), limits)


def _object(value: Mapping[str, Any], limits: Limits, depth: int) -> Iterator[Text]:
    if limits.depth is not None and depth >= limits.depth:
        yield _left_out(count(len(value), "field"))
        return
    for name, inner in value.items():
        key = Text(f"{visible(str(name))}:", KEY)
        lines = list(_lines(inner, limits, depth + 1))
        if _is_nested(inner):
            yield key
            yield from (Text(INDENT) + line for line in lines)
        else:
            yield key + Text(" ") + lines[0]


def _list(value: Sequence[Any], limits: Limits, depth: int) -> Iterator[Text]:
    if limits.depth is not None and depth >= limits.depth:
        yield _left_out(count(len(value), "item"))
        return
    shown = value if limits.items is None else value[: limits.items]
    for inner in shown:
        first, *rest = _lines(inner, limits, depth + 1)
        yield Text("- ") + first
        yield from (Text(INDENT) + line for line in rest)
    if len(shown) < len(value):
        yield _left_out(f"{count(len(value) - len(shown), 'more item')}")


def _text_lines(value: str, limits: Limits) -> Iterator[Text]:
    lines = value.strip("\n").split("\n")
    shown = lines if limits.lines is None else lines[: limits.lines]
    for line in shown:
        yield _shortened(line, limits)
    if len(shown) < len(lines):
        yield _left_out(count(len(lines) - len(shown), "more line"))


def _scalar(value: object, limits: Limits) -> Text:
    if isinstance(value, str) and value.strip() == value and value and not _reads_as_other(value):
        return _shortened(value, limits)
    return _shortened(json.dumps(value, ensure_ascii=False), limits)


def _reads_as_other(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _shortened(text: str, limits: Limits) -> Text:
    if limits.characters is None or len(text) <= limits.characters:
        return Text(visible(text))
    left = len(text) - limits.characters
    return Text(visible(text[: limits.characters])) + Text(" ") + _left_out(count(left, "more character"))


def _left_out(what: str) -> Text:
    return Text(f"… {what}", LEFT_OUT)


def _is_nested(value: object) -> bool:
    if isinstance(value, dict | list):
        return bool(cast("dict[str, Any] | list[Any]", value))
    return isinstance(value, str) and "\n" in value.strip()
