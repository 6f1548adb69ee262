"""A provider of OpenID Connect on a real port: it signs in `person` without asking, and can be told to misbehave."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from typing_extensions import override

CLIENT_ID = "assay-of-tests"
CLIENT_SECRET = "a secret of two"
Claims = dict[str, Any]


@cache
def rsa_key(kid: str) -> RSAKey:
    """The key of that name, made once."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def signed(claims: Claims, kid: str) -> str:
    return jwt.encode({"alg": "RS256", "kid": kid}, claims, rsa_key(kid), algorithms=["RS256"])


@dataclass(frozen=True)
class Given:
    """What it answers; a `body` of bytes goes as it is."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


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
    instead: dict[str, Given] = field(default_factory=dict)
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

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Given:
        url = urlsplit(target)
        self.asked.append(url.path)
        if url.path in self.silent:
            self.stuck.wait(30)
        if url.path in self.instead:
            return self.instead[url.path]
        match method, url.path:
            case "GET", "/.well-known/openid-configuration":
                return Given(self._described())
            case "GET", "/jwks":
                return Given({"keys": [rsa_key(kid).as_dict(private=False) for kid in self.published]})
            case "GET", "/authorize":
                return self._signed_in(dict(parse_qsl(url.query)))
            case "POST", "/token":
                return self._redeemed(headers, dict(parse_qsl(body.decode())))
            case _:
                return Given({}, 404)

    def _described(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=a",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            **self.metadata,
        }

    def _signed_in(self, query: dict[str, str]) -> Given:
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self._codes[code] = query
        back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
        return Given({}, 302, {"Location": back})

    def _redeemed(self, headers: Mapping[str, str], form: dict[str, str]) -> Given:
        self.token_requests.append(form)
        basic = f"Basic {base64.b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}"
        in_form = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if headers.get("Authorization") != basic and not in_form:
            return Given({"error": "invalid_client"}, 401)
        begun = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if begun is None or challenge.rstrip("=") != begun["code_challenge"]:
            return Given({"error": "invalid_grant", "error_description": CLIENT_SECRET}, 400)
        assert begun["redirect_uri"] == form["redirect_uri"]
        return Given({"token_type": "Bearer", "access_token": "opaque", "id_token": self.id_token(begun["nonce"])})

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims: Claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= {"email_verified": True, **self.person, **self.changes}
        return self.sign({name: value for name, value in claims.items() if value is not None}, self.kid)


class _Server(ThreadingHTTPServer):
    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever hung up had heard enough."""


@contextmanager
def sign_in_provider() -> Generator[SignInProvider]:
    """Run one while the block lasts."""
    provider = SignInProvider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            given = provider.answer(self.command, self.path, dict(self.headers.items()), body)
            content = given.body if isinstance(given.body, bytes) else json.dumps(given.body).encode()
            self.send_response(given.status)
            sent = {"Content-Type": "application/json", "Content-Length": str(len(content)), **given.headers}
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_request(self, code: object = "-", size: object = "-") -> None:
            del code, size

    for method in ("GET", "POST"):
        setattr(Handler, f"do_{method}", Handler._handle)
    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        provider.stuck.set()
        server.shutdown()
        thread.join()
        server.server_close()


def query_of(url: str) -> dict[str, str]:
    """Return the parameters of an address, each of which stands there once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
