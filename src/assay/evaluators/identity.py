"""When two evaluators, or two sets of them, are the same: what their versions and hashes cover."""

import hashlib
import json
from collections.abc import Iterable
from typing import cast

from assay.evaluators.base import Evaluator
from assay.evaluators.model import Entry

_SHORT = 12


def evaluator_version(evaluator: Evaluator) -> str:
    """Say which judge this is: `1+5f2c…`. A threshold changes no score, so it changes no version either."""
    return f"{evaluator.version}+{_hash(_configuration(evaluator))[:_SHORT]}"


def content_hash(entries: Iterable[Entry], pass_threshold: float, *, require_all: bool) -> str:
    """Hash what a verdict rests on, in whatever order the entries stand."""
    judges = [
        [entry.name, entry.type_name, entry.weight, entry.evaluator.version, _configuration(entry.evaluator)]
        for entry in entries
    ]
    return _hash([sorted(judges, key=lambda judge: str(judge[0])), pass_threshold, require_all])


def _configuration(evaluator: Evaluator) -> object:
    return evaluator.model_dump(mode="json", by_alias=True, exclude={"pass_threshold"})


def _hash(value: object) -> str:
    canonical = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> object:
    """Write whole numbers in one way: 1 and 1.0 are the same setting."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[object]", value)]
    return value
