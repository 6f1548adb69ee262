"""How values are held against a JSON Schema: formats count, and nothing is ever fetched."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final, NoReturn

import jsonschema_rs
from pydantic import JsonValue

from assay import schema_work

MAX_SHOWN_ERRORS = 10

_BACKTRACK_STEPS = 100_000
"""A pattern that needs more on one text (2 ms) counts as not matching it."""
_LISTED_WORK: Final = 100_000
"""The library makes all errors before it gives one: schemas times values it may be asked to do so for (1 s)."""

Schema = Mapping[str, Any]


def validator(schema: Schema) -> jsonschema_rs.Draft202012Validator:
    """Build a validator that knows formats and fetches nothing.

    Raises:
        ValueError: the schema is not valid, or refers to something outside itself.
    """
    patterns = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK_STEPS)
    return jsonschema_rs.Draft202012Validator(
        dict(schema), validate_formats=True, retriever=_deny, pattern_options=patterns
    )


def first_errors(schema: Schema, value: JsonValue) -> Sequence[str]:
    """Return the first 10 errors as lines of path and message; only one where finding more could take long.

    May take a second where the value does not fit: await it in a thread.

    Raises:
        ValueError: as `validator`, or the schema makes too much work.
    """
    checked = validator(schema)
    work = schema_work.bound(schema)
    if checked.is_valid(value):
        return []
    if work * _size(value, _LISTED_WORK // work) > _LISTED_WORK:
        try:
            checked.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [_line(error)]
    return [_line(error) for error in islice(checked.iter_errors(value), MAX_SHOWN_ERRORS)]


def _line(error: jsonschema_rs.ValidationError) -> str:
    path = ".".join(map(str, error.instance_path)) or "<root>"
    return f"{path}: {error.message[:300]}"


def _size(value: JsonValue, enough: int) -> int:
    """Count the values in a value, and stop when there are more than enough."""
    waiting, count = [value], 0
    while waiting and count <= enough:
        item = waiting.pop()
        count += 1
        if isinstance(item, dict | list):
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return count


def _deny(uri: str) -> NoReturn:
    message = f"{uri} is not fetched"
    raise ValueError(message)
