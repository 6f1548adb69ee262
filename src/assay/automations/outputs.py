"""What is known of a workflow's output before it runs: which steps make each field, and its JSON Schema."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import JsonValue

from assay import expressions
from assay.automations.scoping import KnownStep, is_template, member_schema, templates_in
from assay.yamltext import Path

WHOLE = "<root>"
"""The field of an output that is one template."""

_PLAIN_READ = re.compile(r"\s*\{\{-?\s*[\w\-.\[\]\"']+\s*-?\}\}\s*\Z")
_TYPES: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}

_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_OF_A_WHOLE_SCHEMA = frozenset({"$schema", "$id", "$defs", "definitions"})

KnownSteps = Mapping[str, KnownStep]
Output = Mapping[str, JsonValue] | str | None


def output_sources(output: Output) -> dict[str, tuple[str, ...]]:
    """Name for each output field the steps that its templates read, in order; `<root>` when the output is one template.

    The templates must be known to be well written.
    """
    fields = {WHOLE: output} if isinstance(output, str) else output or {}
    return {name: tuple(dict.fromkeys(_steps_read(value))) for name, value in fields.items()}


def output_schema(output: Output, input_schema: Mapping[str, Any], known_steps: KnownSteps) -> dict[str, Any] | None:
    """Infer the JSON Schema of the output; a part that nothing is known about is `{}`, and None means all of it."""
    if output is None:
        return None
    if isinstance(output, str):
        return _schema_of(output, input_schema, known_steps) or None
    properties = {name: _schema_of(value, input_schema, known_steps) for name, value in output.items()}
    return {"type": "object", "properties": properties, "required": list(output)}


def _steps_read(value: JsonValue) -> Iterable[str]:
    for _, source in templates_in(value):
        for reference in expressions.references(source):
            if reference.path[0] == "steps" and len(reference.path) > 1:
                yield str(reference.path[1])


def _schema_of(value: JsonValue, input_schema: Mapping[str, Any], known_steps: KnownSteps) -> dict[str, Any]:
    if isinstance(value, str) and is_template(value):
        return _schema_of_template(value, input_schema, known_steps)
    if isinstance(value, dict):
        properties = {name: _schema_of(item, input_schema, known_steps) for name, item in value.items()}
        return {"type": "object", "properties": properties, "required": list(value)}
    if isinstance(value, list):
        return {"type": "array"}
    return {"type": _TYPES[type(value)]} if value is not None else {}


def _schema_of_template(source: str, input_schema: Mapping[str, Any], known_steps: KnownSteps) -> dict[str, Any]:
    text = source.strip()
    if not (text.startswith("{{") and text.endswith("}}") and text.count("{{") == 1):
        return {"type": "string"}
    found = expressions.references(source)
    if len(found) != 1 or not _PLAIN_READ.match(source):
        return {}
    path = found[0].path
    if path[0] == "input":
        return _below(input_schema, path[1:])
    if path[0] == "steps" and len(path) > 2 and path[2] == "output":
        return _below(known_steps[str(path[1])].output_schema, path[3:])
    return {}


def _below(schema: Mapping[str, Any] | None, path: Path) -> dict[str, Any]:
    for part in path:
        schema = member_schema(schema, part)
    if schema is None or _refers(schema):
        return {}
    return {key: value for key, value in schema.items() if key not in _OF_A_WHOLE_SCHEMA}


def _refers(schema: object) -> bool:
    """Whether a schema refers to another place, which would be another one where this schema becomes a part."""
    if isinstance(schema, list):
        return any(map(_refers, cast("list[object]", schema)))
    if not isinstance(schema, dict):
        return False
    keyed = cast("dict[str, object]", schema)
    return not _REFERENCES.isdisjoint(keyed) or any(map(_refers, keyed.values()))
