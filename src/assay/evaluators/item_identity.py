"""What tells an item of an array from the others: the values that `matchBy` names, with their types."""

import json
from collections.abc import Sequence
from typing import cast

from pydantic import JsonValue

from assay.evaluators.comparison_rules import Path, write_path

Identity = tuple[object, ...]


def identity_of(item: JsonValue, paths: Sequence[Path]) -> Identity | None:
    """Return what tells an item from others; None if a part of it is missing or null."""
    identity: list[object] = []
    for path in paths:
        value = item
        for segment in path:
            value = value.get(cast("str", segment)) if isinstance(value, dict) else None
        if value is None:
            return None
        identity.append(_typed(value))
    return tuple(identity)


def places_of(identities: Sequence[Identity | None]) -> dict[Identity, list[int]]:
    """List where each identity occurs."""
    places: dict[Identity, list[int]] = {}
    for index, identity in enumerate(identities):
        if identity is not None:
            places.setdefault(identity, []).append(index)
    return places


def named(identity: Sequence[Path]) -> str:
    """Write the paths of an identity for a reader."""
    return " and ".join(write_path(path) for path in identity)


def _typed(value: JsonValue) -> tuple[str, object]:
    if isinstance(value, dict | list):
        return ("json", json.dumps(value, sort_keys=True))
    if isinstance(value, bool | str):
        return (type(value).__name__, value)
    return ("number", value)
