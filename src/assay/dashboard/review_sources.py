"""Where the values of an output stand in its document, as far as the run's steps noted it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import JsonValue

from assay.dashboard.review_fields import Source

_MOST_LEVELS = 20


def sources_of(output: JsonValue, step_outputs: Sequence[JsonValue]) -> dict[str, Source]:
    """Return, by JSON Pointer, what `_grounding` and `_evidence` say; the output's own word comes first.

    What a step noted of a field counts for the field of the output that has the same name and value.
    """
    found = dict(_noted(output, ""))
    places: dict[tuple[str, str], str] = {}
    for pointer, value in _leaves(output, ""):
        places.setdefault((pointer.rpartition("/")[2], repr(value)), pointer)
    for step_output in step_outputs:
        values = dict(_leaves(step_output, ""))
        for pointer, source in _noted(step_output, ""):
            if pointer in values:
                place = places.get((pointer.rpartition("/")[2], repr(values[pointer])))
                if place is not None:
                    found.setdefault(place, source)
    return found


def _noted(value: JsonValue, pointer: str) -> Iterator[tuple[str, Source]]:
    if not isinstance(value, dict) or pointer.count("/") > _MOST_LEVELS:
        return
    for name in ("_grounding", "_evidence"):
        notes = value.get(name)
        for path, note in notes.items() if isinstance(notes, dict) else ():
            if isinstance(note, dict):
                yield pointer + _pointer(path), _source(note)
    for name, inner in value.items():
        if not name.startswith("_"):
            yield from _noted(inner, f"{pointer}/{_escaped(name)}")


def _source(note: Mapping[str, Any]) -> Source:
    span = _mapping(note.get("source_span", note))
    page = span.get("pageIndex")
    box = _mapping(span.get("box"))
    confidence = note.get("confidence")
    return Source(
        page=page if isinstance(page, int) and page >= 0 else None,
        box=_numbers(box, ("x0", "y0", "x1", "y1")),
        sheet=_numbers(box, ("pageWidth", "pageHeight")),
        text=str(span.get("text") or span.get("raw") or "")[:300],
        confidence=confidence if confidence in {"high", "medium", "low"} else None,
        doubtful=note.get("needsReview") is True,
        reason=str(note.get("reason") or "")[:300],
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _numbers(box: Mapping[str, Any], names: Sequence[str]) -> str | None:
    values = [box.get(name) for name in names]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return " ".join(f"{float(cast('float', value)):.2f}" for value in values)
    return None


def _leaves(value: JsonValue, pointer: str) -> Iterator[tuple[str, JsonValue]]:
    if pointer.count("/") > _MOST_LEVELS:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if not name.startswith("_"):
                yield from _leaves(inner, f"{pointer}/{_escaped(name)}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{pointer}/{place}")
    else:
        yield pointer, value


def _pointer(path: str) -> str:
    parts = [part for part in re.split(r"[.\[\]]+", path) if part]
    return "".join(f"/{_escaped(part)}" for part in parts)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
