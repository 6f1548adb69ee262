import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import jsonschema_rs
import pytest
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
