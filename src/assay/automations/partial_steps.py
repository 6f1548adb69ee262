"""Which steps can be asked for their problems although values in them are malformed, or come from templates."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from assay.steps import Step
from assay.yamltext import Path, value_at

_ROUNDS = 4
"""What is left out may be missed by what holds it, and so on outwards."""


class PartialStep(NamedTuple):
    """A step without some of the values inside its fields, and where those stood."""

    step: Step
    left_out: frozenset[Path]


def partial_step(step_type: type[Step], config: Mapping[str, JsonValue]) -> PartialStep | None:
    """Build a step from what can be read of a raw configuration.

    None where a whole field would be left out, or an item of a list: what a type says of the rest could be wrong then.
    """
    kept: Any = copy.deepcopy(dict(config))
    left_out: set[Path] = set()
    for _ in range(_ROUNDS):
        try:
            return PartialStep(step_type.model_validate(kept), frozenset(left_out))
        except ValidationError as error:
            unfit = {_place(kept, details) for details in error.errors(include_url=False, include_context=False)}
        for path in sorted(unfit, key=len, reverse=True):
            holder = value_at(kept, path[:-1])
            if len(path) < 2 or not isinstance(holder, dict):
                return None
            del holder[str(path[-1])]
        left_out |= unfit
    return None


def _place(config: JsonValue, details: ErrorDetails) -> Path:
    """Find what would have to go; in the location, pydantic mixes in names of union members."""
    value, path = config, list[str | int]()
    for part in details["loc"]:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        path.append(part)
    return tuple(path)
