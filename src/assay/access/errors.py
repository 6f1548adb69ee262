"""Why a caller is not let in."""

import math

from assay.errors import AssayError, ErrorKind, ForbiddenError, UnavailableError


class UnauthenticatedError(AssayError):
    """The API key is not valid."""

    # One text for unknown, revoked and expired keys: it must not tell a stranger which keys existed.
    kind = ErrorKind.UNAUTHENTICATED
    code = "unauthorized"
    hint = "Make a key with `assay keys create` and send it as `Authorization: Bearer asy_…`."


class InsufficientScopeError(ForbiddenError):
    """The API key, or whoever is signed in, lacks the scope that this needs."""

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


class OwnersOnlyError(ForbiddenError):
    """Only an owner makes owners, or changes what an owner may and is signed in with."""

    code = "owners_only"
    hint = "Ask an owner of the organization."


class OperatorsOnlyError(ForbiddenError):
    """What concerns the whole server is told to the organization that it began with, and to no other."""

    code = "operators_only"
    hint = "Ask whoever runs the server."


class OpenIdRefusedError(SignInRefusedError):
    """The sign-in provider has vouched for nobody who may sign in here."""

    code = "open_id_refused"
    hint = "Ask an administrator to invite you, or sign in with a password or a link."


class IdTokenInvalidError(OpenIdRefusedError):
    """What the sign-in provider answered cannot be trusted."""

    code = "id_token_invalid"
    hint = "The server's log says what was wrong with it."

    def __init__(self, reason: str) -> None:
        """Keep what was wrong, for the log."""
        self.reason = reason
        super().__init__()


class IdTokenSignatureError(IdTokenInvalidError):
    """What the sign-in provider answered is signed with no key of its own."""


class OpenIdUnavailableError(UnavailableError):
    """The sign-in provider cannot be used at the moment."""

    code = "open_id_unavailable"
    hint = "Sign in with a password or a link, or try again later. The server's log says what is wrong."
