"""Members by page, API and client: the same rules about owners everywhere, and nothing offered that is refused."""

import re
from collections.abc import Generator

import httpx
import pytest
from playwright.async_api import expect
from tests.acceptance.serving import Served
from tests.dashboard.browsing import PageAs, axe
from tests.dashboard.conftest import sign_in_link

from assay import access
from assay_client import Client


@pytest.fixture
def admin(served: Served) -> Generator[httpx.Client]:
    """An admin, signed in without a browser."""
    with httpx.Client(base_url=served.base_url, timeout=60, trust_env=False, verify=False) as client:
        assert client.post(sign_in_link(served, "admin")).status_code == 303
        yield client


def _csrf(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/account").text)
    assert found
    return found[1]


def _admin_key(served: Served) -> str:
    async def make(server: object) -> str:
        async with served.server.database.transaction() as tx:
            organization, _ = await access.ensure_default_organization(tx)
            user = await access.ensure_user(
                tx, organization_id=organization.id, email="admin@example.org", role="admin"
            )
            made = await access.create_key(
                tx, organization_id=organization.id, user_id=user.id, name="k", scopes=["full_access"]
            )
            return made.secret

    return served.do(make)


def _owner_id(http: httpx.Client) -> str:
    return next(one["id"] for one in http.get("/members").json()["data"] if one["role"] == "owner")


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/{}/role", {"role": "member"}),
        ("/{}/disable", {}),
        ("/{}/enable", {}),
        ("/{}/sign-out", {}),
        ("/{}/unlink", {}),
        ("", {"email": "crown@example.org", "role": "owner"}),
    ],
)
def test_a_page_refuses_an_admin_what_only_owners_do(
    http: httpx.Client, admin: httpx.Client, path: str, data: dict[str, str]
):
    url = f"/settings/members{path.format(_owner_id(http))}"
    answer = admin.post(url, data={"csrf": _csrf(admin), **data})
    assert (answer.status_code, "Only an owner" in answer.text) == (403, True)


def test_the_api_refuses_an_admin_what_only_owners_do(served: Served, http: httpx.Client):
    owner = f"/members/{_owner_id(http)}"
    http.headers["Authorization"], kept = f"Bearer {_admin_key(served)}", http.headers["Authorization"]
    try:
        answers = [
            http.patch(owner, json={"role": "admin"}),
            http.patch(owner, json={"disabled": True}),
            http.delete(f"{owner}/sessions"),
            http.delete(f"{owner}/identities"),
            http.post("/members", json={"email": "crown@example.org", "role": "owner"}),
            http.post("/members", json={"email": "owner@localhost"}),
        ]
    finally:
        http.headers["Authorization"] = kept
    assert [(one.status_code, one.json()["issues"][0]["code"]) for one in answers] == [(403, "owners_only")] * 6


def test_a_leaked_key_of_an_owner_is_stopped_by_an_admin(served: Served, http: httpx.Client, admin: httpx.Client):
    leaked = [http.post("/keys", json={"name": "leaked"}).json() for _ in range(2)]
    with served.http() as by_api:
        by_api.headers["Authorization"] = f"Bearer {_admin_key(served)}"
        assert by_api.delete(f"/keys/{leaked[0]['id']}").status_code == 200
    page = admin.post(f"/settings/keys/{leaked[1]['id']}/revoke", data={"csrf": _csrf(admin)})
    assert (page.status_code, "is revoked" in page.text) == (200, True)
    for one in leaked:
        answer = http.get("/auth/check", headers={"Authorization": f"Bearer {one['key']}"})
        assert answer.status_code == 401


async def test_an_admin_is_offered_nothing_that_would_be_refused(page_as: PageAs):
    page = await page_as("admin")
    await page.goto("/settings/members")
    owner = page.get_by_role("row", name="owner@localhost")
    await expect(owner).to_contain_text("Owner")
    await expect(owner.get_by_role("button")).to_have_count(0)
    await expect(page.get_by_label("Role", exact=True).locator("option[value=owner]")).to_have_count(0)
    await expect(page.get_by_role("row", name="admin@example.org").get_by_role("combobox")).to_be_visible()
    await axe(page)


def test_the_client_does_all_that_the_page_does(served: Served):
    with Client(served.base_url, served.key()) as client:
        made = client.members.invite("by-client@example.org", name="Ben", role="reviewer")
        assert made["url"].startswith(f"{served.base_url}/sign-in/link/")
        assert client.members.change(made["id"], role="member")["role"] == "member"
        assert client.members.change(made["id"], disabled=True)["disabled"] is True
        assert client.members.change(made["id"], disabled=False)["disabled"] is False
        assert client.members.sign_out(made["id"])["ended"] == 0
        assert client.members.unlink(made["id"])["forgotten"] == 0
        listed = next(one for one in client.members.list()["data"] if one["id"] == made["id"])
        assert (listed["name"], listed["linked"], listed["hasPassword"]) == ("Ben", False, False)
