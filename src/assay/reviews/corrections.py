"""What corrections of single fields come to: checked, and applied to the output they correct."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import jsonpointer
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from assay import clock, jsontext
from assay.clock import iso
from assay.errors import Issue
from assay.ids import new_id
from assay.reviews.errors import InvalidFeedbackError
from assay.reviews.model import Correction

MOST = 500

# Its messages would otherwise hold the whole document.
jsonpointer.VERBOSE_EXCEPTIONS = False


class CorrectionBody(BaseModel):
    """One correction: of the field at a JSON Pointer, or of an output file."""

    model_config = ConfigDict(extra="ignore", strict=True, populate_by_name=True)

    id: str | None = Field(default=None, max_length=64, description="Of a correction that is there already.")
    kind: Literal["field", "file"] = Field(description="A field of the output, or one of its files.")
    path: str = Field(
        max_length=2000, description="JSON Pointer into the output (`/lines/0/amount`), or a file's path."
    )
    label: str | None = Field(default=None, max_length=300, description="What people call the field.")
    original_value: JsonValue = Field(default=None, alias="originalValue", description="Unset: what the output says.")
    corrected_value: JsonValue = Field(default=None, alias="correctedValue", description="Unset: only a note on it.")
    note: str | None = Field(default=None, max_length=10_000, description="Why.")
    corrected_artifact_path: str | None = Field(
        default=None, alias="correctedArtifactPath", max_length=1024, description="The expected file to take instead."
    )


def checked(given: Sequence[Any], before: Sequence[Correction], output: JsonValue) -> list[Correction]:
    """Return corrections as they are kept; one that names the id of an earlier one follows it.

    Raises:
        InvalidFeedbackError: there are more than 500, or some are none; an issue for each.
    """
    if len(given) > MOST:
        message = f"A run takes at most {MOST} corrections."
        raise InvalidFeedbackError(message, field="corrections")
    earlier = {one["id"]: one for one in before}
    kept: list[Correction] = []
    issues: list[Issue] = []
    for index, value in enumerate(given):
        try:
            body = CorrectionBody.model_validate(value)
            kept.append(_kept(body, earlier, output))
        except ValidationError as error:
            issues += [
                Issue(_place(index, *found["loc"]), found["msg"], "invalid_value")
                for found in error.errors(include_url=False, include_input=False)
            ]
        except jsonpointer.JsonPointerException as error:
            issues.append(Issue(_place(index, "path"), f"Not a JSON Pointer: {error}.", "invalid_pointer"))
    if issues:
        raise InvalidFeedbackError(issues[0].message, issues=issues)
    return kept


def has_values(corrections: Sequence[Correction]) -> bool:
    """Tell whether any of them says what a field should have been."""
    return any(_is_valued(one) for one in corrections)


def applied(corrections: Sequence[Correction], output: JsonValue) -> JsonValue:
    """Return what the output should have been: each corrected value in its place, in their order.

    Raises:
        InvalidFeedbackError: places that the output does not have; an issue for each.
    """
    expected = copy.deepcopy(output)
    issues: list[Issue] = []
    for index, one in enumerate(corrections):
        if not _is_valued(one):
            continue
        try:
            pointer = jsonpointer.JsonPointer(str(one["path"]))
            value = copy.deepcopy(one["correctedValue"])
            expected = pointer.set(expected, value) if pointer.parts else value
        except jsonpointer.JsonPointerException as error:
            message = f"The output has no place {str(one['path'])[:200]!r}: {error}."
            issues.append(Issue(_place(index, "path"), message, "no_such_place"))
    if issues:
        hint = "`/-` at the end of an array adds to it; the object or array above the place must exist."
        raise InvalidFeedbackError(issues[0].message, issues=issues, hint=hint)
    return expected


def between(output: JsonValue, expected: JsonValue) -> list[dict[str, JsonValue]]:
    """Return the corrections that make of an output what it should have been, as `update` takes them.

    None where they are equal. What is left out of an object, or a list of another length, is corrected as a whole; so
    is the output where it would take more than 500.
    """
    found = list(_between(output, expected, ""))
    if len(found) > MOST:
        found = [("", expected)]
    return [{"kind": "field", "path": path, "correctedValue": value} for path, value in found]


def _between(output: JsonValue, expected: JsonValue, path: str) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(output, dict) and isinstance(expected, dict) and output.keys() <= expected.keys():
        for name, value in expected.items():
            place = f"{path}/{jsonpointer.escape(name)}"
            if name in output:
                yield from _between(output[name], value, place)
            else:
                yield place, value
    elif isinstance(output, list) and isinstance(expected, list) and len(output) == len(expected):
        for index, (one, other) in enumerate(zip(output, expected, strict=True)):
            yield from _between(one, other, f"{path}/{index}")
    # True equals 1 in Python, and is another value in JSON.
    elif jsontext.dump(output) != jsontext.dump(expected):
        yield path, expected


def _is_valued(one: Correction) -> bool:
    return one["kind"] == "field" and "correctedValue" in one


def _kept(body: CorrectionBody, earlier: Mapping[JsonValue, Correction], output: JsonValue) -> Correction:
    now = iso(clock.now())
    known = earlier.get(body.id) if body.id is not None else None
    kept: dict[str, JsonValue] = {
        "id": known["id"] if known else new_id("cor"),
        "kind": body.kind,
        "path": body.path,
        "label": body.label,
        "note": body.note or "",
    }
    given = body.model_fields_set
    if body.kind == "field":
        pointer = jsonpointer.JsonPointer(body.path)
        found = pointer.resolve(output, _NOWHERE)
        if "original_value" in given:
            kept["originalValue"] = body.original_value
        elif found is not _NOWHERE and not isinstance(found, jsonpointer.EndOfList):
            kept["originalValue"] = found
        if "corrected_value" in given:
            kept["correctedValue"] = body.corrected_value
    if body.corrected_artifact_path is not None:
        kept["correctedArtifactPath"] = body.corrected_artifact_path
    return _dated(kept, known, now)


def _dated(kept: dict[str, JsonValue], known: Correction | None, now: str) -> Correction:
    if known is None:
        return {**kept, "createdAt": now, "updatedAt": now}
    same = {**kept, "createdAt": known["createdAt"], "updatedAt": known["updatedAt"]}
    return same if same == known else {**same, "updatedAt": now}


_NOWHERE: Any = object()


def _place(index: int, *path: str | int) -> str:
    return ".".join([f"corrections[{index}]", *map(str, path)])
