"""The tests' own eyes: what they say they would see, they do see."""

import pytest
from tests.dashboard.browsing import PageAs, Watch, axe, fits

_SPOILED = """() => {
    document.body.append(Object.assign(document.createElement("script"), { textContent: "1" }));
    document.body.append(Object.assign(new Image(), { src: "https://elsewhere.example/x.png" }));
    setTimeout(() => { throw new Error("thrown"); });
}"""

_WIDE = """() => {
    const box = Object.assign(document.createElement("section"), { textContent: "wide" });
    box.style.minWidth = "500px";
    document.body.append(box);
}"""


async def test_what_no_page_may_do_is_seen(page_as: PageAs, watch: Watch):
    page = await page_as()
    assert watch.wrong == []
    async with page.context.expect_event("weberror"):
        await page.evaluate(_SPOILED)
    seen = "\n".join(watch.wrong)
    watch.wrong.clear()
    assert "Executing inline script violates" in seen
    assert "a request to elsewhere: https://elsewhere.example/x.png" in seen
    assert "an exception: thrown" in seen


async def test_an_input_without_a_label_is_seen(page_as: PageAs):
    page = await page_as()
    await page.evaluate("() => document.querySelector('main').append(document.createElement('input'))")
    with pytest.raises(AssertionError, match="label"):
        await axe(page)


async def test_a_page_that_is_too_wide_is_seen(page_as: PageAs):
    page = await page_as(width=360)
    await page.evaluate(_WIDE)
    with pytest.raises(AssertionError, match="<section"):
        await fits(page)
