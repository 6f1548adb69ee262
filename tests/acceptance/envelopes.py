"""What every answer that is not a success must look like."""

from typing import Any

import httpx


def envelope(answer: httpx.Response, status: int | None = None, code: str | None = None) -> Any:
    """Return the body of an error once it is what the wire contract says, and has this status and code."""
    assert 400 <= answer.status_code < 500, (answer.request.method, str(answer.request.url), answer.text)
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["requestId"] == answer.headers["x-request-id"]
    assert body["issues"]
    for issue in body["issues"]:
        assert issue.keys() >= {"field", "message", "code", "severity"}
        assert all(isinstance(issue[name], str) and issue[name] for name in ("field", "message", "code", "severity"))
    if status is not None:
        assert (answer.status_code, code or body["issues"][0]["code"]) == (status, body["issues"][0]["code"]), body
    return body
