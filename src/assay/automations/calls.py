"""Whether the workflows that a workflow calls exist, take what they are given, and do not lead back to it."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from assay import db, steps
from assay.automations.addressing import get
from assay.automations.compiled import definition_of
from assay.automations.definition import WorkflowDefinition
from assay.automations.errors import AutomationNotFoundError, IssueCode
from assay.automations.scoping import is_template
from assay.errors import Issue
from assay.steps import StepSpec

MAX_FOLLOWED = 100
"""How many workflows are followed in the search for a circle."""


async def call_issues(
    tx: db.Transaction, organization_id: str, name: str | None, specs: Sequence[StepSpec]
) -> list[Issue]:
    """List what is wrong with the calls of a workflow, as things stand now; calls named by templates are left out.

    `name` is the workflow's own, to find circles.
    """
    issues: list[Issue] = []
    for spec, target in calls_of(specs):
        called = await _current(tx, organization_id, target)
        place = f"steps.{spec.name}.with"
        if called is None:
            message = f"There is no workflow {target!r} with a current version."
            issues.append(Issue(f"{place}.workflow", message, IssueCode.UNKNOWN_WORKFLOW))
        elif name is not None and await _leads_to(tx, organization_id, called, name):
            message = f"{target!r} leads back to {name!r}: a circle of calls."
            issues.append(Issue(f"{place}.workflow", message, IssueCode.CIRCULAR_CALL))
        else:
            issues += _input_issues(called, spec.config.get("input", {}), f"{place}.input")
    return issues


def calls_of(specs: Sequence[StepSpec]) -> Iterator[tuple[StepSpec, str]]:
    """Yield every step that calls a workflow by name, nested ones too, with that name."""
    for spec in specs:
        target = steps.catalogue()[spec.type_name].invoked_workflow(spec.config)
        if target is not None:
            yield spec, target
        for block in spec.blocks.values():
            yield from calls_of(block.steps)


async def _current(tx: db.Transaction, organization_id: str, target: str) -> WorkflowDefinition | None:
    try:
        found = await get(tx, organization_id, target)
    except AutomationNotFoundError:
        return None
    if found.current_version_id is None:
        return None
    return await definition_of(tx, organization_id, found.current_version_id)


async def _leads_to(tx: db.Transaction, organization_id: str, called: WorkflowDefinition, name: str) -> bool:
    waiting, seen = [called], {called.name}
    while waiting and len(seen) <= MAX_FOLLOWED:
        definition = waiting.pop()
        if definition.name == name:
            return True
        for _, target in calls_of(definition.steps):
            further = await _current(tx, organization_id, target)
            if further is not None and further.name not in seen:
                seen.add(further.name)
                waiting.append(further)
    return False


def _input_issues(called: WorkflowDefinition, given: JsonValue, place: str) -> list[Issue]:
    if not isinstance(given, dict):
        return []
    unknown = [
        Issue(f"{place}.{name}", f"{called.name!r} has no input {name!r}.", IssueCode.UNKNOWN_KEY)
        for name in given
        if name not in called.inputs.names
    ]
    return unknown + [
        Issue(f"{place}.{issue.field}".removesuffix(".<root>"), issue.message, issue.code)
        for issue in called.inputs.issues(given)
        if not _is_decided_later(given, issue.field)
    ]


def _is_decided_later(given: Mapping[str, JsonValue], field: str) -> bool:
    """A value that holds a template can only be checked when the step runs."""
    value = given.get(field.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0])
    if isinstance(value, str):
        return is_template(value)
    return isinstance(value, (dict, list)) and "{{" in str(value)
