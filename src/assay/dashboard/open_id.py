"""Signing in by a provider: the way there and back, which only the browser that began it can finish."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from assay import access
from assay.dashboard.signing_in import begun, inside, sign_in_page
from assay.dashboard.visitors import Here, site_url
from assay.errors import AssayError, NotFoundError
from assay.server import Server

router = APIRouter()

ATTEMPT_COOKIE = "assay_open_id"
_PATH = "/sign-in/open-id"
_LONGEST_PATH = 2000


@router.get(_PATH)
async def go(request: Request, server: Here) -> Response:
    """Send the browser to the provider; `next` is where it goes once signed in."""
    provider = _provider(server)
    following = inside(request.query_params.get("next"))
    try:
        async with server.database.transaction() as tx:
            organization, _ = await access.ensure_default_organization(tx)
            attempt = await access.begin_open_id(tx, organization.id, following[:_LONGEST_PATH])
        address = await provider.address(attempt)
    except AssayError as error:
        return sign_in_page(request, following=following, problem=error)
    answer = RedirectResponse(address, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    answer.set_cookie(
        ATTEMPT_COOKIE,
        attempt.token,
        max_age=access.OPEN_ID_MINUTES * 60,
        path=_PATH,
        httponly=True,
        secure=site_url(request).startswith("https:"),
        samesite="lax",
    )
    return answer


@router.get(f"{_PATH}/callback")
async def come_back(request: Request, server: Here) -> Response:
    """Begin a session for whom the provider vouches for, or say why not."""
    try:
        session, following = await _finished(request, server, _provider(server))
    except AssayError as error:
        answer = sign_in_page(request, problem=error)
    else:
        answer = begun(request, session, following)
    answer.delete_cookie(ATTEMPT_COOKIE, path=_PATH)
    return answer


async def _finished(request: Request, server: Server, provider: access.OpenIdProvider) -> tuple[access.NewSession, str]:
    given = request.query_params
    async with server.database.transaction() as tx:
        organization, _ = await access.ensure_default_organization(tx)
        attempt, following = await access.finish_open_id(
            tx, organization.id, request.cookies.get(ATTEMPT_COOKIE), given.get("state")
        )
    code = given.get("code")
    if not code or given.get("iss", provider.registration.issuer) != provider.registration.issuer:
        message = f"{provider.registration.name} did not sign you in."
        raise access.OpenIdRefusedError(message, hint="Begin again.")
    identity = await provider.redeem(attempt, code)
    async with server.database.transaction() as tx:
        session = await access.sign_in_by_open_id(
            tx, organization.id, identity, provider.registration, user_agent=request.headers.get("user-agent")
        )
    return session, following


def _provider(server: Server) -> access.OpenIdProvider:
    if server.open_id is None:
        raise NotFoundError
    return server.open_id
