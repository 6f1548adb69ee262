"""Where somebody lands: on the first page that is for them."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from assay.dashboard.navigation import places_for
from assay.dashboard.visitors import SignedIn

router = APIRouter()


@router.get("/")
async def home(visitor: SignedIn) -> Response:
    """Go on to the first entry of the navigation."""
    return RedirectResponse(places_for(visitor.caller)[0].url, 303)
