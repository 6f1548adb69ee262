"""Which ID tokens are believed: signed with a public key of the provider, for us, for this very sign-in, and still."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, StrictBool, StringConstraints, ValidationError

from assay import clock
from assay.access.errors import IdTokenInvalidError, IdTokenSignatureError, OpenIdRefusedError
from assay.access.model import Identity, OpenIdRegistration

if TYPE_CHECKING:
    from joserfc.jwk import Key, KeySet

# What signs with a secret that both sides know (HS256), or not at all (none), is not among them.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LEEWAY_SECONDS = 60
MAX_KEYS = 100
SMALLEST_RSA_BITS = 2048


class _Person(BaseModel):
    sub: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,255}$")]
    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]
    email_verified: StrictBool = False
    name: str | None = None


def usable_keys(found: Sequence[Mapping[str, Any]]) -> "KeySet":
    """Return the public keys that may sign; those of other uses and kinds, broken and weak ones are left out."""
    from joserfc.jwk import KeySet  # noqa: PLC0415 # 100 ms that only who signs in by a provider needs

    return KeySet([key for one in found[:MAX_KEYS] if (key := _usable(one)) is not None])


def believed(
    id_token: str, keys: "KeySet", registration: OpenIdRegistration, *, nonce: str, access_token: str | None
) -> Identity:
    """Return whom an ID token is about.

    Raises:
        IdTokenSignatureError: none of the keys has signed it.
        IdTokenInvalidError: it is none, or not for us, for this sign-in, or for now.
        OpenIdRefusedError: the provider has not verified the person's address.
    """
    claims = _signed_claims(id_token, keys, registration, nonce=nonce, access_token=access_token)
    try:
        person = _Person.model_validate(claims)
    except ValidationError as error:
        missing = ", ".join(str(one["loc"][0]) for one in error.errors(include_input=False, include_url=False))
        raise IdTokenInvalidError(f"it lacks {missing}") from error
    if not person.email_verified:
        message = f"{registration.name} has not verified your e-mail address."
        raise OpenIdRefusedError(message)
    return Identity(registration.issuer, person.sub, person.email, person.name)


def _signed_claims(
    id_token: str, keys: "KeySet", registration: OpenIdRegistration, *, nonce: str, access_token: str | None
) -> Mapping[str, Any]:
    from authlib.oidc.core import CodeIDToken  # noqa: PLC0415 # see above
    from joserfc import errors, jwt  # noqa: PLC0415 # see above

    expected: dict[str, Any] = {
        "iss": {"essential": True, "value": registration.issuer},
        "aud": {"essential": True, "value": registration.client_id},
    }
    params = {"nonce": nonce, "client_id": registration.client_id, "access_token": access_token}
    try:
        token = jwt.decode(id_token, keys, list(ALGORITHMS))
        claims = CodeIDToken(token.claims, token.header, expected, params)
        claims.validate(now=int(clock.now().timestamp()), leeway=LEEWAY_SECONDS)  # pyright: ignore[reportUnknownMemberType] # it has no types
    except (errors.BadSignatureError, errors.InvalidKeyIdError) as error:
        raise IdTokenSignatureError(type(error).__name__) from error
    # A token of strangers can break the reading of it in more ways than the library has errors for.
    except (errors.JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise IdTokenInvalidError(
            str(error) if isinstance(error, errors.ClaimError) else type(error).__name__
        ) from error
    return token.claims


def _usable(found: Mapping[str, Any]) -> "Key | None":
    from joserfc.errors import JoseError  # noqa: PLC0415 # see above
    from joserfc.jwk import JWKRegistry, RSAKey  # noqa: PLC0415 # see above

    if found.get("kty") not in {"RSA", "EC"} or found.get("use", "sig") != "sig":
        return None
    try:
        key = JWKRegistry.import_key(dict(found))
        if isinstance(key, RSAKey) and key.raw_value.key_size < SMALLEST_RSA_BITS:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key
