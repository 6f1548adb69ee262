"""What somebody sees on the first day, when there is nothing yet, and without JavaScript."""

import pytest
from tests.dashboard import page_list
from tests.dashboard.browsing import PageAs, axe, fits

WITHOUT_PARAMETERS = [path for path in page_list.gets() if "{" not in path and path != "/live"]


async def test_pages_of_an_empty_server_can_be_used(page_as: PageAs):
    page = await page_as("owner", width=360)
    for path in WITHOUT_PARAMETERS:
        answer = await page.goto(path)
        assert answer is not None
        assert answer.ok, path
        if await page.locator("h1").count():
            await fits(page)
            await axe(page)


@pytest.mark.parametrize("role", ["owner", "reviewer"])
async def test_an_empty_server_is_read_without_javascript(page_as: PageAs, role: str):
    page = await page_as(role, javascript=False)
    for label in await page.get_by_role("navigation", name="Main").get_by_role("link").all_inner_texts():
        await page.get_by_role("navigation", name="Main").get_by_role("link", name=label.strip(), exact=True).click()
        assert (await page.locator("main").inner_text()).strip(), label
        assert await page.locator("h1").count() == 1, label
