"""The settings: what is shown once is shown once, and what is changed there holds everywhere."""

import httpx
import pytest
from playwright.async_api import Page, expect
from tests.acceptance.serving import Served
from tests.dashboard.browsing import PageAs, axe, fits

from assay import access
from assay.dashboard.navigation import SETTINGS_TABS
from assay.dashboard.settings_keys import ABOUT


def test_every_scope_is_explained():
    assert set(ABOUT) == set(access.SCOPES)


async def test_a_key_is_shown_once_works_and_is_refused_once_revoked(served: Served, page_as: PageAs) -> None:
    page = await page_as()
    await page.goto("/settings/keys")
    await page.get_by_label("Name").fill("from the browser")
    await page.get_by_role("button", name="Make the key").click()
    secret = await page.locator("code.secret").inner_text()
    await axe(page)
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=f"{served.base_url}/api/v1", headers=headers, trust_env=False) as client:
        assert client.get("/auth/check").json()["scope"] == ["runs:read", "runs:write"]
        await page.goto("/settings/keys")
        assert secret not in await page.content()
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Revoke from the browser").click()
        await expect(page.get_by_role("row", name="from the browser")).to_contain_text("revoked")
        assert client.get("/auth/check").status_code == 401


async def test_who_is_invited_signs_in_and_who_is_disabled_is_out_with_all_keys(
    served: Served, http: httpx.Client, page_as: PageAs
) -> None:
    page = await page_as()
    await page.goto("/settings/members")
    await page.get_by_label("E-mail address").fill("new@example.org")
    await page.get_by_label("Role", exact=True).select_option("admin")
    await page.get_by_role("button", name="Make the invitation").click()
    guest = await page_as(None)
    await guest.goto(await page.locator("code.secret").inner_text())
    await guest.get_by_role("button", name="Sign in").click()
    await guest.goto("/settings/keys")
    key = await _made_key(guest)
    await page.goto("/settings/members")
    await expect(page.get_by_role("row", name="new@example.org")).to_contain_text("active")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Disable new@example.org").click()
    await expect(page.get_by_role("row", name="new@example.org")).to_contain_text("disabled")
    await guest.goto("/settings/keys")
    await expect(guest).to_have_url(f"{served.base_url}/sign-in?next=%2Fsettings%2Fkeys")
    assert http.get("/auth/check", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    user_id = next(one["id"] for one in http.get("/members").json()["data"] if one["email"] == "new@example.org")
    assert http.patch(f"/members/{user_id}", json={"disabled": False, "role": "reviewer"}).json()["disabled"] is False
    kept = http.get("/auth/check", headers={"Authorization": f"Bearer {key}"})
    assert kept.json()["scope"] == ["reviews:write"]


async def test_somebody_has_to_stay_owner(http: httpx.Client, page_as: PageAs) -> None:
    page = await page_as()
    await page.goto("/settings/members")
    await page.get_by_role("row", name="owner@localhost").get_by_role("combobox").select_option("member")
    await page.get_by_role("row", name="owner@localhost").get_by_role("button", name="Change").click()
    await expect(page.get_by_role("alert")).to_contain_text("Somebody has to own the organization.")
    owner = next(one for one in http.get("/members").json()["data"] if one["email"] == "owner@localhost")
    assert owner["role"] == "owner"
    assert http.delete(f"/members/{owner['id']}/sessions").json()["ended"] >= 1
    await page.goto("/settings/members")
    assert "/sign-in" in page.url


async def test_a_provider_that_does_not_answer_says_so_when_it_is_tested(page_as: PageAs) -> None:
    page = await page_as()
    await page.goto("/settings/providers")
    await page.get_by_role("textbox", name="Name").fill("nowhere")
    await page.get_by_label("Address").fill("http://127.0.0.1:9/v1")
    await page.get_by_label("Models").fill("tiny")
    await page.get_by_role("button", name="Add it").click()
    await page.get_by_role("button", name="Test nowhere").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not work")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Remove nowhere").click()
    await expect(page.get_by_role("heading", name="No provider yet")).to_be_visible()


async def test_a_webhook_shows_its_secret_once_and_what_became_of_a_test(page_as: PageAs) -> None:
    page = await page_as()
    await page.goto("/settings/webhooks")
    await page.get_by_label("Address").fill("http://127.0.0.1:9/hook")
    await page.get_by_role("button", name="Add it").click()
    secret = await page.locator("code.secret").inner_text()
    await page.get_by_role("link", name="http://127.0.0.1:9/hook").click()
    assert secret not in await page.content()
    await page.get_by_role("button", name="Send a test").click()
    await page.get_by_role("link", name="webhook.test").click()
    await expect(page.get_by_role("heading", name="webhook.test")).to_be_visible()
    await axe(page)
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Rotate the secret").click()
    assert await page.locator("code.secret").inner_text() != secret


async def test_hosts_are_allowed_and_the_audit_says_by_whom(http: httpx.Client, page_as: PageAs) -> None:
    page = await page_as()
    await page.goto("/settings/hosts")
    await page.get_by_role("textbox", name="Hosts").fill("no host at all\n*.internal.example")
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_role("alert")).to_contain_text("no host")
    await page.get_by_role("textbox", name="Hosts").fill("*.internal.example, 10.0.0.7:8080")
    await page.get_by_role("button", name="Allow").click()
    assert [one["host"] for one in http.get("/outgoing").json()["data"]] == ["*.internal.example", "10.0.0.7:8080"]
    await page.goto("/settings/audit?action=outgoing")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("owner@localhost")
    assert [one["action"] for one in http.get("/audit", params={"action": "outgoing"}).json()["data"]] == [
        "outgoing.changed"
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_a_narrow_window(page_as: PageAs, scheme: str) -> None:
    page = await page_as(width=360, scheme=scheme)
    for _, _, url in SETTINGS_TABS:
        await page.goto(url)
        await axe(page)
        await fits(page)


async def test_members_read_the_reference_and_see_no_settings(served: Served, page_as: PageAs) -> None:
    page = await page_as("member")
    await page.goto("/reference")
    await expect(page.get_by_role("heading", name="POST /runs", exact=True)).to_be_visible()
    await expect(page.get_by_role("navigation", name="Parts of the settings")).to_have_count(0)
    for _, _, url in SETTINGS_TABS[:-1]:
        answer = await page.goto(f"{served.base_url}{url}")
        assert answer is not None
        assert answer.status == 403


async def _made_key(page: Page) -> str:
    await page.get_by_label("Name").fill("theirs")
    await page.get_by_label("reviews:write").check()
    await page.get_by_role("button", name="Make the key").click()
    return await page.locator("code.secret").inner_text()
