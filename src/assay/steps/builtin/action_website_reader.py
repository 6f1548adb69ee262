"""`action.website-reader`: reads what stands on a web page."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import httpx
from pydantic import Field, JsonValue
from typing_extensions import override

from assay.outgoing import OutgoingError, Response
from assay.steps.base import Effect, Step, StepContext, StepError
from assay.steps.readable_page import ReadablePage, readable_page
from assay.steps.response_status import fail_on_status, request_failed
from assay.steps.secrets import request_without_secrets
from assay.steps.text_encoding import content_type, decoded_page

_HTML = frozenset({"text/html", "application/xhtml+xml", ""})


class ActionWebsiteReader(Step):
    """Read the text of a web page as Markdown.

    Menus, forms, scripts and pictures are left out; links become absolute. Only public addresses are reached, and hosts
    that the server's operator or the organization allows. A status of 400 or more fails the step. Scripts of the page
    are not run.
    """

    type_name = "action.website-reader"
    effect = Effect.READ
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "markdown": {"type": "string", "description": "The readable part of the page."},
            "title": {"type": "string"},
            "excerpt": {"type": "string", "description": "What the page says it is about, else how it begins."},
            "byline": {"type": "string", "description": "Who wrote it; empty where the page does not say."},
            "siteName": {"type": "string", "description": "Name of the site, else its host."},
            "length": {"type": "integer", "minimum": 0, "description": "Characters of the Markdown."},
            "url": {"type": "string", "description": "Address of the page, after redirects."},
        },
        "required": ["markdown", "title", "excerpt", "byline", "siteName", "length", "url"],
        "additionalProperties": False,
    }
    example: ClassVar[str] = """\
name: read-page
version: 1.0.0
inputs:
  - { name: online, type: boolean, required: false, default: false }
steps:
  - name: page
    type: action.website-reader
    if: '{{ input.online }}'
    with:
      url: https://www.example.com/news
output:
  read: '{{ steps.page.status }}'
"""

    url: str = Field(max_length=8000, description="Address of the page, http or https.")
    timeout: int = Field(
        default=30_000, ge=1, le=600_000, description="How long loading the page may take, in milliseconds."
    )
    encoding: Literal["auto", "utf-8", "latin1", "windows-1250", "windows-1252", "iso-8859-2"] = Field(
        default="auto", description="Encoding of the page; `auto` is as browsers find it."
    )

    @classmethod
    @override
    def shown(cls, config: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return request_without_secrets(config)

    @property
    @override
    def replay_safe(self) -> bool:
        return True

    @override
    async def run(self, context: StepContext) -> JsonValue:
        outgoing = await context.outgoing()
        try:
            response = await outgoing.fetch(
                "GET", self.url, headers={"Accept": "text/html,*/*;q=0.5"}, timeout=self.timeout / 1000
            )
        except OutgoingError as error:
            raise request_failed(error) from error
        host = httpx.URL(response.url).host
        fail_on_status(response, host)
        page = await self._read(response, host)
        return {
            "markdown": page.markdown,
            "title": page.title,
            "excerpt": page.excerpt,
            "byline": page.byline,
            "siteName": page.site_name,
            "length": len(page.markdown),
            "url": response.url,
        }

    async def _read(self, response: Response, host: str) -> ReadablePage:
        kind, charset = content_type(response.headers.get("content-type", ""))
        if kind not in _HTML and not kind.startswith("text/"):
            message = f"{host} sent {kind}, which is no page. Load it by action.http and read it by ai.parse."
            raise StepError("page_unsupported", message, category="validation")
        text = decoded_page(response.body, charset if self.encoding == "auto" else self.encoding)
        if kind in _HTML:
            return await readable_page(text, response.url)
        return ReadablePage(markdown=text, title="", excerpt=text[:300], byline="", siteName=host)
