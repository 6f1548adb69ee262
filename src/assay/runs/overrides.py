"""What an override given with a run does to a step's output."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from assay import automations, jsonschemas, steps

OverrideMode = Literal["skipped", "partial"]


@dataclass(frozen=True, slots=True)
class StepOverride:
    """A step of a workflow, nested in `depth` others, and what becomes of it; None: it runs as it is written."""

    name: str
    type_name: str
    depth: int
    mode: OverrideMode | None


def override_sheet(definition: automations.WorkflowDefinition, overrides: JsonValue) -> list[StepOverride]:
    """List every step of a workflow in its order, with what overrides given with a run (`{steps: {…}}`) do to it."""
    given = overrides.get("steps") if isinstance(overrides, dict) else None
    by_step = given if isinstance(given, dict) else {}
    return list(_overridden(definition.steps, by_step, 0))


def _overridden(specs: Sequence[steps.StepSpec], given: Mapping[str, JsonValue], depth: int) -> Iterator[StepOverride]:
    for spec in specs:
        yield StepOverride(spec.name, spec.type_name, depth, _mode_of(spec, given.get(spec.name)))
        for block in spec.blocks.values():
            yield from _overridden(block.steps, given, depth + 1)


def _mode_of(spec: steps.StepSpec, override: JsonValue) -> OverrideMode | None:
    if not isinstance(override, dict):
        return None
    kind = steps.catalogue()[spec.type_name]
    return override_mode(kind.completed_stub(override), kind.override_schema_of(spec.config))


def override_mode(override: Mapping[str, JsonValue], output_schema: Mapping[str, Any] | None) -> OverrideMode:
    """Say whether the override stands for the whole output, so that the step need not run.

    It does when it satisfies the output schema of the step and has every required key; a step
    whose output is not known beforehand always runs.
    """
    if output_schema is None:
        return "partial"
    return "skipped" if jsonschemas.validator(output_schema).is_valid(override) else "partial"


def merged(output: JsonValue, override: JsonValue) -> JsonValue:
    """Lay the override over the output: objects are merged deeply, arrays and scalars replace."""
    if isinstance(output, dict) and isinstance(override, dict):
        return {**output, **{key: merged(output.get(key), value) for key, value in override.items()}}
    return override
