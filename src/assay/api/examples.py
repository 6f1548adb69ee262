"""The examples of a dataset, one by one, and the files that go into each and are expected out of it."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response, StreamingResponse

from assay import access, automations, datasets, files, reviews
from assay.api import parameters
from assay.api.bodies import checked, described, read_json
from assay.api.callers import PREFIXES, Authorized, Here, Server, route_template
from assay.api.errors import JsonResponse
from assay.api.multipart import MalformedMultipartError, open_form
from assay.clock import iso
from assay.errors import InvalidValueError

router = APIRouter(tags=["datasets"])

MAX_PAGE = 100
MAX_REASON = 10_000
_OCTETS = "application/octet-stream"


class ExampleBody(BaseModel):
    """What an example holds. `datasets` checks it, and says everything that is wrong with it at once."""

    name: str | None = Field(
        default=None,
        description="1 to 128 lower-case letters, digits, dashes, underscores; null or left out: `example-<n>`.",
    )
    input: dict[str, JsonValue] | None = Field(
        default=None, description='A value for each input; files as {"$file": "input/contract.pdf"}.'
    )
    expected: JsonValue = Field(
        default=None, description='The expected output, or {"$error": {code?, messageContains?, step?}}; null: neither.'
    )
    metadata: dict[str, JsonValue] | None = Field(default=None, description="What you want to find it by.")
    annotation: str | None = Field(default=None, description="Why it is there; up to 2,000 characters.")
    row_order: int | None = Field(default=None, alias="rowOrder", description="Where it stands; without one, last.")
    overrides: dict[str, JsonValue] | None = Field(
        default=None, description="{steps: {<step>: {…}}}: step results that its runs take as given."
    )


class RenameBody(BaseModel):
    """Another name for a file."""

    model_config = ConfigDict(extra="ignore", strict=True)

    new_filename: str = Field(
        alias="newFilename", max_length=1000, description="Without slashes; the file stays in its folder."
    )


def _folder(request: Request) -> datasets.Folder:
    return "expected" if "/{example_id}/expected" in route_template(request) else "input"


InFolder = Annotated[datasets.Folder, Depends(_folder)]
"""Which of an example's folders the route is about: every one of its files has both."""


@router.get("/automations/{automation_id}/examples")
async def list_examples(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """List the examples as they are now, by row order, then name; `search` looks into name and annotation.

    `include=metadata` leaves input and expected out.
    """
    parameters.only(request, {"limit", "offset", "include", "search"})
    limit = parameters.number(request, "limit", default=50, least=1, most=MAX_PAGE)
    offset = parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)
    payloads = "metadata" not in parameters.values(request, "include", ("full", "metadata"))
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        page, total = await datasets.list_examples(
            tx,
            caller.organization_id,
            automation.id,
            search=parameters.text(request, "search"),
            limit=limit,
            offset=offset,
            payloads=payloads,
        )
    data = [_example(automation, one, payloads=payloads) for one in page]
    return JsonResponse({"data": data, "total": total, "limit": limit, "offset": offset})


@router.post("/automations/{automation_id}/examples", status_code=201, openapi_extra=described(ExampleBody))
async def create_example(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Add an example; its files are uploaded afterwards, so references are checked when it runs."""
    automation = await _automation(automation_id, caller, server)
    values = await _values(request, server)
    async with server.database.transaction() as tx:
        made = await datasets.create_example(tx, caller, automation.id, values)
    return JsonResponse(_example(automation, made), 201)


@router.get("/automations/{automation_id}/examples/{example_id}")
async def get_example(automation_id: str, example_id: str, caller: Authorized, server: Here) -> Response:
    """Read an example, by its id or name."""
    automation, found = await _find(automation_id, example_id, caller, server)
    return JsonResponse(_example(automation, found))


@router.patch("/automations/{automation_id}/examples/{example_id}", openapi_extra=described(ExampleBody))
async def update_example(
    request: Request, automation_id: str, example_id: str, caller: Authorized, server: Here
) -> Response:
    """Change an example: what is left out stays, null clears.

    Another input or expectation for an example that stands for a miss takes `overrideReason` (so do its files).
    """
    automation, _ = await _find(automation_id, example_id, caller, server)
    values = await _values(request, server)
    async with server.database.transaction() as tx:
        changed = await datasets.update_example(
            tx, caller, automation.id, example_id, values, guard=example_guard(request)
        )
    return JsonResponse(_example(automation, changed))


@router.delete("/automations/{automation_id}/examples/{example_id}")
async def delete_example(
    request: Request, automation_id: str, example_id: str, caller: Authorized, server: Here
) -> Response:
    """Take an example out of the dataset, and say what it was; its runs stay, earlier revisions keep it.

    Refused while a miss that it stands for is open.
    """
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        gone = await datasets.delete_example(tx, caller, automation.id, example_id, guard=example_guard(request))
    return JsonResponse(_example(automation, gone))


@router.get("/automations/{automation_id}/examples/{example_id}/versions")
async def list_versions(
    request: Request, automation_id: str, example_id: str, caller: Authorized, server: Here
) -> Response:
    """List what an example was, newest first: each version, the revision that made it, and who did."""
    parameters.only(request, {"limit", "offset"})
    limit = parameters.number(request, "limit", default=50, least=1, most=MAX_PAGE)
    offset = parameters.number(request, "offset", default=0, least=0, most=parameters.MAX_OFFSET)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        found = await datasets.get_example(tx, caller.organization_id, automation.id, example_id)
        page, total = await datasets.past_versions(
            tx, caller.organization_id, automation.id, found.example_id, limit=limit, offset=offset
        )
        people = await access.addresses(tx, caller.organization_id)
    data = [_version(one, people) for one in page]
    return JsonResponse({"data": data, "total": total, "limit": limit, "offset": offset})


@router.get("/automations/{automation_id}/examples/{example_id}/versions/{example_version_id}")
async def get_version(
    automation_id: str, example_id: str, example_version_id: str, caller: Authorized, server: Here
) -> Response:
    """Read an example as it was; its files have no address there: an export of that revision has them."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        now = await datasets.get_example(tx, caller.organization_id, automation.id, example_id)
        found = await datasets.version_of(tx, caller.organization_id, example_version_id, of=now)
    return JsonResponse({**_example(automation, found, addressed=False), "versionId": found.id})


@router.get("/automations/{automation_id}/examples/{example_id}/input")
@router.get("/automations/{automation_id}/examples/{example_id}/expected")
async def list_files(
    automation_id: str, example_id: str, folder: InFolder, caller: Authorized, server: Here
) -> Response:
    """List the paths of the files in one of an example's two folders, below it."""
    _, found = await _find(automation_id, example_id, caller, server)
    return JsonResponse({"files": [_below(file) for file in found.files if file.folder == folder]})


@router.post("/automations/{automation_id}/examples/{example_id}/input", status_code=201)
@router.post("/automations/{automation_id}/examples/{example_id}/expected", status_code=201)
async def upload_files(
    request: Request, automation_id: str, example_id: str, folder: InFolder, caller: Authorized, server: Here
) -> Response:
    """Add files: multipart, a part `file` for each. One of the same name is replaced.

    An example that expects an error has no expected files.
    """
    automation, _ = await _find(automation_id, example_id, caller, server)
    async with open_form(request, server.blobs, server.settings.max_body_bytes) as form:
        if not form.files or any(part.name != "file" for part in form.files):
            message = "Send one or more files, each as a part `file`."
            raise MalformedMultipartError(message, field="file")
        uploads = [datasets.FileUpload(part.filename, part.content_type, part.spool) for part in form.files]
        async with server.database.transaction() as tx:
            _, added = await datasets.add_files(
                tx, server.blobs, caller, automation.id, example_id, folder, uploads, guard=example_guard(request)
            )
    return JsonResponse({"uploaded": [_below(file) for file in added]}, 201)


@router.get("/automations/{automation_id}/examples/{example_id}/input/{path:path}")
@router.get("/automations/{automation_id}/examples/{example_id}/expected/{path:path}")
async def get_file(
    automation_id: str, example_id: str, path: str, folder: InFolder, caller: Authorized, server: Here
) -> Response:
    """Send one file."""
    _, found = await _find(automation_id, example_id, caller, server)
    file = datasets.file_of(found, folder, path)
    headers = files.download_headers(PurePosixPath(file.path).name, _OCTETS)
    return StreamingResponse(
        await server.blobs.stream(file.sha256), headers={**headers, "Content-Length": str(file.size)}
    )


@router.patch(
    "/automations/{automation_id}/examples/{example_id}/input/{path:path}", openapi_extra=described(RenameBody)
)
@router.patch(
    "/automations/{automation_id}/examples/{example_id}/expected/{path:path}", openapi_extra=described(RenameBody)
)
async def rename_file(
    request: Request, automation_id: str, example_id: str, path: str, folder: InFolder, caller: Authorized, server: Here
) -> Response:
    """Give a file another name in its folder; what refers to it in the example follows."""
    automation, found = await _find(automation_id, example_id, caller, server)
    datasets.file_of(found, folder, path)
    body = checked(RenameBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        _, renamed = await datasets.rename_file(
            tx,
            caller,
            automation.id,
            example_id,
            folder,
            path,
            filename=body.new_filename,
            guard=example_guard(request),
        )
    return JsonResponse({"ok": True, "filename": PurePosixPath(renamed.path).name, "path": _below(renamed)})


@router.delete("/automations/{automation_id}/examples/{example_id}/input/{path:path}")
@router.delete("/automations/{automation_id}/examples/{example_id}/expected/{path:path}")
async def delete_file(
    request: Request, automation_id: str, example_id: str, path: str, folder: InFolder, caller: Authorized, server: Here
) -> Response:
    """Take a file out of an example; earlier revisions keep it."""
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        await datasets.remove_file(tx, caller, automation.id, example_id, folder, path, guard=example_guard(request))
    return JsonResponse({"deleted": True})


def example_guard(request: Request) -> reviews.ExampleGuard:
    """Return what is asked before examples change: for whoever says no `overrideReason`, misses keep theirs.

    Raises:
        InvalidValueError: the reason is too long.
    """
    reason = (parameters.text(request, "overrideReason") or "").strip()
    if len(reason) > MAX_REASON:
        message = f"overrideReason is longer than {MAX_REASON:,} characters."
        raise InvalidValueError(message, field="overrideReason")
    return reviews.ExampleGuard(reason or None)


async def _automation(automation_id: str, caller: access.Caller, server: Server) -> automations.Automation:
    async with server.database.transaction() as tx:
        return await automations.get(tx, caller.organization_id, automation_id)


async def _find(
    automation_id: str, example_id: str, caller: access.Caller, server: Server
) -> tuple[automations.Automation, datasets.ExampleVersion]:
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, caller.organization_id, automation_id)
        return automation, await datasets.get_example(tx, caller.organization_id, automation.id, example_id)


async def _values(request: Request, server: Server) -> Mapping[str, JsonValue]:
    body: Any = await read_json(request, server.settings.max_json_bytes)
    if not isinstance(body, dict):
        message = "An example is a JSON object."
        raise InvalidValueError(message)
    return cast("Mapping[str, JsonValue]", body)


def _example(
    automation: automations.Automation,
    found: datasets.ExampleVersion,
    *,
    payloads: bool = True,
    addressed: bool = True,
) -> Mapping[str, Any]:
    referred = {file.path for file in datasets.referenced_files(found)} if payloads else None
    folders: dict[str, list[Mapping[str, Any]]] = {"input": [], "expected": []}
    for file in found.files:
        place = f"/automations/{automation.id}/examples/{found.example_id}/{quote(file.path)}" if addressed else None
        folders[file.folder].append(_file(file, place, referred))
    return {
        "id": found.example_id,
        "name": found.name,
        "automationId": automation.id,
        "automationType": automation.kind,
        "input": found.input,
        "expected": found.stated_expectation,
        "inputFiles": folders["input"],
        "expectedFiles": folders["expected"],
        "metadata": found.metadata,
        "annotation": found.annotation,
        "rowOrder": found.row_order,
        "overrides": found.overrides,
        "latestRunId": found.latest_run_id,
        "promotedRunId": found.promoted_run_id,
        "gradedHash": found.graded_hash,
        "createdAt": iso(found.created_at),
        "updatedAt": None if found.updated_at is None else iso(found.updated_at),
    }


def _file(file: datasets.ExampleFile, place: str | None, referred: set[str] | None) -> Mapping[str, Any]:
    body = {
        "name": _below(file),
        **({} if place is None else {"url": f"{PREFIXES[0]}{place}"}),
        "size": file.size,
        "sha256": file.sha256,
        "contentType": file.content_type,
    }
    # Where the JSON was not read, nobody knows.
    return body if referred is None else {**body, "referenced": file.path in referred}


def _version(found: datasets.PastVersion, people: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "fromRevision": found.from_revision,
        "toRevision": found.to_revision,
        "action": found.action,
        "gradedHash": found.graded_hash,
        "createdBy": found.created_by,
        "email": people.get(found.created_by or ""),
        "createdAt": iso(found.created_at),
    }


def _below(file: datasets.ExampleFile) -> str:
    return file.path.removeprefix(f"{file.folder}/")
