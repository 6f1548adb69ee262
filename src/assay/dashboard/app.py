"""The dashboard's application: its pages, its static files, and how errors look."""

from collections.abc import Callable
from urllib.parse import urlencode

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from assay.dashboard import (
    assets,
    automation_new,
    automation_overview,
    automation_settings,
    automation_workflow,
    automations,
    dataset,
    dataset_coverage,
    dataset_import,
    dataset_revisions,
    document_pages,
    evaluators,
    example_detail,
    example_documents,
    experiment_comparison,
    experiment_detail,
    experiments,
    feedback_panel,
    gate,
    home,
    live,
    monitoring,
    open_id,
    reference,
    review,
    review_item,
    run_actions,
    run_detail,
    run_pane,
    run_start,
    runs,
    settings_audit,
    settings_keys,
    settings_members,
    settings_providers,
    settings_server,
    settings_webhooks,
    signing_in,
)
from assay.dashboard.error_page import ErrorPage, status_of
from assay.dashboard.rendering import render
from assay.errors import AssayError, ErrorKind
from assay.server import Server

ROUTERS = (
    assets.router,
    signing_in.router,
    open_id.router,
    live.router,
    home.router,
    automations.router,
    automation_new.router,
    experiments.router,
    experiment_detail.router,
    experiment_comparison.router,
    gate.router,
    automation_overview.router,
    automation_workflow.router,
    automation_settings.router,
    dataset.router,
    dataset_coverage.router,
    dataset_import.router,
    dataset_revisions.router,
    evaluators.router,
    example_detail.router,
    example_documents.router,
    document_pages.router,
    monitoring.router,
    reference.router,
    review.router,
    feedback_panel.router,
    review_item.router,
    run_start.router,
    runs.router,
    run_actions.router,
    run_pane.router,
    run_detail.router,
    settings_audit.router,
    settings_keys.router,
    settings_members.router,
    settings_providers.router,
    settings_server.router,
    settings_webhooks.router,
)


def create_app(server: Callable[[], Server]) -> FastAPI:
    """Build the application; `server` gives what it runs on once the process serves."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.server = server
    app.state.board = live.Board()
    app.add_exception_handler(AssayError, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(asyncpg.QueryCanceledError, _slow)
    app.add_exception_handler(Exception, _broken)
    for router in ROUTERS:
        app.include_router(router)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AssayError)
    if error.kind is ErrorKind.UNAUTHENTICATED:
        return _to_sign_in(request)
    return _page(request, status_of(error), error.message, error.hint, error.code)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _page(request, error.status_code, "There is no such page.", None, "not_found")


async def _misread(request: Request, _error: Exception) -> Response:
    return _page(request, 400, "The page did not understand this request.", None, "invalid_value")


async def _slow(request: Request, _error: Exception) -> Response:
    hint = "Narrow the question: name an automation, a status or a time."
    return _page(request, 503, "The database took too long to answer this.", hint, "query_timeout")


async def _broken(request: Request, _error: Exception) -> Response:
    message = "assay itself failed here; the server's log says more."
    return _page(request, 500, message, "Try again; if it stays, tell who runs this server.", "internal_error")


def _to_sign_in(request: Request) -> Response:
    back = request.url.path if request.method == "GET" else "/"
    url = f"/sign-in?{urlencode({'next': back})}"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": url})
    return RedirectResponse(url, 303)


def _page(request: Request, status: int, message: str, hint: str | None, code: str) -> Response:
    page = ErrorPage(title="Error", status=status, message=message, hint=hint, code=code)
    return render(request, None, page, status)
