"""What a browser must never see on any page, and how a page is asked about its accessibility."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response, WebError

PageAs = Callable[..., Coroutine[Any, Any, Page]]
"""`await page_as(role, javascript=True, scheme="light", width=1280, **context)`: see the fixture."""

_PARTS = frozenset({"stylesheet", "script", "image", "font", "manifest"})
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Watch:
    """Notes what is wrong whatever page it is: requests that leave the site, complaints of the browser, failures."""

    origin: str
    wrong: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch every page that is opened in a context, from now on."""
        context.on("request", self._asked)
        context.on("response", self._answered)
        context.on("console", self._said)
        context.on("weberror", self._threw)

    def _asked(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in {"data", "blob"} and f"{url.scheme}://{url.netloc}" != self.origin:
            self.wrong.append(f"a request to elsewhere: {request.url}")

    def _answered(self, response: Response) -> None:
        missing = response.status >= 400 and response.request.resource_type in _PARTS
        if missing or response.status >= 500:
            self.wrong.append(f"{response.status} from {response.request.method} {response.url}")

    def _said(self, message: ConsoleMessage) -> None:
        # A refused page is what some tests ask for; what a page is made of is seen to above.
        refused = message.text.startswith("Failed to load resource: the server responded with a status of 4")
        if message.type == "error" and not refused:
            self.wrong.append(f"the console: {message.text} ({message.location.get('url')})")

    def _threw(self, error: WebError) -> None:
        self.wrong.append(f"an exception: {error.error}")


async def axe(page: Page) -> None:
    """Fail when axe-core finds anything serious or critical on the page as it stands now.

    It needs a page with JavaScript, and says which rule is broken by which elements.
    """
    found = await page.evaluate(_axe_source(), _RULES)
    assert found == [], f"{page.url}: {found}"


async def fits(page: Page) -> None:
    """Fail when the page can be scrolled sideways, and say what sticks out."""
    wide = await page.evaluate(
        """() => {
            const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return [];
            const held = (one) => one.parentElement && one.parentElement !== document.body
                && (getComputedStyle(one.parentElement).overflowX !== "visible" || held(one.parentElement));
            const out = [...document.querySelectorAll("body *")].filter(
                (one) => one.getBoundingClientRect().right + scrollX > root.clientWidth + 1 && !held(one));
            return ["page", ...out.slice(0, 5).map((one) => one.outerHTML.slice(0, 160))];
        }"""
    )
    assert wide == [], f"{page.url}: {wide}"


@cache
def _axe_source() -> str:
    source = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
    # Not as a script element: the pages' own policy refuses it, as it should.
    return f"""async (rules) => {{
        if (!window.axe) {{ {source}
        }}
        const result = await axe.run(document, {{ runOnly: rules, resultTypes: ["violations"] }});
        return result.violations
            .filter((one) => ["serious", "critical"].includes(one.impact))
            .map((one) => [one.id, one.help, ...one.nodes.slice(0, 4).map((node) => node.html.slice(0, 200))]);
    }}"""
