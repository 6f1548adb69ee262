"""A real browser on a real server: one Chromium a session, one window a test, signed in as whoever is asked for."""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page, async_playwright
from tests.acceptance.conftest import client, gate, http, served
from tests.acceptance.serving import Served
from tests.dashboard.browsing import PageAs, Watch

from assay import access

__all__ = ["client", "gate", "http", "served"]

HEIGHT = 800


@pytest.fixture(scope="session")
async def browser() -> AsyncGenerator[Browser]:
    """Chromium, started once. Fails where there is none, and says how to get it."""
    path = os.environ.get("PLAYWRIGHT_BROWSER", "/usr/bin/chromium")
    if not Path(path).is_file():
        pytest.fail(f"There is no browser at {path}: apt-get install chromium, or set PLAYWRIGHT_BROWSER.")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        await chromium.close()


@pytest.fixture
def watch(served: Served) -> Watch:
    """What was wrong on the pages of this test so far; a test that provokes something clears it."""
    return Watch(served.base_url)


@pytest.fixture
async def page_as(browser: Browser, served: Served, watch: Watch) -> AsyncGenerator[PageAs]:
    """Opens a window of its own, signed in by a real link as somebody of a role, or with None as nobody.

    The page stands on the first page for them. More windows of the same person: `page.context.new_page()`.
    A test fails in the end on what `Watch` notes: a request to elsewhere, an error on the console, a breach of the
    content policy, an answer 500.
    """
    async with AsyncExitStack() as stack:

        async def open_page(
            role: access.Role | None = "owner",
            *,
            javascript: bool = True,
            scheme: Literal["light", "dark"] = "light",
            width: int = 1280,
            **more: Any,
        ) -> Page:
            context = await browser.new_context(
                base_url=served.base_url,
                viewport={"width": width, "height": HEIGHT},
                java_script_enabled=javascript,
                color_scheme=scheme,
                reduced_motion="reduce",
                **more,
            )
            stack.push_async_callback(context.close)
            context.set_default_timeout(20_000)
            watch.over(context)
            page = await context.new_page()
            if role is not None:
                await page.goto(sign_in_link(served, role))
                await page.get_by_role("button", name="Sign in").click()
                await page.wait_for_url(lambda url: "/sign-in" not in url)
            return page

        yield open_page
    assert watch.wrong == []


def sign_in_link(served: Served, role: access.Role, purpose: access.LinkPurpose = "link") -> str:
    """Make a link for the one person of a role, who is added when there is none."""

    async def make(server: Any) -> str:
        async with server.database.transaction() as tx:
            organization, owner = await access.ensure_default_organization(tx)
            user = owner
            if role != "owner":
                email = f"{role}@example.org"
                user = await access.ensure_user(tx, organization_id=organization.id, email=email, role=role)
            return await access.make_link(tx, user, purpose)

    return f"{served.base_url}/sign-in/link/{served.do(make)}"
