"""What a provider of sign-ins is asked, and how much of what it answers is read and kept."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from assay import clock
from assay.access import id_tokens
from assay.access.errors import IdTokenInvalidError, IdTokenSignatureError, OpenIdRefusedError, OpenIdUnavailableError
from assay.access.model import Identity, OpenIdRegistration, SignInAttempt
from assay.outgoing import Outgoing, OutgoingError, Response

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 256 * 1024
ANSWER_SECONDS = 10.0
KEPT = timedelta(hours=1)
RENEWED_EVERY = timedelta(minutes=1)
"""How often a token that no known key has signed makes us ask for the keys anew."""
TRIED_EVERY = timedelta(seconds=5)
SCOPE = "openid email profile"


class _Metadata(BaseModel):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


class _Keys(BaseModel):
    keys: list[dict[str, Any]]


class _Tokens(BaseModel):
    id_token: str
    access_token: str | None = None


class _Refusal(BaseModel):
    error: str


@dataclass(frozen=True, slots=True)
class _Description:
    metadata: _Metadata
    keys: "KeySet"
    read_at: datetime


_Document = TypeVar("_Document", bound=BaseModel)


class OpenIdProvider:
    """A provider of sign-ins by OpenID Connect: the authorization code flow with PKCE.

    What it says of itself and its keys are kept for an hour, and asked for by one request at a time. It is asked in
    the way of `Outgoing`, without following redirects, and has `seconds` for each answer.
    """

    def __init__(self, registration: OpenIdRegistration, seconds: float = ANSWER_SECONDS) -> None:
        """Ask nothing yet."""
        self.registration = registration
        self._outgoing = Outgoing(registration.allow, max_redirects=0)
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._description: _Description | None = None
        self._renewed_at = self._failed_at = datetime.min.replace(tzinfo=clock.now().tzinfo)

    async def address(self, attempt: SignInAttempt) -> str:
        """Return where a browser goes to sign in.

        Raises:
            OpenIdUnavailableError: the provider cannot be used.
        """
        from authlib.oauth2.rfc6749 import parameters  # noqa: PLC0415 # 100 ms that few servers need
        from authlib.oauth2.rfc7636 import (  # noqa: PLC0415 # see above
            create_s256_code_challenge,  # pyright: ignore[reportUnknownVariableType] # it has no types
        )

        metadata = (await self._described()).metadata
        challenge = cast("str", create_s256_code_challenge(attempt.verifier))
        wanted: dict[str, str] = {
            "client_id": self.registration.client_id,
            "response_type": "code",
            "redirect_uri": self.registration.redirect_uri,
            "scope": SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return cast("str", parameters.prepare_grant_uri(metadata.authorization_endpoint, **wanted))  # pyright: ignore[reportUnknownMemberType] # it has no types

    async def redeem(self, attempt: SignInAttempt, code: str) -> Identity:
        """Return whom the provider vouches for by a code; a code is good for one call.

        Raises:
            OpenIdUnavailableError: the provider cannot be used.
            OpenIdRefusedError: it does not take the code, has not verified the address, or cannot be believed.
        """
        description = await self._described()
        tokens = await self._tokens(description.metadata, attempt, code)
        try:
            try:
                return self._believed(tokens, description, attempt)
            except IdTokenSignatureError:
                return self._believed(tokens, await self._described(renew=True), attempt)
        except IdTokenInvalidError as error:
            log.warning("An ID token of %s was refused: %.200r", self.registration.issuer, error.reason)
            raise

    def _believed(self, tokens: _Tokens, description: _Description, attempt: SignInAttempt) -> Identity:
        return id_tokens.believed(
            tokens.id_token,
            description.keys,
            self.registration,
            nonce=attempt.nonce,
            access_token=tokens.access_token,
        )

    async def _described(self, *, renew: bool = False) -> _Description:
        async with self._lock:
            now = clock.now()
            renew = renew and now - self._renewed_at >= RENEWED_EVERY
            if self._description is not None and not renew and now - self._description.read_at < KEPT:
                return self._description
            if now - self._failed_at < TRIED_EVERY:
                raise OpenIdUnavailableError
            self._renewed_at = now if renew else self._renewed_at
            try:
                self._description = await self._ask_for_description()
            except OpenIdUnavailableError:
                self._failed_at = clock.now()
                raise
            return self._description

    async def _ask_for_description(self) -> _Description:
        url = f"{self.registration.issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = self._read(_Metadata, await self._ask("GET", url), url)
        if metadata.issuer != self.registration.issuer:
            raise self._unavailable(f"it calls itself {metadata.issuer[:200]!r}; ASSAY_OIDC_ISSUER has to be the same")
        for endpoint in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            self._check_secure(endpoint)
        found = self._read(_Keys, await self._ask("GET", metadata.jwks_uri), metadata.jwks_uri)
        return _Description(metadata, id_tokens.usable_keys(found.keys), clock.now())

    async def _tokens(self, metadata: _Metadata, attempt: SignInAttempt, code: str) -> _Tokens:
        headers, body = self._token_request(metadata, attempt, code)
        answer = await self._ask("POST", metadata.token_endpoint, headers=headers, content=body.encode())
        if answer.status == 200:
            return self._read(_Tokens, answer, metadata.token_endpoint)
        if _refusal(answer) == "invalid_grant":
            message = f"{self.registration.name} did not sign you in."
            raise OpenIdRefusedError(message, hint="Begin again.")
        raise self._unavailable(f"{metadata.token_endpoint} answered {answer.status} {_refusal(answer)}".strip())

    def _token_request(self, metadata: _Metadata, attempt: SignInAttempt, code: str) -> tuple[dict[str, str], str]:
        from authlib.oauth2.auth import ClientAuth  # noqa: PLC0415 # see above

        registration = self.registration
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": registration.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        auth = ClientAuth(registration.client_id, registration.client_secret, self._proof(metadata))
        _, headers, body = auth.prepare("POST", metadata.token_endpoint, headers, urlencode(form))  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] # it has no types
        return cast("tuple[dict[str, str], str]", (headers, body))

    def _proof(self, metadata: _Metadata) -> str:
        if self.registration.client_secret is None:
            return "none"
        basic = "client_secret_basic" in metadata.token_endpoint_auth_methods_supported
        return "client_secret_basic" if basic else "client_secret_post"

    async def _ask(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, content: bytes | None = None
    ) -> Response:
        self._check_secure(url)
        try:
            return await self._outgoing.fetch(
                method,
                url,
                headers=headers or {"Accept": "application/json"},
                content=content,
                timeout=self._seconds,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except OutgoingError as error:
            raise self._unavailable(error.message) from error

    def _check_secure(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise self._unavailable(f"{url[:200]!r} is no address") from None
        plain = parts.scheme == "http" and host and self.registration.allow.allows(host, port or 80)
        if not host or not (parts.scheme == "https" or plain):
            raise self._unavailable(f"{url[:200]!r} is not https, and its host is not in ASSAY_OIDC_ALLOW")

    def _read(self, kind: type[_Document], answer: Response, url: str) -> _Document:
        try:
            if answer.status == 200:
                return kind.model_validate_json(answer.body)
        except ValidationError as error:
            raise self._unavailable(f"what {url} answered is not what OpenID Connect says") from error
        raise self._unavailable(f"{url} answered {answer.status}")

    def _unavailable(self, reason: str) -> OpenIdUnavailableError:
        log.warning("The sign-in provider %s cannot be used: %s.", self.registration.issuer, reason.rstrip("."))
        return OpenIdUnavailableError(f"{self.registration.name} cannot be asked who you are at the moment.")


def _refusal(answer: Response) -> str:
    """Return the code of an error (RFC 6749, 5.2): it goes into the log, so that nothing else may."""
    try:
        code = _Refusal.model_validate_json(answer.body).error
    except ValidationError:
        return ""
    return code if code.replace("_", "").isalpha() and code.isascii() and len(code) <= 40 else ""
