"""How parts of an answer are read that may be missing or null."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

Json = Mapping[str, Any]


def part(body: Json, name: str) -> Json:
    """Return an object inside another; empty where there is none."""
    found: object = body.get(name)
    return cast("Json", found) if isinstance(found, dict) else {}


def items(body: Json, name: str) -> Sequence[Json]:
    """Return the objects of a list inside an object; empty where there is none."""
    found: object = body.get(name)
    return cast("Sequence[Json]", found) if isinstance(found, list) else []
