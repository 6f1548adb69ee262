"""How values are held against a JSON Schema: formats count, and nothing is ever fetched."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import jsonschema_rs
from pydantic import JsonValue

MAX_SHOWN_ERRORS = 10

Schema = Mapping[str, Any]


def validator(schema: Schema) -> jsonschema_rs.Draft202012Validator:
    """Build a validator that knows formats and fetches nothing.

    Raises:
        ValueError: the schema is not valid, or refers to something outside itself.
    """
    return jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True, retriever=_deny)


def first_errors(validator: jsonschema_rs.Draft202012Validator, value: JsonValue) -> Sequence[str]:
    """Return the first 10 errors as lines of path and message."""
    found: list[str] = []
    for error in validator.iter_errors(value):
        path = ".".join(map(str, error.instance_path)) or "<root>"
        found.append(f"{path}: {error.message[:300]}")
        if len(found) == MAX_SHOWN_ERRORS:
            break
    return found


def _deny(uri: str) -> NoReturn:
    message = f"{uri} is not fetched"
    raise ValueError(message)
