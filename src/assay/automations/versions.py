"""When a new version may be added, and which one is current."""

import asyncio

from pydantic import JsonValue

from assay import access, db
from assay.automations import store
from assay.automations.addressing import get, version_by_ref
from assay.automations.calls import call_issues
from assay.automations.compiled import definition_of, keep
from assay.automations.definition import WorkflowDefinition
from assay.automations.errors import (
    InvalidWorkflowError,
    NameMismatchError,
    VersionExistsError,
    VersionNotFoundError,
    VersionNotIncreasingError,
    WorkflowNameConflictError,
)
from assay.automations.model import (
    ActivationReason,
    Automation,
    GateRecord,
    Promoted,
    Pushed,
    Triggers,
    Version,
    VersionText,
)
from assay.automations.names import precedence
from assay.automations.validation import parse_workflow
from assay.automations.version_files import FileProblem, NewFiles, content_hash, problem_of
from assay.errors import Issue


async def push(
    tx: db.Transaction,
    caller: access.Caller,
    *,
    source: str,
    files: NewFiles | None = None,
    automation: str | None = None,
    activate: bool = True,
) -> Pushed:
    """Store a workflow file, with the files beside it, as a new version and, unless told otherwise, make it current.

    Without `automation` (an id or name) a new one is made. A version that is not made current is staged: it can be
    run by name and promoted. Pushes to one automation wait for each other. The second push of the same file fails.

    Raises:
        InvalidWorkflowError: the file has errors, names files that did not come along or are not acceptable, or
            calls workflows that do not exist or lead back to it.
        WorkflowNameConflictError: a new automation was asked for and the name is taken.
        AutomationNotFoundError: the organization has no such automation.
        NameMismatchError: the file's name is not the automation's.
        VersionExistsError: there is a version with this label.
        VersionNotIncreasingError: there is a higher one.
    """
    file_problem = problem_of(files)
    definition, issues = await check_workflow(tx, caller.organization_id, source=source, file_problem=file_problem)
    wrong_files = files.issues if files else []
    if definition is None or wrong_files:
        raise InvalidWorkflowError((*wrong_files, *issues))
    target = await (
        _create(tx, caller, definition) if automation is None else get(tx, caller.organization_id, automation)
    )
    if target.slug != definition.name:
        message = f"The file is named {definition.name!r} and this automation {target.slug!r}; a name never changes."
        raise NameMismatchError(message, field="name")
    await store.lock(tx, caller.organization_id, target.id)
    version = await _add(tx, caller, target, definition, source, files)
    keep((caller.organization_id, version.id), definition)
    detail = {"automation": target.id, "label": version.label, "activated": activate}
    await access.record_by(tx, caller, "version.pushed", version.id, detail)
    if activate:
        await _activate(tx, caller, version, definition, "push")
    return Pushed(*await _present(tx, target, version), created=automation is None, issues=issues)


async def check_workflow(
    tx: db.Transaction, organization_id: str, *, source: str, file_problem: FileProblem | None = None
) -> tuple[WorkflowDefinition | None, tuple[Issue, ...]]:
    """Read a workflow file and hold it against the organization's other workflows; nothing is stored.

    Returns all its issues, and what it says unless one of them is an error. `file_problem` is as in `parse_workflow`;
    whether the version can be added is not looked at.
    """
    parsed = await asyncio.to_thread(parse_workflow, source, file_problem=file_problem)
    name = parsed.definition.name if parsed.definition else None
    wrong_calls = await call_issues(tx, organization_id, name, parsed.steps)
    return None if wrong_calls else parsed.definition, (*wrong_calls, *parsed.issues)


async def hold(tx: db.Transaction, organization_id: str, automation: str) -> Automation:
    """Keep everyone else from changing an automation, its versions or its evaluators until the transaction ends.

    Returns the automation as others left it.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
    """
    return await _locked(tx, await get(tx, organization_id, automation))


async def was_current(tx: db.Transaction, organization_id: str, version: Version) -> bool:
    """Whether the version is current, or ever was."""
    return await store.was_current(tx, organization_id, version)


async def promote(
    tx: db.Transaction,
    caller: access.Caller,
    *,
    automation: str,
    version: str,
    gate: GateRecord | None = None,
) -> Promoted:
    """Make a version (an id or label) current; going back to one that was current before counts as a rollback.

    Promoting the current version changes nothing. Triggers that no person switched follow the version's file.
    What a gate said of the version is kept with the activation; asking the gate is up to `experiments.promote`.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
        VersionNotFoundError: the automation has no such version.
        StoredVersionError: this assay does not accept the version's file.
    """
    target = await _locked(tx, await get(tx, caller.organization_id, automation))
    chosen = await version_by_ref(tx, caller.organization_id, target, version)
    if chosen.is_current:
        return Promoted(*await _present(tx, target, chosen), reason=None)
    definition = await definition_of(tx, caller.organization_id, chosen.id)
    reason = "rollback" if await store.was_current(tx, caller.organization_id, chosen) else "promote"
    await _activate(tx, caller, chosen, definition, reason, gate)
    action = "version.rolled_back" if reason == "rollback" else "version.promoted"
    detail: dict[str, JsonValue] = {
        "automation": target.id,
        "label": chosen.label,
        "before": target.current_version_id,
        **({} if gate is None or gate.override_reason is None else {"overrideReason": gate.override_reason}),
    }
    await access.record_by(tx, caller, action, chosen.id, detail)
    return Promoted(*await _present(tx, target, chosen), reason=reason)


async def read_version(tx: db.Transaction, organization_id: str, automation: str, version: str | None) -> VersionText:
    """Return a version with its text; None and `latest` are the current one.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
        VersionNotFoundError: the automation has no such version.
        NoCurrentVersionError: no version is current, and none was named.
    """
    target = await get(tx, organization_id, automation)
    chosen = await version_by_ref(tx, organization_id, target, version)
    text = await store.read_version(tx, organization_id, chosen.id)
    if text is None:
        raise VersionNotFoundError
    return text


async def _locked(tx: db.Transaction, automation: Automation) -> Automation:
    """Wait for other changes, then return the automation as they left it."""
    await store.lock(tx, automation.organization_id, automation.id)
    return await get(tx, automation.organization_id, automation.id)


async def _create(tx: db.Transaction, caller: access.Caller, definition: WorkflowDefinition) -> Automation:
    organization_id, slug = caller.organization_id, definition.name
    triggers = Triggers(definition.triggers.api, definition.triggers.manual)
    automation_id = await store.insert(tx, organization_id, "workflow", slug, definition.description, triggers)
    if automation_id is None:
        existing = await get(tx, organization_id, f"workflows.{slug}")
        raise WorkflowNameConflictError(slug, existing.id)
    await access.record_by(tx, caller, "automation.created", automation_id, {"kind": "workflow", "slug": slug})
    return await get(tx, organization_id, automation_id)


async def _add(
    tx: db.Transaction,
    caller: access.Caller,
    automation: Automation,
    definition: WorkflowDefinition,
    source: str,
    files: NewFiles | None,
) -> Version:
    label = definition.version
    rank = precedence(label)
    assert rank is not None, "validation lets no other label pass"
    digest = content_hash(source, files.files.values() if files else ())
    await _refuse_existing(tx, automation, label, digest)
    highest = await store.highest_precedence(tx, automation.organization_id, automation.id)
    if highest is not None and rank < highest:
        found = ".".join(str(part) for part in highest)
        message = f"The version {label} is not higher than {found}."
        raise VersionNotIncreasingError(message, field="version")
    version_id = await store.insert_version(
        tx,
        automation,
        label=label,
        precedence=rank,
        source=source,
        document=dict(definition.document),
        content_hash=digest,
        user_id=caller.user_id,
    )
    if files:
        await files.keep(tx, automation.organization_id, version_id)
    return await version_by_ref(tx, automation.organization_id, automation, version_id)


async def _refuse_existing(tx: db.Transaction, automation: Automation, label: str, digest: bytes) -> None:
    existing = await store.find_version(tx, automation.organization_id, automation.id, label)
    if existing is None:
        return
    if existing.content_hash == digest:
        message = f"The version {label} exists already, with this very content."
        hint = "There is nothing to push. Promote it to make it current, or raise the version to push it again."
        raise VersionExistsError(message, field="version", hint=hint)
    message = f"The version {label} exists already, with other content."
    raise VersionExistsError(message, field="version", hint="Raise the version in the file.")


async def _activate(
    tx: db.Transaction,
    caller: access.Caller,
    version: Version,
    definition: WorkflowDefinition,
    reason: ActivationReason,
    gate: GateRecord | None = None,
) -> None:
    await store.activate(
        tx,
        caller.organization_id,
        version,
        description=definition.description,
        triggers=Triggers(definition.triggers.api, definition.triggers.manual),
        reason=reason,
        user_id=caller.user_id,
        gate=gate,
    )


async def _present(tx: db.Transaction, automation: Automation, version: Version) -> tuple[Automation, Version]:
    present = await get(tx, automation.organization_id, automation.id)
    return present, await version_by_ref(tx, automation.organization_id, present, version.id)
