import asyncio
import gzip
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.fakes.raw_server import Asked, pieces, raw_server, redirect, response

from assay import clock, outgoing
from assay.errors import InvalidValueError
from assay.outgoing import AllowList, Outgoing, is_public

LOOPBACK = Outgoing(AllowList.parse("127.0.0.1"))


def hello(asked: Asked) -> AsyncIterator[bytes]:
    del asked
    return response(b"hello")


class Names:
    """Looks names up in a table, and each time takes the next of a name's answers."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {name.replace("_", "."): found for name, found in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        del port
        self.asked.append(host)
        found = self.answers[host]
        return [found.pop(0) if len(found) > 1 else found[0]]


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "168.63.129.16", "172.16.0.1", "192.0.0.192", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1",
        "fc00::1", "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1", "100::1", "5f00::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_open_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_open_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0", "0.0.0.0",
        "localhost", "LOCALHOST", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "169.254.169.254", "[fd00:ec2::254]", "user:password@127.0.0.1",
    ],
)  # fmt: skip
async def test_no_spelling_of_an_inner_address_is_dialled(host: str) -> None:
    async with raw_server(hello) as server:
        with pytest.raises(outgoing.AddressForbiddenError) as refused:
            await Outgoing().fetch("GET", server.url(host=host))
        assert refused.value.code == "address_forbidden"
        assert server.connections == []


async def test_a_name_that_leads_inside_is_refused_if_only_one_of_its_addresses_does() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(outgoing.AddressForbiddenError):
        await Outgoing(resolve=resolve).fetch("GET", "http://shop.example/")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "unix:///run/docker.sock", "http+unix://%2Frun/x",
     "//x", "x", "http://", "http:///x",
     "http://0177.0.0.1/", "http://\uff11\uff12\uff17.0.0.1/", "http://[::1",
     "http://127.0.0.1:99999/", "javascript:1", "http://\x00/"],
)  # fmt: skip
async def test_what_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(outgoing.RequestInvalidError):
        await LOOPBACK.fetch("GET", url)


async def test_an_allowed_host_is_reached() -> None:
    async with raw_server(hello) as server:
        found = await Outgoing(AllowList.parse(f"127.0.0.1:{server.port}")).fetch("GET", server.url("/a?b=c"))
    assert (found.status, found.reason, found.body) == (200, "OK", b"hello")
    assert server.asked[0].target == "/a?b=c"


async def test_another_port_of_an_allowed_host_is_refused() -> None:
    async with raw_server(hello) as server:
        with pytest.raises(outgoing.AddressForbiddenError):
            await Outgoing(AllowList.parse("127.0.0.1:1")).fetch("GET", server.url())
    assert server.connections == []


def test_what_a_list_allows() -> None:
    allow = AllowList.parse("Shop.example, *.corp.example:8080,[::1]:80,10.0.0.1")
    assert allow.allows("shop.example.", 1)
    assert allow.allows("a.b.CORP.example", 8080)
    assert allow.allows("0:0:0:0:0:0:0:1", 80)
    assert allow.allows("10.0.0.1", 5432)
    for host, port in [("a.shop.example", 1), ("corp.example", 8080), ("a.corp.example", 80), ("::1", 81), ("x", 1)]:
        assert not allow.allows(host, port)


@pytest.mark.parametrize("entry", ["*", "a*.example", "*.*.example", "http://x", "a:b", "a:99999", "a@b", "[::1"])
def test_what_no_list_holds(entry: str) -> None:
    with pytest.raises(InvalidValueError):
        AllowList.parse(entry)


async def test_an_organization_may_reach_more_than_the_server_allows() -> None:
    async with raw_server(hello) as server:
        reaching = Outgoing().allowing(AllowList.parse("127.0.0.1"))
        assert (await reaching.fetch("GET", server.url())).status == 200


async def test_the_address_that_was_checked_is_the_one_that_is_dialled() -> None:
    names = Names(rebind_example=["127.0.0.1", "127.0.0.2"])
    async with raw_server(hello, host="0.0.0.0") as server:
        await Outgoing(AllowList.parse("rebind.example"), names).fetch("GET", server.url(host="rebind.example"))
    assert names.asked == ["rebind.example"]
    assert server.connections == ["127.0.0.1"]
    assert server.asked[0].headers["host"] == f"rebind.example:{server.port}"


async def test_the_next_address_of_a_host_is_dialled_where_the_first_is_closed() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        return ["127.0.0.2", "127.0.0.1"]

    async with raw_server(hello) as server:
        reaching = Outgoing(AllowList.parse("shop.example"), resolve)
        assert (await reaching.fetch("POST", server.url(host="shop.example"), content=b"once")).body == b"hello"
    assert [asked.body for asked in server.asked] == [b"once"]


async def test_a_redirect_to_an_inner_address_is_refused() -> None:
    names = Names(shop_example=["127.0.0.1"], inner_example=["127.0.0.1"])
    async with raw_server(lambda asked: redirect(f"http://inner.example:{server.port}/")) as server:
        with pytest.raises(outgoing.AddressForbiddenError):
            await Outgoing(AllowList.parse("shop.example"), names).fetch("GET", server.url(host="shop.example"))
    assert len(server.asked) == 1


async def test_a_name_that_turns_inwards_between_redirects_is_refused() -> None:
    names = Names(shop_example=["127.0.0.1"], turning_example=["10.0.0.1"])
    async with raw_server(lambda asked: redirect("http://turning.example/")) as server:
        with pytest.raises(outgoing.AddressForbiddenError):
            await Outgoing(AllowList.parse("shop.example"), names).fetch("GET", server.url(host="shop.example"))
    assert names.asked == ["shop.example", "turning.example"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://[::1"])
async def test_a_redirect_to_what_is_no_http_address_is_refused(location: str) -> None:
    async with raw_server(lambda asked: redirect(location)) as server:
        with pytest.raises(outgoing.OutgoingError) as refused:
            await LOOPBACK.fetch("GET", server.url())
    assert refused.value.code in {"request_invalid", "response_invalid"}


async def test_five_redirects_are_followed_and_no_sixth() -> None:
    def answering(asked: Asked) -> AsyncIterator[bytes]:
        left = int(asked.target[1:])
        return redirect(f"/{left - 1}") if left else response(b"end")

    async with raw_server(answering) as server:
        found = await LOOPBACK.fetch("GET", server.url("/5"))
        assert (found.body, found.url) == (b"end", server.url("/0"))
        with pytest.raises(outgoing.TooManyRedirectsError):
            await LOOPBACK.fetch("GET", server.url("/6"))


async def test_another_origin_gets_no_credentials() -> None:
    sent = {"Authorization": "Bearer secret", "X-Api-Key": "secret", "Cookie": "a=secret", "Idempotency-Key": "k"}
    async with raw_server(hello) as other, raw_server(lambda asked: redirect(other.url())) as first:
        await LOOPBACK.fetch("GET", first.url(), headers=sent)
    assert first.asked[0].headers["authorization"] == "Bearer secret"
    assert "secret" not in str(other.asked[0].headers)
    assert other.asked[0].headers["idempotency-key"] == "k"


async def test_the_same_origin_keeps_them() -> None:
    def answering(asked: Asked) -> AsyncIterator[bytes]:
        return redirect("/there", status="307 Temporary Redirect") if asked.target == "/" else response()

    async with raw_server(answering) as server:
        await LOOPBACK.fetch("PUT", server.url(), headers={"X-Api-Key": "mine"}, content=b"body")
    assert server.asked[1].headers["x-api-key"] == "mine"
    assert (server.asked[1].method, server.asked[1].body) == ("PUT", b"body")


async def test_a_body_of_a_gigabyte_is_cut_at_the_limit() -> None:
    async def endless(asked: Asked) -> AsyncIterator[bytes]:
        del asked
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        for _ in range(1024):
            yield bytes(1024**2)

    async with raw_server(endless) as server:
        tracemalloc.start()
        try:
            with pytest.raises(outgoing.ResponseTooLargeError):
                await LOOPBACK.fetch("GET", server.url())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 64 * 1024**2
    assert server.sent < 64 * 1024**2


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    async with raw_server(lambda asked: pieces(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")) as server:
        with pytest.raises(outgoing.ResponseTooLargeError):
            await LOOPBACK.fetch("GET", server.url())


async def test_the_size_of_a_body_that_is_not_sent_is_no_matter() -> None:
    async with raw_server(lambda asked: pieces(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")) as server:
        found = await LOOPBACK.fetch("HEAD", server.url())
    assert (found.body, found.headers["content-length"]) == (b"", "99999999999")


async def test_a_body_may_be_as_large_as_the_limit() -> None:
    async with raw_server(
        lambda asked: response(gzip.compress(bytes(1000)), headers={"Content-Encoding": "gzip"})
    ) as s:
        assert len((await LOOPBACK.fetch("GET", s.url(), max_bytes=1000)).body) == 1000
        with pytest.raises(outgoing.ResponseTooLargeError):
            await LOOPBACK.fetch("GET", s.url(), max_bytes=999)


async def test_a_decompression_bomb_takes_no_memory() -> None:
    bomb = gzip.compress(bytes(256 * 1024**2), compresslevel=9)
    async with raw_server(lambda asked: response(bomb, headers={"Content-Encoding": "gzip"})) as server:
        tracemalloc.start()
        try:
            with pytest.raises(outgoing.ResponseTooLargeError):
                await LOOPBACK.fetch("GET", server.url())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 48 * 1024**2


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", b"this is no gzip"), ("gzip", gzip.compress(b"whole", mtime=0)[:-9]), ("br", b"x"), ("gzip, gzip", b"x")],
)
async def test_a_body_that_cannot_be_decompressed_is_refused(coding: str, body: bytes) -> None:
    async with raw_server(lambda asked: response(body, headers={"Content-Encoding": coding})) as server:
        with pytest.raises(outgoing.ResponseInvalidError):
            await LOOPBACK.fetch("GET", server.url(), headers={"Accept-Encoding": "br"})
    assert server.asked[0].headers["accept-encoding"] == "gzip"


async def test_deflate_is_read_too() -> None:
    async with raw_server(
        lambda asked: response(zlib.compress(b"hello"), headers={"Content-Encoding": "deflate"})
    ) as server:
        assert (await LOOPBACK.fetch("GET", server.url())).body == b"hello"


async def test_headers_without_end_are_refused() -> None:
    async def endless(asked: Asked) -> AsyncIterator[bytes]:
        del asked
        yield b"HTTP/1.1 200 OK\r\n"
        for number in range(100_000):
            yield f"X-{number}: {'x' * 1000}\r\n".encode()

    async with raw_server(endless) as server:
        with pytest.raises(outgoing.ResponseInvalidError):
            await LOOPBACK.fetch("GET", server.url())
    assert server.sent < 16 * 1024**2


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"SSH-2.0-OpenSSH\r\n", b"\x00" * 100]
)
async def test_a_server_that_breaks_off_or_speaks_no_http_is_named(sent: bytes) -> None:
    async with raw_server(lambda asked: pieces(sent)) as server:
        with pytest.raises(outgoing.OutgoingError, match=r"127\.0\.0\.1"):
            await LOOPBACK.fetch("GET", server.url())


async def test_the_time_is_for_the_whole_response() -> None:
    async def dripping(asked: Asked) -> AsyncIterator[bytes]:
        del asked
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        while True:
            yield b"."
            await asyncio.sleep(0.01)

    async with raw_server(dripping) as server:
        with pytest.raises(outgoing.TooSlowError):
            await LOOPBACK.fetch("GET", server.url(), timeout=0.2)


async def test_a_closed_port_is_unreachable() -> None:
    async with raw_server(hello) as server:
        pass
    with pytest.raises(outgoing.HostUnreachableError):
        await LOOPBACK.fetch("GET", server.url())


async def test_a_name_without_address_is_unknown() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        return []

    with pytest.raises(outgoing.HostUnknownError):
        await Outgoing(resolve=resolve).fetch("GET", "http://shop.example/")


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X\r\nY": "a"}, {"X Y": "a"}, {"": "a"}, {"X": "\x00"}, {"X": "é"},
     {"Host": "other.example"}, {"content-length": "1"}, {"Transfer-Encoding": "chunked"}, {"Connection": "upgrade"}],
)  # fmt: skip
async def test_headers_that_would_change_the_request_are_refused(headers: dict[str, str]) -> None:
    async with raw_server(hello) as server:
        with pytest.raises(outgoing.RequestInvalidError):
            await LOOPBACK.fetch("GET", server.url(), headers=headers)
    assert server.asked == []


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(hello) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert (await LOOPBACK.fetch("GET", server.url())).status == 200


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """What a server shows that calls itself shop.example, signed by nobody we know."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_an_unknown_certificate_is_refused_unless_that_is_asked_for(certificate: ssl.SSLContext) -> None:
    called: list[str | None] = []
    certificate.sni_callback = lambda sock, name, context: called.append(name)
    reaching = Outgoing(AllowList.parse("shop.example"), Names(shop_example=["127.0.0.1"]))
    async with raw_server(hello, tls=certificate) as server:
        url = server.url(host="shop.example", scheme="https")
        with pytest.raises(outgoing.TlsFailedError, match="self-signed"):
            await reaching.fetch("GET", url)
        assert (await reaching.fetch("GET", url, verify_tls=False)).body == b"hello"
    assert called == ["shop.example", "shop.example"]
