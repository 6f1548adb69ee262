"""The only way out over HTTP: every request, and every redirect it meets, dials an address that was checked first."""

import asyncio
import ipaddress
import re
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from typing_extensions import override

from assay.errors import AssayError, ErrorKind, InvalidValueError

MAX_BODY_BYTES = 10 * 1024**2
MAX_REDIRECTS = 5
MAX_ADDRESSES = 4
CONNECT_SECONDS = 10.0

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks up the addresses of a host; the port is what will be dialled."""


class OutgoingError(AssayError):
    """The request could not be made."""

    kind = ErrorKind.UNAVAILABLE
    code = "request_failed"


class RequestInvalidError(OutgoingError):
    """This is no request that can be sent."""

    kind = ErrorKind.INVALID
    code = "request_invalid"


class AddressForbiddenError(OutgoingError):
    """That address is not reached from here."""

    kind = ErrorKind.FORBIDDEN
    code = "address_forbidden"
    hint = (
        "Whoever administers the organization can allow the host: assay outgoing allow host:port. "
        "Whoever runs the server can allow it for all: ASSAY_OUTGOING_ALLOW=host:port."
    )


class HostUnknownError(OutgoingError):
    """There is no such host."""

    code = "host_unknown"


class HostUnreachableError(OutgoingError):
    """The host does not answer."""

    code = "host_unreachable"


class TlsFailedError(OutgoingError):
    """No trusted connection to the host can be made."""

    code = "tls_failed"


class TooSlowError(OutgoingError):
    """The response did not arrive in time."""

    code = "request_timeout"


class TooManyRedirectsError(OutgoingError):
    """The request was sent on too often."""

    kind = ErrorKind.INVALID
    code = "too_many_redirects"


class ResponseTooLargeError(OutgoingError):
    """The response is larger than is read."""

    kind = ErrorKind.TOO_LARGE
    code = "response_too_large"


class ResponseInvalidError(OutgoingError):
    """What came back cannot be read as a response."""

    kind = ErrorKind.INVALID
    code = "response_invalid"


@dataclass(frozen=True, slots=True)
class AllowList:
    """Hosts that may have any address, each with the port it is limited to."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host`, `host:port`, `*.domain` and `[v6]:port`, separated by commas.

        Raises:
            InvalidValueError: an entry is none of these.
        """
        return cls(frozenset(_allowed(entry.strip()) for entry in text.split(",") if entry.strip()))

    def spelled(self) -> list[str]:
        """Write each entry in the one way that `parse` reads as the same."""
        return sorted(_spelled(host, port) for host, port in self.hosts)

    def allows(self, host: str, port: int) -> bool:
        """Tell whether the host, as a URL names it, may be dialled at that port whatever its address."""
        labels = _canonical(host).split(".")
        names = [".".join(labels), *("*." + ".".join(labels[at:]) for at in range(1, len(labels)))]
        return any((name, limited) in self.hosts for name in names for limited in (None, port))


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, after redirects: the body is decompressed, header names are in lower case."""

    url: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form that is sent as multipart: a text, or a file that is read while it is sent."""

    name: str
    content: str | Path
    filename: str | None = None
    content_type: str | None = None


async def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the operating system for the addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Sends requests to public addresses, and to hosts that are allowed whatever their address.

    It holds no connections: nothing has to be closed, and copies cost nothing.
    """

    allow: AllowList = field(default_factory=AllowList)
    resolve: Resolve = look_up
    max_redirects: int = MAX_REDIRECTS

    def allowing(self, more: AllowList) -> "Outgoing":
        """Return one that reaches these hosts too, such as those of an organization."""
        return replace(self, allow=AllowList(self.allow.hosts | more.hosts))

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        form: Sequence[Part] | None = None,
        timeout: float = 30.0,
        max_bytes: int = MAX_BODY_BYTES,
        verify_tls: bool = True,
    ) -> Response:
        """Send a request, follow its redirects and read the whole response, of any status, in `timeout` seconds.

        With `form` the body is multipart/form-data, whose type needs no header. Another origin that a redirect leads
        to gets neither credentials nor headers of the caller's own. No proxy of the environment is used. A body, also
        when it is decompressed, ends the call once it exceeds `max_bytes`.

        Raises:
            RequestInvalidError: URL or headers are none.
            AddressForbiddenError: an address of the host is not public.
            HostUnknownError: the host has no address.
            HostUnreachableError: no connection, or it broke.
            TlsFailedError: the host's certificate is not trusted, or it does not speak TLS.
            TooSlowError: the time is over.
            TooManyRedirectsError: there was one more redirect than `max_redirects`.
            ResponseTooLargeError: the body exceeds the limit.
            ResponseInvalidError: what came back is not HTTP, or compressed in a way that was not asked for.
        """
        checked = _checked_headers(headers or {})
        async with self._asking(url, timeout, verify_tls=verify_tls) as client:
            with ExitStack() as opened:
                files = None if form is None else [_multipart(part, opened) for part in form]
                request = client.build_request(method, url, headers=checked, content=content, files=files)
                return await _follow(client, request, max_bytes, self.max_redirects)

    async def post(
        self, url: str, *, headers: Mapping[str, str], content: bytes, timeout: float, read_bytes: int
    ) -> int:
        """Post to this address and to no other, and return the status: a redirect is an answer like any.

        Of the response's body, about `read_bytes` are read and dropped; what is left is not waited for.

        Raises:
            OutgoingError: as for `fetch`.
        """
        async with self._asking(url, timeout, verify_tls=True) as client:
            request = client.build_request("POST", url, headers=_checked_headers(headers), content=content)
            _check_url(request.url)
            response = await client.send(request, stream=True)
            try:
                size = 0
                async for piece in response.aiter_raw():
                    size += len(piece)
                    if size >= read_bytes:
                        break
            finally:
                await response.aclose()
            return response.status_code

    @asynccontextmanager
    async def _asking(self, url: str, timeout: float, *, verify_tls: bool) -> AsyncGenerator[httpx.AsyncClient]:
        try:
            async with asyncio.timeout(timeout), self._client(verify_tls=verify_tls) as client:
                yield client
        except TimeoutError as error:
            message = f"{_host(url)} did not answer within {timeout:g} seconds."
            raise TooSlowError(message) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _translated(error, _host(url)) from error

    @asynccontextmanager
    async def _client(self, *, verify_tls: bool) -> AsyncGenerator[httpx.AsyncClient]:
        transport = _CheckedTransport(self, _tls(verify=verify_tls))
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        own = {"User-Agent": "assay", "Accept": "*/*"}
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=timeout, headers=own) as client:
            yield client

    async def checked_addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a host that may be dialled.

        Raises:
            AddressForbiddenError: one of them is not public, and the host is not on the list.
            HostUnknownError: there are none.
        """
        try:
            addresses = await self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                message = f"The address of {host} cannot be looked up at the moment."
                raise HostUnreachableError(message) from error
            message = f"There is no host {host}."
            raise HostUnknownError(message) from error
        if not addresses:
            message = f"The host {host} has no address."
            raise HostUnknownError(message)
        if not self.allow.allows(host, port) and not all(map(is_public, addresses)):
            message = f"{host}:{port} is an address inside a private network, or reserved."
            raise AddressForbiddenError(message)
        return addresses[:MAX_ADDRESSES]


def _multipart(part: Part, opened: ExitStack) -> tuple[str, tuple[str | None, Any, str | None]]:
    # The library takes a text without a file name for an ordinary field.
    if isinstance(part.content, str):
        return part.name, (None, part.content.encode(errors="replace"), None)
    return part.name, (part.filename, opened.enter_context(part.content.open("rb")), part.content_type)


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the open internet, looking into IPv6 forms that carry an IPv4 address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = _carried_v4(found) or found
    if found.version == 6 and found not in _GLOBAL_V6:
        return False
    inner = any(found in network for network in _INNER)
    return found.is_global and not (inner or found.is_multicast or found.is_reserved)


_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What Python calls global differs between its versions; Azure's virtual host hands out the machine's secrets.
_INNER = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "168.63.129.16", "2001::/23", "2001:db8::/32", "3fff::/20")))


def _carried_v4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class _CheckedTransport(httpx.AsyncBaseTransport):
    """Dials the addresses that were checked, while the name stays in the `Host` header and the TLS handshake."""

    def __init__(self, outgoing: Outgoing, tls: ssl.SSLContext) -> None:
        self._outgoing = outgoing
        # Two hosts at one address must not share a connection that was verified for the first of them.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)
        *first, last = await self._outgoing.checked_addresses(host, port)
        for address in first:
            try:
                return await self._inner.handle_async_request(_dialling(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_dialling(request, last))

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def _dialling(request: httpx.Request, address: str) -> httpx.Request:
    name = request.url.raw_host.decode("ascii").strip("[]").rstrip(".")
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name},
    )


@cache
def _tls(*, verify: bool) -> ssl.SSLContext:
    context = httpx.create_ssl_context(verify=verify, trust_env=False)
    if verify:
        # The operator's own authorities stand in the system's store.
        context.load_default_certs()
    return context


async def _follow(client: httpx.AsyncClient, request: httpx.Request, max_bytes: int, max_redirects: int) -> Response:
    for _ in range(max_redirects + 1):
        _check_url(request.url)
        response = await client.send(request, stream=True)
        try:
            if response.next_request is None:
                return await _read(response, max_bytes)
        finally:
            await response.aclose()
        request = _redirected(request, response.next_request)
    message = f"{request.url.host} was still not the end after {max_redirects} redirects."
    raise TooManyRedirectsError(message)


def _check_url(url: httpx.URL) -> None:
    if url.scheme not in {"http", "https"} or not url.host:
        message = f"Only http and https addresses are reached, not {url.scheme or 'this'}."
        raise RequestInvalidError(message)
    if url.port is not None and not 0 < url.port < 65536:
        message = f"There is no port {url.port}."
        raise RequestInvalidError(message)


# A cookie that is still there was set by the origin that gets it.
_FOR_EVERYBODY = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "idempotency-key",
        "user-agent",
    }
)


def _redirected(before: httpx.Request, after: httpx.Request) -> httpx.Request:
    if _origin(before.url) != _origin(after.url):
        for name in set(after.headers) - _FOR_EVERYBODY:
            del after.headers[name]
    return after


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


async def _read(response: httpx.Response, max_bytes: int) -> Response:
    host = response.url.host
    declared = response.headers.get("content-length", "")
    if response.request.method != "HEAD" and declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(host, max_bytes)
    inflated = _inflating(response)
    body = bytearray()
    try:
        async for piece in response.aiter_raw():
            # One byte more than fits tells that it does not; a bomb never gets further.
            body += inflated.decompress(piece, max_bytes - len(body) + 1) if inflated else piece
            if len(body) > max_bytes:
                raise _too_large(host, max_bytes)
    except zlib.error as error:
        message = f"The response of {host} is not compressed as it says."
        raise ResponseInvalidError(message) from error
    if inflated and body and not inflated.eof:
        message = f"The response of {host} ended early."
        raise ResponseInvalidError(message)
    url = str(response.url.copy_with(username=None, password=None, fragment=None))
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Response(url, response.status_code, response.reason_phrase, headers, bytes(body))


def _inflating(response: httpx.Response) -> "zlib._Decompress | None":
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding in {"gzip", "x-gzip", "deflate"}:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    message = f"{response.url.host} compressed its response in a way that was not asked for ({coding[:40]})."
    raise ResponseInvalidError(message)


def _too_large(host: str, max_bytes: int) -> ResponseTooLargeError:
    message = f"The response of {host} is larger than {max_bytes} bytes."
    return ResponseTooLargeError(message)


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            message = f"{name[:100]!r} is no name of a header."
            raise RequestInvalidError(message)
        if not _HEADER_VALUE.fullmatch(value):
            message = f"The header {name} holds a line break or a character outside ASCII."
            raise RequestInvalidError(message)
        if name.lower() in _OURS:
            message = f"The header {name} follows from the request and cannot be set."
            raise RequestInvalidError(message)
    others = {name: value for name, value in headers.items() if name.lower() != "accept-encoding"}
    return {**others, "Accept-Encoding": "gzip"}


def _translated(error: httpx.HTTPError | httpx.InvalidURL, host: str) -> OutgoingError:
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return RequestInvalidError(f"This is no address that can be asked: {error}")
    if isinstance(error, httpx.TimeoutException):
        return TooSlowError(f"{host} took no connection within {CONNECT_SECONDS:g} seconds.")
    failed = _tls_failure(error)
    if failed is not None:
        reason = getattr(failed, "verify_message", "") or failed.reason or "TLS failed"
        return TlsFailedError(f"No trusted connection to {host}: {reason}.")
    if isinstance(error, httpx.ProtocolError | httpx.DecodingError):
        return ResponseInvalidError(f"What {host} sent is no HTTP response: {error}")
    return HostUnreachableError(f"{host} cannot be reached, or broke off.")


def _tls_failure(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _host(url: str) -> str:
    try:
        return httpx.URL(url).host or "The host"
    except httpx.InvalidURL:
        return "The host"


def _canonical(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


def _spelled(host: str, port: int | None) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


def _allowed(entry: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{entry}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or set(entry) & set("/@?# ") or "*" in host.removeprefix("*."):
        message = f"{entry[:100]!r} is no host to allow; write host, host:port, *.domain or [v6]:port."
        raise InvalidValueError(message)
    return _canonical(host), port
