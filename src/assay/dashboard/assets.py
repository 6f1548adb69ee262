"""Static files: each under a URL that names its content, so that a browser keeps it for good."""

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

FOLDER = Path(__file__).parent / "static"
_FOREVER = "public, max-age=31536000, immutable"
mimetypes.add_type("text/javascript", ".js")

router = APIRouter()


@cache
def asset_url(name: str) -> str:
    """Return the URL of a static file; it changes with the file's content.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    digest = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]
    return f"/static/{digest}/{name}"


@router.get("/static/{digest}/{name:path}")
async def serve(digest: str, name: str) -> Response:
    """Serve a static file under its present URL; anything else is not there."""
    path = (FOLDER / name).resolve()
    if not path.is_relative_to(FOLDER) or not path.is_file() or asset_url(name) != f"/static/{digest}/{name}":
        return Response(status_code=404)
    return FileResponse(path, headers={"Cache-Control": _FOREVER, "X-Content-Type-Options": "nosniff"})
