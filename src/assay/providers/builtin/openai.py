"""Any server that speaks OpenAI's chat protocol: OpenAI, Azure, vLLM, Ollama, llama.cpp, gateways."""

import base64
import ipaddress
import json
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator
from typing_extensions import override

from assay import clock
from assay.providers.base import Connection, ProviderKind
from assay.providers.errors import Category, ProviderError
from assay.providers.model import Answer, Message, Picture, Question, Tokens, ToolCall

MAX_ANSWER_BYTES = 16 * 1024**2

_SCHEMA_HINT = "If the server knows no JSON schemas, add it again with --option structuredOutput=json_object."


class OpenAi(ProviderKind):
    """A server that speaks OpenAI's chat protocol."""

    kind: ClassVar[str] = "openai"

    base_url: str = Field(
        default="https://api.openai.com/v1",
        max_length=2000,
        alias="baseUrl",
        description="Address of the API, up to and with its version.",
    )
    structured_output: Literal["json_schema", "json_object", "none"] = Field(
        default="json_schema",
        alias="structuredOutput",
        description="How the server is told the form of an answer: by schema, by asking for JSON, or by words alone.",
    )
    send_temperature: bool = Field(
        default=True,
        alias="sendTemperature",
        description="Send temperature 0. Switch it off for reasoning models that refuse any temperature.",
    )

    @field_validator("base_url")
    @classmethod
    def _is_plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = "must be an http or https address"
            raise ValueError(message)
        if parts.username or parts.password or parts.query or parts.fragment:
            message = "must be an address alone, without user, query or fragment"
            raise ValueError(message)
        return value.rstrip("/")

    @override
    def connect(self, key: str | None) -> Connection:
        return _OpenAiConnection(self, key)


class _Function(BaseModel):
    name: str
    arguments: str = "{}"


class _ToolCall(BaseModel):
    id: str
    function: _Function


class _Said(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(BaseModel):
    message: _Said
    finish_reason: str | None = None


class _CachedTokens(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _CachedTokens | None = None


class _Completion(BaseModel):
    """The part of an answer that is read; compatible servers differ in all the rest."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _OpenAiConnection:
    def __init__(self, kind: OpenAi, key: str | None) -> None:
        import openai  # noqa: PLC0415 - 0.9 s that only a model call is worth

        self._sdk = openai
        self._kind = kind
        # No proxy reaches this machine's own loopback. Redirects are not followed: they would carry documents on.
        http_client = openai.DefaultAsyncHttpxClient(
            follow_redirects=False, trust_env=not _is_loopback(kind.base_url), event_hooks={"response": [_bounded]}
        )
        # What the SDK would read from the environment belongs to other programs.
        nothing: Any = openai.Omit()
        headers: Mapping[str, Any] = {"OpenAI-Organization": nothing, "OpenAI-Project": nothing}
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=kind.base_url,
            max_retries=0,
            timeout=kind.timeout_seconds,
            http_client=http_client,
            default_headers=headers,
        )

    async def ask(self, model: str, question: Question) -> Answer:
        body: dict[str, Any] = {"model": model, "messages": [_message(said) for said in question.messages]}
        if question.schema is not None and self._kind.structured_output != "json_schema":
            form = json.dumps(question.schema, ensure_ascii=False)
            body["messages"].insert(0, {"role": "system", "content": f"Answer with JSON of this schema: {form}"})
        if self._kind.send_temperature:
            body["temperature"] = 0
        if question.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
                }
                for tool in question.tools
            ]
        if question.schema is not None:
            body |= self._response_format(question)
        return _answer(await self._send(body))

    async def close(self) -> None:
        await self._client.close()

    def _response_format(self, question: Question) -> dict[str, Any]:
        if self._kind.structured_output == "none":
            return {}
        if self._kind.structured_output == "json_object":
            return {"response_format": {"type": "json_object"}}
        form = {"name": "answer", "schema": question.schema, "strict": question.strict}
        return {"response_format": {"type": "json_schema", "json_schema": form}}

    async def _send(self, body: Mapping[str, Any]) -> bytes:
        sdk = self._sdk
        try:
            # Raw: what compatible servers leave out must not keep the rest from being read.
            create: Any = self._client.chat.completions.with_raw_response.create
            raw = await create(**body)
        except sdk.APITimeoutError as error:
            message = f"The model did not answer within {self._kind.timeout_seconds:g} seconds."
            raise ProviderError("provider_timeout", message, category="timeout") from error
        except sdk.APIConnectionError as error:
            raise ProviderError(
                "provider_unavailable", "The provider cannot be reached.", category="temporarily_unavailable"
            ) from error
        except sdk.APIStatusError as error:
            raise _refused(error.status_code, error.code, error.message, error.response.headers) from error
        except _AnswerTooLargeError as error:
            message = f"The provider's answer is larger than {MAX_ANSWER_BYTES // 1024**2} MB."
            raise _unusable(message) from error
        except sdk.APIError as error:
            raise _unusable(f"The provider's answer cannot be read: {_short(error.message)}") from error
        return cast("bytes", raw.content)


class _AnswerTooLargeError(Exception):
    """The provider's answer is larger than is read."""


async def _bounded(response: Any) -> None:
    """Let the body of an answer be read up to a limit only."""
    whole = response.stream

    async def pieces() -> AsyncIterator[bytes]:
        size = 0
        async for piece in whole:
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                raise _AnswerTooLargeError
            yield piece

    response.stream = _bounded_stream(pieces, whole.aclose)


def _bounded_stream(pieces: Any, close: Any) -> Any:
    import httpx2  # noqa: PLC0415 - comes with the SDK

    class Bounded(httpx2.AsyncByteStream):
        @override
        def __aiter__(self) -> AsyncIterator[bytes]:
            return pieces()

        @override
        async def aclose(self) -> None:
            await close()

    return Bounded()


def _message(said: Message) -> dict[str, Any]:
    if said.role == "tool":
        return {"role": "tool", "content": said.text, "tool_call_id": said.tool_call_id}
    found: dict[str, Any] = {"role": said.role, "content": said.text}
    if said.pictures:
        found["content"] = [{"type": "text", "text": said.text}, *map(_picture, said.pictures)]
    if said.tool_calls:
        found["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in said.tool_calls
        ]
    return found


def _picture(picture: Picture) -> dict[str, Any]:
    encoded = base64.b64encode(picture.content).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{picture.media_type};base64,{encoded}"}}


def _answer(content: bytes) -> Answer:
    try:
        found = _Completion.model_validate_json(content)
    except ValidationError as error:
        start = _short(content[:200].decode(errors="replace"))
        message = f"The provider's answer is no chat completion: {start}"
        raise _unusable(message) from error
    choice = found.choices[0]
    said = choice.message
    calls = tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in said.tool_calls or ())
    return Answer(said.content or "", _stop(choice), _tokens(found.usage), calls, said.refusal)


def _stop(choice: _Choice) -> Literal["end", "length", "refusal", "tools"]:
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return "refusal"
    if choice.finish_reason == "length":
        return "length"
    return "tools" if choice.message.tool_calls else "end"


def _tokens(usage: _Usage | None) -> Tokens:
    if usage is None:
        return Tokens()
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    return Tokens(usage.prompt_tokens, usage.completion_tokens, cached or 0)


_BY_STATUS: Mapping[int, tuple[str, Category, str]] = {
    401: ("provider_authentication_failed", "authentication", "The provider does not accept the key."),
    403: ("provider_forbidden", "authorization", "The provider's key may not do this."),
    404: ("provider_model_not_found", "not_found", "The provider knows no such model or address."),
    408: ("provider_unavailable", "temporarily_unavailable", "The provider gave up waiting."),
    409: ("provider_unavailable", "temporarily_unavailable", "The provider is busy."),
    413: ("provider_rejected", "validation", "The question is too long for the provider."),
    429: ("provider_rate_limited", "rate_limited", "The provider takes no more requests for now."),
}


def _refused(status: int, code: object, message: str, headers: Mapping[str, str]) -> ProviderError:
    if code == "insufficient_quota":
        text = f"The provider's quota is used up: {_short(message)}"
        return ProviderError("provider_quota_exhausted", text, category="authorization", http_status=status)
    if status >= 500:
        found: tuple[str, Category, str] = (
            "provider_unavailable",
            "temporarily_unavailable",
            f"The provider failed with status {status}.",
        )
    else:
        found = _BY_STATUS.get(
            status, ("provider_rejected", "validation", f"The provider refuses the request (status {status}).")
        )
    hint = _SCHEMA_HINT if status in {400, 422} and "response_format" in message else None
    return ProviderError(
        found[0],
        f"{found[2]} It says: {_short(message)}",
        category=found[1],
        http_status=status,
        retry_after=_retry_after(headers),
        hint=hint,
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.isdecimal():
        return int(milliseconds) / 1000
    text = headers.get("retry-after", "")
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None


def _unusable(message: str) -> ProviderError:
    return ProviderError("invalid_provider_output", message, category="invalid_provider_output")


def _short(text: str) -> str:
    return json.dumps(text[:300], ensure_ascii=False)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
