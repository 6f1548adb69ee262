"""Reusable files: uploaded once, named in any number of runs."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from assay import files
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.api.multipart import MalformedMultipartError, open_form
from assay.clock import iso

router = APIRouter(tags=["files"])


@router.post("/files")
async def create_file(request: Request, caller: Authorized, server: Here) -> Response:
    """Upload a file: multipart with one part `file`, and `purpose` if you like."""
    async with open_form(request, server.blobs, server.settings.max_body_bytes) as form:
        if [part.name for part in form.files] != ["file"]:
            message = "Send exactly one file, as the part `file`."
            raise MalformedMultipartError(message, field="file")
        part = form.files[0]
        async with server.database.transaction() as tx:
            stored = await files.create(
                tx,
                organization_id=caller.organization_id,
                filename=part.filename,
                content_type=part.content_type,
                blob=await server.blobs.keep(tx, part.spool),
                purpose=form.texts.get("purpose"),
                created_by=caller.user_id,
            )
    return JsonResponse(_file(stored))


@router.get("/files/{file_id}")
async def get_file(file_id: str, caller: Authorized, server: Here) -> Response:
    """Read what is known of a file."""
    async with server.database.single_statement() as tx:
        return JsonResponse(_file(await files.get(tx, caller.organization_id, file_id)))


@router.delete("/files/{file_id}")
async def delete_file(file_id: str, caller: Authorized, server: Here) -> Response:
    """Delete a file; runs that were started with it keep their copy."""
    async with server.database.transaction() as tx:
        deleted = await files.delete(tx, caller.organization_id, file_id)
    await server.blobs.forget(server.database, [deleted.sha256])
    return JsonResponse({"deleted": True})


@router.get("/files/{file_id}/content")
async def get_content(file_id: str, caller: Authorized, server: Here) -> Response:
    """Send a file's bytes."""
    async with server.database.single_statement() as tx:
        found = await files.get(tx, caller.organization_id, file_id)
    headers = files.download_headers(found.filename, found.content_type)
    return StreamingResponse(
        await server.blobs.stream(found.sha256), headers={**headers, "Content-Length": str(found.size)}
    )


def _file(found: files.StoredFile) -> dict[str, Any]:
    return {
        "id": found.id,
        "filename": found.filename,
        "contentType": found.content_type,
        "size": found.size,
        "purpose": found.purpose,
        "createdAt": iso(found.created_at),
    }
