"""What a rule map or the classic options of `exact-diff` say about each place of a JSON value.

A path is `$` (the whole value) or names joined by dots, each with any number of `[]` (every item) or
`[3]` (one item, from 0): `header.id`, `lineItems[].total`, `lineItems[0].sku`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

Order = Literal["ordered", "unordered"]
Items = Literal["at-least", "at-most", "exactly"]
Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]

_PART: Final = re.compile(r"([^.\[\]]+)((?:\[\d*\])*)(?:\.(?=.)|$)")
_INDEX: Final = re.compile(r"\[(\d*)\]")


class Wild(Enum):
    """A segment of a path that stands for many."""

    EVERY_ITEM = "[]"


EVERY_ITEM: Final = Wild.EVERY_ITEM
Segment = str | int | Wild
Path = tuple[Segment, ...]


class Rule(BaseModel):
    """What holds at a path and, as far as it is inherited, below it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    ignore: Literal[True] | None = Field(
        default=None, description="Do not compare what stands here. Stands alone in its rule."
    )
    order: Order | None = Field(
        default=None, description="Whether the items of an array keep their places (ordered, the default)."
    )
    items: Items | None = Field(
        default=None,
        description="Which items there must be: at-least the expected ones (default), at-most those, or exactly those.",
    )
    match_by: str | list[str] | None = Field(
        default=None,
        alias="matchBy",
        description="The path or paths, inside an item, of the values by which unordered items are paired.",
    )
    allow_extra_fields: StrictBool | None = Field(
        default=None, alias="allowExtraFields", description="Whether fields that are not expected are accepted."
    )
    numeric_tolerance: Tolerance | None = Field(
        default=None,
        alias="numericTolerance",
        description="How far apart numbers may be, absolutely. 0 is exact; if absent, a millionth.",
    )

    @property
    def identity_paths(self) -> Sequence[str]:
        """The paths of `matchBy` as a list."""
        if self.match_by is None:
            return ()
        return [self.match_by] if isinstance(self.match_by, str) else self.match_by


@dataclass(frozen=True)
class Place:
    """What is asked of the values at one place, inherited settings filled in.

    `compared` is false where the place only leads to deeper ones that are. `elsewhere` is for the
    fields and items that have no place of their own; None says that it is the same as here.
    """

    compared: bool = True
    order: Order = "ordered"
    items: Items = "at-least"
    identity: tuple[Path, ...] = ()
    allow_extra_fields: bool = True
    tolerance: Decimal | None = None
    fields: Mapping[str, "Place"] = field(default_factory=dict[str, "Place"])
    every_item: "Place | None" = None
    single_items: Mapping[int, "Place"] = field(default_factory=dict[int, "Place"])
    elsewhere: "Place | None" = None

    @cached_property
    def reached(self) -> bool:
        """Whether anything here or below is compared."""
        below = [*self.fields.values(), *self.single_items.values(), *([self.every_item] if self.every_item else ())]
        return self.compared or any(place.reached for place in below)

    def at_field(self, name: str) -> "Place":
        """Return what is asked of a field."""
        return self.fields.get(name) or self.elsewhere or self

    def at_item(self, index: int) -> "Place":
        """Return what is asked of an item."""
        return self.single_items.get(index) or self.every_item or self.elsewhere or self


@dataclass(slots=True)
class _Branch:
    rule: Rule | None = None
    unordered: bool = False
    below: dict[Segment, "_Branch"] = field(default_factory=dict[Segment, "_Branch"])


def parse_path(text: str) -> Path:
    """Read a path; `$` is the empty one.

    Raises:
        ValueError: it is not well written; the message says what a path looks like.
    """
    segments: list[Segment] = []
    position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            break
        if position or part[1] != "$":
            segments.append(part[1])
        segments.extend(int(index) if index else EVERY_ITEM for index in _INDEX.findall(part[2]))
        position = part.end()
    if not text or position < len(text):
        message = f"`{text}` is not a path; write one like `header.id`, `lineItems[].total` or `$`."
        raise ValueError(message)
    return tuple(segments)


def write_path(path: Path) -> str:
    """Write a path as `parse_path` reads it."""
    written = ""
    for segment in path:
        if isinstance(segment, str):
            written += f".{segment}" if written else segment
        else:
            written = (written or "$") + (f"[{segment}]" if isinstance(segment, int) else "[]")
    return written or "$"


def compile_rules(rules: Mapping[str, Rule]) -> Place:
    """Turn a rule map without problems into what is asked of the whole value.

    Rules that do not ignore choose what is compared; if there are none, everything is. Of two rules
    on the way to a value the deeper one counts.
    """
    root = _Branch()
    for path, rule in rules.items():
        _grow(root, parse_path(path)).rule = rule
    return _compile(root, Place(compared=all(rule.ignore for rule in rules.values())))


def compile_classic(
    *,
    paths: Sequence[str] | None,
    unordered_paths: Iterable[str],
    allow_extra_fields: bool,
    numeric_tolerance: float | None,
) -> Place:
    """Turn the options that are no rules into what is asked of the whole value.

    An unordered path means the array, with or without the `[]` of its items. It chooses nothing.
    """
    root = _Branch()
    for path in paths or ():
        _grow(root, parse_path(path)).rule = Rule()
    for path in unordered_paths:
        array = parse_path(path)
        _grow(root, array[:-1] if array and array[-1] is EVERY_ITEM else array).unordered = True
    start = Place(
        compared=paths is None,
        allow_extra_fields=allow_extra_fields,
        tolerance=None if numeric_tolerance is None else Decimal(repr(numeric_tolerance)),
    )
    return _compile(root, start)


def rule_problems(rules: Mapping[str, Rule]) -> Iterable[tuple[str, str, str]]:
    """Find what is wrong with a rule map: (path below the configuration, message, code) for each problem."""
    seen: dict[Path, str] = {}
    for text, rule in rules.items():
        where = f"rules.{text}"
        try:
            path = parse_path(text)
        except ValueError as error:
            yield where, str(error), "invalid_path"
            continue
        if path in seen:
            yield where, f"`{text}` and `{seen[path]}` are the same path.", "duplicate_path"
        seen[path] = text
        if any(isinstance(segment, int) for segment in path):
            yield (
                where,
                f"`{text}`: a rule holds for all items of an array; write `[]` without a number.",
                "invalid_path",
            )
        yield from _setting_problems(text, path, rule)


def path_problems(where: str, paths: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    """Find the paths of a list that are not well written."""
    for index, text in enumerate(paths):
        try:
            parse_path(text)
        except ValueError as error:
            yield f"{where}.{index}", str(error), "invalid_path"


def _setting_problems(text: str, path: Path, rule: Rule) -> Iterable[tuple[str, str, str]]:
    where = f"rules.{text}"
    settings = rule.model_dump(by_alias=True, exclude_none=True)
    if rule.ignore and len(settings) > 1:
        others = ", ".join(name for name in settings if name != "ignore")
        yield where, f"`{text}`: a rule that ignores says nothing else; remove {others}.", "ignore_not_alone"
    array_settings = [name for name in ("order", "items", "matchBy") if name in settings]
    if path and path[-1] is EVERY_ITEM and array_settings:
        array = write_path(path[:-1])
        yield (
            where,
            f"`{text}`: {', '.join(array_settings)} belongs to the array; write it at `{array}`.",
            "array_rule_on_items",
        )
    if rule.match_by is None:
        return
    if rule.order != "unordered":
        yield f"{where}.matchBy", f"`{text}`: matchBy needs `order: unordered` in the same rule.", "match_by_ordered"
    if not rule.identity_paths:
        yield f"{where}.matchBy", f"`{text}`: matchBy names no path.", "match_by_empty"
    for identity_path in rule.identity_paths:
        yield from _identity_problems(f"{where}.matchBy", identity_path)


def _identity_problems(where: str, text: str) -> Iterable[tuple[str, str, str]]:
    try:
        path = parse_path(text)
    except ValueError as error:
        yield where, str(error), "invalid_path"
        return
    if not path or not all(isinstance(segment, str) for segment in path):
        yield where, f"`{text}` does not name one value of an item; write a path like `sku`.", "invalid_path"


def _grow(root: _Branch, path: Path) -> _Branch:
    branch = root
    for segment in path:
        branch = branch.below.setdefault(segment, _Branch())
    return branch


def _compile(branch: _Branch, above: Place) -> Place:
    inherited = _apply(branch.rule, above)
    every = branch.below.get(EVERY_ITEM)
    return replace(
        inherited,
        order="unordered" if branch.unordered else inherited.order,
        identity=tuple(parse_path(path) for path in branch.rule.identity_paths) if branch.rule else (),
        fields={name: _compile(below, inherited) for name, below in branch.below.items() if isinstance(name, str)},
        every_item=_compile(every, inherited) if every else None,
        single_items={
            index: _compile(_laid_over(every, below), inherited)
            for index, below in branch.below.items()
            if isinstance(index, int)
        },
        elsewhere=inherited,
    )


def _apply(rule: Rule | None, above: Place) -> Place:
    if rule is None:
        return above
    if rule.ignore:
        return replace(above, compared=False)
    extra, tolerance = rule.allow_extra_fields, rule.numeric_tolerance
    return replace(
        above,
        compared=True,
        order=rule.order or above.order,
        items=rule.items or above.items,
        allow_extra_fields=above.allow_extra_fields if extra is None else extra,
        tolerance=above.tolerance if tolerance is None else Decimal(repr(tolerance)),
    )


def _laid_over(under: _Branch | None, over: _Branch) -> _Branch:
    if under is None:
        return over
    below = dict(under.below)
    for segment, branch in over.below.items():
        below[segment] = _laid_over(under.below.get(segment), branch)
    return _Branch(over.rule or under.rule, over.unordered or under.unordered, below)
