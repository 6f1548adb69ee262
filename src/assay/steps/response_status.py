"""When a request fails a step, by its status or for want of a response, and whether to try again."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from assay import clock
from assay.outgoing import (
    AddressForbiddenError,
    HostUnknownError,
    HostUnreachableError,
    OutgoingError,
    Response,
    TooSlowError,
)
from assay.steps.base import FailureCategory, StepError

_BY_STATUS: dict[int, tuple[str, FailureCategory, str]] = {
    401: ("http_unauthenticated", "authentication", "does not accept the credentials"),
    403: ("http_forbidden", "authorization", "does not allow this"),
    404: ("http_not_found", "not_found", "knows no such address"),
    408: ("http_timeout", "timeout", "gave up waiting"),
    410: ("http_not_found", "not_found", "no longer knows the address"),
    429: ("http_rate_limited", "rate_limited", "takes no more requests for now"),
    502: ("http_unavailable", "temporarily_unavailable", "is not available"),
    503: ("http_unavailable", "temporarily_unavailable", "is not available"),
    504: ("http_unavailable", "temporarily_unavailable", "is not available"),
}
SHOWN_CHARACTERS = 300


def fail_on_status(response: Response, host: str) -> None:
    """Let responses below 400 pass.

    Raises:
        StepError: the status is 400 or higher; it carries the status, and how long the host wants to be left alone.
    """
    if response.status < 400:
        return
    refused: tuple[str, FailureCategory, str] = ("http_rejected", "validation", "refuses the request")
    failed: tuple[str, FailureCategory, str] = ("http_failed", "unknown", "failed")
    code, category, what = _BY_STATUS.get(response.status, refused if response.status < 500 else failed)
    said = response.body[: SHOWN_CHARACTERS * 4].decode(errors="replace").strip()[:SHOWN_CHARACTERS]
    raise StepError(
        code,
        f"{host} {what} (status {response.status}){f': {said}' if said else '.'}",
        category=category,
        http_status=response.status,
        provider=host,
        retry_after_ms=retry_after_ms(response.headers.get("retry-after")),
    )


def retry_after_ms(text: str | None) -> int | None:
    """Read a `Retry-After` header, which holds seconds or a date; None where it holds neither."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text) * 1000
    try:
        return max(0, round((parsedate_to_datetime(text) - clock.now()).total_seconds() * 1000))
    except (ValueError, TypeError, OverflowError):
        return None


_CATEGORIES: Mapping[type[OutgoingError], FailureCategory] = {
    AddressForbiddenError: "authorization",
    HostUnknownError: "not_found",
    HostUnreachableError: "temporarily_unavailable",
    TooSlowError: "timeout",
}


def request_failed(error: OutgoingError) -> StepError:
    """Say why there is no response, as a failure of a step."""
    category = _CATEGORIES.get(type(error), "validation")
    return StepError(error.code, error.message, category=category, hint=error.hint)
