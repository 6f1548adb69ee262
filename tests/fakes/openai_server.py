"""A server on loopback that speaks OpenAI's chat protocol: as a test scripts it, and well behaved where it does not."""

import json
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


@dataclass(frozen=True)
class Reply:
    """One answer; `dropped` closes the connection instead, `hanging` says nothing until the server ends."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    dropped: bool = False
    hanging: bool = False


def said(content: Any, *, finish: str = "stop", prompt_tokens: int = 100, completion_tokens: int = 10) -> Reply:
    """The model says a text, or a value as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    return _completion({"content": text}, finish, prompt_tokens, completion_tokens)


def refused(reason: str = "I cannot help with that.") -> Reply:
    """The model refuses."""
    return _completion({"content": None, "refusal": reason}, "stop", 100, 5)


def truncated(start: str = '{"total": 1') -> Reply:
    """The answer ends where the model's window does."""
    return said(start, finish="length")


def called(name: str, arguments: str) -> Reply:
    """The model asks for a tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return _completion({"content": None, "tool_calls": [call]}, "tool_calls", 100, 5)


def failing(status: int, message: str = "no", *, code: str | None = None, **headers: str) -> Reply:
    """The server answers an error; `retry_after` becomes the header."""
    error = {"error": {"message": message, "type": "error", "code": code}}
    return Reply(status, error, {name.replace("_", "-"): value for name, value in headers.items()})


def dropped() -> Reply:
    """The connection ends without an answer."""
    return Reply(dropped=True)


def hanging() -> Reply:
    """Nothing comes."""
    return Reply(hanging=True)


class OpenAiServer:
    """What it will answer, in order, and what it was asked. With no reply left, `otherwise` says what to answer."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.otherwise: Callable[[Mapping[str, Any]], Reply] = made_up
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.under_way = self.most_under_way = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.base_url = ""

    def will_answer(self, *replies: Reply) -> None:
        self.replies.extend(replies)

    def forget(self) -> None:
        """Begin anew, with nothing asked and nothing to answer."""
        self.replies.clear()
        self.asked.clear()
        self.headers.clear()

    def asked_text(self, index: int = -1) -> str:
        """All text of a request."""
        return json.dumps(self.asked[index]["messages"], ensure_ascii=False)

    def asked_schema(self, index: int = -1) -> dict[str, Any]:
        """The schema of a request."""
        return self.asked[index]["response_format"]["json_schema"]["schema"]


@contextmanager
def openai_server() -> Generator[OpenAiServer]:
    """Run the server while the block lasts."""
    script = OpenAiServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with script.lock:
                script.asked.append(body)
                script.headers.append({name.lower(): value for name, value in self.headers.items()})
                script.under_way += 1
                script.most_under_way = max(script.most_under_way, script.under_way)
                reply = script.replies.popleft() if script.replies else script.otherwise(body)
            try:
                self._answer(reply)
            finally:
                with script.lock:
                    script.under_way -= 1

        def _answer(self, reply: Reply) -> None:
            if reply.hanging:
                script.closing.wait()
            if reply.dropped or reply.hanging:
                self.close_connection = True
                return
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_request(self, code: object = "-", size: object = "-") -> None:
            del code, size

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue] # a client that gave up is expected
    script.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        script.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def made_up(request: Mapping[str, Any]) -> Reply:
    """The smallest answer that fits the schema of the request."""
    form = request.get("response_format", {}).get("json_schema")
    return said(_instance(form["schema"], form["schema"]) if form else "{}")


def _completion(message: dict[str, Any], finish: str, prompt_tokens: int, completion_tokens: int) -> Reply:
    return Reply(
        body={
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
            "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens},
        }
    )


def _instance(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _instance(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "anyOf" in schema:
        return _instance(schema["anyOf"][0], root)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: _instance(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_instance(schema["items"], root)] * schema.get("minItems", 1)
    least = schema.get("minimum", 0)
    return {"string": "text", "number": least, "integer": least, "boolean": True, "null": None}[kind]
