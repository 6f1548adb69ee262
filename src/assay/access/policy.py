"""Who may call what: the one table of route and scope."""

from collections.abc import Mapping

from assay.access.errors import InsufficientScopeError
from assay.access.model import Caller
from assay.access.scopes import Scope

Needed = Scope | tuple[Scope, ...] | None
"""The scope that a route needs, or several of which one is enough; None: any valid key will do."""

_SEES_RUN: Needed = ("runs:read", "reviews:write")
"""Who may only review is let in, too: `reviews.check_reach` sees to it that the run is one of his."""

# Files carry the inputs and outputs of runs, so the scopes of runs guard them.
POLICY: Mapping[tuple[str, str], Needed] = {
    ("GET", "/auth/check"): None,
    ("GET", "/metrics"): "observability:read",
    ("GET", "/automations"): "automations:read",
    ("POST", "/automations"): "automations:write",
    ("POST", "/automations/validate"): "automations:read",
    ("GET", "/automations/{automation_id}"): "automations:read",
    ("PATCH", "/automations/{automation_id}"): "automations:write",
    ("GET", "/automations/{automation_id}/lifecycle"): "runs:read",
    ("POST", "/automations/{automation_id}/sync"): "automations:write",
    ("GET", "/automations/{automation_id}/triggers"): "automations:read",
    ("PATCH", "/automations/{automation_id}/triggers"): "automations:write",
    ("GET", "/automations/{automation_id}/versions"): "automations:read",
    ("POST", "/automations/{automation_id}/versions"): "automations:write",
    ("GET", "/automations/{automation_id}/versions/{version_id}"): "automations:read",
    ("GET", "/automations/{automation_id}/versions/{version_id}/files/{path:path}"): "automations:read",
    ("POST", "/automations/{automation_id}/versions/{version_id}/promote"): "automations:write",
    ("PATCH", "/automations/{automation_id}/limits"): "automations:write",
    ("GET", "/automations/{automation_id}/evaluators"): "automations:read",
    ("PUT", "/automations/{automation_id}/evaluators"): "datasets:write",
    # Trying asks models, which costs money.
    ("POST", "/automations/{automation_id}/evaluators/try"): "datasets:write",
    ("POST", "/automations/{automation_id}/evaluators/validate"): "automations:read",
    ("GET", "/automations/{automation_id}/evaluators/history"): "automations:read",
    ("GET", "/automations/{automation_id}/evaluators/history/{evaluator_set_id}"): "automations:read",
    ("GET", "/evaluators/types"): "automations:read",
    ("GET", "/automations/{automation_id}/dataset/export"): "automations:read",
    ("POST", "/automations/{automation_id}/dataset/import"): "datasets:write",
    ("GET", "/automations/{automation_id}/dataset/revisions"): "automations:read",
    ("GET", "/automations/{automation_id}/dataset/coverage"): "automations:read",
    ("POST", "/automations/{automation_id}/dataset/validate"): "datasets:write",
    ("GET", "/automations/{automation_id}/examples"): "automations:read",
    ("POST", "/automations/{automation_id}/examples"): "datasets:write",
    ("GET", "/automations/{automation_id}/examples/{example_id}"): "automations:read",
    ("PATCH", "/automations/{automation_id}/examples/{example_id}"): "datasets:write",
    ("DELETE", "/automations/{automation_id}/examples/{example_id}"): "datasets:write",
    ("GET", "/automations/{automation_id}/examples/{example_id}/versions"): "automations:read",
    ("GET", "/automations/{automation_id}/examples/{example_id}/versions/{example_version_id}"): "automations:read",
    ("GET", "/automations/{automation_id}/examples/{example_id}/input"): "automations:read",
    ("POST", "/automations/{automation_id}/examples/{example_id}/input"): "datasets:write",
    ("GET", "/automations/{automation_id}/examples/{example_id}/input/{path:path}"): "automations:read",
    ("PATCH", "/automations/{automation_id}/examples/{example_id}/input/{path:path}"): "datasets:write",
    ("DELETE", "/automations/{automation_id}/examples/{example_id}/input/{path:path}"): "datasets:write",
    ("GET", "/automations/{automation_id}/examples/{example_id}/expected"): "automations:read",
    ("POST", "/automations/{automation_id}/examples/{example_id}/expected"): "datasets:write",
    ("GET", "/automations/{automation_id}/examples/{example_id}/expected/{path:path}"): "automations:read",
    ("PATCH", "/automations/{automation_id}/examples/{example_id}/expected/{path:path}"): "datasets:write",
    ("DELETE", "/automations/{automation_id}/examples/{example_id}/expected/{path:path}"): "datasets:write",
    ("GET", "/automations/{automation_id}/experiments"): "automations:read",
    ("POST", "/automations/{automation_id}/experiments"): "runs:write",
    ("POST", "/automations/{automation_id}/experiments/stream"): "runs:write",
    ("GET", "/automations/{automation_id}/experiments/export"): "automations:read",
    ("GET", "/automations/{automation_id}/experiments/{experiment_id}"): "automations:read",
    ("POST", "/automations/{automation_id}/experiments/{experiment_id}/cancel"): "runs:write",
    ("GET", "/automations/{automation_id}/experiments/{experiment_id}/export"): "automations:read",
    ("GET", "/automations/{automation_id}/experiments/{experiment_id}/stream"): "automations:read",
    ("GET", "/experiments/{experiment_id}"): "automations:read",
    ("GET", "/experiments/{baseline_id}/compare/{experiment_id}"): "automations:read",
    ("GET", "/automations/{automation_id}/gate"): "automations:read",
    ("PUT", "/automations/{automation_id}/gate"): "automations:write",
    ("DELETE", "/automations/{automation_id}/gate"): "automations:write",
    ("GET", "/automations/{automation_id}/gate/{version_id}"): "automations:read",
    ("POST", "/automations/{automation_id}/examples/{example_id}/run"): "runs:write",
    ("GET", "/runs/{run_id}/scores"): "runs:read",
    ("GET", "/keys"): "full_access",
    ("POST", "/keys"): "full_access",
    ("DELETE", "/keys/{key_id}"): "full_access",
    ("GET", "/account/sessions"): "full_access",
    ("DELETE", "/account/sessions/{session_id}"): "full_access",
    ("PUT", "/account/password"): "full_access",
    ("GET", "/audit"): "full_access",
    ("GET", "/members"): "full_access",
    ("POST", "/members"): "full_access",
    ("PATCH", "/members/{user_id}"): "full_access",
    ("DELETE", "/members/{user_id}/sessions"): "full_access",
    ("DELETE", "/members/{user_id}/identities"): "full_access",
    ("GET", "/storage"): "full_access",
    ("GET", "/outgoing"): "full_access",
    ("PATCH", "/outgoing"): "full_access",
    ("GET", "/providers"): "automations:read",
    ("POST", "/providers"): "full_access",
    ("DELETE", "/providers/{provider_id}"): "full_access",
    ("POST", "/providers/{provider_id}/test"): "full_access",
    # Whoever has an endpoint is told of all that happens.
    ("GET", "/webhooks"): "full_access",
    ("POST", "/webhooks"): "full_access",
    ("GET", "/webhooks/{webhook_id}"): "full_access",
    ("PATCH", "/webhooks/{webhook_id}"): "full_access",
    ("DELETE", "/webhooks/{webhook_id}"): "full_access",
    ("POST", "/webhooks/{webhook_id}/rotate"): "full_access",
    ("POST", "/webhooks/{webhook_id}/test"): "full_access",
    ("GET", "/webhooks/{webhook_id}/deliveries"): "full_access",
    ("GET", "/webhooks/{webhook_id}/deliveries/{delivery_id}"): "full_access",
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): "full_access",
    ("GET", "/runs"): "runs:read",
    ("POST", "/runs"): "runs:write",
    ("POST", "/runs/bulk"): "runs:write",
    ("GET", "/runs/{run_id}"): _SEES_RUN,
    ("DELETE", "/runs/{run_id}"): "runs:write",
    ("POST", "/runs/{run_id}/cancel"): "runs:write",
    ("POST", "/runs/{run_id}/rerun"): "runs:write",
    ("GET", "/runs/{run_id}/artifacts"): _SEES_RUN,
    ("GET", "/runs/{run_id}/artifacts/{path:path}"): _SEES_RUN,
    ("GET", "/runs/{run_id}/compare/{other_id}"): "runs:read",
    ("GET", "/runs/{run_id}/events"): "runs:read",
    ("GET", "/runs/{run_id}/steps"): "runs:read",
    ("GET", "/runs/{run_id}/trace"): "runs:read",
    ("GET", "/runs/{run_id}/usage"): "runs:read",
    ("POST", "/runs/{run_id}/promote"): ("datasets:write", "reviews:write"),
    ("GET", "/runs/{run_id}/feedback"): _SEES_RUN,
    ("PUT", "/runs/{run_id}/feedback"): "reviews:write",
    ("PATCH", "/runs/{run_id}/feedback"): "reviews:write",
    ("DELETE", "/runs/{run_id}/feedback"): "reviews:write",
    ("GET", "/runs/{run_id}/feedback/history"): _SEES_RUN,
    ("GET", "/runs/{run_id}/feedback/expected"): _SEES_RUN,
    ("POST", "/runs/{run_id}/feedback/expected"): "reviews:write",
    ("GET", "/runs/{run_id}/feedback/expected/{path:path}"): _SEES_RUN,
    ("PATCH", "/runs/{run_id}/feedback/expected/{path:path}"): "reviews:write",
    ("DELETE", "/runs/{run_id}/feedback/expected/{path:path}"): "reviews:write",
    ("GET", "/runs/{run_id}/reviews"): _SEES_RUN,
    ("PUT", "/runs/{run_id}/reviews"): "reviews:write",
    ("PATCH", "/runs/{run_id}/reviews"): "reviews:write",
    ("DELETE", "/runs/{run_id}/reviews"): "reviews:write",
    ("GET", "/runs/{run_id}/reviews/expected"): _SEES_RUN,
    ("POST", "/runs/{run_id}/reviews/expected"): "reviews:write",
    ("GET", "/runs/{run_id}/reviews/expected/{path:path}"): _SEES_RUN,
    ("PATCH", "/runs/{run_id}/reviews/expected/{path:path}"): "reviews:write",
    ("DELETE", "/runs/{run_id}/reviews/expected/{path:path}"): "reviews:write",
    ("GET", "/automations/{automation_id}/sampling"): "automations:read",
    ("PUT", "/automations/{automation_id}/sampling"): "automations:write",
    ("GET", "/automations/{automation_id}/sampling/advice"): "automations:read",
    ("GET", "/automations/{automation_id}/sampling/history"): "automations:read",
    ("GET", "/automations/{automation_id}/proof"): "automations:read",
    ("PUT", "/automations/{automation_id}/proof"): "automations:write",
    ("POST", "/automations/{automation_id}/runs/import"): "runs:write",
    ("GET", "/automations/{automation_id}/incumbent-agreement"): "runs:read",
    ("PUT", "/runs/{run_id}/incumbent"): "runs:write",
    ("GET", "/runs/{run_id}/incumbent-diff"): "runs:read",
    ("GET", "/automations/{automation_id}/reviews/health"): "runs:read",
    ("GET", "/automations/{automation_id}/operations"): "runs:read",
    ("GET", "/automations/{automation_id}/alerts"): "automations:read",
    ("POST", "/automations/{automation_id}/alerts"): "automations:write",
    ("DELETE", "/automations/{automation_id}/alerts/{alert_id}"): "automations:write",
    ("POST", "/automations/{automation_id}/alerts/preview"): "automations:read",
    ("GET", "/automations/{automation_id}/failure-tags"): ("automations:read", "reviews:write"),
    ("GET", "/review-queue"): _SEES_RUN,
    ("POST", "/review-queue"): "runs:write",
    ("GET", "/review-queue/stats"): _SEES_RUN,
    ("POST", "/review-queue/claim"): "reviews:write",
    ("GET", "/review-queue/{item_id}"): _SEES_RUN,
    ("POST", "/review-queue/{item_id}/release"): "reviews:write",
    ("POST", "/review-queue/{item_id}/renew"): "reviews:write",
    ("POST", "/review-queue/{item_id}/skip"): "reviews:write",
    ("POST", "/files"): "runs:write",
    ("GET", "/files/{file_id}"): "runs:read",
    ("DELETE", "/files/{file_id}"): "runs:write",
    ("GET", "/files/{file_id}/content"): "runs:read",
}
"""Method and path template (as FastAPI writes it, no prefix) -> what it needs."""


def scope_for(method: str, template: str) -> Needed:
    """Return what a route needs.

    Raises:
        KeyError: nobody has placed this route in the table.
    """
    return POLICY[method, template]


def scopes_of(needed: Needed) -> tuple[Scope, ...]:
    """Return the scopes of which one is enough; none where any valid key will do."""
    if needed is None:
        return ()
    return (needed,) if isinstance(needed, str) else needed


def require(caller: Caller, needed: Needed) -> None:
    """Return if the caller has what is needed.

    Raises:
        InsufficientScopeError: the message names the scopes of which one would do.
    """
    scopes = scopes_of(needed)
    if not scopes or any(caller.may(scope) for scope in scopes):
        return
    message = f"This needs the scope {' or '.join(scopes)}."
    raise InsufficientScopeError(message)
