"""Finding runs, seeing why one failed, starting one, and acting on many."""

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import FilePayload, expect
from tests.acceptance.serving import Gate, Served, gate_step, push, set_step
from tests.dashboard.browsing import PageAs, axe, fits
from tests.documents.samples import pdf

Json = Any

FAIL = {"name": "guard", "type": "control.fail", "message": "We do not take {{ input.currency }}."}
CURRENCY = [{"name": "currency", "type": "string", "required": False, "default": "EUR"}]


SET = {"found": "{{ steps.set.output }}"}


def start(http: httpx.Client, name: str, **given: Json) -> str:
    answer = http.post(
        "/runs", json={"target": f"workflows.{name}", "input": given}, params={"wait_for_completion": 20}
    )
    body = answer.json()
    return body["run"]["id"] if "run" in body else body["id"]


async def test_why_a_run_failed_is_three_clicks_away(page_as: PageAs, http: httpx.Client):
    push(http, "fails", [set_step(a=1), FAIL], inputs=CURRENCY)
    start(http, "fails", currency="USD")
    page = await page_as()
    await page.get_by_role("link", name="Runs", exact=True).click()
    await page.get_by_role("link", name="fails").first.click()
    pane = page.locator("#pane")
    await expect(pane).to_contain_text("We do not take USD.")
    await pane.get_by_role("link", name="guard").first.click()
    await expect(page.locator("#step")).to_contain_text("We do not take USD.")
    await expect(page.locator("#step")).to_contain_text("control.fail")


async def test_another_step_is_shown_in_its_place(page_as: PageAs, http: httpx.Client):
    push(http, "steps", [set_step(word="<b>bold</b>"), FAIL], inputs=CURRENCY)
    run_id = start(http, "steps")
    page = await page_as()
    await page.goto(f"/runs/{run_id}")
    await page.locator(".waterfall-table").get_by_role("link", name="set").click()
    await expect(page.locator("#step")).to_contain_text("<b>bold</b>")
    await expect(page.locator('.waterfall-table a[aria-current="true"]')).to_have_text("set")
    assert "step=set" in page.url
    await page.reload()
    await expect(page.locator("#step")).to_contain_text("<b>bold</b>")


@pytest.mark.parametrize("javascript", [True, False])
async def test_the_url_says_what_is_listed(page_as: PageAs, http: httpx.Client, javascript: bool):
    name = f"listed-{javascript}".lower()
    push(http, name, [{**FAIL, "condition": "{{ input.currency != 'EUR' }}"}, set_step(a=1)], inputs=CURRENCY)
    good, bad = start(http, name), start(http, name, currency="USD")
    page = await page_as(javascript=javascript)
    await page.goto(f"/runs?source=workflows.{name}")
    await page.get_by_label("Status", exact=True).select_option("failed")
    await page.get_by_role("button", name="Show").first.click()
    await expect(page.locator("#runs tbody tr")).to_have_count(1)
    assert f"source=workflows.{name}" in page.url
    assert "status=failed" in page.url
    assert "trigger" not in page.url
    await expect(page.locator(f'a[href="/runs/{bad}"]').first).to_be_visible()
    await page.goto(f"/runs?source=workflows.{name}&reviewState=unreviewed&hasFeedback=false&reviewVerdict=none")
    await expect(page.locator("#runs tbody tr")).to_have_count(0)
    await page.get_by_role("link", name="Without the filter reviewVerdict: none").click()
    await expect(page.locator(f'a[data-run="{good}"]')).to_have_count(1)
    await page.get_by_role("link", name="Unreviewed", exact=True).click()
    await expect(page.locator("#runs tbody tr")).to_have_count(2)
    assert "reviewState" not in page.url


async def test_a_filter_that_is_none_is_said_and_nothing_is_listed(page_as: PageAs, http: httpx.Client):
    push(http, "odd", [set_step(a=1)])
    start(http, "odd")
    page = await page_as()
    answer = await page.goto("/runs?createdAfter=yesterday")
    assert answer
    assert answer.status == 400
    await expect(page.get_by_role("alert")).to_contain_text("createdAfter")
    await page.goto("/runs?statsu=failed")
    await expect(page.get_by_role("alert")).to_contain_text("statsu")
    await expect(page.locator("#runs")).to_have_count(0)


async def test_the_list_is_walked_by_keyboard(page_as: PageAs, http: httpx.Client):
    push(http, "walked", [set_step(word="hello")], output=SET)
    run_ids = [start(http, "walked") for _ in range(3)][::-1]
    page = await page_as(width=1400)
    await page.goto("/runs?source=workflows.walked")
    for key in "jjjk":
        await page.keyboard.press(key)
    await expect(page.locator(f'#pane [data-pane="{run_ids[1]}"]')).to_contain_text("hello")
    assert f"run={run_ids[1]}" in page.url
    await page.reload()
    await expect(page.locator(f'#pane [data-pane="{run_ids[1]}"]')).to_contain_text("hello")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(f"/runs/{run_ids[2]}$"))


async def test_new_runs_are_told_and_do_not_move_the_list(page_as: PageAs, http: httpx.Client):
    push(http, "news", [set_step(a=1)])
    start(http, "news")
    page = await page_as()
    await page.goto("/runs?source=workflows.news")
    await page.wait_for_function("document.body.dataset.live")
    rows = page.locator("#runs tbody tr")
    await expect(rows).to_have_count(1)
    link = page.locator("#news").get_by_role("link")
    for count in (1, 2):
        start(http, "news")
        await expect(link).to_have_text(f"{count} new run{'s' if count > 1 else ''}", timeout=15_000)
    await expect(rows).to_have_count(1)
    await link.click()
    await expect(rows).to_have_count(3)


async def test_a_run_under_way_ends_before_the_readers_eyes(
    page_as: PageAs, http: httpx.Client, gate: tuple[str, Gate], served: Served
):
    push(http, "under-way", [gate_step(gate[0]), set_step(word="arrived")], output=SET)
    run_id = http.post("/runs", json={"target": "workflows.under-way"}).json()["id"]
    served.wait_until_reached(gate[1])
    page = await page_as()
    await page.goto(f"/runs/{run_id}")
    await expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    beside = await page.context.new_page()
    await beside.goto("/runs?source=workflows.under-way")
    await expect(beside.locator(f"#status-{run_id}")).to_have_text("running")
    await page.bring_to_front()  # what nobody looks at hears nothing
    served.open_gate(gate[1])
    await expect(page.locator("#run")).to_contain_text("arrived", timeout=15_000)
    await beside.bring_to_front()
    await expect(beside.locator(f"#status-{run_id}")).to_have_text("completed", timeout=15_000)


async def test_a_sample_is_flagged_or_shown_alone(page_as: PageAs, http: httpx.Client):
    push(http, "sampled", [set_step(a=1)])
    run_ids = [start(http, "sampled") for _ in range(8)]
    page = await page_as()
    await page.goto("/runs?source=workflows.sampled")
    await page.get_by_role("spinbutton", name="Sample at a review rate").fill("0.5")
    await page.get_by_role("button", name="Flag it").click()
    await expect(page.locator("#runs tbody tr")).to_have_count(8)
    flagged = page.locator("#runs tbody tr", has=page.get_by_text("Sample", exact=True))
    listed = http.get("/runs", params={"source": "workflows.sampled", "sampleRate": 0.5}).json()["runs"]
    await expect(flagged).to_have_count(len(listed))
    assert len(listed) < len(run_ids)
    await page.get_by_role("button", name="Only it").click()
    await expect(page.locator("#runs tbody tr")).to_have_count(len(listed))


async def test_an_action_says_of_how_many_and_is_done_to_those_alone(page_as: PageAs, http: httpx.Client):
    push(http, "many", [set_step(a=1)])
    http.put("/automations/workflows.many/sampling", json={"rate": 0}).raise_for_status()  # none is queued already
    push(http, "others", [set_step(a=1)])
    run_ids = [start(http, "many") for _ in range(3)]
    other = start(http, "others")
    page = await page_as(javascript=False)
    await page.goto("/runs?source=workflows.many")
    await page.get_by_role("button", name="Add to the review queue…").click()
    await page.get_by_role("button", name="Add 3 runs").click()
    await expect(page.get_by_role("status").first).to_contain_text("3 runs were added")
    assert {item["runId"] for item in http.get("/review-queue").json()["items"]} >= set(run_ids)
    http.put(f"/runs/{run_ids[0]}/feedback", json={"rating": "fail", "status": "open"})
    await page.goto("/runs?source=workflows.many")
    await page.get_by_role("button", name="Delete…").click()
    await page.get_by_role("button", name="Delete 3 runs").click()
    await expect(page.locator("#content")).to_contain_text("2 runs were deleted")
    await expect(page.locator("#content")).to_contain_text("1 run left alone")
    assert http.get(f"/runs/{other}").status_code == 200
    assert http.get(f"/runs/{run_ids[1]}").status_code == 404


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_run_is_started_with_a_file_and_shown_beside_its_output(
    page_as: PageAs, http: httpx.Client, javascript: bool
):
    name = f"form-{javascript}".lower()
    inputs = [
        {"name": "paper", "type": "file", "description": "<i>A paper</i>"},
        {"name": "count", "type": "integer", "required": False, "default": 3},
        {"name": "strict", "type": "boolean"},
        {"name": "color", "type": "enum", "values": ["red", "green"]},
        {"name": "lines", "type": "array", "items": {"type": "object"}, "required": False},
    ]
    output = {name: f"{{{{ input.{name} }}}}" for name in ("count", "strict", "color", "lines")}
    push(http, name, [set_step(**output)], inputs=inputs, triggerMethods=[{"type": "manual"}])
    page = await page_as(javascript=javascript)
    await page.goto(f"/run/{name}")
    await page.get_by_label("paper").set_input_files(
        FilePayload(name="a <b>.pdf", mimeType="application/pdf", buffer=pdf(["One", "Two"]))
    )
    await page.get_by_label("strict").select_option("Yes")
    await page.get_by_label("color").select_option("green")
    await page.get_by_label(re.compile("^lines")).fill('[{"text": "Pen"}]')
    await page.get_by_role("button", name="Run").click()
    await page.wait_for_url(re.compile("/runs/exec_"))
    run_id = page.url.rsplit("/", 1)[1]
    await expect(page.locator("#content")).to_contain_text("a <b>.pdf")
    if javascript:
        await expect(page.locator(".pages img")).to_have_count(2)
        await expect(page.locator("#run")).to_contain_text("green", timeout=15_000)
    width = "document.querySelector('#document img').naturalWidth"
    if javascript:
        await page.wait_for_function(f"{width} > 500")
    run = http.get(f"/runs/{run_id}", params={"expand": "input"}).json()
    assert run["trigger"]["type"] == "manual"
    given = run["input"]["args"]
    assert (given["count"], given["strict"], given["color"], given["lines"]) == (3, True, "green", [{"text": "Pen"}])


async def test_what_is_wrong_with_an_input_is_said_at_its_field(page_as: PageAs, http: httpx.Client):
    inputs = [{"name": "amount", "type": "number"}, {"name": "lines", "type": "array", "items": {"type": "object"}}]
    push(http, "checked", [set_step(a=1)], inputs=inputs, triggerMethods=[{"type": "manual"}])
    page = await page_as(javascript=False)
    await page.goto("/run/checked")
    await page.get_by_label("amount").fill("7")
    await page.get_by_label("lines").fill("[1, 2")
    await page.get_by_role("button", name="Run").click()
    await expect(page.get_by_label("lines")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label("lines")).to_have_accessible_description(re.compile("This is no JSON"))
    await page.get_by_label("lines").fill("[1, 2]")
    await page.get_by_role("button", name="Run").click()
    await expect(page.get_by_label("lines")).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label("amount")).to_have_value("7")


async def test_where_the_manual_trigger_is_off_the_page_says_so(page_as: PageAs, http: httpx.Client):
    push(http, "by-api-alone", [set_step(a=1)], triggerMethods=[{"type": "api"}])
    http.patch("/automations/workflows.by-api-alone/triggers", json={"manual": False})
    run_id = start(http, "by-api-alone")
    page = await page_as()
    await page.goto("/run/by-api-alone")
    await expect(page.get_by_role("alert")).to_contain_text("manual")
    await expect(page.get_by_role("button", name="Run")).to_be_disabled()
    await page.goto(f"/runs/{run_id}")
    async with page.expect_response(lambda response: response.request.method == "POST") as answered:
        await page.get_by_role("button", name="Rerun").click()
    assert (await answered.value).status == 403
    await expect(page.get_by_role("alert")).to_contain_text("manual")


async def test_a_run_is_done_again_and_deleted(page_as: PageAs, http: httpx.Client):
    push(http, "again", [set_step(a=1)], triggerMethods=[{"type": "api"}, {"type": "manual"}])
    run_id = start(http, "again")
    page = await page_as()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(f"/runs/{run_id}")
    await page.get_by_label("Version of the rerun").select_option("original")
    await page.get_by_role("button", name="Rerun").click()
    await page.wait_for_url(lambda url: "/runs/exec_" in url and run_id not in url)
    await page.get_by_role("link", name="the run before").click()
    await expect(page.get_by_role("link", name="the run after")).to_be_visible()
    await page.get_by_role("button", name="Delete").click()
    await page.wait_for_url("**/runs")
    assert http.get(f"/runs/{run_id}").status_code == 404


async def test_two_thousand_fields_and_many_steps_are_read_on_a_small_screen(page_as: PageAs, http: httpx.Client):
    evil = "<img src=x onerror='document.title=1'>"
    fields = {f"field_{number}": f"{evil} {number}" for number in range(2_000)}
    steps = [{**set_step(a=1), "name": f"step-{number}"} for number in range(80)]
    push(http, "large", [*steps, set_step(**fields, right="النص من اليمين إلى اليسار")], output=SET)
    run_id = start(http, "large")
    page = await page_as(width=360)
    await page.goto(f"/runs/{run_id}")
    await expect(page.locator(".waterfall-table tbody tr")).to_have_count(81)
    await expect(page.locator("#run")).to_contain_text(f"{evil} 1999")
    await fits(page)
    await axe(page)


async def test_runs_that_failed_alike_are_one_click_from_each(page_as: PageAs, http: httpx.Client):
    push(http, "alike", [{**FAIL, "condition": "{{ input.currency != 'EUR' }}"}, set_step(a=1)], inputs=CURRENCY)
    push(http, "unlike", [FAIL], inputs=CURRENCY)
    runs = [start(http, "alike", currency=currency) for currency in ("USD", "EUR", "GBP")]
    start(http, "unlike")
    page = await page_as()
    await page.goto(f"/runs/{runs[0]}")
    await page.get_by_role("link", name="control_fail").click()
    shown = await page.locator("#runs a[data-run]").evaluate_all("all => all.map((one) => one.dataset.run)")
    assert shown == [runs[2], runs[0]]
    answer = http.get("/runs", params={"errorCode": "step_timeout,control_fail", "errorStep": "guard"})
    assert {run["id"] for run in answer.json()["runs"]} > set(shown)
    assert http.get("/runs", params={"errorCode": "control"}).json()["runs"] == []
