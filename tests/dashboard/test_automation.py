"""An automation's own pages: how far it has come, its workflow and the way through the gate, its settings."""

import asyncio
import json
import os
import re
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect
from tests.acceptance.serving import push, set_step
from tests.dashboard.browsing import PageAs, axe

Json = Any

TEXT = """\
name: {name}
version: {version}
steps:
  - name: set
    type: transform.set
    with:
      fields:
        n: {n}
"""


@pytest.fixture
def name(http: httpx.Client, request: pytest.FixtureRequest) -> str:
    name = request.node.name.removeprefix("test_").split("[")[0].replace("_", "-")[:50].strip("-")
    name = f"{name}-{'js' if 'True' in request.node.name else 'no'}" if "[" in request.node.name else name
    push(http, name, [set_step(n=1)], api_trigger=False)
    return name


def line(page: Page, title: str) -> Any:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=title))


async def write(page: Page, text: str, *, javascript: bool) -> None:
    """Put a text in the place of the editor's, by what it handles itself: Chromium styles the rest inline."""
    editor = page.get_by_role("textbox", name="YAML")
    if not javascript:
        await editor.fill(text)
        return
    await expect(page.locator(".cm-editor")).to_be_visible()
    await editor.press("Control+a")
    await editor.press("Delete")
    await editor.evaluate(_PASTE, text)


_PASTE = """(element, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


# --- overview


async def test_the_checklist_names_the_next_thing_to_do_and_leads_there(page_as: PageAs, http: httpx.Client, name: str):
    page = await page_as()
    await page.goto(f"/automations/{name}")
    await expect(line(page, "Integrate behind your application")).to_contain_text("403 api_trigger_disabled")
    await page.get_by_role("link", name="Switch the API trigger on").click()
    await page.get_by_label("API and command line").check()
    await page.get_by_role("button", name="Save the triggers").click()
    await expect(page.get_by_text("The triggers are as you set them.")).to_be_visible()
    assert http.get(f"/automations/{name}/triggers").json()["triggers"]["api"] is True
    await page.get_by_role("link", name="Overview").click()
    await expect(line(page, "Integrate behind your application").get_by_role("img", name="done")).to_be_visible()


@pytest.mark.parametrize("with_file", [True, False])
async def test_the_call_on_show_starts_a_run(page_as: PageAs, http: httpx.Client, tmp_path: Path, with_file: bool):
    name = f"called-{'with' if with_file else 'without'}-file"
    document = [{"name": "document", "type": "file"}] if with_file else []
    inputs = [{"name": "who", "type": "string"}, {"name": "often", "type": "integer"}, *document]
    push(http, name, [set_step(n="{{ input.who }}", often="{{ input.often }}")], inputs=inputs)
    page = await page_as("member")
    await page.goto(f"/automations/{name}")
    call = await page.get_by_label("Call by curl").inner_text()
    (tmp_path / "document.pdf").write_bytes(b"%PDF-1.4")
    key = http.headers["authorization"].removeprefix("Bearer ")
    shell = await asyncio.create_subprocess_shell(
        call, cwd=tmp_path, env={**os.environ, "ASSAY_API_KEY": key}, stdout=PIPE, stderr=DEVNULL
    )
    answered, _ = await shell.communicate()
    assert json.loads(answered)["execution"]["status"] == "completed"


async def test_what_people_find_wrong_is_seen_while_one_looks(page_as: PageAs, http: httpx.Client, name: str):
    http.patch(f"/automations/{name}/triggers", json={"api": True}).raise_for_status()
    run = http.post("/runs", json={"target": f"workflows.{name}"}, params={"wait_for_completion": 20}).json()
    page = await page_as()
    async with page.expect_response(lambda answer: "/live" in answer.url):
        await page.goto(f"/automations/{name}")
    await expect(line(page, "No known miss is left open").get_by_role("img", name="done")).to_be_visible()
    said = http.put(f"/runs/{run['id']}/feedback", json={"rating": "fail", "status": "open"})
    assert said.status_code == 200, said.text
    await expect(line(page, "No known miss is left open")).to_contain_text("1 review is open")
    await axe(page)


# --- workflow


async def test_the_editor_says_at_the_line_what_is_wrong(page_as: PageAs, name: str):
    page = await page_as()
    await page.goto(f"/automations/{name}/workflow")
    wrong = TEXT.format(name=name, version="1.0.1", n=2).replace("transform.set", "transform.sett")
    await write(page, wrong, javascript=True)
    await expect(page.locator("#issues li")).to_contain_text("line 5:")
    await expect(page.locator(".cm-lint-marker-error")).to_be_visible()
    await axe(page)


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_version_is_pushed_from_the_page(page_as: PageAs, http: httpx.Client, name: str, javascript: bool):
    page = await page_as(javascript=javascript)
    await page.goto(f"/automations/{name}/workflow")
    await write(page, TEXT.format(name=name, version="1.1.0", n="'{{ steps.nowhere.output }}'"), javascript=javascript)
    await page.get_by_role("button", name="Check").click()
    await expect(page.locator("#issues li").first).to_contain_text("nowhere")
    await write(page, TEXT.format(name=name, version="1.1.0", n=2), javascript=javascript)
    await page.get_by_role("button", name="Push as a new version").click()
    await expect(page.get_by_text("Version 1.1.0 is pushed, and current.")).to_be_visible()
    assert http.get(f"/automations/{name}").json()["version"] == "1.1.0"
    await page.get_by_role("link", name="diff from 1.0.0 to 1.1.0").click()
    await expect(page.locator(".diff .added").filter(has_text="n: 2")).to_be_visible()


async def test_what_cannot_be_pushed_stays_in_the_editor(page_as: PageAs, name: str):
    page = await page_as(javascript=False)
    await page.goto(f"/automations/{name}/workflow")
    text = TEXT.format(name="another", version="2.0.0", n=7)
    await page.get_by_label("YAML").fill(text)
    await page.get_by_role("button", name="Push as a new version").click()
    await expect(page.get_by_role("alert")).to_contain_text("a name never changes")
    await expect(page.get_by_label("YAML")).to_have_value(text)


async def test_a_gate_lets_pass_only_what_it_asks_for_or_what_somebody_answers_for(
    page_as: PageAs, http: httpx.Client, name: str
):
    assert http.put(f"/automations/{name}/gate", json={"mustPass": "all"}).status_code == 200
    source = TEXT.format(name=name, version="2.0.0", n=3)
    assert http.post(f"/automations/{name}/versions", json={"yaml": source}).json()["staged"] is True
    page = await page_as()
    await page.goto("/automations")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name, exact=True))
    await card.get_by_role("link", name="2.0.0 is not through").click()
    gate = page.locator("#gate")
    await expect(gate).to_contain_text("The dataset has no examples")
    await gate.get_by_text("Make it current all the same").click()
    await gate.get_by_label("Reason").fill("The customer waits")
    await axe(page)
    await gate.get_by_role("button", name="Override the gate").click()
    await expect(page.get_by_text("Version 2.0.0 is current.")).to_be_visible()
    await expect(page.locator(".rows")).to_contain_text("The customer waits")
    assert http.get(f"/automations/{name}").json()["version"] == "2.0.0"
    await page.get_by_role("link", name="1.0.0", exact=True).click()
    await page.get_by_role("button", name="Go back to 1.0.0").click()
    await expect(page.get_by_text("Version 1.0.0 is current again.")).to_be_visible()


async def test_eighty_steps_are_drawn_and_the_page_does_not_grow(page_as: PageAs, http: httpx.Client):
    inner = [{"name": f"inner-{index}", "type": "transform.set", "with": {"fields": {"n": 1}}} for index in range(39)]
    branch = {"name": "branch", "type": "control.if", "condition": "{{ true }}", "then": inner}
    outer = [{**one, "name": f"outer-{index}"} for index, one in enumerate(inner)]
    push(http, "eighty", [*outer, branch])
    page = await page_as(width=360)
    await page.goto("/automations/eighty/workflow")
    await expect(page.locator(".graph rect")).to_have_count(79)
    drawn = page.locator(".graph svg")
    assert (await drawn.get_attribute("aria-label") or "").startswith("79 steps: outer-0, ")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- settings


async def test_each_form_saves_by_itself(page_as: PageAs, http: httpx.Client, name: str):
    page = await page_as()
    await page.goto(f"/automations/{name}/settings")
    await page.get_by_label("Runs at once").fill("3")
    await page.get_by_role("button", name="Save the limits").click()
    await expect(page.get_by_text("The limits are as you set them.")).to_be_visible()
    await page.get_by_label("Rate (%)").fill("7.5")
    await page.get_by_label("Why the rate changes").fill("It went well")
    await page.get_by_role("button", name="Save the sampling policy").click()
    await expect(page.locator("#sampling")).to_contain_text("It went well")
    await page.get_by_label("Pass rate is above").fill("90")
    await page.get_by_role("button", name="Save the gate policy").click()
    await expect(page.locator("#gate")).to_contain_text("in force")
    await page.get_by_label("Passes where a step asks a model").fill("5")
    await page.get_by_role("button", name="Save the proof").click()
    await expect(page.get_by_text("A miss is proven fixed by as many passes as you set.")).to_be_visible()
    await page.get_by_label("Fires above").fill("0.1")
    await page.get_by_role("button", name="Add the alert").click()
    await expect(page.get_by_role("button", name="Remove the alert Miss rate")).to_be_visible()
    await axe(page)
    found = http.get(f"/automations/{name}").json()
    assert (found["concurrencyLimit"], found["retentionDays"]) == (3, None)
    assert http.get(f"/automations/{name}/sampling").json()["policy"]["rate"] == 0.075
    policy = http.get(f"/automations/{name}/gate").json()["policy"]
    assert (policy["mustPass"], policy["minPassRate"]) == ("promoted", 0.9)
    proof = http.get(f"/automations/{name}/proof").json()
    assert (proof["repeats"], proof["repeatsWithModel"]) == (1, 5)
    assert http.get(f"/automations/{name}/alerts").json()["data"][0]["threshold"] == 0.1


@pytest.mark.parametrize(
    ("label", "value", "button", "said"),
    [
        ("Runs at once", "0", "Save the limits", "between 1 and 1,000,000"),
        ("Finished runs are kept (days)", "soon", "Save the limits", "not a whole number"),
        ("Rate (%)", "many", "Save the sampling policy", "not a number"),
        ("Rate (%)", "101", "Save the sampling policy", "less than or equal to 1"),
        ("Pass rate is above (%)", "100", "Save the gate policy", "above 0 and below 1"),
        ("Passes where a step asks a model", "", "Save the proof", "from 1 to 100"),
    ],
)
async def test_what_is_wrong_is_said_at_the_input_and_nothing_is_saved(
    page_as: PageAs, http: httpx.Client, label: str, value: str, button: str, said: str
):
    name = "wrong-settings"
    if http.get(f"/automations/{name}").status_code == 404:
        push(http, name, [set_step(n=1)])
    before = [http.get(f"/automations/{name}{part}").json() for part in ("", "/sampling", "/gate")]
    page = await page_as(javascript=False)
    await page.goto(f"/automations/{name}/settings")
    await page.get_by_label(label).fill(value)
    await page.get_by_role("button", name=button).click()
    await expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label(label)).to_have_value(value)
    await expect(page.locator("p.problem")).to_contain_text(said)
    assert [http.get(f"/automations/{name}{part}").json() for part in ("", "/sampling", "/gate")] == before


async def test_an_archived_automation_starts_nothing_until_it_is_taken_back(
    page_as: PageAs, http: httpx.Client, name: str
):
    http.patch(f"/automations/{name}/triggers", json={"api": True}).raise_for_status()
    page = await page_as()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(f"/automations/{name}/settings")
    await page.get_by_role("button", name="Archive").click()
    await expect(page.get_by_text("The automation is archived; it starts no runs.")).to_be_visible()
    refused = http.post("/runs", json={"target": f"workflows.{name}"})
    assert refused.json()["issues"][0]["code"] == "automation_disabled"
    await page.get_by_role("button", name="Take it back into use").click()
    await expect(page.get_by_text("The automation is in use again.")).to_be_visible()
    assert http.post("/runs", json={"target": f"workflows.{name}"}).status_code < 300


# --- new ones


async def test_a_template_brings_its_examples_and_evaluators(page_as: PageAs, http: httpx.Client):
    page = await page_as(javascript=False)
    for template in ("blank", "pdf-extraction", "text-classification"):
        await page.goto("/automations")
        await page.get_by_role("link", name="New automation").first.click()
        await page.get_by_label("Name").fill(f"from-{template}")
        await page.get_by_role("radio", name=template).check()
        await page.get_by_role("button", name="Create").click()
        await expect(page.get_by_text("Version 1.0.0 is pushed, and current.")).to_be_visible()
        assert http.get(f"/automations/workflows.from-{template}/examples").json()["total"] > 2
        assert http.get(f"/automations/workflows.from-{template}/evaluators").json()["number"] == 1


async def test_a_pasted_file_becomes_an_automation_and_a_wrong_one_stays_with_its_problem(
    page_as: PageAs, http: httpx.Client
):
    page = await page_as(javascript=False)
    await page.goto("/new-automation")
    await page.get_by_label("YAML").fill("name: pasted\nsteps: []\n")
    await page.get_by_role("button", name="Push").click()
    await expect(page.locator("#issues li").first).to_be_visible()
    await expect(page.get_by_label("YAML")).to_have_value("name: pasted\nsteps: []\n")
    await page.get_by_label("YAML").fill(TEXT.format(name="pasted", version="1.0.0", n=1))
    await page.get_by_role("button", name="Push").click()
    await expect(page).to_have_url(re.compile(r"/automations/pasted/workflow\?"))
    assert http.get("/automations/workflows.pasted").json()["version"] == "1.0.0"


async def test_no_name_writes_anything_else_into_a_template(page_as: PageAs, http: httpx.Client):
    page = await page_as(javascript=False)
    await page.goto("/new-automation")
    csrf = await page.locator("main [name=csrf]").first.input_value()
    before = http.get("/automations").json()["total"]
    for name in ("pasted: [1]\nsteps: []", '"><xss-probe>', "Two Words", "../x", "x" * 300, "true", "{{ 1 }}", ""):
        form: dict[str, str | float | bool] = {"template": "blank", "name": name, "csrf": csrf}
        answer = await page.request.post("/new-automation", form=form)
        assert answer.status == 400, name
        assert "<xss-probe>" not in await answer.text()
    assert (await page.request.post("/new-automation", form={"template": "blank", "name": "x"})).status == 403
    assert http.get("/automations").json()["total"] == before
