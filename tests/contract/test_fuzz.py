"""Requests that nobody would think of: the server never fails, and every refusal is the envelope."""

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import push, set_step

from assay import access

# A scope is not what is tested here, and a key that was revoked ends the test.
ROUTES = sorted(set(access.POLICY) - {("DELETE", "/keys/{key_id}"), ("GET", "/metrics")})
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "120"))
BOUNDARY = "b"
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]

TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "\x00", "\ufffe", "latest", "workflows.echo", "agents.x", "wf_", "exec_", "7d", "-1", "1e9"]),
    st.sampled_from(["..", "../x", "a/b", "%2e%2e", "completed", "true", "2026-01-01T00:00:00Z", "\u202ex", "x" * 500]),
)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
KNOWN_KEYS = (
    st.sampled_from(["input", "files", "metadata", "mode", "version", "yaml", "activate", "api", "manual", "expiresAt"])
    | st.sampled_from(["name", "scopes", "concurrencyLimit", "retentionDays", "steps", "set", "document", "n"])
    | st.sampled_from(["$fileId", "fileId", "$inline", "base64", "$file", "filename", "mimeType"])
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KNOWN_KEYS | TEXT, inner, max_size=4),
    max_leaves=12,
)
START = st.fixed_dictionaries(
    {"target": st.just("workflows.echo")},
    optional={
        "input": st.dictionaries(st.sampled_from(["n", "document", "other"]), VALUE, max_size=3),
        "files": st.dictionaries(st.sampled_from(["document", "other"]), VALUE, max_size=2),
        "overrides": st.fixed_dictionaries({"steps": st.dictionaries(st.sampled_from(["set", "x"]), VALUE)}) | VALUE,
        "metadata": VALUE,
        "mode": VALUE,
        "version": TEXT,
        "routingKey": TEXT,
    },
)
EXAMPLE = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["first", "second", "A b", None]),
        "input": st.dictionaries(st.sampled_from(["n", "document"]), VALUE, max_size=2) | VALUE,
        "expected": VALUE | st.fixed_dictionaries({"$error": VALUE}),
        "metadata": VALUE,
        "annotation": VALUE,
        "rowOrder": VALUE,
        "overrides": st.fixed_dictionaries({"steps": VALUE}) | VALUE,
        "newFilename": TEXT,
    },
)
QUERY_NAMES = (
    st.sampled_from(
        ["version", "wait_for_completion", "expand", "zip", "search", "before", "limit", "offset", "cursor"]
    )
    | st.sampled_from(["status", "type", "source", "trigger", "mode", "triggeredBy", "sourceRef", "batchId", "ids"])
    | st.sampled_from(["exampleId", "exampleIdContains", "from", "to", "completedAfter", "experiments", "order"])
    | st.sampled_from(["exampleIds", "revision", "include", "results", "format", "sourceRef"])
)
# A wait is the one parameter that costs time.
QUERY = st.lists(st.tuples(QUERY_NAMES | TEXT, TEXT), max_size=4).map(
    lambda pairs: [(name, value) for name, value in pairs if name != "wait_for_completion" or not value.isdigit()]
)
RAW_TEXT = st.binary(max_size=20)
PART = st.tuples(
    st.sampled_from(
        [b"target", b"input", b"metadata", b"overrides", b"files.document", b"files.n", b"file", b"purpose", b"mode"]
    )
    | RAW_TEXT,
    st.none() | RAW_TEXT | st.sampled_from([b"a.txt", b"../../x", b'a";x="', b"\xff", b"a\x00b", b"x" * 400]),
    st.none() | RAW_TEXT | st.sampled_from([b"text/plain", b"text/html; charset=x"]),
    st.sampled_from([b"workflows.echo", b"{}", b'{"n": 1}', b"", b"--b--", b"\r\n--b\r\n"]) | RAW_TEXT,
)


def _written(parts: list[tuple[bytes, bytes | None, bytes | None, bytes]]) -> bytes:
    written = b""
    for name, filename, kind, content in parts:
        written += b'--b\r\nContent-Disposition: form-data; name="' + name + b'"'
        written += b'; filename="' + filename + b'"' if filename is not None else b""
        written += b"\r\nContent-Type: " + kind if kind is not None else b""
        written += b"\r\n\r\n" + content + b"\r\n"
    return written + b"--b--\r\n"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


FORM = st.lists(PART, max_size=5).map(_written)
CUT = st.tuples(FORM, st.integers(0, 400)).map(lambda cut: cut[0][: cut[1]])
BODY = st.one_of(
    st.tuples(st.just("application/json"), START.map(_json)),
    st.tuples(st.just("application/json"), EXAMPLE.map(_json)),
    st.tuples(st.just("application/json"), VALUE.map(_json)),
    st.tuples(st.just("application/json"), st.binary(max_size=60)),
    st.tuples(st.just(f"multipart/form-data; boundary={BOUNDARY}"), FORM | CUT),
    st.tuples(st.just("multipart/form-data"), FORM),
    st.tuples(st.sampled_from(["text/plain", "", "multipart/form-data; boundary"]), st.binary(max_size=30)),
)
HEADERS = st.dictionaries(
    st.sampled_from(["Idempotency-Key", "X-Eigenpal-Trigger", "X-Request-Id", "Accept", "Range", "Content-Encoding"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), min_size=1, max_size=12),
    max_size=2,
)


@pytest.fixture(scope="module")
def ids(http: httpx.Client, world: Mapping[str, str]) -> Mapping[str, str]:
    inputs = [
        {"name": "n", "type": "number", "required": False},
        {"name": "document", "type": "file", "required": False},
    ]
    push(http, "echo", [set_step(x="{{ input.n }}")], inputs=inputs, version="1.0.1")
    return world


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SUPPRESSED)
@given(
    route=st.sampled_from(ROUTES),
    strange=st.none() | TEXT.filter(bool),
    query=QUERY,
    body=st.none() | BODY,
    headers=HEADERS,
)
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
def test_no_request_makes_the_server_fail(
    http: httpx.Client,
    ids: Mapping[str, str],
    route: tuple[str, str],
    strange: str | None,
    query: list[tuple[str, str]],
    body: tuple[str, bytes] | None,
    headers: dict[str, str],
):
    method, path = route
    for name, known in ids.items():
        # Nobody deletes what the other examples need.
        value = known if strange is None and method != "DELETE" else strange or "nothing"
        escaped = quote(value.encode("utf-8", "replace"), safe="").replace(".", "%2E")
        path = path.replace(f"{{{name}}}", escaped).replace(f"{{{name}:path}}", escaped)
    encoded = "&".join(f"{quote(k.encode('utf-8', 'replace'))}={quote(v.encode('utf-8', 'replace'))}" for k, v in query)
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    kind, content = body or ("", b"")
    if body is not None:
        sent[b"Content-Type"] = kind.encode()
    answer = http.request(method, f"{path}?{encoded}", content=content, headers=sent)
    assert answer.status_code < 500, (answer.text, method, path, encoded, body, headers)
    if answer.status_code >= 400:
        envelope(answer)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SUPPRESSED)
@given(start=START)
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
def test_every_start_that_is_accepted_ends(http: httpx.Client, ids: Mapping[str, str], start: dict[str, Any]):
    headers = {"content-type": "application/json"}
    answer = http.post("/runs", params={"wait_for_completion": 20}, content=_json(start), headers=headers)
    if answer.status_code != 200:
        body = envelope(answer)
        if "run" not in body:
            return
        run = body["run"]
    else:
        run = answer.json()
    assert run["finished"] is True
    whole = http.get(f"/runs/{run['id']}", params={"expand": "input,usage,execution,debug"})
    assert whole.status_code == 200, whole.text
    assert http.get(f"/runs/{run['id']}/trace").status_code == 200
