"""`action.http`: calls an HTTP API."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import httpx
from pydantic import Field, JsonValue, TypeAdapter
from pydantic_core import from_json
from typing_extensions import override

from assay.outgoing import OutgoingError, Part, Response
from assay.steps.base import Effect, LocalFile, Step, StepContext, StepError
from assay.steps.response_status import fail_on_status, request_failed
from assay.steps.secrets import request_without_secrets
from assay.steps.text_encoding import content_type, decoded

MAX_SENT_BYTES = 10 * 1024**2
MAX_FILES_BYTES = 100 * 1024**2
FORM = "application/x-www-form-urlencoded"
FORM_WITH_FILES = "multipart/form-data"

# It becomes a line of the body.
_TYPE = re.compile(r"[\x20-\x7e]+")
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class ActionHttp(Step):
    """Call an HTTP API.

    Only public addresses are reached, and hosts that the server's operator or the organization allows. A status of 400
    or more fails the step. Up to 5 redirects are followed; a response of more than 10 MB fails the step. Requests that
    change something carry an `Idempotency-Key`, the same one however often the step is repeated. The trace hides
    passwords, tokens and keys in address, headers and fields of the body, as far as their names say what they are.
    """

    type_name = "action.http"
    effect = Effect.WRITE
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "status": {"type": "integer", "description": "Below 400."},
            "statusText": {"type": "string"},
            "headers": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Names are in lower case; values of a repeated name are joined by commas.",
            },
            "body": {
                "description": "The value, where the response is JSON; its text; a file reference, where it is neither."
            },
            "responseCharset": {"type": ["string", "null"], "description": "Encoding of a text, such as `utf-8`."},
        },
        "required": ["status", "body"],
    }
    example: ClassVar[str] = """\
name: exchange-rate
version: 1.0.0
inputs:
  - { name: online, type: boolean, required: false, default: false }
steps:
  - name: rates
    type: action.http
    if: '{{ input.online }}'
    retry: automatic
    with:
      url: https://api.example.com/rates?base=EUR
      headers: { Accept: application/json }
output:
  asked: '{{ steps.rates.status }}'
"""

    url: str = Field(max_length=8000, description="Address to call, http or https, with its query.")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="GET", description="What to do there."
    )
    headers: dict[str, str | int | float] = Field(
        default_factory=dict[str, str | int | float],
        max_length=100,
        description="Headers to send. A redirect to another host does not get them.",
    )
    body: JsonValue = Field(
        default=None,
        description="What to send: a text as it is; an object as a form, where the header Content-Type is "
        "`application/x-www-form-urlencoded` or `multipart/form-data` (there a file reference becomes a file, and all "
        "files have 100 MB together); anything else as JSON.",
    )
    timeout: int = Field(
        default=30_000, ge=1, le=600_000, description="How long the whole response may take, in milliseconds."
    )
    insecure_skip_tls_verify: bool = Field(
        default=False,
        alias="insecureSkipTlsVerify",
        description="Accept any certificate. Whoever stands in between can then read and change everything.",
    )

    @classmethod
    @override
    def completed_stub(cls, given: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        if "body" not in given:
            return given
        return {"status": 200, "statusText": "OK", "headers": {}, "responseCharset": None, **given}

    @classmethod
    @override
    def shown(cls, config: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return request_without_secrets(config)

    @override
    def effect_now(self) -> Effect:
        return Effect.READ if self.replay_safe else Effect.WRITE

    @property
    @override
    def replay_safe(self) -> bool:
        return self.method in {"GET", "HEAD"}

    @override
    async def run(self, context: StepContext) -> JsonValue:
        headers = {name: str(value) for name, value in self.headers.items()}
        given = {name.lower(): value for name, value in headers.items()}
        declared = content_type(given.get("content-type", ""))[0]
        form = await _form_with_files(self.body, context) if declared == FORM_WITH_FILES else None
        if form is None:
            content = self._content(declared, headers)
        else:
            content, headers = None, {name: text for name, text in headers.items() if name.lower() != "content-type"}
        if not self.replay_safe and "idempotency-key" not in given:
            headers["Idempotency-Key"] = context.idempotency_key
        outgoing = await context.outgoing()
        try:
            response = await outgoing.fetch(
                self.method,
                self.url,
                headers=headers,
                content=content,
                form=form,
                timeout=self.timeout / 1000,
                verify_tls=not self.insecure_skip_tls_verify,
            )
        except OutgoingError as error:
            raise request_failed(error) from error
        fail_on_status(response, httpx.URL(response.url).host)
        return _output(response, context)

    def _content(self, declared: str, headers: dict[str, str]) -> bytes | None:
        """Write the body; add its type to the headers where they name none."""
        if self.body is None:
            return None
        if isinstance(self.body, str):
            content, implied = self.body.encode(errors="replace"), "text/plain; charset=utf-8"
        elif declared == FORM:
            content, implied = _form(self.body), FORM
        elif declared.startswith("multipart/"):
            message = f"Of multipart bodies only {FORM_WITH_FILES} can be sent."
            raise StepError("body_unsupported", message, category="validation")
        else:
            content, implied = _JSON.dump_json(self.body), "application/json"
        if not declared:
            headers["Content-Type"] = implied
        _check_size(len(content), MAX_SENT_BYTES)
        return content


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        message = f"The body has {size} bytes; {limit} can be sent."
        raise StepError("body_too_large", message, category="validation")


def _form(body: JsonValue) -> bytes:
    return urlencode([(name, _field(value)) for name, value in _fields(body)]).encode()


async def _form_with_files(body: JsonValue, context: StepContext) -> Sequence[Part]:
    if body == {}:
        raise StepError("body_unsupported", "A form with files has at least one field.", category="validation")
    parts: list[Part] = []
    text_size = file_size = 0
    for name, value in _fields(body):
        if isinstance(value, dict) and "$file" in value:
            file = await context.open_file(value)
            parts.append(Part(name, file.path, file.filename, _type_of(file)))
            file_size += file.size
        else:
            parts.append(Part(name, _field(value)))
            text_size += len(name) + len(_field(value))
        _check_size(text_size, MAX_SENT_BYTES)
        _check_size(file_size, MAX_FILES_BYTES)
    return parts


def _type_of(file: LocalFile) -> str:
    return file.content_type if _TYPE.fullmatch(file.content_type) else "application/octet-stream"


def _fields(body: JsonValue) -> Sequence[tuple[str, JsonValue]]:
    if not isinstance(body, dict):
        raise StepError("body_unsupported", "A form is sent from an object of its fields.", category="validation")
    return [
        (name, value) for name, values in body.items() for value in (values if isinstance(values, list) else [values])
    ]


def _field(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _JSON.dump_json(value).decode()


def _output(response: Response, context: StepContext) -> JsonValue:
    body, charset = _body(response, context)
    return {
        "status": response.status,
        "statusText": response.reason,
        "headers": dict(response.headers),
        "body": body,
        "responseCharset": charset,
    }


def _body(response: Response, context: StepContext) -> tuple[JsonValue, str | None]:
    kind, charset = content_type(response.headers.get("content-type", ""))
    text = decoded(response.body, charset)
    if text is None:
        kept = context.keep_artifact(
            "response", response.body, role="output", content_type=kind or "application/octet-stream"
        )
        return {"$file": kept}, None
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return from_json(text[0], allow_inf_nan=False), text[1]
        except ValueError:
            return text
    return text
