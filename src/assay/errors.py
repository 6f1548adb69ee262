"""What every error of the product has in common: a kind, a stable code, a message and a hint.

The doors (api, cli) translate the kind; nothing below them knows a status or an exit code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

Severity = Literal["error", "warning"]


class ErrorKind(StrEnum):
    """What sort of thing went wrong, in the caller's terms."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    STALE = "stale"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with what the caller sent.

    `field` is a path (`steps.2.with.pattern`, `contracts[0].fileId`) or `<root>`; `line` and
    `column` count from 1 and are given for text the caller wrote (YAML).
    """

    field: str
    message: str
    code: str
    severity: Severity = "error"
    hint: str | None = None
    line: int | None = None
    column: int | None = None


class AssayError(Exception):
    """Base of all errors that reach a caller.

    A subclass's docstring is its default message, so it is written for the person who reads it.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    code: str = "invalid_value"
    hint: str | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str = "<root>",
        hint: str | None = None,
        issues: Sequence[Issue] = (),
    ) -> None:
        """Keep the message, the field it is about, and every single issue where there are several."""
        self.message = message or (type(self).__doc__ or "").split("\n\n")[0].replace("\n", " ").strip()
        self.field = field
        if hint is not None:
            self.hint = hint
        self.issues: tuple[Issue, ...] = tuple(issues) or (Issue(field, self.message, self.code),)
        super().__init__(self.message)


class InvalidValueError(AssayError):
    """The value is not acceptable."""


class NotFoundError(AssayError):
    """There is no such thing here."""

    kind = ErrorKind.NOT_FOUND
    code = "not_found"


class ConflictError(AssayError):
    """The change collides with something that exists."""

    kind = ErrorKind.CONFLICT
    code = "conflict"


class ForbiddenError(AssayError):
    """The key may not do this."""

    kind = ErrorKind.FORBIDDEN
    code = "forbidden"


class TooLargeError(AssayError):
    """That is larger than this server accepts."""

    kind = ErrorKind.TOO_LARGE
    code = "too_large"


class UnavailableError(AssayError):
    """The server cannot answer right now; try again shortly."""

    kind = ErrorKind.UNAVAILABLE
    code = "unavailable"
