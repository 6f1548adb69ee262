"""Reading request bodies that strangers wrote: bounded, strict JSON, no surprises."""

import asyncio
import json
import math
import re
import string
from collections.abc import AsyncGenerator
from typing import Any, NoReturn, TypeVar, cast

from fastapi import Request
from pydantic import BaseModel, JsonValue, ValidationError

from assay.errors import InvalidValueError, Issue, TooLargeError

MAX_DEPTH = 100
QUICKLY_PARSED = 64 * 1024
"""Bytes; reading more would keep everybody else waiting."""
_BASE64 = f"{string.ascii_letters}{string.digits}+/=".encode()
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
Model = TypeVar("Model", bound=BaseModel)


class MalformedJsonError(InvalidValueError):
    """The body is not JSON."""

    code = "invalid_json"


class UnsupportedBodyError(InvalidValueError):
    """The body's content type is not one that this endpoint reads."""

    code = "unsupported_content_type"


class BodyTooLargeError(TooLargeError):
    """The request body is larger than this server accepts."""

    code = "body_too_large"


async def chunks(request: Request, limit: int) -> AsyncGenerator[bytes]:
    """Yield the body piece by piece.

    Raises:
        BodyTooLargeError: it has, or says it has, more than `limit` bytes.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


async def read_json(request: Request, limit: int, *, empty: JsonValue = None, base64_limit: int = 0) -> Any:
    """Read a JSON body; an absent one is `empty`. Base64 in it may take `base64_limit` bytes more.

    Raises:
        UnsupportedBodyError: it calls itself something else.
        MalformedJsonError: it is not strict JSON.
        BodyTooLargeError: it is larger than `limit` bytes.
    """
    raw = b"".join([chunk async for chunk in chunks(request, limit + base64_limit)])
    # What costs are many values, not long ones, and there is a comma or bracket to each.
    if len(raw) > limit and len(raw.translate(None, _BASE64)) > limit // 4:
        raise _too_large(limit)
    if not raw.strip():
        if empty is None:
            message = "A JSON body is needed."
            raise MalformedJsonError(message)
        return empty
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        message = f"Send the body as application/json, not {kind[:80]}."
        raise UnsupportedBodyError(message)
    return parse_json(raw) if len(raw) <= QUICKLY_PARSED else await asyncio.to_thread(parse_json, raw)


def parse_json(raw: bytes) -> Any:
    """Parse strict JSON: UTF-8, no NaN, no repeated keys, no lone surrogates or NUL, at most 100 levels deep.

    Raises:
        MalformedJsonError: it is not that.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8 (byte {error.start})."
        raise MalformedJsonError(message) from error
    except json.JSONDecodeError as error:
        message = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        raise MalformedJsonError(message) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # an integer of thousands of digits
        message = f"The body is not acceptable JSON: {str(error)[:200]}."
        raise MalformedJsonError(message) from error
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    if b"\\u" in raw:
        _check_strings(value)
    return value


def described(model: type[BaseModel]) -> dict[str, Any]:
    """Describe in OpenAPI the JSON body of a route that reads it by hand."""
    return {"requestBody": {"content": {"application/json": {"schema": model.model_json_schema()}}}}


def checked(model: type[Model], body: Any) -> Model:
    """Validate a JSON body against its model.

    Raises:
        InvalidValueError: one issue for each field that does not fit.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        issues = [
            Issue(".".join(map(str, found["loc"])) or "<root>", found["msg"], "invalid_value")
            for found in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidValueError(issues[0].message, issues=issues) from error


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The request body is larger than {limit:,} bytes.")


def _too_deep() -> MalformedJsonError:
    return MalformedJsonError(f"The body is nested more than {MAX_DEPTH} levels deep.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    repeated = next(key for key, _ in pairs if key in seen or seen.add(key))
    message = f"The key {repeated[:80]!r} appears twice in one object."
    raise MalformedJsonError(message)


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON."
    raise MalformedJsonError(message)


def _finite(text: str) -> float:
    number = float(text)
    if math.isfinite(number):
        return number
    message = f"The number {text[:40]} is too large."
    raise MalformedJsonError(message)


def _check_depth(value: Any) -> None:
    layer: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        layer = [item for node in layer for item in _children(node)]
        if not layer:
            return
    raise _too_deep()


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(cast("dict[str, Any]", node).values())
    return cast("list[Any]", node) if isinstance(node, list) else []


def _check_strings(value: Any) -> None:
    """Escapes can write characters that no text may hold; look at what they came to."""
    layer: list[Any] = [value]
    while layer:
        for node in layer:
            for text in _texts(node):
                if _FORBIDDEN.search(text):
                    message = "The body holds NUL or half of a surrogate pair."
                    raise MalformedJsonError(message)
        layer = [item for node in layer for item in _children(node)]


def _texts(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    return list(cast("dict[str, Any]", node)) if isinstance(node, dict) else []
