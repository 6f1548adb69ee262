import asyncio
import email
import json
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import Message
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import JsonValue
from tests.fakes.raw_server import Asked, RawServer, pieces, raw_server, redirect, response
from tests.fakes.step_context import FakeStepContext

from assay import clock
from assay.outgoing import Outgoing
from assay.steps import Effect, StepError
from assay.steps.builtin.action_http import ActionHttp
from assay.steps.response_status import retry_after_ms

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def call(server: RawServer, context: FakeStepContext | None = None, **config: Any) -> dict[str, Any]:
    step = ActionHttp.model_validate({"url": server.url("/x"), **config})
    output = await step.run(context or FakeStepContext())
    assert ActionHttp.output_schema is not None
    jsonschema_rs.validator_for(dict(ActionHttp.output_schema)).validate(output)
    assert isinstance(output, dict)
    return output


async def failed(answer: AsyncIterator[bytes], **config: Any) -> StepError:
    async with raw_server(lambda asked: answer) as server:
        with pytest.raises(StepError) as raised:
            await call(server, **config)
    return raised.value


async def test_json_is_parsed() -> None:
    headers = {"Content-Type": "application/vnd.api+json; charset=utf-8", "X-Rate": "1"}
    async with raw_server(lambda asked: response('{"rate":"1,10 €"}'.encode(), headers=headers)) as server:
        output = await call(server)
    assert output["body"] == {"rate": "1,10 €"}
    assert (output["status"], output["statusText"], output["responseCharset"]) == (200, "OK", "utf-8")
    assert output["headers"]["x-rate"] == "1"


@pytest.mark.parametrize(
    ("kind", "body", "text", "charset"),
    [
        ("text/plain; charset=iso-8859-2", "Łódź".encode("iso-8859-2"), "Łódź", "iso-8859-2"),
        ("text/plain", "Łódź".encode(), "Łódź", "utf-8"),
        ("text/plain", "\ufeffŁódź".encode("utf-16-le"), "Łódź", "utf-16"),
        ('text/plain; charset="no-such"', b"x", "x", "utf-8"),
        ("text/plain; charset=zip", b"x", "x", "utf-8"),
        ("application/json", b'{"a": NaN}', '{"a": NaN}', "utf-8"),
        ("application/json", b"not json", "not json", "utf-8"),
        ("application/json", b"[" * 100_000, "[" * 100_000, "utf-8"),
        ("application/octet-stream", b"a,b\n", "a,b\n", "utf-8"),
        ("text/plain", b"", "", "utf-8"),
    ],
)
async def test_what_is_no_json_stays_text(kind: str, body: bytes, text: str, charset: str) -> None:
    async with raw_server(lambda asked: response(body, headers={"Content-Type": kind})) as server:
        output = await call(server)
    assert (output["body"], output["responseCharset"]) == (text, charset)


async def test_what_is_no_text_becomes_a_file_of_the_run() -> None:
    context = FakeStepContext(name="load")
    async with raw_server(
        lambda asked: response(b"%PDF\xff\x00", headers={"Content-Type": "application/pdf"})
    ) as server:
        output = await call(server, context)
    assert (output["body"], output["responseCharset"]) == ({"$file": "output/load/response"}, None)
    assert context.artifacts["output/load/response"] == b"%PDF\xff\x00"


async def test_a_body_is_sent_as_json_with_a_key_for_repetitions() -> None:
    async with raw_server(lambda asked: response()) as server:
        await call(server, FakeStepContext(name="send"), method="POST", body={"total": 1.5, "name": "Ä"})
    asked = server.asked[0]
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(asked.body) == {"total": 1.5, "name": "Ä"}
    assert asked.headers["idempotency-key"] == "run.send"


async def test_the_users_own_key_is_kept() -> None:
    async with raw_server(lambda asked: response()) as server:
        await call(server, method="PUT", headers={"idempotency-key": "mine"})
    assert server.asked[0].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reading_sends_no_key_and_may_be_repeated(method: str) -> None:
    async with raw_server(lambda asked: response()) as server:
        await call(server, method=method)
    assert "idempotency-key" not in server.asked[0].headers
    step = ActionHttp.model_validate({"url": "http://x", "method": method})
    assert (step.effect_now(), step.replay_safe) == (Effect.READ, True)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writing_is_never_repeated_by_itself(method: str) -> None:
    step = ActionHttp.model_validate({"url": "http://x", "method": method})
    assert (step.effect_now(), step.replay_safe) == (Effect.WRITE, False)


async def test_a_form_is_sent_from_an_object() -> None:
    body = {"a": "1 & 2", "b": ["x", 2], "c": None, "d": True}
    async with raw_server(lambda asked: response()) as server:
        await call(server, method="POST", headers=FORM, body=body)
    assert server.asked[0].body == b"a=1+%26+2&b=x&b=2&c=&d=true"


async def test_a_text_is_sent_as_it_is() -> None:
    async with raw_server(lambda asked: response()) as server:
        await call(server, method="POST", body="<a/>", headers={"Content-Type": "application/xml"})
        await call(server, method="POST", body="é")
    assert (server.asked[0].body, server.asked[0].headers["content-type"]) == (b"<a/>", "application/xml")
    assert (server.asked[1].body, server.asked[1].headers["content-type"]) == (
        "é".encode(),
        "text/plain; charset=utf-8",
    )


@pytest.mark.parametrize(
    ("status", "code", "category"),
    [
        (400, "http_rejected", "validation"), (401, "http_unauthenticated", "authentication"),
        (403, "http_forbidden", "authorization"), (404, "http_not_found", "not_found"),
        (408, "http_timeout", "timeout"), (409, "http_rejected", "validation"),
        (429, "http_rate_limited", "rate_limited"), (500, "http_failed", "unknown"),
        (502, "http_unavailable", "temporarily_unavailable"), (503, "http_unavailable", "temporarily_unavailable"),
        (504, "http_unavailable", "temporarily_unavailable"),
    ],
)  # fmt: skip
async def test_a_status_from_400_on_fails_the_step(status: int, code: str, category: str) -> None:
    error = await failed(response(b'{"error":"why"}', status=f"{status} So", headers=JSON))
    assert (error.code, error.category, error.http_status, error.provider) == (code, category, status, "127.0.0.1")
    assert '"why"' in error.message


async def test_how_long_the_host_wants_to_be_left_alone_is_read() -> None:
    error = await failed(response(status="429 Slow", headers={"Retry-After": "7"}))
    assert error.retry_after_ms == 7000
    date = format_datetime(clock.now() + timedelta(hours=1))
    assert 3_500_000 < (retry_after_ms(date) or 0) <= 3_600_000
    assert retry_after_ms(format_datetime(clock.now() - timedelta(hours=1))) == 0
    assert [retry_after_ms(text) for text in (None, "", "soon", "-1", "9" * 5000, "²")] == [None] * 6


async def test_a_slow_host_is_a_timeout() -> None:
    never = asyncio.Event()

    async def silent(asked: Asked) -> AsyncIterator[bytes]:
        del asked
        await never.wait()
        yield b""

    async with raw_server(silent) as server:
        with pytest.raises(StepError) as raised:
            await call(server, timeout=100)
        never.set()
    assert (raised.value.code, raised.value.category) == ("request_timeout", "timeout")


async def test_a_closed_port_is_temporarily_unavailable() -> None:
    async with raw_server(lambda asked: response()) as server:
        pass
    with pytest.raises(StepError) as raised:
        await call(server)
    assert (raised.value.code, raised.value.category) == ("host_unreachable", "temporarily_unavailable")


async def test_an_inner_address_is_forbidden_and_the_way_to_allow_it_named() -> None:
    async with raw_server(lambda asked: response()) as server:
        with pytest.raises(StepError) as raised:
            await call(server, FakeStepContext(reaching=Outgoing()))
    assert (raised.value.code, raised.value.category) == ("address_forbidden", "authorization")
    assert "ASSAY_OUTGOING_ALLOW" in (raised.value.hint or "")
    assert server.connections == []


async def test_a_redirect_to_an_inner_address_is_forbidden() -> None:
    error = await failed(redirect("http://169.254.169.254/latest/meta-data/"))
    assert error.code == "address_forbidden"


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"url": "file:///etc/passwd"}, "request_invalid"),
        ({"headers": {"X": "a\r\nY: b"}}, "request_invalid"),
        ({"headers": {"Host": "other"}}, "request_invalid"),
        ({"method": "POST", "body": [1], "headers": FORM}, "body_unsupported"),
        ({"method": "POST", "body": {}, "headers": {"Content-Type": "multipart/form-data"}}, "body_unsupported"),
        ({"method": "POST", "body": "x" * (10 * 1024**2 + 1)}, "body_too_large"),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_is_refused(config: dict[str, Any], code: str) -> None:
    async with raw_server(lambda asked: response()) as server:
        with pytest.raises(StepError) as raised:
            await call(server, **config)
    assert (raised.value.code, raised.value.category) == (code, "validation")
    assert server.asked == []


async def test_a_response_over_the_limit_fails_the_step() -> None:
    error = await failed(pieces(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"))
    assert (error.code, error.category) == ("response_too_large", "validation")


# --- forms with files

MULTIPART = {"content-type": "multipart/form-data"}


def parts_of(asked: Asked) -> list[Message]:
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + asked.body)
    assert message.is_multipart()
    return [part for part in message.walk() if not part.is_multipart()]


def a_file(context: FakeStepContext, path: Path, size: int, filename: str, kind: str = "application/pdf") -> JsonValue:
    with path.open("wb") as file:
        file.truncate(size)
    return context.add_file(path, kind, filename=filename)


async def test_a_form_carries_files_beside_its_fields(tmp_path: Path) -> None:
    context = FakeStepContext()
    pdf = a_file(context, tmp_path / "a.pdf", 3_000_000, "Rechnung ä.pdf")
    note = a_file(context, tmp_path / "b", 0, "b.txt", "text/plain; charset=utf-8")
    body = {"kind": "invoice", "total": 1.5, "tags": ["x", {"y": None}], "document": pdf, "more": [note, pdf]}
    async with raw_server(lambda asked: response()) as server:
        await call(server, context, method="POST", headers=MULTIPART, body=body)
    asked = server.asked[0]
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert asked.headers["idempotency-key"] == "run.step"
    parts = parts_of(asked)
    names = [part.get_param("name", header="content-disposition") for part in parts]
    assert names == ["kind", "total", "tags", "tags", "document", "more", "more"]
    assert [part.get_payload(decode=True) for part in parts[:4]] == [b"invoice", b"1.5", b"x", b'{"y":null}']
    assert [part.get_content_type() for part in parts[4:]] == ["application/pdf", "text/plain", "application/pdf"]
    assert [len(part.get_payload(decode=True)) for part in parts[4:]] == [3_000_000, 0, 3_000_000]  # pyright: ignore[reportArgumentType] # bytes, since it is decoded
    assert 'filename="Rechnung ä.pdf"'.encode() in asked.body


async def test_a_redirect_gets_the_whole_form_again(tmp_path: Path) -> None:
    context = FakeStepContext()
    file = a_file(context, tmp_path / "a", 200_000, "a.bin")

    def answering(asked: Asked) -> AsyncIterator[bytes]:
        return response() if asked.target == "/y" else redirect("/y", status="307 Again")

    async with raw_server(answering) as server:
        await call(server, context, method="POST", headers=MULTIPART, body={"f": file})
    first, second = server.asked
    assert first.body == second.body
    assert len(second.body) > 200_000


async def test_no_name_adds_a_part_or_a_header(tmp_path: Path) -> None:
    context = FakeStepContext()
    evil = 'a"\r\nX-Evil: 1\r\n\r\n--x'
    file = a_file(context, tmp_path / "a", 1, evil, "text/plain\r\nX-Evil: 2")
    async with raw_server(lambda asked: response()) as server:
        await call(server, context, method="POST", headers=MULTIPART, body={evil: file, "b": "\ud800"})
    (first, second) = parts_of(server.asked[0])
    assert [name.lower() for name in first.keys()] == ["content-disposition", "content-type"]  # noqa: SIM118 # a message's
    assert (first.get_content_type(), second.get_payload(decode=True)) == ("application/octet-stream", b"?")


async def test_a_form_of_files_is_sent_without_being_held(tmp_path: Path) -> None:
    context = FakeStepContext()
    file = a_file(context, tmp_path / "large", 60_000_000, "large.bin")
    received = 0

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        head = await reader.readuntil(b"\r\n\r\n")
        left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while received < left:
            received += len(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    tracemalloc.start()
    try:
        step = ActionHttp.model_validate({"url": url, "method": "POST", "headers": MULTIPART, "body": {"f": file}})
        await step.run(context)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
        server.close()
    assert received > 60_000_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (["a"], "body_unsupported"),
        ("text", "body_unsupported"),
        (None, "body_unsupported"),
        ({"f": {"$file": "input/none"}}, "file_required"),
        ({"f": [{"$file": "/etc/passwd"}]}, "file_required"),
        ({"f": "x" * (10 * 1024**2 + 1)}, "body_too_large"),
    ],
)
async def test_what_is_no_form_is_not_sent(body: Any, code: str) -> None:
    error = await failed(response(), method="POST", headers=MULTIPART, body=body)
    assert (error.code, error.category) == (code, "validation")


async def test_files_over_the_limit_are_not_sent(tmp_path: Path) -> None:
    context = FakeStepContext()
    file = a_file(context, tmp_path / "large", 60 * 1024**2, "large.bin")
    async with raw_server(lambda asked: response()) as server:
        with pytest.raises(StepError) as raised:
            await call(server, context, method="POST", headers=MULTIPART, body={"f": [file, file]})
    assert (raised.value.code, server.asked) == ("body_too_large", [])


async def test_other_multipart_bodies_are_refused() -> None:
    error = await failed(response(), method="POST", headers={"Content-Type": "multipart/mixed"}, body={"a": 1})
    assert error.code == "body_unsupported"
