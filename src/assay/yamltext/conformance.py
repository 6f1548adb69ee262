"""How a part of the file is held against its pydantic class while some of its values are templates."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from assay.yamltext.codes import YamlCode
from assay.yamltext.findings import Findings, did_you_mean
from assay.yamltext.reading import Path

ModelT = TypeVar("ModelT", bound=BaseModel)

Exemption = Callable[[Path, JsonValue], bool]
"""Given a path below the part and the value there: may it be of any type for now?"""


class _Complaint(NamedTuple):
    path: Path
    value: JsonValue
    union: tuple[Path, str | int] | None
    details: ErrorDetails


def conforming(
    model: type[ModelT],
    raw: Mapping[str, JsonValue],
    path: Path,
    findings: Findings,
    *,
    exempt: Exemption | None = None,
) -> ModelT | None:
    """Build the model from a part of the file, or report everything that keeps it from being built.

    None without a report means that only exempt values stand in the way.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        complaints = [_complaint(raw, details) for details in error.errors(include_url=False, include_context=False)]
    if exempt is not None:
        complaints = _without_exempt(complaints, exempt)
    for place, together in _by_path(complaints).items():
        _report(model, path, place, together, findings)
    return None


def value_at(raw: object, path: Iterable[str | int]) -> JsonValue:
    """Return the value at a path that exists."""
    value: Any = raw
    for part in path:
        value = value[part]
    return value


def existing_path(config: object, where: str) -> Path:
    """Turn a path that a class writes (`fields.total.pattern`, `cases[0].when`) into the part of it that is there."""
    value: object = config
    path: list[str | int] = []
    for word in where.replace("[", ".").replace("]", "").split("."):
        part = int(word) if word.isdigit() and isinstance(value, list) else word
        if not _has(cast("object", value), part):
            break
        value = value_at(cast("object", value), (part,))
        path.append(part)
    return tuple(path)


def _complaint(raw: Mapping[str, JsonValue], details: ErrorDetails) -> _Complaint:
    """Find the place in the file that an error is about; in its location, pydantic mixes in names of union members."""
    value: Any = raw
    path: list[str | int] = []
    union: tuple[Path, str | int] | None = None
    location = details["loc"]
    for index, part in enumerate(location):
        if _has(value, part):
            value = value[part]
            path.append(part)
        elif details["type"] == "missing" and index == len(location) - 1:
            path.append(part)
            value = None
        elif union is None:
            union = (tuple(path), part)
    return _Complaint(tuple(path), value, union, details)


def _has(value: object, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(cast("list[Any]", value))


def _without_exempt(complaints: list[_Complaint], exempt: Exemption) -> list[_Complaint]:
    open_members: dict[tuple[Path, str | int], bool] = {}
    for complaint in complaints:
        if complaint.union is not None:
            is_exempt = exempt(complaint.path, complaint.value)
            open_members[complaint.union] = open_members.get(complaint.union, True) and is_exempt
    satisfied = {union[0] for union, is_open in open_members.items() if is_open}
    return [
        complaint
        for complaint in complaints
        if not exempt(complaint.path, complaint.value)
        and not (complaint.union is not None and complaint.union[0] in satisfied)
    ]


def _by_path(complaints: Iterable[_Complaint]) -> dict[Path, list[ErrorDetails]]:
    grouped: dict[Path, list[ErrorDetails]] = {}
    for complaint in complaints:
        grouped.setdefault(complaint.path, []).append(complaint.details)
    return grouped


def _report(model: type[BaseModel], path: Path, place: Path, together: list[ErrorDetails], findings: Findings) -> None:
    kind = together[0]["type"]
    last = str(place[-1]) if place else "<root>"
    if kind == "extra_forbidden":
        hint = did_you_mean(last, _keys(model, len(place) == 1))
        findings.report((*path, *place), f"There is no key {last!r} here.", YamlCode.UNKNOWN_KEY, hint=hint)
    elif kind == "missing":
        findings.report((*path, *place), f"The key {last!r} is missing.", YamlCode.MISSING_KEY)
    else:
        phrases = dict.fromkeys(_phrase(details["msg"]) for details in together)
        findings.report((*path, *place), f"{last}: {', or '.join(phrases)}.")


def _phrase(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should", "should", 1).replace("dictionary", "mapping")


@cache
def _keys(model: type[BaseModel], top_level: bool) -> tuple[str, ...]:
    schema = model.model_json_schema()
    properties = list(cast("dict[str, Any]", schema.get("properties", {})))
    if top_level:
        return tuple(properties)
    inner = [name for part in schema.get("$defs", {}).values() for name in part.get("properties", {})]
    return (*inner, *properties)
