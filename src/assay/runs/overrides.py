"""What an override given with a run does to a step's output."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import JsonValue

from assay import jsonschemas

OverrideMode = Literal["skipped", "partial"]


def override_mode(override: Mapping[str, JsonValue], output_schema: Mapping[str, Any] | None) -> OverrideMode:
    """Say whether the override stands for the whole output, so that the step need not run.

    It does when it satisfies the output schema of the step and has every required key; a step
    whose output is not known beforehand always runs.
    """
    if output_schema is None:
        return "partial"
    return "skipped" if jsonschemas.validator(output_schema).is_valid(override) else "partial"


def merged(output: JsonValue, override: JsonValue) -> JsonValue:
    """Lay the override over the output: objects are merged deeply, arrays and scalars replace."""
    if isinstance(output, dict) and isinstance(override, dict):
        return {**output, **{key: merged(output.get(key), value) for key, value in override.items()}}
    return override
