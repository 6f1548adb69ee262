"""What a workflow says once it is read and found valid."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from assay.automations.inputs import InputContract
from assay.errors import Issue
from assay.steps import RetryPolicy, StepSpec


@dataclass(frozen=True, slots=True)
class TriggerDefaults:
    """Which triggers the file asks for; `api` is off unless it is listed."""

    api: bool = False
    manual: bool = True


@dataclass(frozen=True, slots=True)
class WorkflowSettings:
    """What holds for every step that does not say otherwise; None: the server's own default."""

    timeout_ms: int | None = None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A valid workflow, ready to run.

    `document` is the whole file as plain JSON. `output_sources` names, for each output field, the steps it is
    made from, in order of appearance; an output that is one template has the single field `<root>`.
    `output_schema` says what can be known beforehand and is None where that is nothing.
    """

    name: str
    version: str
    description: str | None
    enabled: bool
    triggers: TriggerDefaults
    steps: tuple[StepSpec, ...]
    output: Mapping[str, JsonValue] | str | None
    settings: WorkflowSettings
    default_model: str | None
    inputs: InputContract
    output_sources: Mapping[str, tuple[str, ...]]
    output_schema: Mapping[str, Any] | None
    document: Mapping[str, JsonValue]

    def step_names(self) -> Iterator[str]:
        """Yield the names of all steps, nested ones too."""
        yield from _names(self.steps)

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """JSON Schema of a run's input."""
        return self.inputs.schema


def _names(specs: Iterable[StepSpec]) -> Iterator[str]:
    for spec in specs:
        yield spec.name
        for block in spec.blocks.values():
            yield from _names(block.steps)


@dataclass(frozen=True, slots=True)
class ParsedWorkflow:
    """What reading a file gave. There is a definition unless one of the issues is an error.

    `files` are the paths of the files beside it that it names; `steps` those steps that could be read, whether the
    file is valid or not.
    """

    definition: WorkflowDefinition | None
    issues: tuple[Issue, ...]
    files: tuple[str, ...] = ()
    steps: tuple[StepSpec, ...] = ()
