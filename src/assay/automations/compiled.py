"""How the definition of a stored version is had: rebuilt from its text once, then kept, since versions never change."""

import asyncio

from assay import db
from assay.automations import store
from assay.automations.definition import WorkflowDefinition
from assay.automations.errors import StoredVersionError, VersionNotFoundError
from assay.automations.validation import parse_workflow

_KEPT = 256
_definitions: dict[tuple[str, str], WorkflowDefinition] = {}


async def definition_of(tx: db.Transaction, organization_id: str, version_id: str) -> WorkflowDefinition:
    """Return what a version says; a second call in this process does not ask the database.

    Raises:
        VersionNotFoundError: the organization has no such version.
        StoredVersionError: this assay does not accept the text any more.
    """
    key = (organization_id, version_id)
    known = _definitions.get(key)
    if known is not None:
        return known
    source = await store.read_source(tx, organization_id, version_id)
    if source is None:
        raise VersionNotFoundError
    parsed = await asyncio.to_thread(parse_workflow, source)
    if parsed.definition is None:
        raise StoredVersionError(issues=parsed.issues)
    keep(key, parsed.definition)
    return parsed.definition


def keep(key: tuple[str, str], definition: WorkflowDefinition) -> None:
    """Remember a definition, and forget the one known longest when there are too many."""
    while len(_definitions) >= _KEPT:
        _definitions.pop(next(iter(_definitions)), None)
    _definitions[key] = definition
