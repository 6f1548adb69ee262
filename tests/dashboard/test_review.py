"""Reviewing in the browser: by keyboard alone, without JavaScript, and with whatever stands in the output."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect
from tests.acceptance.serving import push, set_step
from tests.dashboard.browsing import PageAs, axe, fits

Json = Any

EVIL = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>\"'"
LINES = [{"text": "Pen", "price": 2.5}, {"text": "Ink", "price": 4}]


def queued(http: httpx.Client, name: str, output: Json, count: int = 1) -> list[str]:
    """Push an automation that puts this out, run it, and queue the runs for review."""
    made(http, name, output)
    found = [run(http, name) for _ in range(count)]
    added = http.post("/review-queue", json={"runIds": found})
    assert added.status_code == 200, added.text
    return found


def made(http: httpx.Client, name: str, output: Json) -> None:
    push(http, name, [set_step(done=True)], output=output)
    # Some of what is drawn is judged twice; here the tests say what is.
    assert http.put(f"/automations/workflows.{name}/sampling", json={"rate": 0}).status_code == 200


def run(http: httpx.Client, name: str) -> str:
    answer = http.post("/runs", json={"target": f"workflows.{name}"}, params={"wait_for_completion": 20})
    assert answer.status_code < 300, answer.text
    return answer.json()["id"]


def feedback(http: httpx.Client, run_id: str) -> Json:
    return http.get(f"/runs/{run_id}/feedback").json()


async def to_next(page: Page, name: str) -> None:
    await page.goto(f"/review/next?automation=workflows.{name}")
    await page.wait_for_url(re.compile("/review/rvi_"))


async def press(page: Page, key: str) -> None:
    """Hit a key and wait for the page that it leads to."""
    async with page.expect_navigation():
        await page.keyboard.press(key)


async def test_ten_items_are_reviewed_by_keyboard_alone(page_as: PageAs, http: httpx.Client):
    run_ids = queued(http, "ten", {"total": 12}, 10)
    page = await page_as("reviewer")
    await to_next(page, "ten")
    for key in "1231231231":
        await press(page, key)
    await page.wait_for_url("**/review?done=*")
    ratings = [feedback(http, run_id)["feedback"]["rating"] for run_id in run_ids]
    assert ratings == ["pass", "fail", "partial"] * 3 + ["pass"]


async def test_an_edited_field_becomes_the_expected_output_and_is_promoted(page_as: PageAs, http: httpx.Client):
    (run_id,) = queued(http, "edited", {"total": 12, "customer_name": "ACME", "lines": LINES})
    page = await page_as()
    await to_next(page, "edited")
    await page.keyboard.press("e")
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("1.234,50")
    await page.get_by_label("Price, line 2").fill("5")
    await page.keyboard.press("Escape")
    await page.keyboard.press("p")
    await press(page, "2")
    said = feedback(http, run_id)
    lines = [LINES[0], {"text": "Ink", "price": 5}]
    assert said["expected"] == {"total": 1234.5, "customer_name": "ACME", "lines": lines}
    assert [one["path"] for one in said["feedback"]["corrections"]] == ["/total", "/lines/1/price"]
    assert said["feedback"]["status"] == "open"
    example = http.get(f"/automations/workflows.edited/examples/{said['feedback']['promotedExampleId']}").json()
    assert example["expected"] == said["expected"]


async def test_a_verdict_takes_no_javascript(page_as: PageAs, http: httpx.Client):
    run_ids = queued(http, "plain", {"total": 12, "paid": True, "due": None}, 2)
    page = await page_as("reviewer", javascript=False)
    await to_next(page, "plain")
    await page.get_by_label("Total").fill("13")
    await page.get_by_label("Paid").select_option("no")
    await page.get_by_label("Note").fill("Read the wrong line")
    await page.get_by_label("Other tags").fill("wrong line, total")
    await page.get_by_role("button", name="Fail").click()
    said = feedback(http, run_ids[0])
    assert said["feedback"]["rating"] == "fail"
    assert said["feedback"]["tags"] == ["wrong line", "total"]
    assert said["expected"] == {"total": 13, "paid": False, "due": None}
    await page.get_by_role("button", name="Undo it").click()
    assert feedback(http, run_ids[0])["feedback"]["rating"] is None
    await expect(page.get_by_label("Note")).to_have_value("Read the wrong line")


async def test_what_stands_in_an_output_is_text(page_as: PageAs, http: httpx.Client):
    (run_id,) = queued(http, "evil", {EVIL: EVIL, "lines": [{EVIL: EVIL, "price": 1}], "long": EVIL * 5})
    page = await page_as()
    await to_next(page, "evil")
    await page.set_input_files(
        "#corrected-file", {"name": f"{EVIL}.txt".replace("/", ""), "mimeType": "text/html", "buffer": b"x"}
    )
    await expect(page.locator("#expected-files li")).to_have_count(1)
    assert await page.evaluate("window.hit") is None
    await expect(page.locator("#fields script, #fields img")).to_have_count(0)
    await press(page, "1")
    said = feedback(http, run_id)
    assert said["feedback"]["rating"] == "pass"
    assert said["expected"] is None


async def test_what_cannot_be_read_is_said_and_nothing_typed_is_lost(page_as: PageAs, http: httpx.Client):
    (run_id,) = queued(http, "unreadable", {"total": 12, "name": "ACME"})
    page = await page_as("reviewer", javascript=False)
    await to_next(page, "unreadable")
    await page.get_by_label("Total").fill("twelve")
    await page.get_by_label("Name").fill("ACME Ltd.")
    await page.get_by_role("button", name="Fail").click()
    await expect(page.get_by_text("This is no number.")).to_be_visible()
    await expect(page.get_by_label("Total")).to_have_value("twelve")
    await expect(page.get_by_label("Name")).to_have_value("ACME Ltd.")
    assert feedback(http, run_id)["feedback"] is None


async def test_what_somebody_else_said_meanwhile_stands_beside_what_was_typed(page_as: PageAs, http: httpx.Client):
    (run_id,) = queued(http, "stale", {"total": 12, "tax": 2, "name": "ACME"})
    page = await page_as()
    await to_next(page, "stale")
    theirs = {"body": "Mine", "tags": ["tax"], "expected": {"total": 12, "tax": 3, "name": "ACME"}}
    assert http.put(f"/runs/{run_id}/feedback", json=theirs).status_code == 200
    await page.get_by_label("Note").fill("Yours")
    await page.get_by_label("Total").fill("13")
    await page.get_by_role("button", name="Fail").click()
    told = page.get_by_role("alert", name="Somebody else was quicker")
    await expect(told).to_contain_text("Mine")
    await expect(told.locator("dl.values")).to_contain_text(re.compile(r"tax\s*3"))
    await expect(page.get_by_label("Note")).to_have_value("Yours")
    await expect(page.get_by_label("Total")).to_have_value("13")
    await expect(page.get_by_label("Tax", exact=True).first).to_have_value("3")
    assert feedback(http, run_id)["feedback"]["body"] == "Mine"
    await press(page, "2")
    said = feedback(http, run_id)
    assert (said["feedback"]["body"], said["feedback"]["tags"]) == ("Yours", ["tax"])
    assert said["expected"] == {"total": 13, "tax": 3, "name": "ACME"}


async def test_the_json_is_one_key_away(page_as: PageAs, http: httpx.Client):
    (run_id,) = queued(http, "raw", {"total": 12, "deep": {"list": [1, 2]}})
    page = await page_as()
    await to_next(page, "raw")
    await page.keyboard.press("r")
    editor = page.get_by_role("textbox", name="JSON of the output")
    await expect(page.locator(".cm-editor")).to_be_visible()
    await editor.focus()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.insert_text('{"total": 12, "deep": {"list": [1]}}')
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Partial").click()
    await page.wait_for_url("**/review?done=*")
    assert feedback(http, run_id)["expected"] == {"total": 12, "deep": {"list": [1]}}


async def test_a_line_is_added_and_one_removed(page_as: PageAs, http: httpx.Client):
    (run_id,) = queued(http, "lines", {"lines": LINES})
    page = await page_as()
    await to_next(page, "lines")
    await page.get_by_label("Remove line 1").check()
    await page.get_by_role("button", name="Add a line").click()
    await page.get_by_label("Text, line 3").fill("Paper")
    await page.get_by_label("Price, line 3").fill("3")
    await page.get_by_role("button", name="Fail").click()
    await page.wait_for_url("**/review?done=*")
    assert feedback(http, run_id)["expected"] == {"lines": [LINES[1], {"text": "Paper", "price": 3}]}


async def test_a_blind_review_shows_nothing_of_the_first(page_as: PageAs, http: httpx.Client):
    made(http, "blind", {"total": 12})
    run_id = run(http, "blind")
    page = await page_as("reviewer")
    http.post("/review-queue", json={"runIds": [run_id], "doubleReview": True})
    http.put(f"/runs/{run_id}/feedback", json={"rating": "fail", "body": "secret words", "tags": ["secret tag"]})
    await to_next(page, "blind")
    content = await page.content()
    assert "secret" not in content
    assert await page.get_by_label("Note").input_value() == ""
    await press(page, "1")
    assert feedback(http, run_id)["awaits"] == "adjudication"


async def test_a_run_is_judged_on_its_own_page(page_as: PageAs, http: httpx.Client):
    made(http, "alone", {"total": 12})
    run_id = run(http, "alone")
    page = await page_as()
    await page.goto(f"/runs/{run_id}")
    form = page.get_by_role("form", name="Feedback")
    await form.get_by_label("Note").fill("Not so")
    await form.get_by_role("button", name="Fail").click()
    await page.wait_for_url("**#review")
    said = feedback(http, run_id)["feedback"]
    assert (said["rating"], said["status"], said["body"]) == ("fail", "open", "Not so")


async def test_a_note_on_the_page_of_a_run_survives_somebody_elses(page_as: PageAs, http: httpx.Client):
    made(http, "noted", {"total": 12})
    run_id = run(http, "noted")
    page = await page_as()
    await page.goto(f"/runs/{run_id}")
    http.put(f"/runs/{run_id}/feedback", json={"rating": "pass", "body": "Mine"})
    form = page.get_by_role("form", name="Feedback")
    await form.get_by_label("Note").fill("Yours")
    await form.get_by_role("button", name="Fail").click()
    await expect(page.get_by_role("alert", name="Somebody else was quicker")).to_contain_text("Mine")
    await expect(form.get_by_label("Note")).to_have_value("Yours")
    await form.get_by_role("button", name="Fail").click()
    await page.wait_for_url("**#review")
    assert feedback(http, run_id)["feedback"]["body"] == "Yours"


LETTER = b"From: accounts@example.org\r\nSubject: Invoice 7\r\nContent-Type: text/html\r\n\r\n<p>Over <b>12</b> EUR</p>"


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("lines.csv", b"text;price\nPen;2.5\n", "Pen 2.5"),
        ("letter.eml", LETTER, "Over 12 EUR"),
        ("page.html", b"<h1>Invoice</h1><script>window.hit=1</script><table><tr><td>Pen<td>2.5</table>", "Pen 2.5"),
    ],
)
async def test_a_document_without_pages_is_read_for_the_reviewer(
    page_as: PageAs, http: httpx.Client, name: str, content: bytes, shown: str
):
    slug = name.replace(".", "-")
    push(http, slug, [set_step(done=True)], inputs=[{"name": "document", "type": "file"}], output={"total": 12})
    answer = http.post(
        "/runs",
        params={"wait_for_completion": 20},
        data={"target": f"workflows.{slug}"},
        files={"files.document": (name, content)},
    )
    http.post("/review-queue", json={"runIds": [answer.json()["id"]]})
    page = await page_as("reviewer")
    await to_next(page, slug)
    text = await page.get_by_role("group", name=f"Text of {name}").inner_text()
    assert shown in " ".join(text.split())
    assert await page.evaluate("window.hit") is None


async def test_the_source_of_the_focused_field_is_shown(page_as: PageAs, http: httpx.Client):
    folder = Path(__file__).parents[2] / "examples" / "invoice-fields"
    yaml = (folder / "workflow.yaml").read_text(encoding="utf-8")
    assert http.post("/automations", json={"yaml": yaml}).status_code == 201
    http.patch("/automations/workflows.invoice-fields/triggers", json={"api": True})
    letter = folder / "documents" / "09-letter-en.pdf"
    answer = http.post(
        "/runs",
        params={"wait_for_completion": 20},
        data={"target": "workflows.invoice-fields"},
        files={"files.document": (letter.name, letter.read_bytes())},
    )
    http.post("/review-queue", json={"runIds": [answer.json()["id"]]})
    page = await page_as("reviewer")
    await to_next(page, "invoice-fields")
    await page.keyboard.press("e")
    await expect(page.locator(".rv-document li .rv-box")).to_be_visible(timeout=20_000)


async def test_a_queue_that_is_open_hears_of_verdicts(page_as: PageAs, http: httpx.Client):
    run_ids = queued(http, "heard", {"total": 12}, 2)
    page = await page_as()
    await page.goto("/review")
    row = page.locator("#queue").get_by_role("row", name=re.compile("heard"))
    await expect(row).to_contain_text("2")
    for run_id in run_ids:
        assert http.put(f"/runs/{run_id}/feedback", json={"rating": "pass"}).status_code == 200
    await expect(row).to_have_count(0, timeout=15_000)


async def test_skipping_takes_a_reason_and_goes_on(page_as: PageAs, http: httpx.Client):
    run_ids = queued(http, "skipped", {"total": 12}, 2)
    page = await page_as("reviewer")
    await to_next(page, "skipped")
    await page.keyboard.press("s")
    await page.keyboard.type("I cannot tell")
    await press(page, "Enter")
    await expect(page.get_by_text(run_ids[1])).to_be_visible()
    await press(page, "1")
    await expect(page.get_by_text(run_ids[0])).to_be_visible()


async def test_moving_on_and_back_keeps_the_order(page_as: PageAs, http: httpx.Client):
    run_ids = queued(http, "moved", {"total": 12}, 3)
    page = await page_as("reviewer")
    await to_next(page, "moved")
    await press(page, "j")
    await expect(page.get_by_text(run_ids[1])).to_be_visible()
    await press(page, "j")
    await expect(page.get_by_text(run_ids[2])).to_be_visible()
    await press(page, "k")
    await expect(page.get_by_text(run_ids[1])).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_the_pages_are_accessible_and_fit(page_as: PageAs, http: httpx.Client, scheme: str, width: int):
    output = {"total": 12, "lines": LINES, "note": "long " * 60, "name": "\u05e9\u05dc\u05d5\u05dd"}
    queued(http, f"fits-{scheme}-{width}", output)
    page = await page_as("reviewer", scheme=scheme, width=width)
    for url in ("/review", f"/review/next?automation=workflows.fits-{scheme}-{width}"):
        await page.goto(url)
        await axe(page)
        await fits(page)
