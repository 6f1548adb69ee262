"""What a caller of the client may have to catch.

AssayClientError
├── InvalidBaseUrlError        the address is no http(s) URL
├── InvalidArgumentError       what was given cannot be sent
├── ConnectionFailedError      nothing answered, or the connection broke
├── UnexpectedAnswerError      something answered, but no assay server
├── FileBesideError            a file cannot travel with a workflow (in `beside`)
├── WaitTimeoutError           the run was not finished in time; it goes on
└── ApiError                   the server refused
    ├── InvalidRequestError    400
    ├── UnauthenticatedError   401
    ├── ForbiddenError         403
    ├── NotFoundError          404
    ├── ConflictError          409
    ├── TooLargeError          413
    ├── RateLimitedError       429
    └── ServerError            5xx
"""

from collections.abc import Mapping
from typing import Any, cast

_FALLBACK = "The server answered with status {status}."


class AssayClientError(Exception):
    """Base of all errors of the client; `hint` says what to try, where that is known."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep the message and the hint."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidBaseUrlError(AssayClientError):
    """The address of the server is no http(s) URL."""


class InvalidArgumentError(AssayClientError, ValueError):
    """What was given cannot be sent: a number that JSON has not, or no name of anything; nothing was."""


class ConnectionFailedError(AssayClientError):
    """Nothing answered, or the connection broke before the answer was complete."""


class UnexpectedAnswerError(AssayClientError):
    """Something answered that does not speak the API."""


class WaitTimeoutError(AssayClientError):
    """The run was not finished in time; `run` is its last known state, and it goes on."""

    def __init__(self, message: str, run: Mapping[str, Any]) -> None:
        """Keep the run."""
        super().__init__(message)
        self.run = run


class ApiError(AssayClientError):
    """The server refused; `body` is its whole answer.

    `issues` are its objects `{field, message, code, severity}`, with `line`, `column` and `hint`
    where the server gives them; `code` is that of the first.
    """

    def __init__(self, status: int, body: Mapping[str, Any], request_id: str | None) -> None:
        """Read the envelope; a missing or foreign one is survived."""
        found: object = body.get("issues")
        items = cast("list[object]", found) if isinstance(found, list) else []
        self.issues = [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]
        first = self.issues[0] if self.issues else {}
        super().__init__(
            str(first.get("message") or _FALLBACK.format(status=status)),
            hint=body.get("hint") or first.get("hint"),
        )
        self.status = status
        self.body = body
        self.code = str(first.get("code") or "unknown")
        self.request_id: str | None = body.get("requestId") or request_id


class InvalidRequestError(ApiError):
    """The server does not accept what was sent."""


class UnauthenticatedError(ApiError):
    """The API key is missing or not valid."""


class ForbiddenError(ApiError):
    """The API key may not do this, or a trigger is off."""


class NotFoundError(ApiError):
    """There is no such thing, at least not for this API key."""


class ConflictError(ApiError):
    """The change collides with something that exists."""


class TooLargeError(ApiError):
    """What was sent, or asked for, is larger than the server accepts."""


class RateLimitedError(ApiError):
    """Too many requests, also after the repetitions."""


class ServerError(ApiError):
    """The server failed, also after the repetitions."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    429: RateLimitedError,
}


def api_error(status: int, body: Mapping[str, Any], request_id: str | None) -> ApiError:
    """Return the error that a status stands for."""
    kind = ServerError if status >= 500 else _BY_STATUS.get(status, ApiError)
    return kind(status, body, request_id)
