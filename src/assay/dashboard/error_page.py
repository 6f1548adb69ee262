"""What a reader sees when a page cannot be shown."""

from dataclasses import dataclass
from typing import ClassVar

from assay.dashboard.rendering import Page
from assay.errors import AssayError, ErrorKind

_STATUS = {
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage(Page):
    """An error: what is wrong, and what to do next."""

    template: ClassVar[str] = "error.html"

    status: int
    message: str
    hint: str | None
    code: str


def status_of(error: AssayError) -> int:
    """Return the HTTP status of an answer that shows an error."""
    return _STATUS[error.kind]
