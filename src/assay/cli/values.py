"""How a JSON value is laid out for reading: as YAML would, with a count of everything that was left out."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from assay.cli.formats import count, visible

KEY = "cyan"
ASIDE = "italic bright_black"
INDENT = "  "
NARROWEST = 20
WORTH_A_NAME = 60
FITS_ONE_LINE = 72


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a value is shown; None shows everything."""

    characters: int | None = 300
    lines: int | None = 6
    items: int | None = 6
    depth: int | None = 6


EVERYTHING = Limits(None, None, None, None)


class Known:
    """Long values that were shown already, so that a name says it all the next time."""

    def __init__(self) -> None:
        """Know nothing."""
        self._names: dict[str, str] = {}

    def add(self, name: str, value: object) -> None:
        """Remember a value, and the fields of an object."""
        self._remember(name, value)
        if isinstance(value, dict):
            for field, inner in cast("dict[str, Any]", value).items():
                self._remember(f"{name}.{field}", inner)

    def name_of(self, value: Any) -> str | None:
        """Return the name of a value that was added."""
        return self._names.get(json.dumps(value)) if isinstance(value, dict | list | str) else None

    def _remember(self, name: str, value: object) -> None:
        text = json.dumps(value)
        if len(text) > WORTH_A_NAME:
            self._names.setdefault(text, name)


class Block:
    """Lines that keep their indentation where they are too long for the terminal."""

    def __init__(self, lines: Iterable[Text], indent: int) -> None:
        """Indent the lines by so many blanks."""
        self._lines = list(lines)
        self._indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Wrap each line below its own beginning."""
        for line in self._lines:
            own = len(line.plain) - len(line.plain.lstrip(" "))
            start = " " * (self._indent + own)
            width = max(options.max_width - len(start) - len(INDENT), NARROWEST)
            for number, piece in enumerate(line[own:].wrap(console, width, overflow="fold")):
                yield Text(start + (INDENT if number else "")) + piece


@dataclass(frozen=True, slots=True)
class Layout:
    """Lays values out within limits; what is known is named instead of shown again."""

    limits: Limits
    known: Known

    def lines(self, value: object) -> Sequence[Text]:
        """Return the lines of a value."""
        return self._laid_out(value, 0)[1]

    def _laid_out(self, value: Any, depth: int) -> tuple[bool, Sequence[Text]]:
        """Return whether the value may stand behind its key, and its lines."""
        name = self.known.name_of(value)
        if name is not None:
            return True, [Text(f"= {visible(name)}", ASIDE)]
        if isinstance(value, dict) and value:
            return self._object(cast("dict[str, Any]", value), depth)
        if isinstance(value, list) and value:
            return self._list(cast("list[Any]", value), depth)
        if isinstance(value, str) and _has_lines(value):
            return False, list(self._text(value))
        return True, [self._scalar(cast("object", value))]

    def _object(self, value: Mapping[str, Any], depth: int) -> tuple[bool, Sequence[Text]]:
        if self._is_too_deep(depth):
            return True, [_left_out(count(len(value), "field"))]
        flow = self._flow(value) if depth else None
        return (False, list(self._fields(value, depth))) if flow is None else (True, [flow])

    def _fields(self, value: Mapping[str, Any], depth: int) -> Iterator[Text]:
        for name, inner in value.items():
            key = Text(f"{visible(name)}:", KEY)
            is_inline, lines = self._laid_out(inner, depth + 1)
            if is_inline:
                yield key + Text(" ") + lines[0]
            else:
                yield key
                yield from (Text(INDENT) + line for line in lines)

    def _flow(self, value: Mapping[str, Any]) -> Text | None:
        """Return a small object on one line, `{a: 1, b: x}`; None where it is not small."""
        if any(isinstance(inner, dict | list) or _has_lines(inner) for inner in value.values()):
            return None
        fields = [Text.assemble((f"{visible(name)}: ", KEY), self._scalar(inner)) for name, inner in value.items()]
        line = Text("{") + Text(", ").join(fields) + Text("}")
        return line if len(line) <= FITS_ONE_LINE else None

    def _list(self, value: Sequence[Any], depth: int) -> tuple[bool, Sequence[Text]]:
        if self._is_too_deep(depth):
            return True, [_left_out(count(len(value), "item"))]
        lines: list[Text] = []
        for inner in value[: self.limits.items]:
            first, *rest = self._laid_out(inner, depth + 1)[1]
            lines += [Text("- ") + first, *(Text(INDENT) + line for line in rest)]
        left = 0 if self.limits.items is None else len(value) - self.limits.items
        return False, [*lines, _left_out(count(left, "more item"))] if left > 0 else lines

    def _text(self, value: str) -> Iterator[Text]:
        lines = value.strip("\n").split("\n")
        shown = lines[: self.limits.lines]
        for line in shown:
            yield self._shortened(line)
        if len(shown) < len(lines):
            yield _left_out(count(len(lines) - len(shown), "more line"))

    def _scalar(self, value: object) -> Text:
        if isinstance(value, str) and value and value.strip() == value and not _reads_as_other(value):
            return self._shortened(value)
        return self._shortened(json.dumps(value, ensure_ascii=False))

    def _shortened(self, text: str) -> Text:
        limit = self.limits.characters
        if limit is None or len(text) <= limit:
            return Text(visible(text))
        return Text(visible(text[:limit])) + Text(" ") + _left_out(count(len(text) - limit, "more character"))

    def _is_too_deep(self, depth: int) -> bool:
        return self.limits.depth is not None and depth >= self.limits.depth


def _has_lines(value: object) -> bool:
    return isinstance(value, str) and "\n" in value.strip()


def _reads_as_other(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _left_out(what: str) -> Text:
    return Text(f"… {what}", ASIDE)
