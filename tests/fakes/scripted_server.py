"""A real HTTP server on a real port, whose answers each test writes down beforehand."""

import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """An answer to give; `broken` closes the connection instead."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: bool = False


class Script:
    """What the server answers, in order, and what it was asked."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.received: list[Received] = []
        self.base_url = ""

    def will_answer(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    def take(self, received: Received) -> Answer:
        self.received.append(received)
        return self.answers.popleft()


@contextmanager
def scripted_server() -> Generator[Script]:
    """Run the server while the block lasts."""
    script = Script()
    with answering(script.take) as script.base_url:
        yield script


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who hung up: they had heard enough."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def answering(answer: Callable[[Received], Answer]) -> Generator[str]:
    """Run a server that answers what a function says, while the block lasts, which is given its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            given = answer(Received(self.command, self.path, dict(self.headers.items()), body))
            if given.broken:
                self.close_connection = True
                return
            content = given.body if isinstance(given.body, bytes) else json.dumps(given.body).encode()
            headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **given.headers}
            self.send_response(given.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_request(self, code: object = "-", size: object = "-") -> None:
            del code, size

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._handle)
    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
