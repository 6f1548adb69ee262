"""Which models a workflow's steps will ask for, as far as the file says it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay import steps
from assay.automations.definition import WorkflowDefinition
from assay.automations.scoping import is_template


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A step that asks a model: `requested` is the name that holds for it, None where the organization decides."""

    step: str
    requested: str | None


def asked_models(definition: WorkflowDefinition) -> Iterator[AskedModel]:
    """Yield every model that a step asks, nested ones too; a name that is a template is only known in a run."""
    for spec in _all(definition.steps):
        for words in steps.catalogue()[spec.type_name].asked_models(spec.config):
            if any(is_template(word) for word in words):
                continue
            named = "/".join(word for word in words if isinstance(word, str))
            yield AskedModel(spec.name, named or definition.default_model)


def _all(specs: Sequence[steps.StepSpec]) -> Iterator[steps.StepSpec]:
    for spec in specs:
        yield spec
        for block in spec.blocks.values():
            yield from _all(block.steps)
