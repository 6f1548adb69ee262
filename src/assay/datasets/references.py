"""How an example's JSON refers to its files: `{"$file": "input/contract.pdf"}`, anywhere in it."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from pydantic import JsonValue

KEY = "$file"


def find_references(node: JsonValue, path: str) -> Iterator[tuple[str, JsonValue]]:
    """Yield every reference below a value: where it stands, and what it names (which may be no text)."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from find_references(item, f"{path}[{index}]")
    elif isinstance(node, dict):
        if KEY in node:
            yield path, node[KEY]
            return
        for key, item in node.items():
            yield from find_references(item, f"{path}.{key}")


def with_references(
    node: JsonValue, path: str, replace: Callable[[Mapping[str, JsonValue], str], JsonValue]
) -> JsonValue:
    """Return the value with each reference replaced by what `replace` makes of it and of where it stands."""
    if isinstance(node, list):
        return [with_references(item, f"{path}[{index}]", replace) for index, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if KEY in node:
        return replace(node, path)
    return {key: with_references(item, f"{path}.{key}", replace) for key, item in node.items()}


def renamed_reference(node: JsonValue, old: str, new: str) -> JsonValue:
    """Return the value with every reference to one path naming the other."""

    def rename(reference: Mapping[str, JsonValue], _: str) -> JsonValue:
        return {**reference, KEY: new} if named_path(reference[KEY]) == old else cast("JsonValue", reference)

    return with_references(node, "", rename)


def named_path(value: JsonValue) -> str | None:
    """Return the path a reference names as paths are kept (NFC), or None where it names none."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else None
