"""What an error looks like on the wire: kind to status, one envelope for all of them."""

import logging
from collections.abc import Sequence
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from typing_extensions import override

from assay import jsontext
from assay.db import DatabaseUnavailableError
from assay.errors import AssayError, ErrorKind, Issue

log = logging.getLogger(__name__)

STATUS = {
    ErrorKind.INVALID: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.STALE: 412,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.UNAVAILABLE: 503,
}
RETRY_AFTER_SECONDS = 2


class JsonResponse(Response):
    """A JSON body written by `jsontext`: compact, in the order of the keys."""

    media_type = "application/json"

    @override
    def render(self, content: Any) -> bytes:
        """Write the body."""
        return jsontext.write(content).encode()


def envelope(request: Request, issues: Sequence[Issue], hint: str | None = None) -> dict[str, Any]:
    """Build the body of every answer that is not a success."""
    body: dict[str, Any] = {"issues": [issue_body(issue) for issue in issues], "requestId": request.state.request_id}
    hint = hint or next((issue.hint for issue in issues if issue.hint), None)
    return body if hint is None else {**body, "hint": hint}


def error_response(request: Request, error: AssayError) -> Response:
    """Answer a domain error."""
    body = envelope(request, error.issues, error.hint)
    conflicting = getattr(error, "conflicting_workflow_id", None)
    if conflicting is not None:
        body["conflictingWorkflowId"] = conflicting
    decision = getattr(error, "decision", None)
    if decision is not None:
        body["gate"] = decision
    return JsonResponse(body, STATUS[error.kind], headers=_headers(error))


def install(app: FastAPI) -> None:
    """Make the app answer every error with the envelope."""

    async def domain(request: Request, error: Exception) -> Response:
        assert isinstance(error, AssayError)
        return error_response(request, error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_value")
        issue = Issue("<root>", str(error.detail), code)
        return JsonResponse(envelope(request, [issue]), error.status_code, headers=error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        issues = [Issue(_location(found["loc"]), found["msg"], "invalid_value") for found in error.errors()]
        return JsonResponse(envelope(request, issues), 400)

    async def gone(request: Request, _error: Exception) -> Response:
        # Nobody reads this answer; it keeps a caller who hung up out of the count and the log of our own failures.
        issue = Issue("<root>", "The connection was closed before the whole body had come.", "incomplete_body")
        return JsonResponse(envelope(request, [issue]), 400)

    async def slow(request: Request, _error: Exception) -> Response:
        issue = Issue("<root>", "The database took too long to answer this.", "query_timeout")
        hint = "Narrow the question: name an automation, a status or a time."
        return JsonResponse(envelope(request, [issue], hint), 503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed inside assay.", request.method, request.url.path, exc_info=error)
        issue = Issue("<root>", "assay itself failed; the server's log says more.", "internal_error")
        return JsonResponse(envelope(request, [issue]), 500)

    async def unavailable(request: Request, _error: Exception) -> Response:
        return error_response(request, DatabaseUnavailableError())

    app.add_exception_handler(AssayError, domain)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(asyncpg.QueryCanceledError, slow)
    app.add_exception_handler(TimeoutError, slow)
    app.add_exception_handler(asyncpg.PostgresConnectionError, unavailable)
    app.add_exception_handler(Exception, unexpected)


def issue_body(issue: Issue) -> dict[str, Any]:
    """Write one thing that is wrong, or a warning, as every answer has it."""
    body: dict[str, Any] = {
        "field": issue.field or "<root>",  # what strangers send may have no name
        "message": issue.message,
        "code": issue.code,
        "severity": issue.severity,
    }
    for name in ("hint", "line", "column"):
        value = getattr(issue, name)
        if value is not None:
            body[name] = value
    return body


def _headers(error: AssayError) -> dict[str, str]:
    if error.kind is ErrorKind.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    if error.kind is ErrorKind.UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if error.kind is ErrorKind.RATE_LIMITED:
        return {"Retry-After": str(getattr(error, "retry_after", RETRY_AFTER_SECONDS))}
    return {}


def _location(path: Sequence[str | int]) -> str:
    inner = [str(part) for part in path if part not in {"query", "path", "body", "header"}]
    return ".".join(inner) or "<root>"
