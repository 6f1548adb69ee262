"""Automations, their versions, how they are addressed, and what a run needs to know of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from assay.errors import Issue

Kind = Literal["workflow", "agent"]
Status = Literal["active", "archived"]
ActivationReason = Literal["push", "promote", "rollback"]


@dataclass(frozen=True, slots=True)
class Triggers:
    """Who may start runs: callers of API and CLI, people in the dashboard. *Switched*: pushes keep it."""

    api: bool
    manual: bool
    api_switched: bool = False
    manual_switched: bool = False


@dataclass(frozen=True, slots=True)
class Automation:
    """Something that can be run; `slug` is unique in its organization and kind.

    `concurrency_limit` (runs at once) and `retention_days` are None where only the server's own limits hold.
    """

    id: str
    organization_id: str
    kind: Kind
    slug: str
    name: str | None
    description: str | None
    status: Status
    current_version_id: str | None
    current_version_label: str | None
    triggers: Triggers
    concurrency_limit: int | None
    retention_days: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable state of an automation; `content_hash` covers its source and its files.

    `override_reason` says why it was last made current although its gate had not passed; None otherwise.
    """

    id: str
    automation_id: str
    kind: Kind
    label: str | None
    is_current: bool
    content_hash: bytes
    git_ref: str | None
    created_by: str | None
    created_at: datetime
    override_reason: str | None = None


@dataclass(frozen=True, slots=True)
class VersionFile:
    """A file that was pushed beside a version's text; `size` in bytes."""

    path: str
    sha256: str
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class VersionText:
    """A version with what was pushed, and its text as plain JSON."""

    version: Version
    source: str
    document: JsonValue
    files: tuple[VersionFile, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """What a caller calls an automation: an id, or a slug of one kind (or of any)."""

    name: str
    kind: Kind | None


@dataclass(frozen=True, slots=True)
class RunTarget:
    """The exact version that a run was asked for, and its automation."""

    automation: Automation
    version_id: str
    version_label: str | None
    requested_ref: str | None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did; `issues` are warnings about the file."""

    automation: Automation
    version: Version
    created: bool
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class GateRecord:
    """What a gate said of a version that it let through, and why it was to be let through although that was no."""

    said: JsonValue
    override_reason: str | None


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion did; without a reason the version was current already and nothing changed."""

    automation: Automation
    version: Version
    reason: ActivationReason | None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one automation; at least one is not None."""

    organization_id: str
    automation_id: str
    concurrency_limit: int | None
    retention_days: int | None
