"""What strangers send: refused with a clear answer, and nothing of it stays."""

import http.client
import json
import re
import socket
from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served

from assay import api

BOUNDARY = "the-boundary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
START = {"target": "workflows.echo"}


@pytest.fixture(autouse=True)
def nothing_stays(served: Served, world: Mapping[str, str]) -> Generator[None]:
    """No test here may leave a row behind."""
    before = served.do(_rows)
    yield
    assert served.do(_rows) == before


async def _rows(server: api.Server) -> dict[str, int]:
    async with server.database.transaction() as tx:
        named = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        tables = [row["relname"] for row in await tx.fetch(f"{named} AND relname NOT LIKE 'pgqueuer%'")]
        return {name: await tx.fetch_value(f"SELECT count(*) FROM {name}") for name in tables}


def part(name: str, content: bytes | str, *, filename: str | None = None, more: str = "") -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    head = f'Content-Disposition: form-data; name="{name}"{named}\r\n{more}\r\n'
    return head.encode("utf-8", "surrogatepass") + (content if isinstance(content, bytes) else content.encode())


def form(*parts: bytes, end: bytes = b"--") -> bytes:
    edge = f"--{BOUNDARY}".encode()
    return b"".join(edge + b"\r\n" + one + b"\r\n" for one in parts) + edge + end + b"\r\n"


TARGET = part("target", "workflows.echo")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"{",
        b"nonsense",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"target": "workflows.echo"} trailing',
        b'{"target": "workflows.echo", "target": "workflows.echo"}',
        b'{"target": "workflows.echo", "input": {"a": 1, "a": 1}}',
        b'{"target": "workflows.echo", "input": {"a": NaN}}',
        b'{"target": "workflows.echo", "input": {"a": -Infinity}}',
        b'{"target": "workflows.echo", "input": {"a": 1e999}}',
        b'{"target": "workflows.echo", "input": {"a": ' + b"9" * 5000 + b"}}",
        b'{"target": "workflows.echo", "input": {"name": "\\u0000"}}',
        b'{"target": "workflows.echo", "input": {"\\u0000": 1}}',
        b'{"target": "workflows.echo", "input": {"name": "\\ud800"}}',
        b'{"target": "workflows.echo", "metadata": {"\\udfff": 1}}',
        b'{"target": "workflows.echo", "input": {"name": "\xed\xa0\x80"}}',
        b'{"target": "workflows.echo", "input": {"name": "\x00"}}',
        b'{"target": "workflows.echo", "input": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"target": "workflows.echo", "input": {"a": ' + b"[" * 101 + b"]" * 101 + b"}}",
    ],
    ids=lambda body: repr(body[:60]),
)
def test_a_body_that_is_not_strict_json_is_refused(http: httpx.Client, body: bytes):
    envelope(http.post("/runs", content=body, headers={"content-type": "application/json"}), 400, "invalid_json")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"', b"{}", b'{"target": null}'])
def test_json_that_is_no_start_is_refused(http: httpx.Client, body: bytes):
    envelope(http.post("/runs", content=body, headers={"content-type": "application/json"}), 400, "invalid_value")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", 1),
        ("target", []),
        ("target", ""),
        ("target", "x" * 201),
        ("input", []),
        ("input", "text"),
        ("input", None),
        ("files", []),
        ("files", {"document": "file_x"}),
        ("files", {"document": 7}),
        ("overrides", []),
        ("overrides", {"steps": []}),
        ("overrides", {"steps": {"note": 1}}),
        ("metadata", []),
        ("metadata", "text"),
        ("mode", "production"),
        ("mode", 1),
        ("version", 1),
        ("version", "x" * 201),
        ("routingKey", 1),
        ("routingKey", "x" * 201),
        ("input", {"document": {"$file": "input/document/a.txt"}}),
        ("input", {"document": {"$fileId": "file_nothing"}}),
        ("input", {"document": {"$fileId": "nul\x7f"}}),
        ("input", {"document": {"$fileId": 7}}),
        ("input", {"document": {"$fileId": {"$ne": 1}}}),
        ("input", {"document": {"$inline": {"filename": "a"}}}),
        ("input", {"document": {"$inline": {"filename": "a", "base64": "!"}}}),
        ("input", {"document": {"$inline": "text"}}),
        ("input", {"document": {"$inline": None}}),
        ("input", {"name": ["a", "list"]}),
    ],
)
def test_a_field_of_the_wrong_shape_is_named(http: httpx.Client, field: str, value: Any):
    body = envelope(http.post("/runs", json={**START, field: value}), 400)
    assert body["issues"][0]["field"].split(".")[0].split("[")[0] in {field, "document", "name"}


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("echo", 400, "invalid_target"),
        ("Workflows.echo", 400, "invalid_target"),
        ("workflows.", 404, "not_found"),
        ("workflows.nothing", 404, "not_found"),
        ("workflows.echo@1.0.0", 404, "not_found"),
        ("workflows.ec\u0000ho", 400, "invalid_json"),
        ("workflows.é", 404, "not_found"),
        ("workflows.../../etc", 404, "not_found"),
        ("workflows.echo'; DROP TABLE runs; --", 404, "not_found"),
        ("agents.echo", 404, "not_found"),
        ("wf_nothing", 404, "not_found"),
    ],
)
def test_a_target_that_is_none_is_refused(http: httpx.Client, target: str, status: int, code: str):
    envelope(http.post("/runs", json={"target": target}), status, code)


@pytest.mark.parametrize("version", ["9.9.9", "original", "1", "é", "%00", "x" * 300, "wfv_nothing"])
def test_a_version_that_does_not_exist_is_refused(http: httpx.Client, world: Mapping[str, str], version: str):
    escaped = version.replace("%00", "\x00")
    for answer in (
        http.post("/runs", json=START, params={"version": escaped}),
        http.post("/runs", json={**START, "version": version}),
        http.get(f"/automations/workflows.echo/versions/{version}"),
        http.post(f"/automations/workflows.echo/versions/{version}/promote"),
    ):
        assert envelope(answer)["issues"][0]["code"] in {"not_found", "invalid_value"}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"])
def test_another_content_type_is_refused(http: httpx.Client, kind: str):
    answer = http.post("/runs", content=json.dumps(START), headers={"content-type": kind})
    envelope(answer, 400, "unsupported_content_type")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("wait_for_completion=-1", "wait_for_completion"),
        ("wait_for_completion=601", "wait_for_completion"),
        ("wait_for_completion=1.5", "wait_for_completion"),
        ("wait_for_completion=soon", "wait_for_completion"),
        ("wait_for_completion=99999999999999999999", "wait_for_completion"),
        ("wait_for_completion=%D9%A1", "wait_for_completion"),
        ("waitForCompletion=1", "waitForCompletion"),
        ("version=%00", "version"),
        ("%00=1", "\ufffd"),
    ],
)
def test_a_start_with_a_strange_query_is_refused(http: httpx.Client, world: Mapping[str, str], query: str, field: str):
    for answer in (http.post(f"/runs?{query}", json=START), http.post(f"/runs/{world['run_id']}/rerun?{query}")):
        assert envelope(answer, 400)["issues"][0]["field"] == field


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=1000",
        "limit=-1",
        "limit=ten",
        "limit=1e1",
        "offset=-1",
        "offset=99999999999",
        "cursor=nonsense",
        "cursor=%00",
        "cursor=AAAA",
        "cursor=____________________",
        "cursor=" + "A" * 5000,
        "cursor=%C3%A9",
        "status=done",
        "status=completed,%00",
        "type=robot",
        "mode=test",
        "from=yesterday",
        "from=%00",
        "to=2026-13-01",
        "to=9999999999999d",
        "createdAfter=0001-01-01T00:00:00%2B23:59",
        "createdBefore=9999-12-31T23:59:59-23:59",
        "completedAfter=999999w",
        "experiments=maybe",
        "sort=name",
        "order=up",
        "nothing=1",
        "triggered_by=x",
        "source=%00",
        "batchId=%00",
        "exampleIdContains=%00",
        "ids=%00",
        "triggeredBy=a%00",
    ],
)
def test_a_list_that_cannot_be_asked_for_is_refused(http: httpx.Client, query: str):
    body = envelope(http.get(f"/runs?{query}"), 400)
    assert body["issues"][0]["field"] == query.split("=", maxsplit=1)[0]


@pytest.mark.parametrize(
    "query",
    [
        "source=%FF",
        "source=" + "x" * 3000,
        "ids=" + ",".join("exec_x" for _ in range(500)),
        "exampleIdContains=%25_%5C",
        "status=&from=&cursor=&limit=",
        "batchId=%ED%A0%80",
        "to=0001-01-01",
        "from=9999-12-31T23:59:59Z",
        "createdBefore=0001-01-01T00:00:00Z",
    ],
)
def test_a_strange_filter_is_answered(http: httpx.Client, query: str):
    answer = http.get(f"/runs?{query}")
    assert answer.status_code in {200, 400}, answer.text


@pytest.mark.parametrize("expand", ["everything", "input,nothing", "steps", "%00"])
def test_an_unknown_expansion_is_refused(http: httpx.Client, world: Mapping[str, str], expand: str):
    body = envelope(http.get(f"/runs/{world['run_id']}?expand={expand}"), 400, "invalid_value")
    assert "input" in body["issues"][0]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "..%2F..%2Fetc%2Fpasswd",
        "../../etc/passwd",
        "%2e%2e/%2e%2e/secret.key",
        "input/..%2f..%2fsecret.key",
        "output/note//note.txt",
        "/output/note/note.txt",
        "output%5Cnote",
        "output/%00",
        "%00",
        "%ff%fe",
        "%ED%A0%80",
        "output/note/note.txt/",
        ".",
        "x" * 5000,
    ],
)
def test_a_path_out_of_a_run_leads_nowhere(served: Served, world: Mapping[str, str], path: str):
    """`http.client` sends paths as they are; others tidy them up first."""
    host = urlsplit(served.base_url).netloc
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.putrequest("GET", f"/api/v1/runs/{world['run_id']}/artifacts/{path}", skip_accept_encoding=True)
    connection.putheader("Authorization", f"Bearer {served.key()}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in {400, 404}, (answer.status, body)
    assert b"root:" not in body
    assert json.loads(body)["requestId"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "strange", ["%00", "exec_%00", "%ff", "%ED%A0%80", "..", "%2e%2e", "exec_" + "x" * 3000, "'--", "%F0%9F%98%80"]
)
@pytest.mark.parametrize(
    "route",
    [
        "GET /runs/{}",
        "DELETE /runs/{}",
        "POST /runs/{}/cancel",
        "POST /runs/{}/rerun",
        "GET /runs/{}/steps",
        "GET /runs/{}/events",
        "GET /runs/{}/trace",
        "GET /runs/{}/usage",
        "GET /runs/{}/artifacts",
        "GET /runs/{}/artifacts/x",
        "GET /runs/{}/compare/{}",
        "GET /files/{}",
        "DELETE /files/{}",
        "GET /files/{}/content",
        "GET /automations/{}",
        "POST /automations/{}/sync",
        "GET /automations/{}/triggers",
        "GET /automations/{}/versions",
        "GET /automations/{}/versions/{}",
        "POST /automations/{}/versions/{}/promote",
        "DELETE /keys/{}",
    ],
)
def test_an_id_that_is_none_is_not_found(http: httpx.Client, route: str, strange: str):
    method, path = route.replace("{}", strange).split()
    answer = http.request(method, path)
    assert answer.status_code in {404, 405} or answer.url.path != f"/api/v1{path}", answer.text
    if answer.status_code != 200:
        envelope(answer)


def test_a_strange_version_of_a_real_automation_is_not_found(http: httpx.Client):
    for strange in ("%00", "%ff", "x" * 3000, "%F0%9F%98%80"):
        envelope(http.get(f"/automations/workflows.echo/versions/{strange}"), 404)


@pytest.mark.parametrize("path", ["/runs", "/files"])
def test_a_body_that_is_too_large_is_refused(http: httpx.Client, path: str):
    envelope(http.post(path, content=b"x" * 2_500_000, headers={"content-type": MULTIPART}), 413, "body_too_large")

    def chunked() -> Generator[bytes]:
        yield form(TARGET)[:-4]
        for _ in range(40):
            yield b"x" * 65_536

    answer = http.post(path, content=chunked(), headers={"content-type": MULTIPART})
    envelope(answer)


def test_json_that_is_too_large_is_refused(http: httpx.Client):
    body = json.dumps({**START, "input": {"name": "x" * 1_100_000}})
    for path in ("/runs", "/providers", "/keys"):
        answer = http.post(path, content=body, headers={"content-type": "application/json"})
        envelope(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_multipart"),
        (b"nonsense", "invalid_multipart"),
        (form(), "invalid_multipart"),
        (form(TARGET)[:-10], "invalid_multipart"),
        (form(TARGET)[:40], "invalid_multipart"),
        (form(TARGET, part("files.document", b"x", filename="a"))[:-30], "invalid_multipart"),
        (form(TARGET, end=b""), "invalid_multipart"),
        (form(TARGET, TARGET), "invalid_multipart"),
        (form(TARGET, part("input", "{}"), part("input", "{}")), "invalid_multipart"),
        (form(TARGET, part("document", b"x", filename="a")), "invalid_multipart"),
        (form(TARGET, part("files.", b"x", filename="a")), "invalid_multipart"),
        (form(TARGET, part("file.document", b"x", filename="a")), "invalid_multipart"),
        (form(TARGET, b"\r\nno headers"), "invalid_multipart"),
        (form(TARGET, b'Content-Disposition: attachment; name="input"\r\n\r\n{}'), "invalid_multipart"),
        (form(TARGET, b"Content-Disposition: form-data\r\n\r\n{}"), "invalid_multipart"),
        (form(TARGET, b'Content-Disposition: form-data; name="\xff"\r\n\r\n{}'), "invalid_multipart"),
        (form(TARGET, part("input", b"\xff")), "invalid_multipart"),
        (form(*[TARGET[:-1] + bytes([65 + i % 26]) for i in range(3)]), "invalid_multipart"),
        (form(*[part(f"p{i}", "{}") for i in range(300)], TARGET), "invalid_multipart"),
        (form(TARGET, part("input", "{nonsense")), "invalid_json"),
        (form(TARGET, part("input", '{"a": NaN}')), "invalid_json"),
        (form(TARGET, part("input", '{"a": 1, "a": 2}')), "invalid_json"),
        (form(TARGET, part("input", '{"a": "\\u0000"}')), "invalid_json"),
        (form(TARGET, part("metadata", '{"a": "\x00"}')), "invalid_multipart"),
        (form(TARGET, part("input", "[" * 10_000 + "]" * 10_000)), "invalid_json"),
        (form(TARGET, part("input", "[]")), "invalid_value"),
        (form(part("input", "{}")), "invalid_value"),
        (form(part("target", b"workflows.echo\x00")), "invalid_multipart"),
        (form(TARGET, part("mode", b"\x00")), "invalid_multipart"),
        (form(TARGET, part("version", b"\x00")), "invalid_multipart"),
        (form(TARGET, part("routingKey", b"a\x00")), "invalid_multipart"),
        (form(TARGET, part("files.document", "text without a file name")), "invalid_multipart"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[-60:]),
)
def test_a_multipart_start_that_is_malformed_is_refused(http: httpx.Client, body: bytes, code: str):
    answer = http.post("/runs", content=body, headers={"content-type": MULTIPART})
    assert envelope(answer)["issues"][0]["code"] == code


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=another",
        "multipart/form-data; boundary=" + "x" * 5000,
        "multipart/form-data; boundary*=utf-8''%00",
        "multipart/mixed; boundary=the-boundary",
    ],
)
def test_a_boundary_that_is_not_there_is_refused(http: httpx.Client, kind: str):
    for path in ("/runs", "/files"):
        envelope(http.post(path, content=b"no boundary " * 100, headers={"content-type": kind}), 400)


@pytest.mark.parametrize(
    "body",
    [
        form(part("file", b"x")),
        form(part("other", b"x", filename="a")),
        form(part("file", b"x", filename="a"), part("file", b"y", filename="b")),
        form(part("purpose", "x")),
        form(part("file", b"x", filename="a"), part("purpose", "not a word!")),
        form(part("file", b"x", filename="a"), part("purpose", b"\x00")),
        form(part("file", b"x", filename="a"), part("purpose", "a"), part("purpose", "a")),
    ],
    ids=lambda value: repr(value[-60:]),
)
def test_an_upload_that_is_not_one_file_is_refused(http: httpx.Client, body: bytes):
    envelope(http.post("/files", content=body, headers={"content-type": MULTIPART}), 400)


@pytest.mark.parametrize("path", ["/runs", "/files"])
@pytest.mark.parametrize(
    ("kind", "begun"),
    [("application/json", b'{"target"'), (MULTIPART, form(TARGET, part("file", b"x" * 300_000, filename="a"))[:-20])],
    ids=["json", "multipart"],
)
def test_a_caller_who_hangs_up_is_no_failure_of_the_server(
    served: Served, http: httpx.Client, path: str, kind: str, begun: bytes
):
    def answered(status: int) -> float:
        counted = re.compile(rf'assay_http_requests_total{{method="POST",route="{path}",status="{status}"}} (.*)')
        found = counted.search(http.get(f"{served.base_url}/metrics").text)
        return float(found[1]) if found else 0

    refused, failed = answered(400), answered(500)
    address = urlsplit(served.base_url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.key()}\r\n"
        connection.sendall(f"{head}Content-Type: {kind}\r\nContent-Length: 900000\r\n\r\n".encode() + begun)
    assert any(answered(400) + answered(500) > refused + failed for _ in range(2000))
    assert answered(500) == failed
    spools = served.server.settings.data_dir.glob("blobs/spool/*")
    assert [spool for spool in spools if spool.is_file()] == []


@pytest.mark.parametrize("key", [b"", b"\xad", b"x" * 256, b"a\tb"])
def test_an_idempotency_key_that_is_none_is_refused(http: httpx.Client, key: bytes):
    answer = http.post("/runs", json=START, headers={b"Idempotency-Key": key})
    assert envelope(answer, 400)["issues"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/automations", {"yaml": 1}),
        ("POST", "/automations", {"yaml": ""}),
        ("POST", "/automations", {"yaml": "x: [", "activate": True}),
        ("POST", "/automations", {"yaml": "a: 1", "activate": "yes"}),
        ("POST", "/automations", {"yaml": "a: 1", "extra": 1}),
        ("POST", "/automations", {"yaml": "&a [*a]"}),
        ("POST", "/automations", {"yaml": "[" * 5000}),
        ("POST", "/automations", {"yaml": "name: \x01"}),
        ("POST", "/automations", {"yaml": "name: x\nsteps: []\nversion: 1"}),
        ("POST", "/automations", []),
        ("POST", "/automations/workflows.echo/versions", {"yaml": "name: other\nsteps: []"}),
        ("PATCH", "/automations/workflows.echo/triggers", {"api": "yes"}),
        ("PATCH", "/automations/workflows.echo/triggers", {"cron": True}),
        ("PATCH", "/automations/workflows.echo/triggers", []),
        ("PATCH", "/automations/workflows.echo/limits", {"concurrencyLimit": 0}),
        ("PATCH", "/automations/workflows.echo/limits", {"concurrencyLimit": -1}),
        ("PATCH", "/automations/workflows.echo/limits", {"concurrencyLimit": 10**30}),
        ("PATCH", "/automations/workflows.echo/limits", {"concurrencyLimit": 1.5}),
        ("PATCH", "/automations/workflows.echo/limits", {"concurrencyLimit": True}),
        ("PATCH", "/automations/workflows.echo/limits", {"retentionDays": 10**12}),
        ("PATCH", "/automations/workflows.echo/limits", {"retentionDays": 2**31 - 1}),
        ("PATCH", "/automations/workflows.echo/limits", {"retentionDays": 0}),
        ("PATCH", "/automations/workflows.echo/limits", {"retentionDays": "1"}),
        ("POST", "/keys", {}),
        ("POST", "/keys", {"name": ""}),
        ("POST", "/keys", {"name": "\x7f"}),
        ("POST", "/keys", {"name": 1}),
        ("POST", "/keys", {"name": "x" * 129}),
        ("POST", "/keys", {"name": "x", "scopes": []}),
        ("POST", "/keys", {"name": "x", "scopes": "runs:read"}),
        ("POST", "/keys", {"name": "x", "scopes": ["admin"]}),
        ("POST", "/keys", {"name": "x", "expiresAt": "soon"}),
        ("POST", "/keys", {"name": "x", "expiresAt": "2020-01-01T00:00:00Z"}),
        ("POST", "/keys", {"name": "x", "expiresAt": "2030-01-01T00:00:00"}),
        ("POST", "/keys", {"name": "x", "expiresAt": 1e300}),
    ],
    ids=str,
)
def test_other_bodies_of_the_wrong_shape_are_refused(http: httpx.Client, method: str, path: str, body: Any):
    envelope(http.request(method, path, json=body), 400)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "type=robot", "search=%00", "nothing=1"])
def test_a_list_of_automations_that_cannot_be_asked_for_is_refused(http: httpx.Client, query: str):
    envelope(http.get(f"/automations?{query}"), 400)


@pytest.mark.parametrize("query", ["limit=0", "before=%00", "nothing=1"])
def test_an_audit_page_that_cannot_be_asked_for_is_refused(http: httpx.Client, query: str):
    envelope(http.get(f"/audit?{query}"), 400)
