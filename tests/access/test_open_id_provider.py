"""Which answers of a sign-in provider are believed; the provider is real, and misbehaves in one way a test."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Generator
from typing import Any

import httpx
import pytest
from tests.fakes.scripted_server import Answer
from tests.fakes.sign_in_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Claims,
    SignInProvider,
    query_of,
    rsa_key,
    sign_in_provider,
    signed,
)

from assay import access
from assay.outgoing import AllowList

ADA: Claims = {"sub": "ada-1", "email": "ada@example.org", "name": "Ada"}
WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.fixture
def provider() -> Generator[SignInProvider]:
    with sign_in_provider() as running:
        running.person = dict(ADA)
        yield running


def _client(provider: SignInProvider, *, allow: str | None = None, seconds: float = 10.0) -> access.OpenIdProvider:
    registration = access.OpenIdRegistration(
        issuer=provider.issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        redirect_uri="https://assay.example.org/sign-in/open-id/callback",
        name="Example",
        allow=AllowList.parse(provider.allow if allow is None else allow),
        domains=frozenset(),
        role="member",
    )
    return access.OpenIdProvider(registration, seconds=seconds)


async def _code(client: access.OpenIdProvider, attempt: access.SignInAttempt) -> str:
    async with httpx.AsyncClient(trust_env=False, verify=False) as browser:
        answer = await browser.get(await client.address(attempt))
    back = query_of(answer.headers["location"])
    assert back["state"] == attempt.state
    return back["code"]


async def _redeemed(client: access.OpenIdProvider) -> access.Identity:
    attempt = access.SignInAttempt(secrets.token_urlsafe(32))
    return await client.redeem(attempt, await _code(client, attempt))


async def test_a_code_tells_whom_the_provider_vouches_for(provider: SignInProvider):
    found = await _redeemed(_client(provider))
    assert found == access.Identity(provider.issuer, "ada-1", "ada@example.org", "Ada")


async def test_what_it_says_of_itself_is_asked_once(provider: SignInProvider):
    client = _client(provider)
    for _ in range(3):
        await _redeemed(client)
    assert (provider.asked.count(WELL_KNOWN), provider.asked.count("/jwks")) == (1, 1)


async def test_where_it_takes_the_secret_in_the_form_alone_it_stands_there(provider: SignInProvider):
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await _redeemed(_client(provider))
    assert provider.token_requests[0]["client_secret"] == CLIENT_SECRET


NOW = int(time.time())


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": None},
        {"aud": [CLIENT_ID, "another-client"]},
        {"aud": CLIENT_ID, "azp": "another-client"},
        {"iss": "https://accounts.example.org"},
        {"iss": None},
        {"exp": NOW - 3600},
        {"exp": None},
        {"exp": "later"},
        {"iat": NOW + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "a\x00b"},
        {"sub": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
        {"sub": "x" * 256},
        {"email": None},
        {"email": ["ada@example.org"]},
        {"at_hash": "of another token"},
        {"at_hash": 7},
    ],
)
async def test_a_token_that_is_not_of_this_sign_in_is_not_believed(provider: SignInProvider, changes: Claims):
    provider.changes = changes
    with pytest.raises(access.IdTokenInvalidError):
        await _redeemed(_client(provider))


@pytest.mark.parametrize("verified", [False, None])
async def test_an_address_that_is_not_verified_vouches_for_nobody(provider: SignInProvider, verified: bool | None):
    provider.changes = {"email_verified": verified}
    with pytest.raises(access.OpenIdRefusedError, match="has not verified"):
        await _redeemed(_client(provider))


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unsigned(claims: Claims, _kid: str) -> str:
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _unsigned_with_kid(claims: Claims, kid: str) -> str:
    return f"{_part({'alg': 'nOnE', 'kid': kid})}.{_part(claims)}."


def _by_the_public_key(claims: Claims, kid: str) -> str:
    text = f"{_part({'alg': 'HS256', 'kid': kid})}.{_part(claims)}"
    digest = hmac.digest(rsa_key(kid).as_pem(private=False), text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _by_a_key_it_brings_along(claims: Claims, _kid: str) -> str:
    head, rest = signed(claims, "strange").split(".", 1)
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    mine = rsa_key("strange").as_dict(private=False)
    return f"{_part({**header, 'jwk': mine})}.{rest}"


def _by_a_strange_key_of_that_name(claims: Claims, kid: str) -> str:
    text = f"{_part({'alg': 'RS256', 'kid': kid})}.{_part(claims)}"
    return f"{text}.{signed(claims, 'strange').split('.')[2]}"


def _altered(claims: Claims, kid: str) -> str:
    head, _, signature = signed(claims, kid).split(".")
    return f"{head}.{_part({**claims, 'email': 'root@example.org'})}.{signature}"


def _nested(_claims: Claims, kid: str) -> str:
    deep = base64.urlsafe_b64encode(b"[" * 50_000).decode().rstrip("=")
    return f"{_part({'alg': 'RS256', 'kid': kid})}.{deep}.{_part('x')}"


@pytest.mark.parametrize(
    "sign",
    [
        _unsigned,
        _unsigned_with_kid,
        _by_the_public_key,
        _by_a_key_it_brings_along,
        _by_a_strange_key_of_that_name,
        _altered,
        _nested,
        lambda _claims, _kid: "",
        lambda _claims, _kid: "é.é.é",
        lambda _claims, _kid: "....",
        lambda _claims, _kid: f"{_part([])}.{_part({})}.x",
        lambda _claims, _kid: f"{_part({'alg': ['RS256'], 'kid': {}})}.{_part({})}.x",
    ],
)
async def test_a_token_that_no_key_of_the_provider_has_signed_is_not_believed(
    provider: SignInProvider, sign: Callable[[Claims, str], str]
):
    provider.sign = sign
    with pytest.raises(access.IdTokenInvalidError):
        await _redeemed(_client(provider))


async def test_keys_that_were_changed_are_asked_for_once_and_not_again_within_a_minute(provider: SignInProvider):
    client = _client(provider)
    await _redeemed(client)
    provider.kid, provider.published = "two", ["two"]
    assert (await _redeemed(client)).subject == "ada-1"
    asked = provider.asked.count("/jwks")
    provider.kid = "one"
    for _ in range(3):
        with pytest.raises(access.IdTokenInvalidError):
            await _redeemed(client)
    assert provider.asked.count("/jwks") == asked


async def test_keys_that_cannot_sign_are_left_out(provider: SignInProvider):
    good = rsa_key("one").as_dict(private=False)
    strange = [{"kty": "oct", "k": "AAAA", "kid": "one"}, {**good, "use": "enc"}, {"kty": "RSA"}, {"kty": "new"}, {}]
    provider.instead["/jwks"] = Answer(body={"keys": [*strange, good]})
    assert (await _redeemed(_client(provider))).subject == "ada-1"
    provider.instead["/jwks"] = Answer(body={"keys": strange})
    with pytest.raises(access.IdTokenInvalidError):
        await _redeemed(_client(provider))


@pytest.mark.parametrize("path", [WELL_KNOWN, "/jwks", "/token"])
@pytest.mark.parametrize(
    "given",
    [
        Answer(body=b"<html>not here</html>"),
        Answer(body=b"\xff\xfe\x00"),
        Answer(body=b"[" * 100_000),
        Answer(body={}),
        Answer(body=[]),
        Answer(body={"keys": {}, "id_token": 5, "issuer": 1}),
        Answer(body=b" " * 300_000),
        Answer(500, {}),
        Answer(401, {"error": "invalid_client"}),
        Answer(302, {}, {"Location": "http://169.254.169.254/latest/meta-data"}),
        Answer(307, {}, {"Location": "/elsewhere"}),
    ],
)
async def test_a_provider_that_answers_something_else_cannot_be_used(
    provider: SignInProvider, path: str, given: Answer
):
    provider.instead[path] = given
    with pytest.raises(access.OpenIdUnavailableError) as caught:
        await _redeemed(_client(provider))
    assert CLIENT_SECRET not in caught.value.message
    assert "/elsewhere" not in provider.asked


@pytest.mark.parametrize("path", [WELL_KNOWN, "/jwks", "/token"])
async def test_a_provider_that_does_not_answer_in_time_cannot_be_used(provider: SignInProvider, path: str):
    provider.silent.add(path)
    with pytest.raises(access.OpenIdUnavailableError):
        await _redeemed(_client(provider, seconds=0.3))


async def test_after_a_failure_it_is_let_alone_for_a_while(provider: SignInProvider):
    client = _client(provider)
    provider.instead[WELL_KNOWN] = Answer(503, {})
    for _ in range(5):
        with pytest.raises(access.OpenIdUnavailableError):
            await client.address(access.SignInAttempt("x"))
    assert provider.asked == [WELL_KNOWN]


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://accounts.example.org"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://elsewhere.example/authorize"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"token_endpoint": "https:///token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://[::1/jwks"},
        {"jwks_uri": "https://127.0.0.1:1/jwks"},
    ],
)
async def test_a_provider_is_reached_by_tls_and_at_public_addresses_unless_it_is_allowed(
    provider: SignInProvider, metadata: Claims
):
    provider.metadata = metadata
    with pytest.raises(access.OpenIdUnavailableError):
        await _client(provider).address(access.SignInAttempt("x"))


async def test_an_issuer_at_a_private_address_has_to_be_allowed(provider: SignInProvider):
    for allow in ("", "elsewhere.example"):
        with pytest.raises(access.OpenIdUnavailableError):
            await _client(provider, allow=allow).address(access.SignInAttempt("x"))
    assert provider.asked == []


async def test_a_code_is_good_for_the_browser_that_began_and_once(provider: SignInProvider):
    client = _client(provider)
    attempt, other = access.SignInAttempt("mine"), access.SignInAttempt("theirs")
    with pytest.raises(access.OpenIdRefusedError):
        await client.redeem(other, await _code(client, attempt))
    code = await _code(client, attempt)
    await client.redeem(attempt, code)
    with pytest.raises(access.OpenIdRefusedError):
        await client.redeem(attempt, code)


async def test_secrets_do_not_show(provider: SignInProvider, caplog: pytest.LogCaptureFixture):
    client = _client(provider)
    attempt = access.SignInAttempt("the token of this attempt")
    address = await client.address(attempt)
    assert attempt.verifier not in address
    assert CLIENT_SECRET not in address
    assert CLIENT_SECRET not in repr(client.registration)
    assert attempt.token not in repr(attempt)
    provider.changes = {"aud": "another-client"}
    with pytest.raises(access.IdTokenInvalidError):
        await _redeemed(client)
    provider.instead["/token"] = Answer(500, {"error": CLIENT_SECRET})
    with pytest.raises(access.OpenIdUnavailableError):
        await _redeemed(client)
    assert "aud" in caplog.text
    assert CLIENT_SECRET not in caplog.text
