"""The SQL about automations and their versions."""

from collections.abc import Iterable
from typing import Any

from pydantic import JsonValue

from assay import db, jsontext
from assay.automations.model import (
    ActivationReason,
    Address,
    Automation,
    GateRecord,
    Kind,
    Limits,
    Status,
    Triggers,
    Version,
    VersionFile,
    VersionText,
)
from assay.automations.names import Precedence
from assay.ids import new_id

_AUTOMATION = """
a.id, a.organization_id, a.kind, a.slug, a.name, a.description, a.status, a.current_version_id,
a.api_enabled, a.manual_enabled, a.api_switched, a.manual_switched, a.concurrency_limit, a.retention_days,
a.created_at, a.updated_at,
(SELECT c.label FROM automation_versions c WHERE c.id = a.current_version_id) AS current_version_label
"""

_VERSION = """
v.id, v.automation_id, v.kind, v.label, v.content_hash, v.git_ref, v.created_by, v.created_at,
v.id = a.current_version_id AS is_current,
(SELECT t.override_reason FROM automation_activations t WHERE t.automation_id = v.automation_id AND t.version_id = v.id
 ORDER BY t.created_at DESC LIMIT 1) AS override_reason
"""

# A slug never looks like an id, so at most one row is meant.
_ADDRESSED = """
a.organization_id = $1 AND (a.id = $2 AND coalesce(a.kind = $3, true) OR a.slug = $2 AND a.kind = $3)
"""

FIND = f"SELECT {_AUTOMATION} FROM automations a WHERE {_ADDRESSED}"

FIND_RUN_TARGET = f"""
SELECT {_AUTOMATION}, v.id AS version_id, v.label AS version_label
FROM automations a
LEFT JOIN automation_versions v ON v.id = CASE
    WHEN $4::text IS NULL THEN a.current_version_id
    ELSE coalesce(
        (SELECT id FROM automation_versions WHERE automation_id = a.id AND label = $4),
        (SELECT id FROM automation_versions WHERE automation_id = a.id AND id = $4))
    END
WHERE {_ADDRESSED}
"""

# Starting a run takes a key share of the row, which this lock lets pass.
LOCK = "SELECT id FROM automations WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE"

INSERT = """
INSERT INTO automations (id, organization_id, kind, slug, name, description, api_enabled, manual_enabled)
VALUES ($1, $2, $3, $4, $4, $5, $6, $7)
ON CONFLICT (organization_id, kind, slug) DO NOTHING
"""

LIST = f"""
SELECT {_AUTOMATION}
FROM automations a
WHERE a.organization_id = $1 AND ($2::text IS NULL OR a.kind = $2)
    AND ($3::text IS NULL OR a.slug ILIKE $3 OR a.name ILIKE $3 OR a.description ILIKE $3)
ORDER BY a.created_at DESC, a.id DESC LIMIT $4 OFFSET $5
"""

COUNT = """
SELECT count(*)
FROM automations a
WHERE a.organization_id = $1 AND ($2::text IS NULL OR a.kind = $2)
    AND ($3::text IS NULL OR a.slug ILIKE $3 OR a.name ILIKE $3 OR a.description ILIKE $3)
"""

SWITCH = """
UPDATE automations SET
    api_enabled = coalesce($3, api_enabled), api_switched = api_switched OR $3::boolean IS NOT NULL,
    manual_enabled = coalesce($4, manual_enabled), manual_switched = manual_switched OR $4::boolean IS NOT NULL,
    updated_at = now()
WHERE organization_id = $1 AND id = $2
"""

SET_STATUS = "UPDATE automations SET status = $3, updated_at = now() WHERE organization_id = $1 AND id = $2"

LIMIT = """
WITH limited AS (
    UPDATE automations SET concurrency_limit = $3, retention_days = $4, updated_at = now()
    WHERE organization_id = $1 AND id = $2
)
SELECT pg_notify('assay_limits', $2)
"""

LIMITED = """
SELECT organization_id, id AS automation_id, concurrency_limit, retention_days FROM automations
WHERE concurrency_limit IS NOT NULL OR retention_days IS NOT NULL
"""

ACTIVATE = """
UPDATE automations SET
    current_version_id = $3, description = $4,
    api_enabled = CASE WHEN api_switched THEN api_enabled ELSE $5 END,
    manual_enabled = CASE WHEN manual_switched THEN manual_enabled ELSE $6 END,
    updated_at = now()
WHERE organization_id = $1 AND id = $2
"""

INSERT_ACTIVATION = """
INSERT INTO automation_activations
    (organization_id, automation_id, version_id, reason, user_id, gate, override_reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

WAS_CURRENT = """
SELECT EXISTS (SELECT FROM automation_activations
WHERE organization_id = $1 AND automation_id = $2 AND version_id = $3)
"""

INSERT_VERSION = """
INSERT INTO automation_versions
    (id, organization_id, automation_id, kind, label, precedence, source, definition, content_hash, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

FIND_VERSION = f"""
SELECT {_VERSION}
FROM automation_versions v JOIN automations a ON a.id = v.automation_id
WHERE v.organization_id = $1 AND v.automation_id = $2 AND (v.label = $3 OR v.id = $3)
"""

READ_VERSION = f"""
SELECT {_VERSION}, v.source, v.definition
FROM automation_versions v JOIN automations a ON a.id = v.automation_id
WHERE v.organization_id = $1 AND v.id = $2
"""

LIST_VERSIONS = f"""
SELECT {_VERSION}
FROM automation_versions v JOIN automations a ON a.id = v.automation_id
WHERE v.organization_id = $1 AND v.automation_id = $2
ORDER BY v.precedence DESC NULLS LAST, v.created_at DESC LIMIT $3 OFFSET $4
"""

COUNT_VERSIONS = "SELECT count(*) FROM automation_versions WHERE organization_id = $1 AND automation_id = $2"

HIGHEST = """
SELECT precedence FROM automation_versions
WHERE organization_id = $1 AND automation_id = $2 AND precedence IS NOT NULL
ORDER BY precedence DESC LIMIT 1
"""

INSERT_VERSION_FILE = """
INSERT INTO automation_version_files (organization_id, version_id, path, sha256, size, content_type)
VALUES ($1, $2, $3, $4, $5, $6)
"""

LIST_VERSION_FILES = """
SELECT path, sha256, size, content_type FROM automation_version_files
WHERE organization_id = $1 AND version_id = $2 ORDER BY path
"""

FIND_VERSION_FILE = """
SELECT path, sha256, size, content_type FROM automation_version_files
WHERE organization_id = $1 AND version_id = $2 AND path = $3
"""

SOURCE = "SELECT source FROM automation_versions WHERE organization_id = $1 AND id = $2"


async def find(tx: db.Transaction, organization_id: str, address: Address) -> Automation | None:
    """Return the automation, or None."""
    row = await tx.fetch_one(FIND, organization_id, address.name, address.kind)
    return None if row is None else _automation(row)


async def find_run_target(
    tx: db.Transaction, organization_id: str, address: Address, ref: str | None
) -> tuple[Automation, str | None, str | None] | None:
    """Return an automation with id and label of the version that `ref` names there (None: the current one)."""
    row = await tx.fetch_one(FIND_RUN_TARGET, organization_id, address.name, address.kind, ref)
    return None if row is None else (_automation(row), row["version_id"], row["version_label"])


async def lock(tx: db.Transaction, organization_id: str, automation_id: str) -> None:
    """Keep everyone else from changing the automation until the transaction ends."""
    await tx.execute(LOCK, organization_id, automation_id)


async def insert(
    tx: db.Transaction, organization_id: str, kind: Kind, slug: str, description: str | None, triggers: Triggers
) -> str | None:
    """Make an automation and return its id, or None when the slug is taken."""
    automation_id = new_id("wf")
    values = (automation_id, organization_id, kind, slug, description, triggers.api, triggers.manual)
    return automation_id if await tx.execute(INSERT, *values) else None


async def list_automations(
    tx: db.Transaction, organization_id: str, search: str | None, kind: Kind | None, limit: int, offset: int
) -> tuple[list[Automation], int]:
    """Return one page, newest first, and how many there are in all."""
    pattern = None if not search else f"%{_literally(jsontext.storable_text(search))}%"
    rows = await tx.fetch(LIST, organization_id, kind, pattern, limit, offset)
    total: int = await tx.fetch_value(COUNT, organization_id, kind, pattern)
    return [_automation(row) for row in rows], total


async def switch_triggers(
    tx: db.Transaction, organization_id: str, automation_id: str, *, api: bool | None, manual: bool | None
) -> None:
    """Set the triggers that are given, and remember that a person did."""
    await tx.execute(SWITCH, organization_id, automation_id, api, manual)


async def set_status(tx: db.Transaction, organization_id: str, automation_id: str, status: Status) -> None:
    """Say whether the automation is in use."""
    await tx.execute(SET_STATUS, organization_id, automation_id, status)


async def set_limits(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    *,
    concurrency_limit: int | None,
    retention_days: int | None,
) -> None:
    """Set both limits, and tell the workers when the transaction commits."""
    await tx.execute(LIMIT, organization_id, automation_id, concurrency_limit, retention_days)


async def list_limits(tx: db.Transaction) -> list[Limits]:
    """Return the limits of every automation of every organization that has any."""
    return [Limits(**dict(row)) for row in await tx.fetch(LIMITED)]


async def activate(
    tx: db.Transaction,
    organization_id: str,
    version: Version,
    *,
    description: str | None,
    triggers: Triggers,
    reason: ActivationReason,
    user_id: str | None,
    gate: GateRecord | None,
) -> None:
    """Make a version current, and note since when and why, and what a gate said of it."""
    automation_id = version.automation_id
    await tx.execute(ACTIVATE, organization_id, automation_id, version.id, description, triggers.api, triggers.manual)
    said = None if gate is None else jsontext.dump(gate.said)
    override_reason = None if gate is None else gate.override_reason
    await tx.execute(
        INSERT_ACTIVATION, organization_id, automation_id, version.id, reason, user_id, said, override_reason
    )


async def was_current(tx: db.Transaction, organization_id: str, version: Version) -> bool:
    """Whether the version has ever been current."""
    return bool(await tx.fetch_value(WAS_CURRENT, organization_id, version.automation_id, version.id))


async def insert_version(
    tx: db.Transaction,
    automation: Automation,
    *,
    label: str,
    precedence: Precedence,
    source: str,
    document: JsonValue,
    content_hash: bytes,
    user_id: str | None,
) -> str:
    """Add a version and return its id."""
    version_id = new_id("wfv")
    await tx.execute(
        INSERT_VERSION,
        version_id,
        automation.organization_id,
        automation.id,
        automation.kind,
        label,
        list(precedence),
        source,
        jsontext.dump(document),
        content_hash,
        user_id,
    )
    return version_id


async def find_version(tx: db.Transaction, organization_id: str, automation_id: str, reference: str) -> Version | None:
    """Return the version with this label or id, or None."""
    row = await tx.fetch_one(FIND_VERSION, organization_id, automation_id, reference)
    return None if row is None else _version(row)


async def read_version(tx: db.Transaction, organization_id: str, version_id: str) -> VersionText | None:
    """Return the version with its text, or None."""
    row = await tx.fetch_one(READ_VERSION, organization_id, version_id)
    if row is None:
        return None
    files = await tx.fetch(LIST_VERSION_FILES, organization_id, version_id)
    carried = tuple(VersionFile(**dict(file)) for file in files)
    return VersionText(_version(row), row["source"], jsontext.load(row["definition"]), carried)


async def insert_version_files(
    tx: db.Transaction, organization_id: str, version_id: str, carried: Iterable[VersionFile]
) -> None:
    """Add the files of a version, for bytes that this transaction kept."""
    for file in carried:
        values = (file.path, file.sha256, file.size, file.content_type)
        await tx.execute(INSERT_VERSION_FILE, organization_id, version_id, *values)


async def find_version_file(tx: db.Transaction, organization_id: str, version_id: str, path: str) -> VersionFile | None:
    """Return the file that a version has at a path, or None."""
    row = await tx.fetch_one(FIND_VERSION_FILE, organization_id, version_id, path)
    return None if row is None else VersionFile(**dict(row))


async def list_versions(
    tx: db.Transaction, organization_id: str, automation_id: str, limit: int, offset: int
) -> tuple[list[Version], int]:
    """Return one page, highest first, and how many there are in all."""
    rows = await tx.fetch(LIST_VERSIONS, organization_id, automation_id, limit, offset)
    total: int = await tx.fetch_value(COUNT_VERSIONS, organization_id, automation_id)
    return [_version(row) for row in rows], total


async def highest_precedence(tx: db.Transaction, organization_id: str, automation_id: str) -> Precedence | None:
    """Return how the highest version sorts, or None when there is none."""
    parts: Any = await tx.fetch_value(HIGHEST, organization_id, automation_id)
    return None if parts is None else (parts[0], parts[1], parts[2])


async def read_source(tx: db.Transaction, organization_id: str, version_id: str) -> str | None:
    """Return the text of a version, or None."""
    return await tx.fetch_value(SOURCE, organization_id, version_id)


def _automation(row: db.Row) -> Automation:
    return Automation(
        id=row["id"],
        organization_id=row["organization_id"],
        kind=row["kind"],
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        status=row["status"],
        current_version_id=row["current_version_id"],
        current_version_label=row["current_version_label"],
        triggers=Triggers(row["api_enabled"], row["manual_enabled"], row["api_switched"], row["manual_switched"]),
        concurrency_limit=row["concurrency_limit"],
        retention_days=row["retention_days"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _version(row: db.Row) -> Version:
    return Version(
        id=row["id"],
        automation_id=row["automation_id"],
        kind=row["kind"],
        label=row["label"],
        is_current=bool(row["is_current"]),
        content_hash=row["content_hash"],
        git_ref=row["git_ref"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        override_reason=row["override_reason"],
    )


def _literally(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
