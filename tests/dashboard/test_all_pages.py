"""Every page there is, full of hostile values: who may see it, that nothing in it runs, that everybody can use it."""

import re
from collections.abc import Generator, Mapping

import httpx
import pytest
from playwright.async_api import Request
from selectolax.lexbor import LexborHTMLParser
from tests.acceptance.serving import Served
from tests.dashboard import hostile, page_list
from tests.dashboard.browsing import PageAs, axe, fits
from tests.dashboard.conftest import sign_in_link
from tests.fakes.openai_server import openai_server

from assay import access
from assay.dashboard.page_policy import PAGE_POLICY
from assay.dashboard.visitors import COOKIE

ROLES: tuple[access.Role, ...] = ("owner", "admin", "member", "reviewer")
Visitors = Mapping[access.Role, httpx.Client]
FIRST_LOAD_BYTES = 120 * 1024
LATER = "/vendor/codemirror.js"
"""What is fetched after the first paint, where there is an editor."""


@pytest.fixture(scope="module")
def world(served: Served, http: httpx.Client) -> Generator[hostile.World]:
    with openai_server() as models:
        yield hostile.make(served, http, models)


@pytest.fixture(scope="module")
def visitors(served: Served) -> Generator[Visitors]:
    """Somebody of each role, signed in without a browser."""
    clients: dict[access.Role, httpx.Client] = {role: _signed_in(served, role) for role in ROLES}
    yield clients
    for client in clients.values():
        client.close()


def _signed_in(served: Served, role: access.Role) -> httpx.Client:
    client = httpx.Client(base_url=served.base_url, timeout=60, trust_env=False, verify=False)
    answer = client.post(sign_in_link(served, role))
    assert answer.status_code == 303, answer.text
    return client


def _csrf(visitor: httpx.Client) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', visitor.get("/account").text)
    assert found
    return found[1]


def _may(role: access.Role, path: str, method: str = "GET") -> bool:
    needed = PAGE_POLICY[method, path]
    return needed is None or any(
        access.SCOPES_OF[role] & {"full_access", scope} or _writes(role, scope) for scope in access.scopes_of(needed)
    )


def _writes(role: access.Role, scope: access.Scope) -> bool:
    """Whoever may write may read."""
    return scope.endswith(":read") and scope.replace(":read", ":write") in access.SCOPES_OF[role]


def _markup(visitor: httpx.Client, url: str) -> str | None:
    """Return the HTML that a path answers, None where it answers something else."""
    with visitor.stream("GET", url, follow_redirects=False) as answer:
        if answer.status_code != 200 or not answer.headers["content-type"].startswith("text/html"):
            return None
        return answer.read().decode()


def test_the_table_of_pages_names_every_page_and_no_other():
    registered = {route for route in page_list.routes() if route[1] not in page_list.PUBLIC}
    assert registered == set(PAGE_POLICY)


@pytest.mark.parametrize("path", page_list.gets())
def test_a_page_is_for_whom_the_table_says(world: hostile.World, visitors: Visitors, path: str):
    url = world.url(path)
    for role in ROLES:
        with visitors[role].stream("GET", url) as answer:
            as_told = answer.status_code < 400 if _may(role, path) else answer.status_code == 403
            assert as_told, (role, url, answer.status_code, answer.read().decode()[:3000])


@pytest.mark.parametrize("path", page_list.posts())
def test_a_change_is_for_whom_the_table_says_and_from_a_form_of_ours(
    world: hostile.World, visitors: Visitors, path: str
):
    url = world.url(path, otherwise="unknown")
    for role in ROLES:
        foreign = visitors[role].post(url, data={"csrf": _csrf(visitors[role])[:-4]})
        assert foreign.status_code == 403, (role, url)
        assert "csrf_failed" in foreign.text or not _may(role, path, "POST")
        if not _may(role, path, "POST"):
            assert visitors[role].post(url, data={"csrf": _csrf(visitors[role])}).status_code == 403, (role, url)


@pytest.mark.parametrize("path", page_list.gets())
def test_no_value_becomes_markup(world: hostile.World, visitors: Visitors, path: str):
    text = _markup(visitors["owner"], world.url(path))
    if text is None:
        return
    tree = LexborHTMLParser(text)
    assert tree.css(hostile.PROBE) == [], path
    handlers = [
        (node.html or "")[:200] for node in tree.css("body *") if any(name.startswith("on") for name in node.attributes)
    ]
    assert handlers == [], path


def test_hostile_values_are_shown_all_the_same(world: hostile.World, visitors: Visitors):
    shown = [path for path in page_list.gets() if _shows(visitors["owner"], world.url(path))]
    assert {"/automations", "/runs/{run_id}"} <= set(shown)


def _shows(visitor: httpx.Client, url: str) -> bool:
    text = _markup(visitor, url)
    return text is not None and f"&lt;{hostile.PROBE}&gt;" in text


@pytest.mark.parametrize("path", page_list.gets())
async def test_everybody_can_use_a_page(
    world: hostile.World, served: Served, visitors: Visitors, page_as: PageAs, path: str
):
    url = world.url(path)
    text = _markup(visitors["owner"], url)
    if text is None or not text.lstrip().lower().startswith("<!doctype html>"):
        return  # a part, which stands inside pages, or no HTML at all
    assert len(LexborHTMLParser(text).css("h1")) == 1
    page = await page_as(None)
    await page.context.add_cookies(
        [{"name": COOKIE, "value": visitors["owner"].cookies[COOKIE], "url": served.base_url}]
    )
    finished: list[Request] = []

    def note(one: Request) -> None:
        finished.append(one)

    page.on("requestfinished", note)
    await page.goto(url)
    sizes = {one.url: (await one.sizes())["responseBodySize"] for one in finished if one.resource_type != "image"}
    first = {where: size for where, size in sizes.items() if not where.endswith(LATER)}
    assert sum(first.values()) <= FIRST_LOAD_BYTES, first
    await page.wait_for_function("() => !document.querySelector('.htmx-request')")
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 800})
            await fits(page)
            await axe(page)
    assert await page.locator(hostile.PROBE).count() == 0
