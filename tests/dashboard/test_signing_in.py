"""Who gets in, for how long, and whose forms are taken."""

import re
import secrets
from collections.abc import Generator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import Page, expect
from tests.acceptance.serving import Served
from tests.dashboard.browsing import PageAs, axe, fits
from tests.dashboard.conftest import sign_in_link

from assay.dashboard import live
from assay.dashboard.visitors import COOKIE

PASSWORD = "correct horse battery"


@pytest.fixture
def stranger(served: Served) -> Generator[httpx.Client]:
    """Somebody who is not signed in."""
    with httpx.Client(base_url=served.base_url, timeout=60, trust_env=False, verify=False) as client:
        yield client


@pytest.fixture
def member(served: Served, stranger: httpx.Client) -> httpx.Client:
    """The same client, signed in."""
    assert stranger.post(sign_in_link(served, "member")).status_code == 303
    return stranger


def _csrf(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/account").text)
    assert found
    return found[1]


def _session(page_cookies: list[Any]) -> dict[str, Any]:
    return next(dict(cookie) for cookie in page_cookies if cookie["name"] == COOKIE)


async def _fill(page: Page, email: str, password: str) -> None:
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_password_that_was_set_signs_in_and_leads_on(page_as: PageAs, javascript: bool):
    page = await page_as("member", javascript=javascript)
    await page.goto("/account")
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.get_by_text("The password is changed")).to_be_visible()
    other = await page_as(None, javascript=javascript)
    await other.goto("/runs")
    await expect(other).to_have_url(re.compile(r"/sign-in\?next=%2Fruns"))
    await _fill(other, "member@example.org", PASSWORD)
    await expect(other).to_have_url(re.compile("/runs$"))


async def test_a_wrong_password_is_refused_as_an_unknown_address_is(page_as: PageAs):
    page = await page_as(None)
    await page.goto("/sign-in")
    said: list[str] = []
    for email in ("owner@localhost", "nobody@example.org"):
        await _fill(page, email, "certainly wrong")
        said.append(await page.get_by_role("alert").or_(page.locator(".notice")).first.inner_text())
        await expect(page.get_by_label("E-mail")).to_have_value(email)
        await expect(page.get_by_label("Password")).to_have_value("")
    assert said[0] == said[1]
    await axe(page)


def test_who_guesses_has_to_wait_even_with_the_right_password(stranger: httpx.Client, member: httpx.Client):
    assert member.post("/account/password", data={"csrf": _csrf(member), "password": PASSWORD}).status_code == 200
    stranger.cookies.clear()
    form = {"email": "member@example.org", "password": "guessed wrongly"}
    statuses = [stranger.post("/sign-in", data=form).status_code for _ in range(11)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert stranger.post("/sign-in", data=form | {"password": PASSWORD}).status_code == 429


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_whoever_is_not_signed_in_has_pages_that_everybody_can_use(page_as: PageAs, served: Served, scheme: str):
    page = await page_as(None, scheme=scheme, width=360)
    for url in ("/sign-in", sign_in_link(served, "member")):
        await page.goto(url)
        await axe(page)
        await fits(page)


def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it(served: Served, stranger: httpx.Client):
    link = sign_in_link(served, "member")
    assert stranger.get(link).status_code == 200
    first = stranger.post(link)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    stranger.cookies.clear()
    assert stranger.post(link).status_code == 401
    assert COOKIE not in stranger.cookies


def test_a_link_that_is_too_old_does_not_sign_in(served: Served, stranger: httpx.Client):
    link = sign_in_link(served, "member")

    async def age(server: Any) -> None:
        async with server.database.transaction() as tx:
            await tx.execute("UPDATE sign_in_links SET expires_at = now() - interval '1 second'")

    served.do(age)
    assert stranger.post(link).status_code == 401
    assert COOKIE not in stranger.cookies


def test_a_made_up_link_does_not_sign_in(stranger: httpx.Client):
    for token in (secrets.token_urlsafe(32), "é", "%00", "x" * 5000):
        assert stranger.post(f"/sign-in/link/{token}").status_code in {400, 401, 404}
    assert COOKIE not in stranger.cookies


def test_an_invitation_leads_to_the_choice_of_a_password(served: Served, stranger: httpx.Client):
    answer = stranger.post(sign_in_link(served, "member", "invitation"))
    assert answer.headers["location"] == "/account"


@pytest.mark.parametrize(
    "target",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "/\\elsewhere.example",
        "\\\\elsewhere.example",
        "javascript:alert(1)",
        "/\t/elsewhere.example",
        "/\n/elsewhere.example",
        "elsewhere",
    ],
)
def test_where_one_goes_on_to_is_inside(stranger: httpx.Client, target: str):
    text = stranger.get(f"/sign-in?next={quote(target)}").text
    assert 'name="next" value="/"' in text


async def test_a_session_that_was_ended_elsewhere_is_over_at_the_next_click(page_as: PageAs):
    here = await page_as("admin")
    there = await page_as("admin")
    await there.goto("/account")
    await there.get_by_role("button", name="End this session").first.click()
    await expect(there.get_by_role("button", name="End this session")).to_have_count(0)
    await here.get_by_role("link", name="Runs").click()
    await expect(here).to_have_url(re.compile(r"/sign-in\?next=%2Fruns"))


def test_a_new_password_ends_all_other_sessions(served: Served, member: httpx.Client):
    with httpx.Client(base_url=served.base_url, timeout=60, trust_env=False, verify=False) as other:
        other.post(sign_in_link(served, "member"))
        assert other.get("/account").status_code == 200
        body = {"password": PASSWORD, "csrf": _csrf(member)}
        assert member.post("/account/password", data=body).status_code == 200
        assert other.get("/account").headers["location"].startswith("/sign-in")
    assert member.get("/account").status_code == 200


async def test_signing_out_ends_the_session_and_not_only_the_cookie(page_as: PageAs, stranger: httpx.Client):
    page = await page_as("owner")
    cookie = _session(list(await page.context.cookies()))
    await page.get_by_role("button", name="Sign out").click()
    await expect(page).to_have_url(re.compile("/sign-in$"))
    stranger.cookies.set(COOKIE, cookie["value"])
    assert stranger.get("/account").headers["location"].startswith("/sign-in")


def test_a_form_needs_the_token_of_its_own_session(served: Served, member: httpx.Client):
    with httpx.Client(base_url=served.base_url, timeout=60, trust_env=False, verify=False) as other:
        other.post(sign_in_link(served, "admin"))
        foreign = _csrf(other)
    for given in ({}, {"csrf": ""}, {"csrf": "é"}, {"csrf": foreign}, {"csrf": _csrf(member)[:-4]}):
        answer = member.post("/account/password", data={"password": PASSWORD, **given})
        assert (answer.status_code, "csrf_failed" in answer.text) == (403, True)
    assert member.post("/account/password", data={"password": PASSWORD, "csrf": _csrf(member)}).status_code == 200


def test_a_form_is_spelled_anew_each_time(member: httpx.Client):
    first, second = _csrf(member), _csrf(member)
    assert first != second
    for token in (first, second):
        answer = member.post("/account/password", data={"password": "short"}, headers={"X-CSRF-Token": token})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_change_that_another_site_asks_for_is_refused(served: Served, member: httpx.Client, headers: dict[str, str]):
    body = {"password": PASSWORD, "csrf": _csrf(member)}
    assert member.post("/account/password", data=body, headers=headers).status_code == 403
    assert member.post(sign_in_link(served, "member"), headers=headers).status_code == 403
    assert member.post("/sign-in", data={"email": "a@b", "password": "x"}, headers=headers).status_code == 403
    assert member.post("/sign-out", data={"csrf": _csrf(member)}, headers=headers).status_code == 403


def test_a_stranger_cannot_fill_the_disk(stranger: httpx.Client):
    pieces = (b"x" * 1000 for _ in range(100))
    refused = stranger.post("/sign-in", files={"file": ("large", b"x" * 100_000)})
    assert (refused.status_code, "an address and a password" in refused.text) == (413, True), refused.text
    assert stranger.post("/sign-in", content=pieces).status_code == 413, "it does not say how large it is"
    assert stranger.post("/sign-in/link/made-up", files={"file": ("large", b"x" * 100_000)}).status_code == 413


def test_a_part_tells_htmx_to_sign_in(stranger: httpx.Client):
    answer = stranger.get("/runs/news", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"].startswith("/sign-in?next=")


def test_a_live_page_of_a_session_that_ended_hears_nothing_more(member: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.1)
    proof = _csrf(member)
    with member.stream("GET", "/live?topics=runs") as stream:
        heard = stream.iter_lines()
        assert next(line for line in heard if "still" in line) == ": still here"
        assert member.post("/sign-out", data={"csrf": proof}).status_code == 303
        assert all("still" in line or not line for line in heard), "and it ends"
