"""A provider of OpenID Connect on a real port: it signs in `person` without asking, and can be told to misbehave."""

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.fakes.scripted_server import Answer, Received, answering

CLIENT_ID = "assay-of-tests"
CLIENT_SECRET = "a secret of two"
Claims = dict[str, Any]


@cache
def rsa_key(kid: str) -> RSAKey:
    """The key of that name, made once."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def signed(claims: Claims, kid: str) -> str:
    return jwt.encode({"alg": "RS256", "kid": kid}, claims, rsa_key(kid), algorithms=["RS256"])


@dataclass
class SignInProvider:
    """The provider's state. `instead` answers a path in another way, `asked` are the paths in order."""

    issuer: str = ""
    person: Claims = field(default_factory=dict)
    changes: Claims = field(default_factory=dict)
    """Claims of the next ID tokens that differ; None leaves one out."""
    kid: str = "one"
    published: list[str] = field(default_factory=lambda: ["one"])
    sign: Callable[[Claims, str], str] = signed
    instead: dict[str, Answer] = field(default_factory=dict)
    metadata: Claims = field(default_factory=dict)
    """What it says of itself beside, or instead of, the truth."""
    asked: list[str] = field(default_factory=list)
    token_requests: list[dict[str, str]] = field(default_factory=list)
    stuck: threading.Event = field(default_factory=threading.Event)
    """Set by the end of the test: until then a path in `silent` gives no answer."""
    silent: set[str] = field(default_factory=set)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def allow(self) -> str:
        return urlsplit(self.issuer).netloc

    def answer(self, received: Received) -> Answer:
        url = urlsplit(received.path)
        self.asked.append(url.path)
        if url.path in self.silent:
            self.stuck.wait(30)
        if url.path in self.instead:
            return self.instead[url.path]
        match received.method, url.path:
            case "GET", "/.well-known/openid-configuration":
                return Answer(body=self._described())
            case "GET", "/jwks":
                return Answer(body={"keys": [rsa_key(kid).as_dict(private=False) for kid in self.published]})
            case "GET", "/authorize":
                return self._signed_in(dict(parse_qsl(url.query)))
            case "POST", "/token":
                return self._redeemed(received.headers, dict(parse_qsl(received.body.decode())))
            case _:
                return Answer(404, {})

    def _described(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=a",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            **self.metadata,
        }

    def _signed_in(self, query: dict[str, str]) -> Answer:
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self._codes[code] = query
        back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
        return Answer(302, {}, {"Location": back})

    def _redeemed(self, headers: Mapping[str, str], form: dict[str, str]) -> Answer:
        self.token_requests.append(form)
        basic = f"Basic {base64.b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}"
        in_form = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if headers.get("Authorization") != basic and not in_form:
            return Answer(401, {"error": "invalid_client"})
        begun = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if begun is None or challenge.rstrip("=") != begun["code_challenge"]:
            return Answer(400, {"error": "invalid_grant", "error_description": CLIENT_SECRET})
        assert begun["redirect_uri"] == form["redirect_uri"]
        return Answer(
            body={"token_type": "Bearer", "access_token": "opaque", "id_token": self.id_token(begun["nonce"])}
        )

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims: Claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= {"email_verified": True, **self.person, **self.changes}
        return self.sign({name: value for name, value in claims.items() if value is not None}, self.kid)


@contextmanager
def sign_in_provider() -> Generator[SignInProvider]:
    """Run one while the block lasts."""
    provider = SignInProvider()
    with answering(provider.answer) as provider.issuer:
        try:
            yield provider
        finally:
            provider.stuck.set()


def query_of(url: str) -> dict[str, str]:
    """Return the parameters of an address, each of which stands there once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
