"""How the examples on this machine differ from those on the server: which are on one side only, and which parts do."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.cli.answers import Json, items

if TYPE_CHECKING:
    from assay.datasets import Content

Parts = Mapping[str, str]
"""A hash for each part of an example; parts are `input`, `expected`, `annotation`… and each file by its path."""


@dataclass(slots=True)
class Difference:
    """Names by what a push with mode replace would do: add, remove, or change in these parts."""

    added: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    changed: dict[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    same: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether both sides are the same."""
        return not (self.added or self.removed or self.changed)


def difference(local: Mapping[str, Parts], served: Iterable[Json]) -> Difference:
    """Compare; on the server, files that nothing refers to do not count, since no archive holds them."""
    found = Difference()
    seen: set[str] = set()
    for example in served:
        name = str(example["name"])
        seen.add(name)
        if name not in local:
            found.removed.append(name)
            continue
        here, there = local[name], parts_of_served(example)
        parts = [part for part in [*here, *(there.keys() - here.keys())] if here.get(part) != there.get(part)]
        if parts:
            found.changed[name] = sorted(parts)
        else:
            found.same += 1
    found.added = sorted(local.keys() - seen)
    return found


def parts_of_local(content: "Content") -> Parts:
    """Return the parts of an example in a folder."""
    error = content.expected_error
    parts = {
        "input": content.input,
        "expected": content.expected if error is None else {"$error": error},
        "metadata": content.metadata,
        "annotation": content.annotation,
        "rowOrder": content.row_order,
        "overrides": content.overrides,
    }
    return {**_hashed(parts), **{file.path: file.sha256 for file in content.files}}


def parts_of_served(example: Json) -> Parts:
    """Return the parts of an example as the server gives it."""
    names = ("input", "expected", "metadata", "annotation", "rowOrder", "overrides")
    files = {
        f"{folder}/{file['name']}": str(file["sha256"])
        for folder in ("input", "expected")
        for file in items(example, f"{folder}Files")
        if file.get("referenced")
    }
    return {**_hashed({name: example[name] for name in names}), **files}


def _hashed(parts: Mapping[str, Any]) -> Parts:
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest() for name, value in parts.items()
    }
