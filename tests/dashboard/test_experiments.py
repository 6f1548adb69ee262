"""Measuring in the browser: progress without jumping, why an example failed, two versions side by side, the gate."""

import json
import re
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect
from tests.acceptance.serving import Gate, Served, gate_step, push, set_step
from tests.dashboard.browsing import PageAs, axe, fits

Json = Any

EVALUATORS = "evaluators:\n  - {name: same, type: exact-diff}\n"
NUMBER = [{"name": "n", "type": "number"}]


def workflow(http: httpx.Client, name: str, *numbers: int, steps: Json = (), **more: Json) -> None:
    """Push a workflow that doubles, with an example `n<number>` each; the odd ones expect what it does not answer."""
    version(http, name, "{{ input.n | times: 2 }}", steps, **more)
    http.put(f"/automations/workflows.{name}/evaluators", json={"yaml": EVALUATORS}).raise_for_status()
    for number in numbers:
        example = {
            "name": f"n{number}",
            "input": {"n": number},
            "expected": {"answer": number * 2 + number % 2},
        }
        http.post(f"/automations/workflows.{name}/examples", json=example).raise_for_status()


def version(http: httpx.Client, name: str, answer: str, steps: Json = (), **more: Json) -> None:
    output = {"answer": "{{ steps.set.output.answer }}"}
    push(http, name, [set_step(answer=answer), *steps], inputs=NUMBER, output=output, **more)


def measure(http: httpx.Client, name: str, **more: Json) -> str:
    """Run an experiment to its end; return its id."""
    path = f"/automations/workflows.{name}/experiments/stream"
    with http.stream("POST", path, json=more, timeout=60) as answer:
        events = [json.loads(line) for line in answer.iter_lines() if line]
    return events[-1]["experiment"]["id"]


async def test_an_experiment_is_started_and_seen_to_its_end(
    page_as: PageAs, http: httpx.Client, served: Served, gate: tuple[str, Gate]
):
    workflow(http, "seen", 1, 2, 3, 4, steps=[gate_step(gate[0])])
    page = await page_as()
    await page.goto("/automations/seen/experiments")
    await expect(page.get_by_text("Nothing was measured yet")).to_be_visible()
    await page.get_by_role("button", name="Run the experiment").click()
    await expect(page.get_by_text("0 of 4 runs ended")).to_be_visible()
    link = page.locator("#grid").get_by_role("link", name="n3")
    await link.click()
    await expect(page.locator("#case")).to_contain_text("It has not ended yet.")
    await link.focus()
    served.open_gate(gate[1])
    await expect(page.get_by_text("2 of 4 graded examples passed")).to_be_visible()
    await expect(page.get_by_role("link", name="n3")).to_be_focused()
    await expect(page.locator('.grid a[aria-current="true"]')).to_have_text("n3")
    assert await page.locator(".grid tbody th a").all_inner_texts() == ["n1", "n2", "n3", "n4"]


async def test_why_an_example_failed_stands_beside_the_grid(page_as: PageAs, http: httpx.Client):
    workflow(http, "why", 1, 2)
    found = measure(http, "why", repeats=2)
    page = await page_as()
    await page.goto(f"/automations/why/experiments/{found}?show=failed")
    assert await page.locator(".grid tbody th a").all_inner_texts() == ["n1"]
    await page.locator(".grid").get_by_role("link", name="n1").click()
    case = page.locator("#case")
    await expect(case).to_contain_text("Repeat 2")
    await expect(case.locator("code").first).to_have_text("answer")
    await expect(case.locator("dd").first).to_have_text("3")
    assert "example=" in page.url
    await page.reload()
    await case.get_by_role("link", name="Open the run").first.click()
    await expect(page).to_have_url(re.compile(r"/runs/exec_"))


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_comparison_names_what_got_worse_first(page_as: PageAs, http: httpx.Client, javascript: bool):
    name = f"compared-{javascript}".lower()
    workflow(http, name, 2, 4, 6)
    before = measure(http, name)
    version(http, name, "{{ input.n | times: input.n }}", version="1.1.0")
    after = measure(http, name)
    page = await page_as(javascript=javascript)
    await page.goto(f"/automations/{name}/experiments")
    await page.locator(f'input[name="a"][value="{before}"]').check()
    await page.locator(f'input[name="b"][value="{after}"]').check()
    await page.get_by_role("button", name="Compare A with B").click()
    await expect(page.get_by_role("heading", level=2)).to_contain_text("1.1.0 against 1.0.0")
    await expect(page.get_by_text("Too few to tell: 3 examples were graded in both")).to_be_visible()
    assert (await page.locator("h3").all_inner_texts())[0] == "Regressed (2)"
    await expect(page.get_by_text("2 examples came out differently: 0 better and 2 worse")).to_be_visible()


async def test_the_gate_refuses_and_an_override_takes_a_reason(page_as: PageAs, http: httpx.Client):
    workflow(http, "gated", 1, 2)
    http.put("/automations/workflows.gated/gate", json={"mustPass": "all"}).raise_for_status()
    version(http, "gated", "{{ input.n | times: 3 }}", version="1.1.0")
    page = await page_as()
    await page.goto("/automations/gated/experiments?version=1.1.0")
    await expect(page.locator("#gate")).to_contain_text("Cannot tell")
    await page.get_by_role("button", name="Run what is missing (2)").click()
    await expect(page.get_by_text("1 of 2 graded examples passed").first).to_be_visible()
    await expect(page.locator("#gate-panel")).to_contain_text("Failed")
    await page.get_by_text("Make it current all the same").click()
    await page.get_by_label("Reason").fill("The customer wants it.")
    await page.get_by_role("button", name="Override the gate").click()
    await expect(page.get_by_text("Version 1.1.0 is current.")).to_be_visible()


async def test_a_plan_that_cannot_be_is_refused_and_kept(page_as: PageAs, http: httpx.Client):
    workflow(http, "planned", 2)
    page = await page_as()
    await page.goto("/automations/planned/experiments")
    await page.get_by_text("Only some examples").click()
    await page.get_by_label("Their names, one a line").fill("nobody")
    await page.get_by_role("button", name="Run the experiment").click()
    await expect(page.get_by_role("alert")).to_contain_text("nobody")
    await expect(page.get_by_label("Their names, one a line")).to_have_value("nobody")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_the_pages_are_accessible_and_fit(page_as: PageAs, http: httpx.Client, scheme: str, width: int):
    name = f"fits-{scheme}-{width}"
    workflow(http, name, 1, 2)
    first, second = measure(http, name), measure(http, name, repeats=2)
    page = await page_as(scheme=scheme, width=width)
    for url in (
        f"/automations/{name}/experiments",
        f"/automations/{name}/experiments/{second}",
        f"/experiments/{first}/compare/{second}",
        f"/automations/{name}/gate",
    ):
        await _look(page, url)


async def _look(page: Page, url: str) -> None:
    await page.goto(url)
    await expect(page.locator("h1")).to_be_visible()
    await axe(page)
    await fits(page)
