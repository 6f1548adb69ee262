"""Workflows and agents: the automations of an organization, their versions, triggers and limits."""

import base64
from collections.abc import Mapping
from typing import IO, Any, Literal, TypedDict

from assay_client.transport import Transport, segment, segments


class Limits(TypedDict, total=False):
    """What to change: a number sets a limit, None removes it, a missing name leaves it alone."""

    concurrencyLimit: int | None
    retentionDays: int | None


class Automations:
    """Everything below `/automations`. An automation is named by its id or `workflows.<slug>`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.automations`."""
        self._transport = transport

    def list(
        self,
        *,
        search: str | None = None,
        kind: Literal["workflow", "agent"] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> dict[str, Any]:
        """Return a page `{data, total, limit, offset}`; `search` looks into slug, name and description."""
        query = {"search": search, "type": kind, "limit": limit, "offset": offset}
        return self._transport.request("GET", "/automations", query=query)

    def get(self, automation: str) -> dict[str, Any]:
        """Return an automation with its `inputSchema` and `outputSchema`."""
        return self._transport.request("GET", _path(automation))

    def create(
        self, yaml: str, *, activate: bool | None = None, files: Mapping[str, bytes] | None = None
    ) -> dict[str, Any]:
        """Make a workflow from its YAML and the files it names, by their paths; return `{automation, version}`.

        `read_beside` reads such files from the folder of the workflow.

        Raises:
            ConflictError: there is one of that name; `body["conflictingWorkflowId"]` is its id.
            InvalidRequestError: the YAML is not valid; `issues` lists everything that is wrong.
        """
        return self._transport.request("POST", "/automations", body=_push_body(yaml, activate, files))

    def validate(self, yaml: str) -> dict[str, Any]:
        """Check a workflow's YAML as a push would and store nothing; return `{valid, issues}`."""
        return self._transport.request("POST", "/automations/validate", body={"yaml": yaml}, repeatable=True)

    def proof(self, automation: str) -> dict[str, Any]:
        """Return `{repeats, repeatsWithModel, isDefault, …}`: how often the example of a miss has to pass."""
        return self._transport.request("GET", f"{_path(automation)}/proof")

    def set_proof(
        self, automation: str, *, repeats: int | None = None, repeats_with_model: int | None = None
    ) -> dict[str, Any]:
        """Say how often the example of a miss has to pass before the miss counts as fixed; None stays as it is."""
        given = {"repeats": repeats, "repeatsWithModel": repeats_with_model}
        body = {name: number for name, number in given.items() if number is not None}
        return self._transport.request("PUT", f"{_path(automation)}/proof", body=body, repeatable=True)

    def versions(self, automation: str, *, limit: int | None = None, offset: int | None = None) -> dict[str, Any]:
        """Return a page `{data, total, limit, offset}` of versions, the highest first."""
        return self._transport.request("GET", _versions(automation), query={"limit": limit, "offset": offset})

    def version(self, automation: str, version_id: str) -> dict[str, Any]:
        """Return one version with its `yaml` and a list `files` of `{path, contentType, size, sha256}`."""
        return self._transport.request("GET", f"{_versions(automation)}/{segment(version_id)}")

    def version_file(self, automation: str, version_id: str, path: str, to: IO[bytes]) -> int:
        """Write the bytes of a version's file to an open file; return how many."""
        return self._transport.download(f"{_versions(automation)}/{segment(version_id)}/files/{segments(path)}", to)

    def push_version(
        self, automation: str, yaml: str, *, activate: bool | None = None, files: Mapping[str, bytes] | None = None
    ) -> dict[str, Any]:
        """Add a version; returns `{automation, version, staged, stagedBecause, issues}`.

        With `activate` False it is staged and serves nobody yet; None makes it current, unless there is a gate policy.
        `files` as in `create`; those of other versions do not count.

        Raises:
            ConflictError: the version is there already, not higher than all others, or to be made current although
                a gate asks for proof first (`gate_not_passed`).
            InvalidRequestError: the YAML is not valid.
        """
        return self._transport.request("POST", _versions(automation), body=_push_body(yaml, activate, files))

    def promote(self, automation: str, version_id: str, *, override: str | None = None) -> dict[str, Any]:
        """Make a version the current one, also an older one (a rollback). A second call changes nothing.

        `override` is the reason for doing so although the gate has not passed; it is kept.

        Raises:
            ConflictError: the gate has not passed (`gate_not_passed`); `body["gate"]` says what is missing.
        """
        path = f"{_versions(automation)}/{segment(version_id)}/promote"
        body = None if override is None else {"override": {"reason": override}}
        return self._transport.request("POST", path, body=body, repeatable=True)

    def triggers(self, automation: str) -> dict[str, Any]:
        """Return `{automationId, type, triggers: {api, email, manual, cron}}`."""
        return self._transport.request("GET", f"{_path(automation)}/triggers")

    def set_triggers(self, automation: str, *, api: bool | None = None, manual: bool | None = None) -> dict[str, Any]:
        """Switch triggers on or off; None leaves one alone. Returns what `triggers` does."""
        changes = {name: value for name, value in (("api", api), ("manual", manual)) if value is not None}
        return self._transport.request("PATCH", f"{_path(automation)}/triggers", body=changes)

    def set_archived(self, automation: str, *, archived: bool) -> dict[str, Any]:
        """Archive an automation, so that it starts no runs, or take it back into use; return it without its schemas."""
        return self._transport.request("PATCH", _path(automation), body={"archived": archived})

    def set_limits(self, automation: str, changes: Limits) -> dict[str, Any]:
        """Change how many runs may be worked on at once, and after how many days finished runs are deleted."""
        return self._transport.request("PATCH", f"{_path(automation)}/limits", body=changes)


def _push_body(yaml: str, activate: bool | None, files: Mapping[str, bytes] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"yaml": yaml}
    if activate is not None:
        body["activate"] = activate
    if files:
        body["files"] = {path: base64.b64encode(content).decode() for path, content in files.items()}
    return body


def _path(automation: str) -> str:
    return f"/automations/{segment(automation)}"


def _versions(automation: str) -> str:
    return f"{_path(automation)}/versions"
