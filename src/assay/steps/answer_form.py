"""Which form of answer a model is asked for, given the form that a workflow wants.

Every value may be null in an answer: a model that must give a value makes one up. What a form then lacks is said
openly (`_degraded`). Vendors enforce a strict form only where objects are closed and list all their properties; what
cannot be written so is asked for without enforcement, and checked here all the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from assay import jsontext, schema_work
from assay.jsonschemas import Schema, first_errors, validator

MAX_SCHEMA_CHARACTERS = 200_000

# No meaning for a model, or none that vendors enforce; our own check still knows the latter.
_NOT_SENT = frozenset(
    {"$schema", "$id", "$comment", "title", "default", "examples", "minLength", "maxLength", "uniqueItems"}
    | {"minProperties", "maxProperties", "contains", "minContains", "maxContains", "deprecated", "readOnly"}
)
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_NOT_STRICT = frozenset(
    {"oneOf", "allOf", "not", "if", "then", "else", "patternProperties", "propertyNames", "prefixItems"}
    | {"dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"}
)
_MAPS_OF_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """`sent` goes to the model, `checked` is what its answer is held to; `strict`: a vendor can enforce `sent`."""

    sent: Schema
    checked: Schema
    strict: bool

    def errors(self, answer: JsonValue) -> Sequence[str]:
        """Return what is wrong with an answer: up to 10 lines, none if it fits."""
        return first_errors(self.checked, answer)


def answer_form(schema: Schema) -> AnswerForm:
    """Derive the form of an answer from a schema that has no `schema_problem`."""
    opened = cast("dict[str, Any]", _opened(schema))
    sent = cast("dict[str, Any]", _closed(opened))
    return AnswerForm(sent, opened, _is_strict(sent))


def fixed_form(schema: Schema) -> AnswerForm:
    """Take a schema of our own as it stands: closed, and with all that it lists."""
    return AnswerForm(schema, schema, strict=True)


def form_of(config: Mapping[str, JsonValue]) -> Schema | None:
    """Return what an output of a raw configuration satisfies: its schema, with our own remarks beside it.

    None where it is no schema yet, or a template still stands in it.
    """
    form = config.get("schema")
    if not isinstance(form, dict) or schema_problem(form) is not None:
        return None
    text = jsontext.write(form)
    if "{{" in text or "{%" in text:
        return None
    return {**form, "patternProperties": {**cast("Schema", form.get("patternProperties", {})), "^_": {}}}


def schema_problem(schema: Mapping[str, JsonValue]) -> tuple[str, str] | None:
    """Return message and code of what keeps a schema from being used: an object with properties is wanted."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return "The schema must be that of an object with at least one property.", "schema_invalid"
    if len(jsontext.write(schema)) > MAX_SCHEMA_CHARACTERS:
        return f"The schema has more than {MAX_SCHEMA_CHARACTERS:,} characters as JSON.", "schema_invalid"
    reserved = next((name for name in properties if name.startswith("_")), None)
    if reserved is not None:
        return (
            f"The property {reserved!r} begins with _, which is kept for remarks on the extraction.",
            "schema_invalid",
        )
    remote = next((ref for ref in _references(schema) if not ref.startswith("#")), None)
    if remote is not None:
        message = (
            f"The schema refers to {remote[:200]!r}; nothing is fetched. Put it under $defs and refer to it there."
        )
        return message, "schema_ref_refused"
    try:
        schema_work.bound(schema)
    except schema_work.TooMuchWorkError as error:
        return f"The schema could take too long to check a value: {error}.", "schema_too_complex"
    try:
        validator(schema)
        validator(answer_form(schema).checked)
    except (ValueError, RecursionError) as error:
        return f"The schema is not valid: {str(error)[:500]}", "schema_invalid"
    return None


def without_nulls(value: JsonValue, schema: Schema, root: Schema) -> JsonValue:
    """Leave out properties that are null only because an answer must list them: optional ones that cannot be null."""
    schema = _branch(schema, value, root)
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return value
        return [without_nulls(item, cast("Schema", items), root) for item in value]
    if not isinstance(value, dict):
        return value
    required = schema.get("required", ())
    parts = cast("dict[str, Any]", schema.get("properties", {}))
    found: dict[str, JsonValue] = {}
    for name, item in value.items():
        part: Schema = parts[name] if isinstance(parts.get(name), dict) else {"type": "null"}
        if item is not None or name in required or _takes_null(part, root):
            found[name] = without_nulls(item, part, root)
    return found


def _branch(schema: Schema, value: JsonValue, root: Schema) -> Schema:
    """Of several forms that a value may have, take the first that says something about values of its kind."""
    schema = _resolved(schema, root)
    says = "properties" if isinstance(value, dict) else "items"
    for choice in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        if isinstance(choice, dict):
            found = _resolved(cast("Schema", choice), root)
            if says in found:
                return found
    return schema


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            if key in {"$ref", "$dynamicRef"} and isinstance(item, str):
                yield item
            yield from _references(item)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _references(item)


def _opened(node: object) -> object:
    """Let every property be null, and be left out."""
    if not isinstance(node, dict):
        return node
    found = _with_inner(cast("dict[str, Any]", node), _opened)
    if isinstance(found.get("properties"), dict):
        found["properties"] = {name: _nullable(part) for name, part in found["properties"].items()}
        found.pop("required", None)
    return found


def _closed(node: object) -> object:
    """List all properties as required and allow no others, as vendors want it."""
    if not isinstance(node, dict):
        return node
    kept = {name: part for name, part in cast("dict[str, Any]", node).items() if name not in _NOT_SENT}
    if kept.get("format") not in _FORMATS:
        kept.pop("format", None)
    found = _with_inner(kept, _closed)
    if isinstance(found.get("properties"), dict):
        found["required"] = list(found["properties"])
        found.setdefault("additionalProperties", False)
    return found


def _with_inner(node: Mapping[str, Any], change: Any) -> dict[str, Any]:
    found = dict(node)
    for key in _MAPS_OF_SCHEMAS:
        if isinstance(found.get(key), dict):
            found[key] = {name: change(part) for name, part in found[key].items()}
    for key in _LISTS_OF_SCHEMAS:
        if isinstance(found.get(key), list):
            found[key] = [change(part) for part in found[key]]
    for key in _SINGLE_SCHEMAS:
        if isinstance(found.get(key), dict):
            found[key] = change(found[key])
    return found


def _nullable(part: object) -> object:
    if not isinstance(part, dict):
        return part
    schema = cast("dict[str, Any]", part)
    if _takes_null(schema, {}):
        return schema
    kind = schema.get("type")
    if isinstance(kind, str) and not {"enum", "const", "anyOf", "oneOf", "allOf", "$ref"} & schema.keys():
        return {**schema, "type": [kind, "null"]}
    description = {"description": schema["description"]} if "description" in schema else {}
    return {**description, "anyOf": [schema, {"type": "null"}]}


def _takes_null(schema: Schema, root: Schema) -> bool:
    schema = _resolved(schema, root)
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    if None in schema.get("enum", ()) or ("const" in schema and schema["const"] is None):
        return True
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return any(isinstance(choice, dict) and _takes_null(cast("Schema", choice), root) for choice in choices)


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follow a reference within the schema, once: what refers to itself is left as it is."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference[2:].split("/"):
        found = cast("dict[str, Any]", found).get(part) if isinstance(found, dict) else None
    return cast("Schema", found) if isinstance(found, dict) else schema


def _is_strict(node: object) -> bool:
    if isinstance(node, bool):
        return False
    if not isinstance(node, dict):
        return True
    schema = cast("dict[str, Any]", node)
    if _NOT_STRICT & schema.keys() or not schema:
        return False
    kinds = schema.get("type")
    is_object = kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
    if is_object and (
        not isinstance(schema.get("properties"), dict) or schema.get("additionalProperties") is not False
    ):
        return False
    if (kinds == "array" or (isinstance(kinds, list) and "array" in kinds)) and not isinstance(
        schema.get("items"), dict
    ):
        return False
    inner: list[object] = [part for key in ("properties", "$defs") for part in schema.get(key, {}).values()]
    return all(map(_is_strict, [*inner, *schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]))
