"""The YAML parser's events as typed values, read lazily, so that a limit can end the reading of a hostile file."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, cast

from ruamel.yaml import YAML
from ruamel.yaml import events as yaml_events

Kind = Literal["scalar", "mapping", "sequence", "end", "alias", "document"]

_KINDS: dict[type, Kind] = {
    yaml_events.ScalarEvent: "scalar",
    yaml_events.MappingStartEvent: "mapping",
    yaml_events.SequenceStartEvent: "sequence",
    yaml_events.MappingEndEvent: "end",
    yaml_events.SequenceEndEvent: "end",
    yaml_events.AliasEvent: "alias",
    yaml_events.DocumentStartEvent: "document",
}


class Position(NamedTuple):
    """A place in the text; both count from 1."""

    line: int
    column: int


class Token(NamedTuple):
    """One event. `begin` and `end` are offsets in the text; `style` is None for a plain scalar."""

    kind: Kind
    position: Position
    begin: int
    end: int
    value: str
    anchor: str | None
    tag: str | None
    style: str | None


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a text.

    Raises:
        YAMLError: the text is not YAML, noticed when the reading gets there.
    """
    parser = cast("Any", YAML(typ="safe", pure=True))
    for event in cast("Iterator[Any]", parser.parse(text)):
        kind = _KINDS.get(event.__class__)
        if kind is not None:
            yield _token(kind, event)


def _token(kind: Kind, event: Any) -> Token:
    start = event.start_mark
    tag = getattr(event, "tag", None)
    style = getattr(event, "style", None)
    value = str(getattr(event, "value", ""))
    return Token(
        kind=kind,
        position=Position(start.line + 1, start.column + 1),
        begin=start.index,
        end=event.end_mark.index,
        # The library marks with BEL where a folded text was folded; YAML itself allows no BEL there.
        value=value.replace("\a", "") if style == ">" else value,
        anchor=getattr(event, "anchor", None),
        tag=None if tag is None else str(tag),
        style=style,
    )
