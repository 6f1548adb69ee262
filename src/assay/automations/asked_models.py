"""Which models a workflow's steps will ask for, as far as the file says it, and whether they ask any at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay import db, providers, steps
from assay.automations.addressing import get
from assay.automations.compiled import definition_of
from assay.automations.definition import WorkflowDefinition
from assay.automations.errors import AutomationNotFoundError, StoredVersionError
from assay.automations.scoping import is_template
from assay.errors import AssayError, Issue


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


async def model_issues(models: providers.Models, organization_id: str, definition: WorkflowDefinition) -> list[Issue]:
    """Warn of models that are not there: they may be configured before the first run."""
    issues: list[Issue] = []
    for asked in asked_models(definition):
        try:
            await models.check(organization_id, requested=asked.requested)
        except AssayError as error:
            field = f"steps.{asked.step}.with.model"
            issues.append(Issue(field, error.message, error.code, "warning", hint=error.hint))
    return issues


async def asks_a_model(tx: db.Transaction, organization_id: str, definition: WorkflowDefinition) -> bool:
    """Tell whether a step asks a model, so that two runs may differ; also in a workflow that it calls, as that is now.

    A workflow that cannot be looked up counts as asking; one that a template names is not looked up.
    """
    waiting, seen = [definition], set[str]()
    while waiting:
        for spec in _all(waiting.pop().steps):
            kind = steps.catalogue()[spec.type_name]
            if kind.asked_models(spec.config):
                return True
            called = kind.invoked_workflow(spec.config)
            if called is None or called in seen:
                continue
            seen.add(called)
            found = await _current_definition(tx, organization_id, called)
            if found is None:
                return True
            waiting.append(found)
    return False


async def _current_definition(tx: db.Transaction, organization_id: str, workflow: str) -> WorkflowDefinition | None:
    try:
        automation = await get(tx, organization_id, workflow)
        if automation.current_version_id is None:
            return None
        return await definition_of(tx, organization_id, automation.current_version_id)
    except (AutomationNotFoundError, StoredVersionError):
        return None


def _all(specs: Sequence[steps.StepSpec]) -> Iterator[steps.StepSpec]:
    for spec in specs:
        yield spec
        for block in spec.blocks.values():
            yield from _all(block.steps)
