"""Every route: who may call it, and that what belongs to others does not exist for a caller."""

import json
import re
from collections.abc import Generator, Mapping
from typing import Any

import httpx
import pytest
from tests.acceptance.envelopes import envelope
from tests.acceptance.serving import Served

from assay import access

OPEN_TO_ALL = {("GET", "/healthz")}
METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}

ROUTES = sorted(access.POLICY)
WITH_IDS = [route for route in ROUTES if "{" in route[1]]


def _name(route: tuple[str, str]) -> str:
    return " ".join(route)


def _path(template: str, ids: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)(?::path)?\}", lambda match: ids[match[1]], template)


def _prefixed(template: str, prefix: str = "/api/v1") -> str:
    return template if template == "/metrics" else f"{prefix}{template}"


def _missing(ids: Mapping[str, str]) -> dict[str, str]:
    """Name things of the same kinds that nobody has."""
    return {name: value if name == "path" else re.sub("_.*", "_nothing", value) for name, value in ids.items()}


@pytest.fixture(scope="module")
def anonymous(served: Served) -> Generator[httpx.Client]:
    with httpx.Client(base_url=served.base_url, trust_env=False, verify=False) as client:
        yield client


def test_every_route_has_a_row_and_every_row_a_route(anonymous: httpx.Client):
    described = anonymous.get("/api/v1/openapi.json").json()
    routes = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, operations in described["paths"].items()
        for method in operations
        if method in METHODS
    }
    rows = {(method, template.replace(":path}", "}")) for method, template in access.POLICY}
    assert routes - OPEN_TO_ALL == rows


def test_every_scope_is_asked_for_somewhere():
    asked_for = {scope for needed in access.POLICY.values() for scope in access.scopes_of(needed)}
    assert asked_for == set(access.SCOPES)


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_who_has_no_key_is_told_so(anonymous: httpx.Client, world: Mapping[str, str], route: tuple[str, str]):
    for prefix in ("/api/v1", "/v1"):
        for key in (None, "", "Bearer", "Bearer asy_wrong", "Basic asy_wrong", "Bearer \xdcnknown"):
            headers = {} if key is None else {b"Authorization": key.encode("latin-1")}
            answer = anonymous.request(route[0], _prefixed(_path(route[1], world), prefix), headers=headers)
            envelope(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("route", [route for route in ROUTES if access.POLICY[route]], ids=_name)
def test_a_key_without_the_scope_is_refused(served: Served, world: Mapping[str, str], route: tuple[str, str]):
    scopes = access.scopes_of(access.POLICY[route])
    lacking = "runs:read" if "observability:read" in scopes else "observability:read"
    with served.http(lacking) as http:
        answer = http.request(route[0], served.base_url + _prefixed(_path(route[1], world)))
    body = envelope(answer, 403, "insufficient_scope")
    assert " or ".join(scopes) in body["issues"][0]["message"]


@pytest.mark.parametrize("route", WITH_IDS, ids=_name)
def test_what_another_organization_has_is_missing(
    served: Served, http: httpx.Client, world: Mapping[str, str], route: tuple[str, str]
):
    method, template = route
    with served.http(organization="others") as stranger:
        foreign = _ask(stranger, method, _path(template, world))
    missing = _ask(http, method, _path(template, _missing(world)))
    assert _anonymous(envelope(foreign, 404), world) == _anonymous(envelope(missing, 404), _missing(world))
    assert _comparable(foreign) == _comparable(missing)


OPEN_TO_REVIEWERS = [route for route in ROUTES if "reviews:write" in access.scopes_of(access.POLICY[route])]


@pytest.mark.parametrize("route", [route for route in OPEN_TO_REVIEWERS if "{run_id}" in route[1]], ids=_name)
def test_a_run_that_was_never_queued_is_missing_for_who_may_only_review(
    served: Served, world: Mapping[str, str], route: tuple[str, str]
):
    method, template = route
    apart, missing = {**world, "run_id": world["other_id"]}, _missing(world)
    with served.http("reviews:write") as reviewer:
        closed = _ask(reviewer, method, _path(template, apart))
        absent = _ask(reviewer, method, _path(template, missing))
    assert _anonymous(envelope(closed, 404), apart) == _anonymous(envelope(absent, 404), missing)
    assert _comparable(closed) == _comparable(absent)


def test_who_may_only_review_is_let_in_nowhere_else(served: Served, world: Mapping[str, str]):
    families = {re.split(r"[/{]", template)[1] for _, template in OPEN_TO_REVIEWERS}
    assert families == {"runs", "review-queue", "automations"}
    assert [route for route in OPEN_TO_REVIEWERS if route[1].startswith("/automations")] == [
        ("GET", "/automations/{automation_id}/failure-tags")
    ]
    with served.http("reviews:write") as reviewer:
        assert reviewer.get(f"/runs/{world['run_id']}").json()["id"] == world["run_id"]
        for method, template in set(ROUTES) - set(OPEN_TO_REVIEWERS):
            if access.POLICY[method, template] is not None:
                envelope(_ask(reviewer, method, served.base_url + _prefixed(_path(template, world))), 403)


def test_lists_hold_only_what_is_the_callers(served: Served, world: Mapping[str, str]):
    with served.http(organization="others") as stranger:
        assert stranger.get("/automations").json()["data"] == []
        assert stranger.get("/runs").json() == {"runs": [], "nextCursor": None}
        assert stranger.get("/runs", params={"ids": world["run_id"]}).json()["runs"] == []
        assert stranger.get("/runs", params={"source": world["automation_id"]}).json()["runs"] == []
        listed = json.dumps([stranger.get("/keys").json(), stranger.get("/audit").json()])
        assert not [value for name, value in world.items() if name.endswith("_id") and value in listed]


@pytest.mark.parametrize("asked", ["/storage", "/metrics"])
def test_what_concerns_the_whole_server_is_told_to_the_organization_it_began_with(
    served: Served, http: httpx.Client, asked: str
):
    url = served.base_url + _prefixed(asked)
    assert http.get(url).status_code == 200
    with served.http(organization="others") as stranger:
        envelope(stranger.get(url), 403, "operators_only")


def test_a_start_cannot_use_what_others_have(served: Served, world: Mapping[str, str], http: httpx.Client):
    with served.http(organization="others") as stranger:
        for target in (world["automation_id"], "workflows.echo"):
            envelope(stranger.post("/runs", json={"target": target}), 404, "not_found")
        pushed = stranger.post("/automations", json={"yaml": OWN})
        assert pushed.status_code == 201
        own = {"target": "workflows.own", "input": {"document": {"$fileId": world["file_id"]}}}
        envelope(stranger.post("/runs", json=own), 400, "file_required")
        path = f"/automations/workflows.own/versions/{world['version_id']}"
        envelope(stranger.get(path), 404)
        envelope(stranger.post("/runs", json={"target": "workflows.own", "version": world["version_id"]}), 404)
    envelope(http.get("/automations/workflows.own"), 404)


OWN = """\
name: own
triggerMethods: [api]
inputs:
  - {name: document, type: file, required: false}
steps: [{name: a, type: transform.set, with: {fields: {x: 1}}}]
"""


def test_paths_and_methods_that_do_not_exist_are_refused_in_the_envelope(http: httpx.Client):
    for path in ("/nothing", "/runs/", "/runs/x/steps/", "//runs", "/automations/x/versions/y/z"):
        envelope(http.get(path), 404, "not_found")
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE"):
        answer = http.request(method, "/runs")
        envelope(answer, 405, "method_not_allowed")
        assert answer.headers["allow"]


def test_the_callers_request_id_is_kept_if_it_is_harmless(http: httpx.Client):
    assert http.get("/auth/check", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    for strange in (b"a b", b"\xff", b"x" * 200, b"<script>"):
        answer = http.get("/runs/exec_x", headers={b"x-request-id": strange})
        assert envelope(answer, 404)["requestId"].startswith("req_")


def test_answers_are_not_kept_by_anybody_between(http: httpx.Client, world: Mapping[str, str]):
    for path in ("/runs", f"/files/{world['file_id']}/content", "/nothing"):
        headers = http.get(path).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_both_prefixes_lead_to_the_same(served: Served, http: httpx.Client, world: Mapping[str, str]):
    for path in ("/automations", f"/runs/{world['run_id']}", "/auth/check"):
        assert http.get(path).json() == http.get(f"{served.base_url}/v1{path}").json()


def _ask(client: httpx.Client, method: str, path: str) -> httpx.Response:
    bodies: dict[str, Any] = {
        "/versions": {"yaml": OWN},
        "/triggers": {"api": False},
        "/limits": {"retentionDays": 1},
        "/evaluators": {"yaml": "evaluators: []"},
        "/evaluators/validate": {"yaml": "evaluators: []"},
        "/evaluators/try": {"example": "first"},
        "/gate": {"minExamples": 1},
        "/sampling": {"rate": 0.5},
        "/alerts": {"metric": "drift"},
        "/alerts/preview": {"metric": "drift"},
        "/feedback": {"rating": "pass"},
        "/reviews": {"status": "open"},
        "/skip": {"reason": "not mine"},
        "/runs/import": {"outputs": []},
        "/incumbent": {"output": 1},
    }
    if method == "PATCH" and path.startswith("/automations/") and path.count("/") == 2:
        bodies[path] = {"archived": False}
    body = next((body for end, body in bodies.items() if path.endswith(end) and method != "GET"), None)
    return client.request(method, path, json=body) if body else client.request(method, path)


def _anonymous(body: Any, ids: Mapping[str, str]) -> str:
    text = json.dumps({**body, "requestId": ""})
    for name, value in ids.items():
        text = text.replace(value, name)
    return text


def _comparable(answer: httpx.Response) -> dict[str, str]:
    ignored = {"x-request-id", "date", "content-length"}
    return {name: value for name, value in answer.headers.items() if name not in ignored}
