"""The dataset's tab in a browser: examples are made, changed, run, exported and imported, and their past is seen."""

import io
import json
import re
import zipfile

import httpx
from playwright.async_api import FilePayload, expect
from tests.acceptance.serving import push
from tests.dashboard.browsing import PageAs, Watch, axe, fits

STEPS = [{"name": "echo", "type": "transform.set", "with": {"fields": {"total": "{{ input.total }}"}}}]
INPUTS = [{"name": "total", "type": "number"}]


def prepared(http: httpx.Client, name: str, *examples: str) -> str:
    push(http, name, STEPS, inputs=INPUTS, output={"total": "{{ steps.echo.output.total }}"})
    for example in examples:
        body = {"name": example, "input": {"total": 7}, "expected": {"total": 7}}
        http.post(f"/automations/workflows.{name}/examples", json=body).raise_for_status()
    return f"/automations/{name}/dataset"


def archive(**examples: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name, text in examples.items():
            made.writestr(f"examples/{name}/input.json", text)
    return held.getvalue()


async def test_an_example_is_added_changed_and_its_earlier_version_seen(http: httpx.Client, page_as: PageAs):
    path = prepared(http, "tab-change")
    page = await page_as()
    await page.goto(path)
    await expect(page.get_by_role("heading", name="No example yet")).to_be_visible()
    await page.get_by_label("Name of a new example").fill("first")
    await page.get_by_role("button", name="Add example").click()
    await page.locator(".cm-content").nth(1).fill('{"total": 8}')
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await axe(page)
    found = http.get("/automations/workflows.tab-change/examples/first").json()
    assert found["expected"] == {"total": 8}
    await page.get_by_role("link", name="Revision 1", exact=True).click()
    await expect(page.get_by_text("Nothing is expected.")).to_be_visible()


async def test_what_is_wrong_with_an_example_is_said_at_its_field_and_nothing_written_is_lost(
    http: httpx.Client, page_as: PageAs, watch: Watch
):
    path = prepared(http, "tab-wrong", "one")
    page = await page_as(javascript=False)
    await page.goto(f"{path}/examples/one")
    await page.get_by_label("Input").fill("{not json")
    await page.get_by_role("button", name="Save").click()
    assert await page.get_by_label("Input").input_value() == "{not json"
    await expect(page.locator("#about-input")).to_contain_text("This is no JSON")
    assert watch.wrong == []


async def test_a_row_runs_its_example_and_shows_the_grade(http: httpx.Client, page_as: PageAs):
    path = prepared(http, "tab-run", "seven")
    yaml = "evaluators:\n  - name: same\n    type: exact-diff\n"
    http.put("/automations/workflows.tab-run/evaluators", json={"yaml": yaml}).raise_for_status()
    page = await page_as()
    await page.goto(path)
    await page.get_by_role("button", name="Run seven").click()
    await expect(page.locator("#examples").get_by_text("pass", exact=True)).to_be_visible(timeout=20_000)
    await fits(page)


async def test_replacing_asks_for_the_name_and_an_archive_is_told_all_its_faults(http: httpx.Client, page_as: PageAs):
    path = prepared(http, "tab-import", "old")
    page = await page_as()
    await page.goto(f"{path}/import")
    bad: FilePayload = {"name": "bad.zip", "mimeType": "application/zip", "buffer": archive(a="{", b="[]")}
    await page.get_by_label("ZIP file").set_input_files([bad])
    await page.get_by_role("button", name="Check").click()
    await expect(page.locator("#result li")).to_have_count(2)
    good: FilePayload = {
        "name": "good.zip",
        "mimeType": "application/zip",
        "buffer": archive(new=json.dumps({"total": 1})),
    }
    await page.get_by_label("ZIP file").set_input_files([good])
    await page.get_by_role("radio", name="Replace").check()
    await page.get_by_role("button", name="Import").click()
    await expect(page.locator("#result")).to_contain_text("Nothing was imported")
    await page.get_by_label("To replace, type tab-import").fill("tab-import")
    await page.get_by_role("button", name="Import").click()
    await expect(page.locator("#result")).to_contain_text("1 example imported")
    names = [one["name"] for one in http.get("/automations/workflows.tab-import/examples").json()["data"]]
    assert names == ["new"]


async def test_files_are_added_shown_renamed_and_removed(http: httpx.Client, page_as: PageAs):
    path = prepared(http, "tab-files", "one")
    page = await page_as()
    await page.goto(f"{path}/examples/one")
    note: FilePayload = {"name": "note <b>.txt", "mimeType": "text/plain", "buffer": b"what it says"}
    await page.get_by_label("Add files").set_input_files([note])
    await page.get_by_role("button", name="Upload").click()
    await expect(page.locator("#document")).to_contain_text("what it says")
    await page.get_by_text("Rename or remove").click()
    await page.get_by_label(re.compile("New name")).fill("other.txt")
    await page.get_by_role("button", name="Rename").click()
    await expect(page.get_by_role("link", name="other.txt", exact=True).first).to_be_visible()
    await page.get_by_text("Rename or remove").click()
    await page.get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("It has none.")).to_be_visible()


async def test_a_page_of_rows_reads_no_large_payload(http: httpx.Client, page_as: PageAs):
    path = prepared(http, "tab-large")
    body = {"name": "large", "input": {"text": "x" * 3000}}
    http.post("/automations/workflows.tab-large/examples", json=body).raise_for_status()
    page = await page_as(width=360)
    await page.goto(path)
    assert "xxxxx" not in await page.content()
    await fits(page)
    await axe(page)
