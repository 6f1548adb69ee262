"""Who looks at a page: the session behind the cookie, and whether the page is for them."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from assay import access, api, reviews
from assay.dashboard.page_policy import scope_of_page
from assay.dashboard.security import check_form, csrf_token
from assay.errors import NotFoundError
from assay.server import Server

COOKIE = "assay_session"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in. `csrf` goes into every form."""

    caller: access.Caller
    csrf: str

    @property
    def name(self) -> str:
        """What to call them."""
        return self.caller.name or self.caller.email or "?"

    @property
    def reviewer_only(self) -> bool:
        """Whether reviewing is all they may do."""
        return not self.caller.may("runs:read")


def server_of(request: Request) -> Server:
    """Return what the process serves."""
    return cast("Server", request.app.state.server())


def site_url(request: Request) -> str:
    """Return where people reach this server."""
    return api.site_url(server_of(request), request)


async def signed_in(request: Request) -> Visitor:
    """Return who is signed in and may see this page.

    Raises:
        UnauthenticatedError: nobody is, or the session has ended.
        InsufficientScopeError: the page is not for them.
        ForeignFormError: a change does not come from one of our forms.
        NotFoundError: the path names something that cannot exist.
        RunNotFoundError: the path names a run, which whoever may only review is not to know of.
    """
    token = request.cookies.get(COOKIE)
    async with server_of(request).database.single_statement() as tx:
        caller = await access.session_caller(tx, token)
    assert token is not None, "there is no session without a cookie"
    access.require(caller, scope_of_page(request.method, request.scope["route"].path))
    if any("\x00" in str(value) for value in request.path_params.values()):
        raise NotFoundError
    if caller.only_reviews and "run_id" in request.path_params:
        async with server_of(request).database.single_statement() as tx:
            await reviews.check_reach(tx, caller, request.path_params["run_id"])
    await check_form(request, token)
    return Visitor(caller, csrf_token(token))


SignedIn = Annotated[Visitor, Depends(signed_in)]
Here = Annotated[Server, Depends(server_of)]
