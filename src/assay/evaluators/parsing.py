"""When an `evaluators.yaml` is valid: everything that is wrong with it, found in one pass."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from math import fsum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from assay.errors import Issue
from assay.evaluators.base import Evaluator
from assay.evaluators.catalogue import catalogue
from assay.evaluators.errors import InvalidEvaluatorsError
from assay.evaluators.identity import content_hash, evaluator_version
from assay.evaluators.model import DEFAULT_THRESHOLD, Entry, EvaluatorSet
from assay.yamltext import Findings, Path, YamlCode, conforming, did_you_mean, existing_path, parse_yaml

MAX_EVALUATORS = 100
_NAME = re.compile(r"[a-z0-9-]{1,64}")


class _SetShape(BaseModel):
    """The top level of the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    passThreshold: float | None = Field(default=None, ge=0, le=1)  # noqa: N815 - a key of the file
    require: Literal["mean", "all"] = "mean"
    evaluators: list[Any] | None = Field(default=None, max_length=MAX_EVALUATORS)


class _EntryShape(BaseModel):
    """One evaluator of the list."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str
    description: str | None = Field(default=None, max_length=500)
    type: str
    weight: float = Field(default=1, ge=0, le=1_000_000)
    config: dict[str, Any] | None = None


def parse(source: str) -> EvaluatorSet:
    """Read an `evaluators.yaml` of up to 1 MiB. An empty list is allowed; the same text gives the same set.

    Raises:
        InvalidEvaluatorsError: with every single issue, in the order of the text; each has a field such as
            `evaluators.0.config.rules`, line and column, and its message begins with the line.
    """
    document, issues = parse_yaml(source)
    if document is None:
        raise InvalidEvaluatorsError([_with_line(issue) for issue in issues])
    findings = Findings(document, issues)
    found = _read(document.value, findings)
    if findings.issues or found is None:
        raise InvalidEvaluatorsError([_with_line(issue) for issue in findings.issues])
    return replace(found, source=source)


def _with_line(issue: Issue) -> Issue:
    return replace(issue, message=f"line {issue.line}: {issue.message}")


def _read(raw: JsonValue, findings: Findings) -> EvaluatorSet | None:
    if not isinstance(raw, dict):
        findings.report((), "Evaluators are a mapping with a list `evaluators`.")
        return None
    shape = conforming(_SetShape, raw, (), findings)
    entries = _entries(raw.get("evaluators"), findings)
    if shape is None:
        return None
    threshold = _threshold(shape.passThreshold, entries)
    require_all = shape.require == "all"
    return EvaluatorSet(
        source="",
        entries=tuple(entries),
        pass_threshold=threshold,
        written_threshold=shape.passThreshold,
        require_all=require_all,
        content_hash=content_hash(entries, threshold, require_all=require_all),
    )


def _entries(raw: JsonValue, findings: Findings) -> Sequence[Entry]:
    entries: list[Entry] = []
    first_lines: dict[str, int] = {}
    for index, item in enumerate(raw[:MAX_EVALUATORS] if isinstance(raw, list) else ()):
        path: Path = ("evaluators", index)
        if not isinstance(item, dict):
            findings.report(path, "An evaluator is a mapping with name and type.")
            continue
        _check_name(item.get("name"), (*path, "name"), first_lines, findings)
        entry = _entry(item, path, findings)
        entries.extend([entry] if entry else [])
    return entries


def _check_name(name: JsonValue, path: Path, first_lines: dict[str, int], findings: Findings) -> None:
    if not isinstance(name, str):
        return
    if _NAME.fullmatch(name) is None:
        message = "A name consists of 1 to 64 small letters, digits and hyphens."
        findings.report(path, message, "invalid_name")
    if name in first_lines:
        message = f"Another evaluator is named {name!r} (line {first_lines[name]})."
        findings.report(path, message, "duplicate_evaluator_name")
    first_lines.setdefault(name, findings.document.value_position(path).line)


def _entry(raw: dict[str, JsonValue], path: Path, findings: Findings) -> Entry | None:
    evaluator_type = _type(raw.get("type"), (*path, "type"), findings)
    config = raw.get("config")
    inner = _keys(evaluator_type or Evaluator)
    for key in [key for key in raw if key not in _EntryShape.model_fields]:
        hint = "Write it under `config`." if key in inner else did_you_mean(key, _EntryShape.model_fields)
        findings.report((*path, key), f"An evaluator has no key {key!r}.", YamlCode.UNKNOWN_KEY, hint=hint)
    shape = conforming(
        _EntryShape, {key: value for key, value in raw.items() if key in _EntryShape.model_fields}, path, findings
    )
    if evaluator_type is None or not isinstance(config, dict | None):
        return None
    evaluator = _evaluator(evaluator_type, config or {}, (*path, "config"), findings)
    if shape is None or evaluator is None:
        return None
    return Entry(
        name=shape.name,
        description=shape.description,
        type_name=shape.type,
        weight=shape.weight,
        evaluator=evaluator,
        evaluator_version=evaluator_version(evaluator),
    )


def _type(name: JsonValue, path: Path, findings: Findings) -> type[Evaluator] | None:
    found = catalogue().get(name) if isinstance(name, str) else None
    if isinstance(name, str) and found is None:
        hint = did_you_mean(name, catalogue()) or f"Known types are {', '.join(catalogue())}."
        findings.report(path, f"There is no evaluator type {name!r}.", "evaluator_type_unknown", hint=hint)
    return found


def _evaluator(
    evaluator_type: type[Evaluator], config: Mapping[str, JsonValue], path: Path, findings: Findings
) -> Evaluator | None:
    evaluator = conforming(evaluator_type, config, path, findings)
    if evaluator is None:
        return None
    keys = _keys(evaluator_type)
    for where, message, code in evaluator.problems():
        # A key that is missing is still named.
        inner = existing_path(config, where) or ((where,) if where in keys else ())
        findings.report((*path, *inner), message, code)
    return evaluator


def _keys(evaluator_type: type[Evaluator]) -> Container[str]:
    return {field.alias or name for name, field in evaluator_type.model_fields.items()}


def _threshold(written: float | None, entries: Sequence[Entry]) -> float:
    """Take the set's own threshold, else the mean of those that its evaluators name, by weight, else 0.7."""
    if written is not None:
        return written
    older = [
        (entry.weight, entry.evaluator.pass_threshold)
        for entry in entries
        if entry.weight > 0
        and entry.evaluator.pass_threshold is not None
        and "pass_threshold" in entry.evaluator.model_fields_set
    ]
    if not older:
        return DEFAULT_THRESHOLD
    mean = fsum(weight * threshold for weight, threshold in older) / fsum(weight for weight, _ in older)
    return min(1.0, max(0.0, mean))
