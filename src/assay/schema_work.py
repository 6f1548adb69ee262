"""How much work a JSON Schema can make of one place in a value: bounded before the schema is used, never while it is.

References multiply: twenty definitions that each offer the next one twice are a million schemas, and where references
go in a circle, as many for each level of the value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, cast
from urllib.parse import unquote

MAX_WORK: Final = 2000
"""Schemas that one place in a value may be held against, with those it is deeper inside of."""
MAX_TARGETS: Final = 500
"""Places that references of one schema may lead to."""

_ROUNDS: Final = 11
"""How often circles are followed: what doubles each time is past the bound then."""
_REFERENCES: Final = ("$ref", "$dynamicRef")
_LISTS_IN_PLACE: Final = ("allOf", "anyOf", "oneOf")
_SINGLE_IN_PLACE: Final = ("not", "if", "then", "else")
_SINGLE_DEEPER: Final = ("items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains")

Schema = Mapping[str, Any]


class TooMuchWorkError(ValueError):
    """The schema could take very long to check a value; the message says why."""


def bound(schema: Schema) -> int:
    """Return how many schemas one place in a value may be held against, along the most laborious path to it.

    Raises:
        TooMuchWorkError: alternatives and references multiply, or lead in a circle without going deeper.
    """
    work = _Work(schema)
    try:
        work.refuse_circles_in_place()
        return work.of(schema, schema, _ROUNDS)
    except RecursionError:
        message = "its references make a chain that is too long"
        raise TooMuchWorkError(message) from None


@dataclass(slots=True)
class _Work:
    root: Schema
    _known: dict[tuple[int, int, int], int] = field(default_factory=dict[tuple[int, int, int], int])
    _leads_to: dict[int, set[int]] = field(default_factory=dict[int, set[int]])

    def of(self, schema: object, inside: Schema, rounds: int) -> int:
        """Count the schemas that a value is held against, along its most laborious path; `inside` what was entered."""
        if not isinstance(schema, dict) or rounds < 0:
            return 0
        node = cast("Schema", schema)
        key = (id(node), id(inside), rounds)
        if key not in self._known:
            deeper = max((self._sum(group, inside, rounds) for group in _deeper(node)), default=0)
            self._known[key] = (
                1 + self._sum(_in_place(node), inside, rounds) + self._entered(node, inside, rounds) + deeper
            )
        if self._known[key] > MAX_WORK:
            message = f"one place in a value could be held against more than {MAX_WORK:,} schemas"
            raise TooMuchWorkError(message)
        return self._known[key]

    def refuse_circles_in_place(self) -> None:
        """Raise if a value would have to satisfy a schema before it is known what that schema asks."""
        found: dict[int, list[int]] = {}
        waiting = [self.root]
        while waiting:
            target = waiting.pop()
            if id(target) in found:
                continue
            if len(found) == MAX_TARGETS:
                message = f"its references lead to more than {MAX_TARGETS} places"
                raise TooMuchWorkError(message)
            found[id(target)] = [id(entered) for entered in self._targets(target, only_in_place=True)]
            waiting += (everywhere := list(self._targets(target, only_in_place=False)))
            self._leads_to[id(target)] = {id(entered) for entered in everywhere}
        try:
            TopologicalSorter(found).prepare()
        except CycleError:
            message = "a reference leads back to itself without going deeper into the value"
            raise TooMuchWorkError(message) from None
        self._close()

    def _close(self) -> None:
        """Turn what each place leads to at once into what it leads to at all."""
        for middle, beyond in self._leads_to.items():
            for reached in self._leads_to.values():
                if middle in reached:
                    reached.update(beyond)

    def _sum(self, schemas: Iterator[object], inside: Schema, rounds: int) -> int:
        return sum(self.of(schema, inside, rounds) for schema in schemas)

    def _entered(self, node: Schema, inside: Schema, rounds: int) -> int:
        work = 0
        for target in self._references(node):
            is_circle = id(inside) in self._leads_to.get(id(target), ()) or target is inside
            work += self.of(target, target, rounds - is_circle)
        return work

    def _targets(self, schema: object, *, only_in_place: bool) -> Iterator[Schema]:
        """Yield what the references in a schema lead to, without following them."""
        if not isinstance(schema, dict):
            return
        node = cast("Schema", schema)
        yield from self._references(node)
        for part in _in_place(node):
            yield from self._targets(part, only_in_place=only_in_place)
        for group in () if only_in_place else _deeper(node):
            for part in group:
                yield from self._targets(part, only_in_place=only_in_place)

    def _references(self, node: Schema) -> Iterator[Schema]:
        for name in _REFERENCES:
            reference = node.get(name)
            target = self._target(reference) if isinstance(reference, str) else None
            if target is not None:
                yield target

    def _target(self, reference: str) -> Schema | None:
        found: Any = self.root
        pointer = unquote(reference.removeprefix("#"))
        if pointer and not pointer.startswith("/"):
            return _anchored(self.root, pointer)
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                items = cast("list[Any]", found)
                found = items[int(name)] if name.isdecimal() and int(name) < len(items) else None
            else:
                found = cast("Schema", found).get(name) if isinstance(found, dict) else None
        return cast("Schema", found) if isinstance(found, dict) else None


def _anchored(value: object, name: str) -> Schema | None:
    if isinstance(value, list):
        parts = cast("list[object]", value)
    elif isinstance(value, dict):
        node = cast("dict[str, object]", value)
        if name in (node.get("$anchor"), node.get("$dynamicAnchor")):
            return node
        parts = list(node.values())
    else:
        return None
    return next((found for part in parts if (found := _anchored(part, name)) is not None), None)


def _in_place(node: Schema) -> Iterator[object]:
    """Yield the schemas that hold for the very value that the node holds for."""
    for name in _LISTS_IN_PLACE:
        if isinstance(node.get(name), list):
            yield from node[name]
    for name in _SINGLE_IN_PLACE:
        yield node.get(name)
    if isinstance(node.get("dependentSchemas"), dict):
        yield from node["dependentSchemas"].values()


def _deeper(node: Schema) -> Iterator[Iterator[object]]:
    """Yield groups of schemas that can hold for one and the same value below."""
    patterned = _values(node, "patternProperties")
    for part in _values(node, "properties"):
        yield iter([part, *patterned])
    yield iter([*patterned, *(node.get(name) for name in _SINGLE_DEEPER)])
    prefixes = node.get("prefixItems")
    for part in cast("list[object]", prefixes) if isinstance(prefixes, list) else []:
        yield iter([part, node.get("contains")])
    yield iter([node.get("propertyNames")])


def _values(node: Schema, name: str) -> list[object]:
    found = node.get(name)
    return list(cast("Mapping[str, object]", found).values()) if isinstance(found, dict) else []
