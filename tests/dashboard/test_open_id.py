"""Signing in by a provider, over HTTP from the first click to the page: who comes in, and which ways are closed."""

import asyncio
import re
from collections.abc import Generator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from playwright.async_api import expect
from tests.acceptance import serving
from tests.acceptance.serving import Served
from tests.dashboard.browsing import PageAs, axe, fits
from tests.dashboard.conftest import sign_in_link
from tests.fakes.scripted_server import Answer
from tests.fakes.sign_in_provider import CLIENT_ID, CLIENT_SECRET, SignInProvider, query_of, sign_in_provider

from assay import access, bootstrap, db
from assay.dashboard.open_id import ATTEMPT_COOKIE
from assay.dashboard.visitors import COOKIE
from assay.errors import InvalidValueError
from assay.settings import Settings

PUBLIC_URL = "http://assay.example.org"
START = "/sign-in/open-id"
CALLBACK = f"{START}/callback"


@pytest.fixture(scope="module")
def provider() -> Generator[SignInProvider]:
    with sign_in_provider() as running:
        yield running


@pytest.fixture(autouse=True)
def behaving(request: pytest.FixtureRequest, provider: SignInProvider) -> None:
    """A person of its own in each test, at a provider that does as it should."""
    subject = re.sub(r"\W+", "-", request.node.name).lower()[-60:].strip("-")
    provider.person = {"sub": subject, "email": f"{subject}@partner.example", "name": "Ada"}
    provider.changes, provider.instead = {}, {}


@pytest.fixture(scope="module")
def served(
    database: db.Database, provider: SignInProvider, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Served]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        database_url=database.dsn,
        public_url=PUBLIC_URL,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_name="Example <ID>",
        oidc_domains="example.com, Partner.Example",
        oidc_role="reviewer",
        oidc_allow=provider.allow,
    )
    with serving.serving(settings, with_worker=False) as running:
        yield running


@pytest.fixture
def visitor(served: Served) -> Generator[httpx.Client]:
    """Something that keeps cookies and follows nothing by itself."""
    with httpx.Client(base_url=served.base_url, timeout=60, trust_env=False, verify=False) as client:
        yield client


@pytest.fixture
def other(served: Served) -> Generator[httpx.Client]:
    with httpx.Client(base_url=served.base_url, timeout=60, trust_env=False, verify=False) as client:
        yield client


def _go(visitor: httpx.Client, following: str = "/runs") -> str:
    """Begin, sign in at the provider, and return the path that it leads back to."""
    sent = visitor.get(START, params={"next": following})
    assert sent.status_code == 303, sent.text
    back = urlsplit(httpx.get(sent.headers["location"], trust_env=False, verify=False).headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{PUBLIC_URL}{CALLBACK}"
    return f"{back.path}?{back.query}"


def _sign_in(visitor: httpx.Client, following: str = "/runs") -> httpx.Response:
    return visitor.get(_go(visitor, following))


def _refused(answer: httpx.Response, status: int, text: str) -> None:
    assert (answer.status_code, text in answer.text) == (status, True), answer.text
    assert '<form method="post" action="/sign-in"' in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")
    assert CLIENT_SECRET not in answer.text


def _members(http: httpx.Client) -> dict[str, Any]:
    return {one["email"]: one for one in http.get("/members").json()["data"]}


def _invite(http: httpx.Client, email: str, role: str = "member") -> dict[str, Any]:
    answer = http.post("/members", json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_who_was_invited_signs_in_and_is_linked_from_then_on(
    visitor: httpx.Client, other: httpx.Client, http: httpx.Client, provider: SignInProvider
):
    provider.person["email"] = "Invited@Elsewhere.example"
    invited = _invite(http, "invited@elsewhere.example", "admin")
    assert invited["url"].startswith(f"{PUBLIC_URL}/sign-in/link/")
    answer = _sign_in(visitor)
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
    assert visitor.get("/settings/keys").status_code == 200
    assert _members(http)["invited@elsewhere.example"]["linked"] is True
    provider.person["email"] = "moved@elsewhere.example"
    _sign_in(other)
    assert other.get("/settings/keys").status_code == 200
    entries = http.get("/audit", params={"userId": invited["id"]}).json()["data"]
    assert [(one["action"], one["detail"].get("by")) for one in entries] == [
        ("session.created", "open_id"),
        ("session.created", "open_id"),
        ("user.linked", None),
    ]


def test_the_session_is_one_like_any_other(visitor: httpx.Client):
    answer = _sign_in(visitor)
    cookies = answer.headers.get_list("set-cookie")
    begun = next(one for one in cookies if one.startswith(f"{COOKIE}=")).lower()
    assert "httponly" in begun
    assert "samesite=lax" in begun
    assert next(one for one in cookies if one.startswith(f"{ATTEMPT_COOKIE}=")).startswith(f'{ATTEMPT_COOKIE}=""')
    first = visitor.cookies[COOKIE]
    _sign_in(visitor)
    assert visitor.cookies[COOKIE] != first


def test_who_is_new_comes_in_by_the_domain_with_its_role(
    visitor: httpx.Client, http: httpx.Client, provider: SignInProvider
):
    answer = _sign_in(visitor)
    assert answer.status_code == 303
    member = _members(http)[provider.person["email"]]
    assert (member["role"], member["name"], member["linked"]) == ("reviewer", "Ada", True)
    assert visitor.get("/settings/keys").status_code == 403


@pytest.mark.parametrize(
    "email",
    [
        "ada@elsewhere.example",
        "ada@sub.partner.example",
        "ada@partner.example.elsewhere.example",
        "ada@elsewhere.example@partner.example",
        "ada@partner.example ",
        "\N{KELVIN SIGN}@partner.example",
        "partner.example",
        "<b>@elsewhere.example",
    ],
)
def test_who_was_not_invited_stays_outside(
    visitor: httpx.Client, http: httpx.Client, provider: SignInProvider, email: str
):
    before = set(_members(http))
    provider.person["email"] = email
    answer = _sign_in(visitor)
    assert answer.status_code in {400, 401}, answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")
    assert "<b>" not in answer.text
    assert set(_members(http)) == before


def test_who_is_disabled_stays_outside_linked_or_not(
    visitor: httpx.Client, http: httpx.Client, provider: SignInProvider
):
    never = _invite(http, "never@elsewhere.example")
    assert http.patch(f"/members/{never['id']}", json={"disabled": True}).status_code == 200
    _sign_in(visitor)
    linked = _members(http)[provider.person["email"]]
    assert http.patch(f"/members/{linked['id']}", json={"disabled": True}).status_code == 200
    assert visitor.get("/account").headers["location"].startswith("/sign-in")
    _refused(_sign_in(visitor), 401, "may not sign in")
    provider.person |= {"sub": "somebody new", "email": "never@elsewhere.example"}
    _refused(_sign_in(visitor), 401, "may not sign in")


def test_an_address_that_was_given_to_somebody_else_does_not_bring_what_they_had(
    visitor: httpx.Client, http: httpx.Client, provider: SignInProvider
):
    _sign_in(visitor)
    provider.person["sub"] = "their successor"
    _refused(_sign_in(visitor), 401, "belongs to another account")
    member = _members(http)[provider.person["email"]]
    assert http.delete(f"/members/{member['id']}/identities").json()["forgotten"] == 1
    assert http.delete(f"/members/{member['id']}/identities").json()["forgotten"] == 0
    assert _sign_in(visitor).status_code == 303


def test_a_way_back_is_good_once(visitor: httpx.Client, other: httpx.Client):
    back, attempt = _go(visitor), visitor.cookies[ATTEMPT_COOKIE]
    assert visitor.get(back).status_code == 303
    other.cookies.set(ATTEMPT_COOKIE, attempt)
    _refused(other.get(back), 401, "has been used")
    _refused(visitor.get(back), 401, "has been used")


def test_nobody_comes_in_by_what_another_browser_began(
    visitor: httpx.Client, other: httpx.Client, provider: SignInProvider
):
    back = _go(visitor)
    asked = provider.asked.count("/token")
    _refused(other.get(back), 401, "begun elsewhere")
    _go(other)
    _refused(other.get(back), 401, "begun elsewhere")
    for query in ("", "?code=x", "?state=x", "?code=x&state=", "?code=x&state=%C3%A9"):
        other.get(START)
        _refused(other.get(f"{CALLBACK}{query}"), 401, "begun elsewhere")
    assert provider.asked.count("/token") == asked
    assert visitor.get(back).status_code == 303


def test_a_way_back_that_took_too_long_is_closed(served: Served, visitor: httpx.Client):
    back = _go(visitor)

    async def age(server: Any) -> None:
        async with server.database.transaction() as tx:
            await tx.execute("UPDATE open_id_attempts SET expires_at = now() - interval '1 second'")

    served.do(age)
    _refused(visitor.get(back), 401, "took too long")


@pytest.mark.parametrize(
    "query",
    ["error=access_denied&error_description=%3Cb%3E", "code=", "code=made-up", "code=x&iss=https://evil.example"],
)
def test_a_provider_that_signs_nobody_in_leads_back_to_the_form(visitor: httpx.Client, query: str):
    state = query_of(visitor.get(START).headers["location"])["state"]
    answer = visitor.get(f"{CALLBACK}?{query}&state={state}")
    _refused(answer, 401, "did not sign you in")
    assert "<b>" not in answer.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nonce": "another"}, "cannot be trusted"),
        ({"aud": "another"}, "cannot be trusted"),
        ({"exp": 1}, "cannot be trusted"),
        ({"email_verified": False}, "has not verified"),
    ],
)
def test_a_token_that_is_not_believed_begins_no_session(
    visitor: httpx.Client, provider: SignInProvider, changes: dict[str, Any], said: str
):
    provider.changes = changes
    _refused(_sign_in(visitor), 401, said)


def test_a_provider_that_answers_garbage_is_no_failure_of_ours(visitor: httpx.Client, provider: SignInProvider):
    back = _go(visitor)
    provider.instead["/token"] = Answer(body=b"\x00" * 300_000)
    _refused(visitor.get(back), 503, "cannot be asked")


@pytest.mark.parametrize(
    "target",
    ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example", "/\t/elsewhere.example", ""],
)
def test_where_one_goes_on_to_is_inside(visitor: httpx.Client, target: str):
    assert _sign_in(visitor, target).headers["location"] == "/"


def test_a_path_keeps_its_query(visitor: httpx.Client):
    assert _sign_in(visitor, "/runs?chip=open&q=a%20b").headers["location"] == "/runs?chip=open&q=a%20b"


async def test_the_form_leads_to_the_provider_and_everybody_can_use_it(page_as: PageAs):
    page = await page_as(None, width=360)
    await page.goto(f"/sign-in?next={quote('/runs?chip=open')}")
    link = page.get_by_role("link", name="Sign in with Example <ID>")
    await expect(link).to_have_attribute("href", f"{START}?next=/runs%3Fchip%3Dopen")
    await axe(page)
    await fits(page)


def test_password_and_link_go_on_working(served: Served, visitor: httpx.Client, provider: SignInProvider):
    provider.instead = {path: Answer(500, {}) for path in ("/token", "/jwks", "/.well-known/openid-configuration")}
    assert visitor.post(sign_in_link(served, "member")).status_code == 303
    visitor.cookies.clear()
    assert visitor.get("/sign-in").status_code == 200


def test_no_other_process_learns_the_secret(served: Served):
    assert CLIENT_SECRET not in repr(served.server.settings)
    assert served.server.open_id is not None
    assert CLIENT_SECRET not in repr(served.server.open_id.registration)


async def test_one_person_who_comes_twice_at_once_is_added_once(served: Served, http: httpx.Client):
    identity = access.Identity("https://accounts.example.org", "twice", "twice@example.com", None)

    async def both(server: Any) -> None:
        async def once() -> None:
            async with server.database.transaction() as tx:
                organization, _ = await access.ensure_default_organization(tx)
                await access.sign_in_by_open_id(
                    tx, organization.id, identity, server.open_id.registration, user_agent=None
                )

        await asyncio.gather(*(once() for _ in range(5)))

    served.do(both)
    assert "twice@example.com" in _members(http)


async def test_a_provider_needs_a_client_and_an_address_to_come_back_to():
    issuer = "https://accounts.example.org"
    for incomplete in (
        Settings(oidc_issuer=issuer),
        Settings(oidc_issuer=issuer, oidc_client_id=CLIENT_ID),
        Settings(oidc_issuer=issuer, public_url=PUBLIC_URL),
    ):
        with pytest.raises(InvalidValueError, match="ASSAY_OIDC_CLIENT_ID and ASSAY_PUBLIC_URL"):
            async with bootstrap.open_server(incomplete):
                pass


def test_where_people_come_by_tls_nothing_else_carries_the_cookies(served: Served):
    settings = served.server.settings.model_copy(update={"public_url": "https://assay.example.org"})
    with serving.serving(settings, with_worker=False) as running:
        link = sign_in_link(running, "member")
        cookies = [
            httpx.get(f"{running.base_url}{START}", trust_env=False, verify=False).headers["set-cookie"],
            httpx.post(link, trust_env=False, verify=False).headers["set-cookie"],
        ]
    assert ["secure" in cookie.lower().split("; ") for cookie in cookies] == [True, True]
