"""What an override given with a run does to a step's output."""

from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import jsonschema_rs
from pydantic import JsonValue

OverrideMode = Literal["skipped", "partial"]


def override_mode(override: Mapping[str, JsonValue], output_schema: Mapping[str, Any] | None) -> OverrideMode:
    """Say whether the override stands for the whole output, so that the step need not run.

    It does when it satisfies the output schema of the step and has every required key; a step
    whose output is not known beforehand always runs.
    """
    if output_schema is None:
        return "partial"
    validator = jsonschema_rs.Draft202012Validator(dict(output_schema), validate_formats=True, retriever=_deny)
    return "skipped" if validator.is_valid(override) else "partial"


def merged(output: JsonValue, override: JsonValue) -> JsonValue:
    """Lay the override over the output: objects are merged deeply, arrays and scalars replace."""
    if isinstance(output, dict) and isinstance(override, dict):
        return {**output, **{key: merged(output.get(key), value) for key, value in override.items()}}
    return override


def _deny(uri: str) -> NoReturn:
    message = f"{uri} is not fetched"
    raise ValueError(message)
