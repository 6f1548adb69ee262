"""How one request is sent: signed, repeated where that is safe, and answered by JSON or an exception."""

import ipaddress
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import IO, Any, Literal, cast
from urllib.parse import quote

import httpx

from assay_client.errors import (
    ApiError,
    ConnectionFailedError,
    InvalidArgumentError,
    InvalidBaseUrlError,
    UnexpectedAnswerError,
    api_error,
)
from assay_client.uploads import Part, opened

Method = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
Query = Mapping[str, str | int | float | bool | Sequence[str] | None]

PREFIX = "/api/v1"
CONNECT_SECONDS = 10.0
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 60.0


class Transport:
    """A pool of connections to one server."""

    def __init__(self, base_url: str, api_key: str, *, timeout: float, retries: int, trigger: str) -> None:
        """See `Client`."""
        self.base_url = _checked(base_url)
        self._retries = retries
        self._has_answered = False
        self._http = httpx.Client(
            base_url=self.base_url + PREFIX,
            headers={"Authorization": f"Bearer {api_key}", "X-Eigenpal-Trigger": trigger, "User-Agent": "assay-client"},
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            # No proxy reaches this machine's own loopback, so the proxy variables do not apply to it.
            trust_env=not _is_loopback(self.base_url),
        )

    def close(self) -> None:
        """Close all connections. A second call does nothing."""
        self._http.close()

    def request(
        self,
        method: Method,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        parts: Sequence[Part] = (),
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> dict[str, Any]:
        """Send a JSON body or multipart parts, or neither; return the JSON object of the answer ({} where it is empty).

        A request is repeated as long as the server has surely not acted on it (no connection, 429,
        503). A `repeatable` one (by default all but POST) is also repeated after a broken
        connection and any other 5xx. `Retry-After` is honoured up to a minute; where it asks for
        more, or where no request of this client was ever answered, the first failure is final.

        Raises:
            ApiError: the server refused; its subclasses say how.
            ConnectionFailedError: there was no answer.
            UnexpectedAnswerError: the answer is no JSON object.
            OSError: a file to upload cannot be read.
            InvalidArgumentError: the body is no JSON (NaN, for example).
        """
        content = None if body is None else json_body(body)
        sent_headers = {**({} if content is None else {"Content-Type": "application/json"}), **(headers or {})}

        def send() -> httpx.Response:
            with opened(parts) as files:
                return self._http.request(
                    method, path, params=_flat(query), headers=sent_headers, content=content, files=files or None
                )

        response = self._repeated(send, may_repeat=method != "POST" if repeatable is None else repeatable)
        return _object(response)

    def download(self, path: str, to: IO[bytes], *, query: Query | None = None) -> int:
        """Write the bytes that lie at a path to an open file as they arrive; return how many.

        Only a request that was not answered yet is repeated: what is written is never written twice.

        Raises:
            ApiError: the server refused.
            ConnectionFailedError: there was no answer, or it broke off.
        """

        def send() -> httpx.Response:
            return self._http.send(self._http.build_request("GET", path, params=_flat(query)), stream=True)

        response = self._repeated(send, may_repeat=True)
        try:
            return sum(to.write(piece) for piece in response.iter_bytes())
        except httpx.TransportError as error:
            raise self._connection_failed(error) from error
        finally:
            response.close()

    def lines(self, path: str, *, patience: float | None = None) -> Iterator[str]:
        """Yield the lines of an answer as they arrive, without their ends; the next one must come within `patience`.

        That is in seconds, and at most the client's own. Only a request that was not answered yet is repeated.

        Raises:
            ApiError: the server refused.
            ConnectionFailedError: there was no answer, or it broke off.
        """

        def send() -> httpx.Response:
            return self._http.send(self._http.build_request("GET", path, timeout=timeout), stream=True)

        own = self._http.timeout.read
        seconds = own if patience is None else min(patience, own or patience)
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        response = self._repeated(send, may_repeat=patience is None)
        try:
            yield from response.iter_lines()
        except httpx.TransportError as error:
            raise self._connection_failed(error) from error
        finally:
            response.close()

    def _repeated(self, send: Callable[[], httpx.Response], *, may_repeat: bool) -> httpx.Response:
        for attempt in count():
            delay = FIRST_DELAY_SECONDS * 2**attempt * random.uniform(0.5, 1)  # noqa: S311 (jitter)
            try:
                response = send()
            except httpx.TransportError as error:
                if attempt == self._retries or not self._may_resend(error, may_repeat=may_repeat):
                    raise self._connection_failed(error) from error
            else:
                self._has_answered = True
                if response.is_success:
                    return response
                refusal = _refusal(response)
                delay = max(delay, _retry_after(response))
                if (
                    attempt == self._retries
                    or delay > LONGEST_DELAY_SECONDS
                    or not _passes(refusal, may_repeat=may_repeat)
                ):
                    raise refusal
            time.sleep(delay)
        raise AssertionError

    def _may_resend(self, error: httpx.TransportError, *, may_repeat: bool) -> bool:
        # Where nothing has ever answered, waiting is less likely to help than telling the caller at once.
        is_surely_unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        return self._has_answered if is_surely_unsent else may_repeat

    def _connection_failed(self, error: httpx.TransportError) -> ConnectionFailedError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ConnectionFailedError(f"Nothing answers at {self.base_url}.")
        if isinstance(error, httpx.TimeoutException):
            return ConnectionFailedError(f"{self.base_url} did not answer in time.")
        return ConnectionFailedError(f"The connection to {self.base_url} broke: {error or type(error).__name__}")


def json_body(value: object) -> bytes:
    """Write JSON in UTF-8.

    Raises:
        InvalidArgumentError: it is none: it holds NaN, or half a surrogate pair.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise InvalidArgumentError(f"This cannot be sent as JSON: {error}.") from error


def segment(value: str) -> str:
    """Quote a value that is one segment of a path.

    Raises:
        InvalidArgumentError: it would lead to another path.
    """
    if value in {"", ".", ".."}:
        raise InvalidArgumentError(f"There can be nothing of the name {value!r}.")
    return quote(value, safe="")


def segments(path: str) -> str:
    """Quote a value that is several segments of a path, with slashes between them.

    Raises:
        InvalidArgumentError: it would lead to another path.
    """
    return "/".join(segment(part) for part in path.split("/"))


def _checked(base_url: str) -> str:
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as error:
        raise InvalidBaseUrlError(f"{base_url!r} is no URL: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidBaseUrlError(f"{base_url!r} is no URL of a server; it looks like http://127.0.0.1:8321.")
    return str(url).rstrip("/").removesuffix(PREFIX)


def _is_loopback(base_url: str) -> bool:
    host = httpx.URL(base_url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _flat(query: Query | None) -> dict[str, str]:
    return {name: _text(value) for name, value in (query or {}).items() if value is not None}


def _text(value: str | int | float | bool | Sequence[str]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ",".join(value)


def _object(response: httpx.Response) -> dict[str, Any]:
    if not response.content:
        return {}
    try:
        found: object = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnexpectedAnswerError(
            f"{response.url} did not answer with a JSON object.", hint="Is that the address of an assay server?"
        )
    return cast("dict[str, Any]", found)


def _refusal(response: httpx.Response) -> ApiError:
    try:
        response.read()
        body = _object(response)
    except (UnexpectedAnswerError, httpx.TransportError):
        # A proxy answers in HTML, and its 502 passes by as well as one of the server.
        body = {}
    return api_error(response.status_code, body, response.headers.get("x-request-id"))


def _passes(refusal: ApiError, *, may_repeat: bool) -> bool:
    if "run" in refusal.body:
        # A waited run that failed with a status of its own choice: it will not change.
        return False
    return refusal.status in {429, 503} or (may_repeat and refusal.status >= 500)


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds that the server asks to wait; 0 where it asks for none that can be read."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())  # noqa: TID251
    except (ValueError, TypeError):
        return 0.0
