"""The policy: what each scope opens, and that nothing is open by accident."""

import pytest

from assay import access
from assay.errors import ErrorKind


def _caller(*scopes: str) -> access.Caller:
    return access.Caller("org_1", "acme", "Acme", "user_1", "key_1", "a@example.org", None, frozenset(scopes))


def _opened_by(scope: access.Scope) -> set[tuple[str, str]]:
    caller = _caller(scope)
    return {
        route for route, needed in access.POLICY.items() if any(caller.may(scope) for scope in access.scopes_of(needed))
    }


def test_full_access_opens_everything() -> None:
    for needed in access.POLICY.values():
        access.require(_caller("full_access"), needed)
    assert _caller("full_access").full_access


def test_a_key_for_metrics_reads_metrics_only() -> None:
    assert _opened_by("observability:read") == {("GET", "/metrics")}
    assert not _caller("observability:read").full_access


@pytest.mark.parametrize("scope", ["runs:read", "automations:read"])
def test_a_reading_key_changes_nothing(scope: access.Scope) -> None:
    asks_only = {
        ("POST", "/automations/validate"),
        ("POST", "/automations/{automation_id}/alerts/preview"),
        ("POST", "/automations/{automation_id}/evaluators/validate"),
    }
    assert {method for method, _ in _opened_by(scope) - asks_only} == {"GET"}


@pytest.mark.parametrize(
    "scope", [scope for scope in access.SCOPES if scope not in {"observability:read", "reviews:write"}]
)
def test_whoever_works_with_automations_may_look_them_up(scope: access.Scope) -> None:
    assert ("GET", "/automations/{automation_id}") in _opened_by(scope)


@pytest.mark.parametrize("scope", ["automations:write", "datasets:write", "reviews:write", "runs:write"])
def test_the_documents_of_runs_need_the_scope_to_read_runs(scope: access.Scope) -> None:
    with pytest.raises(access.InsufficientScopeError, match="runs:read") as refused:
        access.require(_caller(scope), access.scope_for("GET", "/files/{file_id}/content"))
    assert (refused.value.kind, refused.value.code) == (ErrorKind.FORBIDDEN, "insufficient_scope")


def test_one_of_several_scopes_is_enough() -> None:
    needed = access.scope_for("GET", "/runs/{run_id}")
    for scope in ("runs:read", "reviews:write"):
        access.require(_caller(scope), needed)
    with pytest.raises(access.InsufficientScopeError, match="runs:read or reviews:write"):
        access.require(_caller("runs:write"), needed)


def test_who_reads_runs_or_may_do_everything_does_not_only_review() -> None:
    assert _caller("reviews:write").only_reviews
    assert _caller("reviews:write", "automations:write").only_reviews
    for scopes in (["reviews:write", "runs:read"], ["full_access"], ["runs:write"], []):
        assert not _caller(*scopes).only_reviews


def test_any_valid_key_may_ask_who_it_is() -> None:
    access.require(_caller(), access.scope_for("GET", "/auth/check"))


def test_a_route_that_nobody_placed_is_an_error() -> None:
    with pytest.raises(KeyError):
        access.scope_for("GET", "/somewhere")
