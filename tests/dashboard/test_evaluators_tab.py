"""The evaluators' tab in a browser: form and YAML write the same text, and can be tried before they judge."""

import httpx
from playwright.async_api import expect
from tests.dashboard.browsing import PageAs, axe, fits
from tests.dashboard.test_dataset_tab import prepared

COMMENTED = "# Why: the total matters.\nevaluators:\n  - name: same\n    type: exact-diff\n"


def stored(http: httpx.Client, name: str) -> str:
    return http.get(f"/automations/workflows.{name}/evaluators").json()["yaml"]


async def test_an_evaluator_is_added_by_the_form_without_javascript(http: httpx.Client, page_as: PageAs):
    prepared(http, "ev-form")
    page = await page_as(javascript=False)
    await page.goto("/automations/ev-form/evaluators")
    await page.get_by_role("button", name="json-schema").click()
    await page.get_by_role("button", name="exact-diff").click()
    await page.get_by_role("button", name="Move fields-match up").click()
    await page.get_by_label("Weight").first.fill("2")
    await page.get_by_role("button", name="Save").last.click()
    await expect(page.get_by_text("Saved: these judge from now on.")).to_be_visible()
    found = http.get("/automations/workflows.ev-form/evaluators").json()["config"]["evaluators"]
    assert [(one["name"], one["weight"]) for one in found] == [("fields-match", 2), ("well-formed", 1)]


async def test_comments_are_not_lost_unasked(http: httpx.Client, page_as: PageAs):
    prepared(http, "ev-comments")
    http.put("/automations/workflows.ev-comments/evaluators", json={"yaml": COMMENTED}).raise_for_status()
    page = await page_as()
    await page.goto("/automations/ev-comments/evaluators")
    await page.get_by_role("button", name="Save").last.click()
    assert stored(http, "ev-comments") == COMMENTED
    await page.get_by_label("Threshold").fill("0.9")
    await page.get_by_role("button", name="Save").last.click()
    await expect(page.get_by_role("alert")).to_contain_text("comments")
    assert stored(http, "ev-comments") == COMMENTED
    await page.get_by_label("They may go").check()
    await page.get_by_role("button", name="Save").last.click()
    await expect(page.get_by_text("Saved: these judge")).to_be_visible()
    assert "passThreshold: 0.9" in stored(http, "ev-comments")


async def test_what_is_wrong_is_said_at_its_field(http: httpx.Client, page_as: PageAs):
    prepared(http, "ev-wrong")
    page = await page_as()
    await page.goto("/automations/ev-wrong/evaluators")
    await page.get_by_role("button", name="exact-diff").click()
    await page.get_by_label("Name").fill("Not A Name")
    await page.get_by_role("button", name="Save").last.click()
    await expect(page.locator("#e0-name-wrong")).to_contain_text("small letters")
    await axe(page)


async def test_evaluators_are_tried_on_the_latest_run_and_nothing_is_kept(http: httpx.Client, page_as: PageAs):
    path = prepared(http, "ev-try", "seven")
    wrong = {"name": "wrong", "input": {"total": 7}, "expected": {"total": 9}}
    http.post("/automations/workflows.ev-try/examples", json=wrong).raise_for_status()
    page = await page_as()
    await page.goto(path)
    for name in ("seven", "wrong"):
        await page.get_by_role("button", name=f"Run {name}").click()
        row = page.locator("#examples").get_by_role("row", name=name)
        await expect(row.get_by_text("completed")).to_be_visible(timeout=20_000)
    body = {"expected": {"total": 8}}
    http.patch("/automations/workflows.ev-try/examples/seven", json=body).raise_for_status()
    await page.goto("/automations/ev-try/evaluators?view=yaml")
    await page.locator(".cm-content").fill("evaluators:\n  - name: same\n    type: exact-diff\n")
    await page.get_by_role("button", name="Try").click()
    await expect(page.locator("#try")).to_contain_text("pass")
    await page.locator("select[name=example]").select_option("wrong")
    await page.get_by_role("button", name="Try").click()
    mismatches = page.get_by_role("group", name="Mismatches of same")
    await expect(mismatches.get_by_role("row", name="total")).to_contain_text("9")
    assert stored(http, "ev-try") == ""
    await fits(page)
