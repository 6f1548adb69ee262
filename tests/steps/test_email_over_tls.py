"""E-mail over real TLS: a server on loopback, and an authority that is made for the test."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.fakes.step_context import FakeStepContext
from tests.steps.test_action_email import MAIL, Post

from assay import clock
from assay.steps import StepError
from assay.steps.builtin.action_email import ActionEmail
from assay.steps.mail_server import MailServer

SENDER = "assay@mint.example"


def certified(folder: Path, *, host: str = "127.0.0.1", days: int = 1) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate that speaks for itself; return its file, and what a server shows with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "post of the tests")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=10))
        .not_valid_after(clock.now() + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, own = folder / "authority.pem", folder / "server.pem"
    pem.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    own.write_bytes(secret + pem.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    return pem, context


@asynccontextmanager
async def opened(tls: ssl.SSLContext | None, *, from_the_start: bool = False) -> AsyncGenerator[Post]:
    """A server that takes mail and passwords over TLS alone, or has none."""
    post, loop = Post(), asyncio.get_running_loop()

    def serve() -> SMTP:
        return SMTP(
            post,
            authenticator=post.login,
            auth_require_tls=tls is not None and not from_the_start,
            require_starttls=tls is not None and not from_the_start,
            tls_context=None if from_the_start else tls,
            hostname="post.example",
            loop=loop,
        )

    server = await loop.create_server(serve, "127.0.0.1", 0, ssl=tls if from_the_start else None)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()


async def send(url: str) -> dict[str, Any]:
    context = FakeStepContext(name="mail", mailing=MailServer.parse(url, SENDER))
    output = await ActionEmail.model_validate(MAIL).run(context)
    assert isinstance(output, dict)
    return output


async def failure(url: str) -> StepError:
    with pytest.raises(StepError) as raised:
        await send(url)
    return raised.value


def trust(monkeypatch: pytest.MonkeyPatch, pem: Path) -> None:
    """Do as an operator does who adds the authority to those of the system."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))


@pytest.mark.parametrize("scheme", ["smtp", "smtp+starttls"])
async def test_the_password_is_sent_once_tls_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    pem, tls = certified(tmp_path)
    trust(monkeypatch, pem)
    async with opened(tls) as post:
        output = await send(f"{scheme}://assay:s3cret%2F%40@127.0.0.1:{post.port}")
    assert output["accepted"] == ["ada@example.com"]
    assert post.logins == [(b"assay", b"s3cret/@")]
    assert post.message()["From"] == SENDER


async def test_mail_without_a_password_uses_tls_where_it_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, tls = certified(tmp_path)
    trust(monkeypatch, pem)
    async with opened(tls) as post:
        await send(f"smtp://127.0.0.1:{post.port}")
    assert len(post.got) == 1, "the server takes none in the clear"


async def test_tls_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem, tls = certified(tmp_path)
    trust(monkeypatch, pem)
    async with opened(tls, from_the_start=True) as post:
        await send(f"smtps://127.0.0.1:{post.port}")
    assert len(post.got) == 1


@pytest.mark.parametrize("from_the_start", [False, True])
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"host": "127.0.0.2"}, "IP address mismatch"),
        ({"days": -1}, "expired"),
        ({}, "self-signed|unable to get local issuer"),
    ],
)
async def test_a_wrong_certificate_gets_neither_password_nor_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], reason: str, *, from_the_start: bool
) -> None:
    pem, tls = certified(tmp_path, **wrong)
    if wrong:
        trust(monkeypatch, pem)
    scheme = "smtps" if from_the_start else "smtp"
    async with opened(tls, from_the_start=from_the_start) as post:
        error = await failure(f"{scheme}://assay:s3cret%2F%40@127.0.0.1:{post.port}")
    assert (error.code, error.category) == ("email_tls_failed", "validation")
    assert any(part in error.message for part in reason.split("|")), error.message
    assert (post.logins, post.got) == ([], [])


async def test_a_server_without_tls_is_left_where_tls_is_asked_for() -> None:
    async with opened(None) as post:
        error = await failure(f"smtp+starttls://assay:s3cret%2F%40@127.0.0.1:{post.port}")
    assert (error.code, error.category) == ("email_refused", "validation")
    assert "STARTTLS" in error.message
    assert (post.logins, post.got) == ([], [])
