"""How chosen fields of an output become one score: each path by its weight, each value that is expected there alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import fsum

from pydantic import JsonValue

from assay.evaluators.base import Grade, Subject
from assay.evaluators.comparison_rules import EVERY_ITEM, Path, Segment, parse_path, write_path
from assay.evaluators.mismatch import MAX_MISMATCHES, MISSING, Found, Missing, mismatch

Likeness = tuple[float, str | None]
"""How alike two values are, from 0 to 1, and a reason where it is less than 1."""


@dataclass(frozen=True, slots=True)
class ComparedField:
    """A path, how much it counts, and how a value that is expected there is compared with the one that is."""

    path: str
    weight: float
    compare: Callable[[JsonValue, JsonValue], Likeness]


def score_fields(subject: Subject, fields: Sequence[ComparedField]) -> Grade:
    """Grade the fields whose path leads to something in the expected output; null and empty texts are not compared.

    No score where nothing is expected. Details are `{noExpectedData, fields: {path: score}, mismatches}`.
    """
    scores: dict[str, float] = {}
    mismatches: list[JsonValue] = []
    for field in fields:
        likenesses: list[float] = []
        for path, expected, actual in _pairs(parse_path(field.path), subject.expected, subject.output):
            likeness, reason = (0.0, None) if isinstance(actual, Missing) else field.compare(expected, actual)
            likenesses.append(likeness)
            if likeness < 1 and len(mismatches) < MAX_MISMATCHES:
                mismatches.append(mismatch(write_path(path), expected, actual, reason))
        if likenesses:
            scores[field.path] = fsum(likenesses) / len(likenesses)
    weight = fsum(field.weight for field in fields if field.path in scores)
    score = (
        fsum(field.weight * scores[field.path] for field in fields if field.path in scores) / weight if weight else None
    )
    return Grade(score, details={"noExpectedData": not scores, "fields": {**scores}, "mismatches": mismatches})


def field_problems(paths: Iterable[str], where: str = "fields") -> Iterator[tuple[str, str, str]]:
    """Find the keys of a mapping that are no paths."""
    for path in paths:
        try:
            parse_path(path)
        except ValueError as error:
            yield f"{where}.{path}", str(error), "invalid_path"


def _pairs(path: Path, expected: Found, actual: Found) -> Iterator[tuple[Path, JsonValue, Found]]:
    """Follow a path in both values and yield what stands at its ends."""
    pending: list[tuple[Path, Path, Found, Found]] = [((), path, expected, actual)]
    while pending:
        way, left, wanted, found = pending.pop()
        if isinstance(wanted, Missing) or wanted is None or wanted == "":
            continue
        if not left:
            yield way, wanted, found
            continue
        if left[0] is EVERY_ITEM:
            count = len(wanted) if isinstance(wanted, list) else 0
            steps: Sequence[Segment] = range(count - 1, -1, -1)
        else:
            steps = (left[0],)
        pending += [((*way, step), left[1:], _at(wanted, step), _at(found, step)) for step in steps]


def _at(value: Found, step: Segment) -> Found:
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step, MISSING)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return MISSING
