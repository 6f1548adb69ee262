"""From a miss to its proof in one window, seen live in another: nobody reloads anything."""

import re
from typing import Any

import httpx
from playwright.async_api import Page, expect
from tests.acceptance.serving import push, set_step
from tests.dashboard.browsing import PageAs

NAME = "resolved-live"
WRONG, RIGHT = "{{ input.n | plus: 1 }}", "{{ input.n | times: 2 }}"
LIVE_MS = 20_000


def version(http: httpx.Client, formula: str, **more: Any) -> None:
    output = {"answer": "{{ steps.set.output.answer }}"}
    push(http, NAME, [set_step(answer=formula)], inputs=[{"name": "n", "type": "number"}], output=output, **more)


def queued_miss(http: httpx.Client) -> str:
    """Push a workflow that is wrong, run it once, and queue the run."""
    version(http, WRONG)
    http.put(f"/automations/workflows.{NAME}/sampling", json={"rate": 0})
    http.put(f"/automations/workflows.{NAME}/evaluators", json={"yaml": "evaluators: [{name: same, type: exact-diff}]"})
    body = {"target": f"workflows.{NAME}", "input": {"n": 5}}
    run_id = http.post("/runs", json=body, params={"wait_for_completion": 20}).json()["id"]
    assert http.post("/review-queue", json={"runIds": [run_id]}).status_code == 200
    return run_id


async def correct_and_promote(page: Page) -> None:
    """Say by keyboard what should have come out, and that it becomes an example."""
    await page.goto(f"/review/next?automation=workflows.{NAME}")
    await page.wait_for_url(re.compile("/review/rvi_"))
    await page.keyboard.press("e")
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("10")
    await page.keyboard.press("Escape")
    await page.keyboard.press("p")
    async with page.expect_navigation():
        await page.keyboard.press("2")


async def measure(page: Page) -> None:
    """Run an experiment with the newest version."""
    await page.goto(f"/automations/{NAME}/experiments")
    await page.get_by_role("button", name="Run the experiment").click()
    await page.wait_for_url(re.compile(r"/experiments/evb_"))


async def test_a_miss_that_is_corrected_and_proven_in_one_window_is_resolved_in_another(
    page_as: PageAs, http: httpx.Client
):
    run_id = queued_miss(http)
    run = await page_as("owner")
    queue, listed, overview = [await run.context.new_page() for _ in range(3)]
    await run.goto(f"/runs/{run_id}")
    await queue.goto("/review")
    await listed.goto(f"/runs?source=workflows.{NAME}&experiments=false")
    await overview.goto(f"/automations/{NAME}")
    heading = overview.get_by_role("heading", name="No known miss is left open")
    check = overview.get_by_role("listitem").filter(has=heading)
    await expect(check).to_contain_text("No review is open.")
    waiting = queue.locator("#queue").get_by_role("row", name=re.compile(NAME))
    await expect(waiting).to_have_count(1)
    note = run.get_by_role("form", name="Feedback").get_by_label("Note")
    await note.fill("Half a thought")

    worker = await page_as("member")
    await correct_and_promote(worker)
    await expect(waiting).to_have_count(0, timeout=LIVE_MS)
    await expect(run.locator("#standing")).to_contain_text("Open", timeout=LIVE_MS)
    await expect(run.locator("#said")).to_contain_text("Became the example", timeout=LIVE_MS)
    await expect(listed.locator(f"#review-{run_id}")).to_have_text("Open", timeout=LIVE_MS)
    await expect(check).not_to_contain_text("No review is open.", timeout=LIVE_MS)

    version(http, RIGHT, version="1.1.0")
    await measure(worker)
    await expect(run.locator("#standing")).to_contain_text("Passed", timeout=LIVE_MS)
    await expect(run.locator("#said")).to_contain_text("resolved", timeout=LIVE_MS)
    await expect(listed.locator(f"#review-{run_id}")).to_have_text("Passed", timeout=LIVE_MS)
    await expect(check).to_contain_text("No review is open.", timeout=LIVE_MS)
    await expect(note).to_have_value("Half a thought")
