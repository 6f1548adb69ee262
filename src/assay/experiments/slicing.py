"""Into which groups the examples of an experiment fall: promoted ones, types of input files, metadata with few values.

Each further group makes it harder for any of them to show a difference, so there are few.
"""

from collections.abc import Collection, Mapping, Sequence

from assay.experiments.result_store import Traits

MAX_VALUES = 20
"""A metadata key with more values groups nothing."""
MAX_SLICES = 50
_MAX_NAME = 100


def slices(examples: Sequence[Traits]) -> dict[str, Collection[str]]:
    """Name the groups of each example, by its id; a group that all examples are in is none."""
    groups: dict[str, set[str]] = {}
    for example in examples:
        for name in _groups(example):
            groups.setdefault(name, set()).add(example.example_id)
    metadata = {
        f"{key}: {value}": members
        for key, values in _by_metadata(examples).items()
        if len(values) <= MAX_VALUES
        for value, members in values.items()
    }
    named = {name[:_MAX_NAME]: members for name, members in (groups | metadata).items() if len(members) < len(examples)}
    found: dict[str, list[str]] = {}
    for name in sorted(named, key=lambda name: (-len(named[name]), name))[:MAX_SLICES]:
        for example_id in named[name]:
            found.setdefault(example_id, []).append(name)
    return {example_id: tuple(names) for example_id, names in found.items()}


def _groups(example: Traits) -> list[str]:
    types = [f"file type: {content_type}" for content_type in example.content_types]
    return ["promoted", *types] if example.promoted else types


def _by_metadata(examples: Sequence[Traits]) -> Mapping[str, Mapping[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    for example in examples:
        if not isinstance(example.metadata, dict):
            continue
        for key, value in example.metadata.items():
            if isinstance(value, str | int | float):
                word = str(value).lower() if isinstance(value, bool) else str(value)
                found.setdefault(key, {}).setdefault(word, set()).add(example.example_id)
    return found
