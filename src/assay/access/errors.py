"""Why a caller is not let in."""

import math

from assay.errors import AssayError, ErrorKind, ForbiddenError


class UnauthenticatedError(AssayError):
    """The API key is not valid."""

    # One text for unknown, revoked and expired keys: it must not tell a stranger which keys existed.
    kind = ErrorKind.UNAUTHENTICATED
    code = "unauthorized"
    hint = "Make a key with `assay keys create` and send it as `Authorization: Bearer asy_…`."


class InsufficientScopeError(ForbiddenError):
    """The API key lacks the scope that this needs."""

    code = "insufficient_scope"


class RateLimitedError(AssayError):
    """The API key has made too many requests; wait before the next one."""

    kind = ErrorKind.RATE_LIMITED
    code = "rate_limited"

    def __init__(self, seconds: float) -> None:
        """Say after how many seconds the next request is accepted."""
        self.retry_after = max(1, math.ceil(seconds))
        """Whole seconds, at least one."""
        super().__init__(hint=f"Try again in {self.retry_after} s.")


class SignInRefusedError(AssayError):
    """Address and password do not belong together."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "sign_in_refused"
    hint = "Ask an administrator for a new link: `assay users link --email …` prints one."


class TooManyAttemptsError(RateLimitedError):
    """Too many attempts to sign in failed lately; wait before the next one."""

    code = "too_many_attempts"
