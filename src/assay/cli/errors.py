"""How a command fails: which exit code, and the one line and the hint that a person gets."""

import sys
import traceback
from collections.abc import Sequence

import typer

from assay.cli import formats
from assay.cli.failure import ExitCode, Failure
from assay.errors import AssayError
from assay_client import (
    ApiError,
    AssayClientError,
    ConnectionFailedError,
    InvalidArgumentError,
    ServerError,
    UnauthenticatedError,
)
from assay_client import WaitTimeoutError as RunTimeoutError


def report(error: Exception, *, debug: bool) -> int:
    """Tell the person on stderr what went wrong; return the exit code."""
    message, hint = _told(error)
    lines = [f"error: {message}", *_other_issues(error)]
    if hint:
        lines.append(f"hint: {hint}")
    if debug:
        traceback.print_exception(error)
    for line in lines:
        sys.stderr.write(f"{formats.visible(line)}\n")
    return _exit_code(error)


def _exit_code(error: Exception) -> int:
    if isinstance(error, Failure):
        return error.exit_code
    if isinstance(error, typer.TyperException):
        return error.exit_code
    return ExitCode.MISUSED if isinstance(error, RunTimeoutError | InvalidArgumentError) else ExitCode.FAILED


def _told(error: Exception) -> tuple[str, str | None]:
    if isinstance(error, typer.TyperException):
        context: typer.Context | None = getattr(error, "ctx", None)
        # Typer says by which exception a value was refused.
        message = error.format_message().replace(": Value error, ", ": ")
        return message, f"{context.command_path} --help" if context else None
    if isinstance(error, ApiError):
        return _first_issue(error), _api_hint(error)
    if isinstance(error, Failure | AssayClientError | AssayError):
        return error.message, error.hint or _connection_hint(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""), None
    return f"assay itself failed: {type(error).__name__}: {error}", "ASSAY_DEBUG=1 shows where."


def _first_issue(error: ApiError) -> str:
    field = str(error.issues[0].get("field", "<root>")) if error.issues else "<root>"
    return error.message if field == "<root>" else f"{field}: {error.message}"


def _other_issues(error: Exception) -> Sequence[str]:
    if isinstance(error, ApiError):
        return [f"       {issue.get('field')}: {issue.get('message')}" for issue in error.issues[1:]]
    if isinstance(error, AssayError):
        return [f"       {issue.field}: {issue.message}" for issue in error.issues[1:]]
    return []


def _api_hint(error: ApiError) -> str | None:
    if isinstance(error, UnauthenticatedError):
        return "ASSAY_API_KEY must hold a key of this server; `assay keys create` makes one."
    if error.code == "insufficient_scope":
        return "`assay status` says what the key may do; `assay keys create --scope …` makes another one."
    if isinstance(error, ServerError) and error.request_id:
        return error.hint or f"The server's log may say more about the request {error.request_id}."
    return error.hint


def _connection_hint(error: Exception) -> str | None:
    if not isinstance(error, ConnectionFailedError):
        return None
    return "`assay serve` starts a server; --base-url or ASSAY_BASE_URL names another one."
