"""How a page is made: one typed context, one template, and what every page has around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from assay import clock, jsontext
from assay.dashboard import formatting
from assay.dashboard.assets import asset_url
from assay.dashboard.navigation import AUTOMATION_TABS, SETTINGS_TABS, Place, places_for
from assay.dashboard.security import headers, new_nonce
from assay.dashboard.visitors import Visitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a template can see beside the frame; a page is a subclass, its fields are documented there."""

    template: ClassVar[str]
    place: ClassVar[str] = ""
    """Key of the navigation's entry that the page belongs to."""

    title: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page."""

    visitor: Visitor | None
    nonce: str
    places: Sequence[Place]
    current: str
    path: str
    tabs: Sequence[tuple[str, str]] = AUTOMATION_TABS
    settings_tabs: Sequence[tuple[str, str, str]] = SETTINGS_TABS


def render(request: Request, visitor: Visitor | None, page: Page, status: int = 200) -> HTMLResponse:
    """Render a whole page."""
    nonce = new_nonce()
    places = places_for(visitor.caller) if visitor else []
    frame = Frame(visitor, nonce, places, page.place, request.url.path)
    text = _environment().get_template(page.template).render(frame=frame, **_values(page))
    return HTMLResponse(text, status_code=status, headers=headers(nonce))


def render_part(visitor: Visitor, template: str, part: Any, extra: Mapping[str, str] | None = None) -> HTMLResponse:
    """Render a part of a page that htmx puts in its place; `part` is a dataclass, seen as `part` by the template."""
    nonce = new_nonce()
    frame = Frame(visitor, nonce, (), "", "")
    text = _environment().get_template(template).render(frame=frame, part=part)
    return HTMLResponse(text, headers={**headers(nonce), **(extra or {})})


def _values(page: Page) -> dict[str, Any]:
    return {field.name: getattr(page, field.name) for field in fields(page)}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = asset_url
    filters: dict[str, Any] = environment.filters
    filters |= {
        "number": formatting.number,
        "percent": formatting.percent,
        "duration": formatting.duration,
        "size": formatting.size,
        "moment": formatting.moment,
        "age": formatting.age,
        "iso": clock.iso,
        "json_text": jsontext.write,
        "columns": formatting.columns_of,
        "pretty": formatting.pretty,
        "browser": formatting.browser,
        "coded": formatting.coded,
    }
    return environment
