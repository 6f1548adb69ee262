"""How the `inputs` of a file are checked and become the contract of a run's input."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from assay.automations.errors import IssueCode
from assay.automations.findings import Findings
from assay.automations.inputs import INPUT_TYPES, InputContract
from assay.automations.shape import InputShape, NestedShape
from assay.yamltext import Path, conforming, did_you_mean


def read_inputs(raw_inputs: Sequence[JsonValue], findings: Findings) -> InputContract | None:
    """Build the contract, or report what is wrong; None when any declaration cannot be read."""
    declarations: dict[int, Mapping[str, JsonValue]] = {
        index: raw
        for index, raw in enumerate(raw_inputs)
        if _is_sound(raw, ("inputs", index), InputShape, findings) and isinstance(raw, dict)
    }
    _check_names(declarations, findings)
    contract = InputContract(declarations.values())
    for index, declaration in declarations.items():
        _check_default(declaration, ("inputs", index, "default"), contract, findings)
    return contract if len(declarations) == len(raw_inputs) else None


def _is_sound(raw: JsonValue, path: Path, shape: type[InputShape | NestedShape], findings: Findings) -> bool:
    if not isinstance(raw, dict):
        findings.report(path, "A declaration must be a mapping with a type.")
        return False
    declared = conforming(shape, raw, path, findings)
    if declared is None:
        return False
    if declared.type not in INPUT_TYPES:
        hint = did_you_mean(declared.type, INPUT_TYPES)
        message = f"{declared.type!r} is not a known type, so any value will be accepted."
        findings.report((*path, "type"), message, IssueCode.INPUT_TYPE_UNKNOWN, hint=hint, severity="warning")
    _check_fitting(declared, path, findings)
    sound = declared.items is None or _is_sound(dict(declared.items), (*path, "items"), NestedShape, findings)
    for name, nested in (declared.properties or {}).items():
        sound = _is_sound(nested, (*path, "properties", name), NestedShape, findings) and sound
    return sound


def _check_fitting(declared: InputShape | NestedShape, path: Path, findings: Findings) -> None:
    if declared.type == "enum" and declared.values is None:
        findings.report((*path, "values"), "An enum needs its values.", IssueCode.MISSING_KEY)
    for key, type_name, value in (
        ("values", "enum", declared.values),
        ("items", "array", declared.items),
        ("properties", "object", declared.properties),
    ):
        if value is not None and declared.type != type_name and declared.type in INPUT_TYPES:
            findings.report((*path, key), f"{key} belongs to type {type_name}, this is {declared.type}.")


def _check_names(declarations: Mapping[int, Mapping[str, Any]], findings: Findings) -> None:
    seen: set[str] = set()
    for index, declaration in declarations.items():
        name = declaration["name"]
        if name in seen:
            message = f"Another input is named {name!r}."
            findings.report(("inputs", index, "name"), message, IssueCode.DUPLICATE_INPUT_NAME)
        seen.add(name)


def _check_default(declaration: Mapping[str, Any], path: Path, contract: InputContract, findings: Findings) -> None:
    if "default" not in declaration:
        return
    problem = contract.default_issue(declaration["name"])
    if problem is not None:
        findings.report(path, f"The default does not fit its own type: {problem}", IssueCode.INVALID_DEFAULT)
