"""The page of monitoring: what it says of an automation, and that every figure leads to its runs."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import expect
from tests.acceptance import serving
from tests.dashboard.browsing import PageAs, axe, fits
from tests.monitoring.production import Production

from assay import db

DAY = timedelta(days=1)


@pytest.fixture
async def watched(http: httpx.Client, database: db.Database, request: pytest.FixtureRequest) -> str:
    """Makes an automation with twenty runs drawn at random, sixteen of them right, one reported, three failed."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60].strip("-")
    pushed = serving.push(http, name, [serving.set_step(n=1)])
    assert http.put(f"/automations/{name}/sampling", json={"rate": 0.5}).status_code == 200
    async with database.transaction() as tx:
        organization = await tx.fetch_value("SELECT organization_id FROM automations LIMIT 1")
    past = Production(database, organization, pushed["automation"]["id"], pushed["version"]["id"])
    for number in range(20):
        rating = "fail" if number % 5 == 0 else "pass"
        await past.run(ago=number * DAY, rating=rating, rate=0.5, sampled=True, took=timedelta(seconds=number + 1))
    await past.run(ago=10 * DAY, rating="fail", review="open", queued=True)
    for number in range(3):
        await _fail(past, database, number)
    assert http.post(f"/automations/{name}/alerts", json={"metric": "failure_rate", "threshold": 0.5}).is_success
    return name


async def _fail(past: Production, database: db.Database, number: int) -> None:
    run_id = await past.run(ago=number * DAY, status="failed")
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE run_results SET failure = $2 WHERE run_id = $1",
            run_id,
            '{"code": "provider_timeout", "message": "no answer", "step": "extract"}',
        )
        await tx.execute(
            "UPDATE runs SET error_code = 'provider_timeout', error_step = 'extract' WHERE id = $1", run_id
        )


async def test_the_estimate_stands_beside_the_naive_figure_and_every_figure_leads_to_its_runs(
    watched: str, page_as: PageAs
) -> None:
    page = await page_as()
    await page.goto(f"/monitoring?automation={watched}&from=30d")
    quality = page.get_by_role("region", name="Right results")
    await expect(quality).to_contain_text("80\u202f%")
    await expect(quality).to_contain_text("20 reviewed")
    await expect(quality).to_contain_text("Naive: 76.2\u202f% of all 21 reviewed")
    failures = page.get_by_role("region", name="Failures")
    await expect(failures).to_contain_text("3 failed runs")
    await expect(failures).to_contain_text("provider_timeout")
    await expect(failures).to_contain_text("extract")
    await expect(page.get_by_role("region", name="Review debt")).to_contain_text("1")
    await expect(page.get_by_role("region", name="Alerts")).to_contain_text("failure rate")
    await axe(page)
    urls: list[str] = await page.eval_on_selector_all("main a", "all => all.map((one) => one.href)")
    assert len(urls) > 15
    for url in sorted(set(urls)):
        if "/runs?" in url:
            answer = await page.context.request.get(url)
            assert answer.status == 200, url
    for group in ("code provider_timeout", "step extract"):
        await failures.get_by_role("link", name=f"3 runs with the {group}").click()
        await expect(page.locator("table.runs tbody tr")).to_have_count(3)
        await page.go_back()
    debt = page.get_by_role("region", name="Review debt")
    await debt.locator("dt:text-is('Older than a week') + dd").get_by_role("link", name="1").click()
    await expect(page.locator("table.runs tbody tr")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_narrow_window_and_says_what_to_do_where_nothing_is_known(
    http: httpx.Client, page_as: PageAs, scheme: str
) -> None:
    serving.push(http, f"idle-{scheme}", [serving.set_step(n=1)])
    serving.push(http, f"idle-too-{scheme}", [serving.set_step(n=1)])
    page = await page_as("member", width=360, scheme=scheme)
    await page.goto("/monitoring")
    await expect(page.get_by_role("heading", name="Which automation?")).to_be_visible()
    await page.goto(f"/monitoring?automation=idle-{scheme}")
    await expect(page.get_by_role("link", name="Run the automation")).to_be_visible()
    await expect(page.get_by_role("link", name="Add an alert")).to_be_visible()
    await axe(page)
    await fits(page)


def test_operations_say_the_same_over_http(watched: str, http: httpx.Client) -> None:
    found: dict[str, Any] = http.get(f"/automations/{watched}/operations", params={"bucket": "week"}).json()
    assert (found["failures"]["total"], found["overall"]["lookedAt"]) == (3, 24)
    assert [(one["name"], one["count"]) for one in found["failures"]["byCode"]] == [("provider_timeout", 3)]
    assert [(one["name"], one["count"]) for one in found["failures"]["byStep"]] == [("extract", 3)]
    assert sum(part["lookedAt"] for part in found["buckets"]) == 24
    assert found["overall"]["latencyMs"]["p95"] > found["overall"]["latencyMs"]["p50"] > 0
    refused = http.get(f"/automations/{watched}/operations", params={"from": "300d", "bucket": "day"})
    assert refused.status_code == 400
    trend = http.get(f"/automations/{watched}/reviews/health", params={"bucket": "week"}).json()["trend"]
    assert sum(part["reviewedRuns"] for part in trend) == 20
