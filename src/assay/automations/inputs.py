"""What a workflow accepts as input: declarations as JSON Schema, and a run's input checked against it."""

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import jsonschema_rs
from pydantic import JsonValue

from assay import jsonschemas
from assay.automations.errors import InvalidInputError
from assay.errors import Issue

FILE_MARK = "x-eigenpal-type"
FILE_REFERENCES = ("fileId", "$fileId", "$inline", "$file")
"""Keys of an object that stands for a file; it has one of them."""
_PLAIN_TYPES = ("string", "number", "integer", "boolean", "object", "array")
INPUT_TYPES = (*_PLAIN_TYPES, "enum", "file")

MAX_WARNINGS = 20

_INTEGER = re.compile(r"[-+]?[0-9]{1,300}\Z")
_NUMBER = re.compile(r"[-+]?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][-+]?[0-9]{1,2})?\Z")
_CODES = {
    "required": "missing_required",
    "type": "type_mismatch",
    "enum": "enum_mismatch",
    "minItems": "array_length",
    "maxItems": "array_length",
}


class InputContract:
    """What a run's input must look like; built once a version."""

    def __init__(self, declarations: Iterable[Mapping[str, Any]] = ()) -> None:
        """Compile declarations in the form of the file: `name`, `type`, `required`, `default`, `values`, `items`."""
        declared = list(declarations)
        self.names = tuple(str(declaration["name"]) for declaration in declared)
        self.schema: dict[str, Any] = _object_schema({str(item["name"]): item for item in declared})
        self._defaults = {str(item["name"]): item["default"] for item in declared if "default" in item}
        self._validator = jsonschemas.validator(self.schema)

    def check(self, value: Mapping[str, JsonValue], *, coerce_strings: bool = False) -> dict[str, JsonValue]:
        """Return the input with defaults filled in; keys that nobody declared stay.

        With `coerce_strings` (form posts, where all is text), the text of a field declared number, integer or
        boolean becomes one, and a single value for an array of files becomes an array.

        Raises:
            InvalidInputError: something does not fit; one issue for each field that does not.
        """
        filled = {name: copy.deepcopy(default) for name, default in self._defaults.items()} | dict(value)
        if coerce_strings:
            filled = {name: self._coerced(name, item) for name, item in filled.items()}
        issues = self.issues(filled)
        if issues:
            message = issues[0].message
            raise InvalidInputError(message, field=issues[0].field, issues=issues)
        return filled

    def issues(self, value: Mapping[str, JsonValue]) -> list[Issue]:
        """List what does not fit, one issue a field, in the order of the declarations."""
        found: dict[str, Issue] = {}
        for error in self._validator.iter_errors(value):
            issue = self._issue(error)
            found.setdefault(issue.field, issue)
        order = {name: index for index, name in enumerate(self.names)}
        return sorted(found.values(), key=lambda issue: order.get(re.split(r"[.\[]", issue.field)[0], -1))

    def undeclared(self, value: Mapping[str, JsonValue]) -> list[Issue]:
        """Warn of each value that nobody declared, and that no step can read therefore; of the first 20."""
        found = [name[:100] for name in value if name not in self.schema["properties"]][:MAX_WARNINGS]
        hint = f"It declares {', '.join(self.names)[:300] or 'none'}."
        return [
            Issue(
                f"input.{name}",
                f"The workflow declares no input {name!r}, so it is ignored.",
                "input_ignored",
                "warning",
                hint,
            )
            for name in found
        ]

    def default_issue(self, name: str) -> str | None:
        """Say what is wrong with the default of one input, or None."""
        schema = self.schema["properties"][name]
        error = next(iter(jsonschemas.validator(schema).iter_errors(self._defaults[name])), None)
        return None if error is None else error.message

    def _coerced(self, name: str, value: JsonValue) -> JsonValue:
        schema = cast("dict[str, Any]", self.schema["properties"].get(name, {}))
        declared = schema.get("type")
        if declared == "array" and FILE_MARK in schema.get("items", {}) and not isinstance(value, list):
            return [value]
        if not isinstance(value, str):
            return value
        text = value.strip()
        if declared == "boolean" and text in {"true", "false"}:
            return text == "true"
        if declared in {"integer", "number"} and _INTEGER.match(text):
            return int(text)
        if declared == "number" and _NUMBER.match(text):
            return float(text)
        return value

    def _issue(self, error: jsonschema_rs.ValidationError) -> Issue:
        path = list(error.instance_path)
        keyword = error.kind.name
        if keyword == "required":
            name = str(cast("Any", error.kind).property)
            return Issue(_field([*path, name]), f"{name} is required.", "missing_required")
        if self._is_about_a_file(error.schema_path):
            message = "A file is required here."
            hint = 'Upload it as the part files.<name>, or refer to it: {"$fileId": "file_…"}.'
            return Issue(_field(path), message, "file_required", hint=hint)
        return Issue(_field(path), error.message[:500], _CODES.get(keyword, "invalid_value"))

    def _is_about_a_file(self, schema_path: Iterable[str | int]) -> bool:
        schema: Any = self.schema
        found = False
        for part in list(schema_path)[:-1]:
            schema = schema[part]
            found = found or FILE_MARK in schema
        return found


def _object_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    required = [name for name, item in properties.items() if item.get("required", True) and "default" not in item]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _schema_of(item) for name, item in properties.items()},
    }
    return schema | {"required": required} if required else schema


def _schema_of(declaration: Mapping[str, Any]) -> dict[str, Any]:
    schema = _typed(declaration)
    for key in ("description", "default"):
        if key in declaration:
            schema[key] = declaration[key]
    return schema


def _typed(declaration: Mapping[str, Any]) -> dict[str, Any]:
    name = declaration.get("type")
    if name == "file":
        choices = [{"required": [reference]} for reference in FILE_REFERENCES]
        return {"type": "object", FILE_MARK: "file", "anyOf": choices}
    if name == "enum":
        return {"enum": list(declaration.get("values") or ())}
    if name == "array":
        items = declaration.get("items")
        return {"type": "array"} | ({"items": _schema_of(items)} if items else {})
    if name == "object":
        properties = declaration.get("properties")
        return _object_schema(properties) if properties else {"type": "object"}
    return {"type": name} if name in _PLAIN_TYPES else {}


def _field(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "<root>"
