"""Automations, their versions, triggers and limits."""

import asyncio
from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from assay import access, automations, experiments, files
from assay.api import parameters
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here, Server
from assay.api.errors import JsonResponse
from assay.clock import iso
from assay.errors import InvalidValueError, Issue

router = APIRouter(tags=["automations"])

MAX_PAGE = 100
MAX_BASE64_BYTES = 36 * 1024**2
"""What a push may have beyond other bodies: as much as the files of a version take in base64."""


class Override(BaseModel):
    """Why a version is to become current although its gate has not passed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = Field(description="Kept with the version and in the audit log.")


class PromoteBody(BaseModel):
    """How to promote; may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    override: Override | None = Field(default=None, description="Do so although the gate has not passed.")


class PushBody(BaseModel):
    """A workflow file to store as a version."""

    model_config = ConfigDict(extra="forbid", strict=True)

    yaml: str = Field(min_length=1, max_length=2**20, description="The workflow file.")
    activate: bool | None = Field(
        default=None, description="Make it current; false stages it. Left out: current, unless there is a gate policy."
    )
    override: Override | None = Field(default=None, description="Make it current although the gate has not passed.")
    files: dict[str, str] = Field(
        default={},
        description="Files beside it that it names, such as templates: their bytes in base64 by their relative paths. "
        "At most 50, of 10 MiB each and 25 MiB together.",
    )


class ValidateBody(BaseModel):
    """A workflow file to check."""

    model_config = ConfigDict(extra="forbid", strict=True)

    yaml: str = Field(min_length=1, max_length=2**20, description="The workflow file.")


class TriggersBody(BaseModel):
    """Triggers to switch; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    api: bool | None = None
    manual: bool | None = None


class AutomationBody(BaseModel):
    """What can be changed of an automation itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    archived: bool = Field(description="An archived automation keeps everything and starts no runs.")


class LimitsBody(BaseModel):
    """Limits to set; what is left out stays as it is, null lifts it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    concurrency_limit: int | None = Field(default=None, alias="concurrencyLimit")
    retention_days: int | None = Field(default=None, alias="retentionDays")


_AUTOMATION_BODY = {"requestBody": {"content": {"application/json": {"schema": AutomationBody.model_json_schema()}}}}
_PROMOTE_BODY = {"requestBody": {"content": {"application/json": {"schema": PromoteBody.model_json_schema()}}}}


@router.get("/automations")
async def list_automations(request: Request, caller: Authorized, server: Here) -> Response:
    """List automations, newest first; `search` looks into slug, name and description."""
    parameters.only(request, {"search", "type", "limit", "offset"})
    kinds = parameters.values(request, "type", ("workflow", "agent"))
    kind: automations.Kind | None = None if len(kinds) != 1 else "workflow" if kinds[0] == "workflow" else "agent"
    limit, offset = _page(request)
    async with server.database.transaction() as tx:
        found, total = await automations.list_automations(
            tx,
            caller.organization_id,
            search=parameters.text(request, "search"),
            kind=kind,
            limit=limit,
            offset=offset,
        )
    return JsonResponse({"data": [_summary(one) for one in found], "total": total, "limit": limit, "offset": offset})


@router.post("/automations", status_code=201)
async def create_automation(request: Request, caller: Authorized, server: Here) -> Response:
    """Create a workflow from its file."""
    return await _push(request, caller, server, None)


@router.post("/automations/validate")
async def validate_workflow(request: Request, caller: Authorized, server: Here) -> Response:
    """Check a workflow file as a push would, with what it calls and which models it asks for; nothing is stored.

    Files beside it that it names are taken to be there.
    """
    body = checked(ValidateBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        definition, found = await automations.check_workflow(tx, caller.organization_id, source=body.yaml)
    issues = [
        *found,
        *(await automations.model_issues(server.models, caller.organization_id, definition) if definition else ()),
    ]
    shown = [{**_warning(issue), "hint": issue.hint} for issue in issues]
    return JsonResponse({"valid": definition is not None, "issues": shown})


@router.get("/automations/{automation_id}")
async def get_automation(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Read an automation with the JSON Schemas of its current version's input and output."""
    async with server.database.transaction() as tx:
        found = await automations.get(tx, caller.organization_id, automation_id)
        body = {**_summary(found), "inputSchema": None, "outputSchema": None, **_limits(found)}
        if found.current_version_id is not None:
            definition = await automations.definition_of(tx, caller.organization_id, found.current_version_id)
            body |= {"inputSchema": definition.input_schema, "outputSchema": definition.output_schema}
    return JsonResponse(body)


@router.patch("/automations/{automation_id}", openapi_extra=_AUTOMATION_BODY)
async def change_automation(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Archive an automation, or take it back into use."""
    body = checked(AutomationBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        found = await automations.set_archived(tx, caller, automation=automation_id, archived=body.archived)
    return JsonResponse(_summary(found))


@router.post("/automations/{automation_id}/sync")
async def sync_automation(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Reconcile an agent with its Git release; workflows have no such source and answer 400."""
    async with server.database.transaction() as tx:
        await automations.get(tx, caller.organization_id, automation_id)
    message = "Workflows are pushed, not synced from Git."
    raise InvalidValueError(message, hint="Use `assay workflow push`.")


@router.get("/automations/{automation_id}/triggers")
async def get_triggers(automation_id: str, caller: Authorized, server: Here) -> Response:
    """Say which triggers are on."""
    async with server.database.transaction() as tx:
        found = await automations.get(tx, caller.organization_id, automation_id)
    return JsonResponse(_triggers(found))


@router.patch("/automations/{automation_id}/triggers")
async def switch_triggers(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Switch triggers; what was switched here survives later pushes."""
    body = checked(TriggersBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        found = await automations.set_triggers(tx, caller, automation=automation_id, api=body.api, manual=body.manual)
    return JsonResponse(_triggers(found))


@router.patch("/automations/{automation_id}/limits")
async def set_limits(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Limit how many runs go on at once, and how long finished runs are kept."""
    body = checked(LimitsBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        present = await automations.get(tx, caller.organization_id, automation_id)
        given = body.model_fields_set
        found = await automations.set_limits(
            tx,
            caller,
            automation=present.id,
            concurrency_limit=body.concurrency_limit if "concurrency_limit" in given else present.concurrency_limit,
            retention_days=body.retention_days if "retention_days" in given else present.retention_days,
        )
    return JsonResponse({"automationId": found.id, **_limits(found)})


@router.get("/automations/{automation_id}/versions")
async def list_versions(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """List versions, highest first."""
    parameters.only(request, {"limit", "offset"})
    limit, offset = _page(request)
    async with server.database.transaction() as tx:
        found, total = await automations.list_versions(
            tx, caller.organization_id, automation_id, limit=limit, offset=offset
        )
    return JsonResponse({"data": [_version(one) for one in found], "total": total, "limit": limit, "offset": offset})


@router.post("/automations/{automation_id}/versions", status_code=201)
async def push_version(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Add a version; it is current at once unless `activate` is false, or a gate policy asks for proof first.

    Then it is staged (`stagedBecause: gate_policy`), and `activate: true` answers 409 `gate_not_passed` and stores
    nothing, except with an `override`.
    """
    return await _push(request, caller, server, automation_id)


@router.get("/automations/{automation_id}/versions/{version_id}")
async def get_version(automation_id: str, version_id: str, caller: Authorized, server: Here) -> Response:
    """Read a version, by id, label or `latest`, with its text and what is known of the files beside it."""
    async with server.database.transaction() as tx:
        found = await automations.read_version(tx, caller.organization_id, automation_id, version_id)
    carried = [_file(file) for file in found.files]
    return JsonResponse({**_version(found.version), "yaml": found.source, "files": carried})


@router.get("/automations/{automation_id}/versions/{version_id}/files/{path:path}")
async def get_version_file(
    automation_id: str, version_id: str, path: str, caller: Authorized, server: Here
) -> Response:
    """Send the bytes of a file that was pushed beside a version's text."""
    async with server.database.transaction() as tx:
        version = (await automations.read_version(tx, caller.organization_id, automation_id, version_id)).version
        found = await automations.version_file(tx, caller.organization_id, version.id, path)
    headers = files.download_headers(PurePosixPath(found.path).name, found.content_type)
    return StreamingResponse(
        await server.blobs.stream(found.sha256), headers={**headers, "Content-Length": str(found.size)}
    )


@router.post("/automations/{automation_id}/versions/{version_id}/promote", openapi_extra=_PROMOTE_BODY)
async def promote_version(
    request: Request, automation_id: str, version_id: str, caller: Authorized, server: Here
) -> Response:
    """Make a version current. Going back to one that was current before is a rollback, which no gate stops.

    Where there is a gate policy that the version has not passed, the answer is 409 `gate_not_passed` and says what
    is missing; `override: {reason}` promotes it all the same.
    """
    body = checked(PromoteBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        found = await experiments.promote(
            tx, caller, automation=automation_id, version=version_id, override=_reason(body.override)
        )
    content = {
        **_version(found.promoted.version),
        "reason": found.promoted.reason,
        "overridden": found.overridden,
        "gate": None if found.decision is None else experiments.decision_json(found.decision),
    }
    return JsonResponse(content)


async def _push(request: Request, caller: access.Caller, server: Server, automation: str | None) -> Response:
    limit = server.settings.max_json_bytes
    body = checked(PushBody, await read_json(request, limit, base64_limit=MAX_BASE64_BYTES))
    given = await asyncio.to_thread(automations.read_files, server.blobs, body.files)
    async with server.database.transaction() as tx:
        through = await experiments.push(
            tx,
            caller,
            source=body.yaml,
            files=given,
            automation=automation,
            activate=body.activate,
            override=_reason(body.override),
        )
        pushed = through.pushed
        definition = await automations.definition_of(tx, caller.organization_id, pushed.version.id)
    issues = [*pushed.issues, *await automations.model_issues(server.models, caller.organization_id, definition)]
    content = {
        "automation": _summary(pushed.automation),
        "version": _version(pushed.version),
        "staged": through.staged_because is not None,
        "stagedBecause": through.staged_because,
        "issues": [_warning(issue) for issue in issues],
    }
    return JsonResponse(content, 201)


def _reason(override: Override | None) -> str | None:
    return None if override is None else override.reason


def _page(request: Request) -> tuple[int, int]:
    limit = parameters.number(request, "limit", default=50, least=1, most=MAX_PAGE)
    return limit, parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)


def _summary(found: automations.Automation) -> dict[str, Any]:
    return {
        "id": found.id,
        "type": found.kind,
        "slug": found.slug,
        "name": found.name or found.slug,
        "description": found.description,
        "status": found.status,
        "version": found.current_version_label,
        "triggers": _trigger_state(found),
        "implementationAvailable": True,
        "folderId": None,
        "folderPath": None,
        "createdAt": iso(found.created_at),
        "updatedAt": iso(found.updated_at),
    }


def _trigger_state(found: automations.Automation) -> dict[str, bool]:
    return {"api": found.triggers.api, "email": False, "manual": found.triggers.manual, "cron": False}


def _triggers(found: automations.Automation) -> dict[str, Any]:
    return {"automationId": found.id, "type": found.kind, "triggers": _trigger_state(found)}


def _limits(found: automations.Automation) -> dict[str, Any]:
    return {"concurrencyLimit": found.concurrency_limit, "retentionDays": found.retention_days}


def _version(found: automations.Version) -> dict[str, Any]:
    return {
        "id": found.id,
        "automationId": found.automation_id,
        "version": found.label,
        "sourceRef": found.label,
        "isCurrent": found.is_current,
        "createdAt": iso(found.created_at),
        "kind": found.kind,
        "contentHash": found.content_hash.hex(),
        "gitRef": found.git_ref,
        "overrideReason": found.override_reason,
    }


def _file(found: automations.VersionFile) -> dict[str, Any]:
    return {"path": found.path, "contentType": found.content_type, "size": found.size, "sha256": found.sha256}


def _warning(issue: Issue) -> dict[str, Any]:
    return {
        "field": issue.field,
        "message": issue.message,
        "code": issue.code,
        "severity": issue.severity,
        "line": issue.line,
        "column": issue.column,
    }
