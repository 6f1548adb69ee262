"""How much room the server takes, and where its files lie."""

from fastapi import APIRouter
from starlette.responses import Response

from assay import access, db
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse

router = APIRouter(tags=["access"])


@router.get("/storage")
async def get_storage(caller: Authorized, server: Here) -> Response:
    """Tell how large the database is, by table, and how much room the disk of the files has left; sizes in bytes.

    Rows are the database's own estimates. Figures are of the whole server, so only the organization that it began with
    is told them.
    """
    access.check_operates(caller)
    found = await db.figures(server.database)
    room = server.blobs.room()
    return JsonResponse(
        {
            "database": {
                "version": found.version,
                "size": found.size,
                "tables": [{"name": one.name, "size": one.size, "rows": one.rows} for one in found.tables],
            },
            "files": {"folder": room.folder, "free": room.free, "total": room.total},
        }
    )
