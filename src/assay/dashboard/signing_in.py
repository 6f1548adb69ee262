"""Signing in and out, by password or by a link, and the page of one's own account."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from assay import access
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import Page, render
from assay.dashboard.security import check_stranger
from assay.dashboard.visitors import COOKIE, Here, SignedIn, server_of, site_url
from assay.errors import AssayError, InvalidValueError

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage(Page):
    """The form to sign in: `next` is where to go then, `problem` what was wrong the last time, `hint` what helps.

    `provider` is the name of the provider that people may sign in by, None where there is none.
    """

    template: ClassVar[str] = "sign_in.html"

    next: str
    email: str
    problem: str | None
    hint: str | None
    provider: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage(Page):
    """A link is used up by a click, not by whatever looks at it beforehand."""

    template: ClassVar[str] = "sign_in_link.html"

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage(Page):
    """One's own account: browsers one is signed in with, and the password."""

    template: ClassVar[str] = "account.html"

    sessions: Sequence[access.Session]
    this_session: str
    problem: str | None
    done: str | None


@router.get("/sign-in")
async def sign_in_form(request: Request) -> Response:
    """Show the form."""
    return sign_in_page(request, following=inside(request.query_params.get("next")))


@router.post("/sign-in")
async def sign_in(request: Request, server: Here) -> Response:
    """Begin a session, or say that address and password do not belong together."""
    check_stranger(request)
    form = await request.form()
    email, password = str(form.get("email", "")), str(form.get("password", ""))
    following = inside(str(form.get("next", "")))
    try:
        session = await _begin(request, email, password)
    except AssayError as error:
        return sign_in_page(request, following=following, email=email[:320], problem=error)
    return begun(request, session, following)


async def _begin(request: Request, email: str, password: str) -> access.NewSession:
    problem: AssayError | None = None
    session: access.NewSession | None = None
    # The failure is noted in the transaction, so the error must not roll it back.
    async with server_of(request).database.transaction() as tx:
        organization, _ = await access.ensure_default_organization(tx)
        try:
            session = await access.sign_in(
                tx,
                organization.id,
                email.replace("\x00", ""),
                password,
                network=_network(request),
                user_agent=request.headers.get("user-agent"),
            )
        except access.SignInRefusedError as error:
            problem = error
    if session is None:
        assert problem is not None, "either there is a session or a reason"
        raise problem
    return session


@router.get("/sign-in/link/{token}")
async def link_form(request: Request, token: str) -> Response:
    """Ask for the click that uses the link."""
    return render(request, None, LinkPage(title="Sign in", token=token[:200]))


@router.post("/sign-in/link/{token}")
async def use_link(request: Request, token: str, server: Here) -> Response:
    """Begin a session with a link; who came by an invitation is asked for a password next."""
    check_stranger(request)
    try:
        async with server.database.transaction() as tx:
            session, purpose = await access.sign_in_by_link(tx, token, user_agent=request.headers.get("user-agent"))
    except access.SignInRefusedError as error:
        return sign_in_page(request, problem=error)
    return begun(request, session, "/account" if purpose in {"first", "invitation"} else "/")


@router.post("/sign-out")
async def sign_out(visitor: SignedIn, server: Here) -> Response:
    """End this session."""
    caller = visitor.caller
    async with server.database.transaction() as tx:
        await access.end_sessions(tx, caller, caller.user_id, session_id=caller.key_id)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/account")
async def account(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Show where one is signed in, and the form for a new password."""
    return await _account(request, visitor, problem=None, done=None)


@router.post("/account/password")
async def change_password(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Give oneself a new password; every other session ends."""
    form = await request.form()
    try:
        async with server.database.transaction() as tx:
            await access.set_password(tx, visitor.caller, str(form.get("password", "")))
    except InvalidValueError as error:
        return await _account(request, visitor, problem=error.message, done=None)
    return await _account(request, visitor, problem=None, done="The password is changed; other sessions have ended.")


@router.post("/account/sessions/{session_id}/end")
async def end_session(session_id: str, visitor: SignedIn, server: Here) -> Response:
    """End one of one's own sessions."""
    async with server.database.transaction() as tx:
        await access.end_sessions(tx, visitor.caller, visitor.caller.user_id, session_id=session_id)
    return RedirectResponse("/account", 303)


async def _account(request: Request, visitor: SignedIn, *, problem: str | None, done: str | None) -> Response:
    async with server_of(request).database.transaction() as tx:
        sessions = await access.list_sessions(tx, visitor.caller.organization_id, visitor.caller.user_id)
    page = AccountPage(
        title="Your account", sessions=sessions, this_session=visitor.caller.key_id, problem=problem, done=done
    )
    return render(request, visitor, page, 400 if problem else 200)


def sign_in_page(
    request: Request, *, following: str = "/", email: str = "", problem: AssayError | None = None
) -> Response:
    """Show the form to sign in, and what was wrong the last time."""
    open_id = server_of(request).open_id
    page = SignInPage(
        title="Sign in",
        next=following,
        email=email,
        problem=problem.message if problem else None,
        hint=problem.hint if problem else None,
        provider=open_id.registration.name if open_id else None,
    )
    return render(request, None, page, status_of(problem) if problem else 200)


def begun(request: Request, session: access.NewSession, following: str) -> Response:
    """Give the browser its session, in place of one that it may have had, and go on to a path of ours."""
    answer = RedirectResponse(following, 303)
    answer.set_cookie(
        COOKIE,
        session.token,
        expires=session.session.expires_at,
        path="/",
        httponly=True,
        secure=site_url(request).startswith("https:"),
        samesite="lax",
    )
    return answer


def inside(target: str | None) -> str:
    """Return a path of ours to go on to, whatever was asked for."""
    safe = target and target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if target and safe else "/"


def _network(request: Request) -> str:
    # Behind a proxy it is what that says.
    return request.client.host[:100] if request.client else "unknown"
