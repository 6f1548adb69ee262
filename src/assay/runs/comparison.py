"""Two runs side by side: status, duration and output of each step, matched by name and place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from assay.traces import StepTrace

MAX_DIFFERENCES = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """One place (JSON Pointer) where two values differ; what is absent on one side has that side missing."""

    path: str
    kind: Literal["changed", "added", "removed"]
    before: JsonValue = None
    after: JsonValue = None


@dataclass(frozen=True, slots=True)
class StepComparison:
    """A step of two runs; a status is None where that run has no such step. Durations in milliseconds."""

    step_key: str
    name: str
    before_status: str | None
    after_status: str | None
    duration_delta_ms: float | None
    differences: Sequence[Difference]

    @property
    def same(self) -> bool:
        """Whether both runs have the step with the same status and output."""
        return self.before_status == self.after_status and not self.differences


def differences(before: JsonValue, after: JsonValue, limit: int = MAX_DIFFERENCES) -> list[Difference]:
    """List where two JSON values differ, in reading order, at most `limit` places."""
    found: list[Difference] = []
    for difference in _differences(before, after, ""):
        found.append(difference)
        if len(found) == limit:
            break
    return found


def compare_steps(before: Sequence[StepTrace], after: Sequence[StepTrace]) -> list[StepComparison]:
    """Match the steps of two runs by name and place, in the order of the first run, then those only the second has."""
    left = {step.step_key: step for step in before}
    right = {step.step_key: step for step in after}
    keys = [*left, *(key for key in right if key not in left)]
    return [_compared(key, left.get(key), right.get(key)) for key in keys]


def _compared(key: str, before: StepTrace | None, after: StepTrace | None) -> StepComparison:
    one = before or after
    assert one is not None
    delta = round(after.duration_ms - before.duration_ms, 3) if before and after else None
    return StepComparison(
        key,
        one.name,
        before.status if before else None,
        after.status if after else None,
        delta,
        differences(before.output, after.output) if before and after else [],
    )


def _differences(before: JsonValue, after: JsonValue, path: str) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _object_differences(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _object_differences(_numbered(before), _numbered(after), path)
    elif not _equal(before, after):
        yield Difference(path, "changed", before, after)


def _object_differences(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue], path: str
) -> Iterator[Difference]:
    for key, value in before.items():
        inner = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if key in after:
            yield from _differences(value, after[key], inner)
        else:
            yield Difference(inner, "removed", before=value)
    for key, value in after.items():
        if key not in before:
            yield Difference(f"{path}/{key.replace('~', '~0').replace('/', '~1')}", "added", after=value)


def _numbered(items: list[JsonValue]) -> dict[str, JsonValue]:
    return {str(index): item for index, item in enumerate(items)}


def _equal(before: JsonValue, after: JsonValue) -> bool:
    """JSON equality: 1 and 1.0 are the same number, 1 and true are not."""
    return before == after and isinstance(before, bool) == isinstance(after, bool)
