"""Attempts of a step as a reader of its run sees them: how each was configured, and no secret."""

import socketserver
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from tests.acceptance import serving


class Busy(BaseHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        Busy.seen.append(self.headers["Authorization"])
        self.send_response(503)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def busy(http: httpx.Client) -> Generator[str]:
    Busy.seen = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host = f"127.0.0.1:{server.server_address[1]}"
        http.patch("/outgoing", json={"allow": [host]})
        yield host
        http.patch("/outgoing", json={"refuse": [host]})
        server.shutdown()
        thread.join()


def test_every_attempt_says_how_it_was_configured_and_keeps_the_secret(http: httpx.Client, busy: str) -> None:
    asking = {
        "name": "ask",
        "type": "action.http",
        "retry": {"mode": "automatic", "maxAttempts": 2},
        "with": {
            "url": f"http://{busy}/x?access_token={{{{ input.secret }}}}",
            "headers": {"Authorization": "Bearer {{ input.secret }}", "Accept": "text/plain"},
        },
    }
    serving.push(http, "attempts", [asking], inputs=[{"name": "secret", "type": "string"}])
    started = {"target": "workflows.attempts", "input": {"secret": "s3cret"}}
    run = http.post("/runs", json=started, params={"wait_for_completion": 20}).json()
    assert Busy.seen == ["Bearer s3cret"] * 2
    steps = http.get(f"/runs/{run['id']}/steps")
    (step,) = steps.json()["steps"]
    assert [attempt["attemptNumber"] for attempt in step["attempts"]] == [1, 2]
    shown = {
        "url": f"http://{busy}/x?access_token=(hidden)",
        "headers": {"Authorization": "(hidden)", "Accept": "text/plain"},
    }
    assert step["resolvedConfig"] == shown
    assert [attempt["resolvedConfig"] for attempt in step["attempts"]] == [shown] * 2
    assert "s3cret" not in steps.text + http.get(f"/runs/{run['id']}/trace").text
