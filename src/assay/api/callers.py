"""Who is calling, and whether the route's row in the policy lets them in."""

from typing import Annotated, cast

from fastapi import Depends, Request

from assay import access, reviews
from assay.errors import NotFoundError
from assay.server import Server

PREFIXES = ("/api/v1", "/v1")


def server_of(request: Request) -> Server:
    """Return what `create_app` was given."""
    return cast("Server", request.app.state.server)


def site_url(server: Server, request: Request) -> str:
    """Return where people reach this server: as it was configured, else as this request says."""
    return server.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"


def route_template(request: Request) -> str:
    """Return the path template of the route that answers, without the prefix it is mounted at."""
    template = cast("str", request.scope["route"].path)
    for prefix in PREFIXES:
        if template.startswith(f"{prefix}/"):
            return template.removeprefix(prefix)
    return template


async def authorized(request: Request) -> access.Caller:
    """Authenticate the caller, and check rate limit and scope.

    Raises:
        UnauthenticatedError: there is no valid key.
        RateLimitedError: the key asked too often.
        InsufficientScopeError: the key may not use this route.
        NotFoundError: the path names something that cannot exist.
        RunNotFoundError: the path names a run, which whoever may only review is not to know of.
    """
    server = server_of(request)
    async with server.database.single_statement() as tx:
        caller = await access.authenticate(tx, _token(request))
    server.limiter.take(caller.key_id)
    access.require(caller, access.scope_for(request.method, route_template(request)))
    # PostgreSQL cannot even be asked for a text with NUL in it.
    if any("\x00" in str(value) for value in request.path_params.values()):
        raise NotFoundError
    if caller.only_reviews and "run_id" in request.path_params:
        async with server.database.single_statement() as tx:
            await reviews.check_reach(tx, caller, request.path_params["run_id"])
    return caller


def _token(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


Authorized = Annotated[access.Caller, Depends(authorized)]
Here = Annotated[Server, Depends(server_of)]
