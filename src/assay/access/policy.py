"""Who may call what: the one table of route and scope."""

from collections.abc import Mapping

from assay.access.errors import InsufficientScopeError
from assay.access.model import Caller
from assay.access.scopes import Scope

# Files carry the inputs and outputs of runs, so the scopes of runs guard them.
POLICY: Mapping[tuple[str, str], Scope | None] = {
    ("GET", "/auth/check"): None,
    ("GET", "/metrics"): "observability:read",
    ("GET", "/automations"): "automations:read",
    ("POST", "/automations"): "automations:write",
    ("POST", "/automations/validate"): "automations:read",
    ("GET", "/automations/{automation_id}"): "automations:read",
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
    ("GET", "/audit"): "full_access",
    ("GET", "/outgoing"): "full_access",
    ("PATCH", "/outgoing"): "full_access",
    ("GET", "/providers"): "automations:read",
    ("POST", "/providers"): "full_access",
    ("DELETE", "/providers/{provider_id}"): "full_access",
    ("POST", "/providers/{provider_id}/test"): "full_access",
    ("GET", "/runs"): "runs:read",
    ("POST", "/runs"): "runs:write",
    ("GET", "/runs/{run_id}"): "runs:read",
    ("DELETE", "/runs/{run_id}"): "runs:write",
    ("POST", "/runs/{run_id}/cancel"): "runs:write",
    ("POST", "/runs/{run_id}/rerun"): "runs:write",
    ("GET", "/runs/{run_id}/artifacts"): "runs:read",
    ("GET", "/runs/{run_id}/artifacts/{path:path}"): "runs:read",
    ("GET", "/runs/{run_id}/compare/{other_id}"): "runs:read",
    ("GET", "/runs/{run_id}/events"): "runs:read",
    ("GET", "/runs/{run_id}/steps"): "runs:read",
    ("GET", "/runs/{run_id}/trace"): "runs:read",
    ("GET", "/runs/{run_id}/usage"): "runs:read",
    ("POST", "/files"): "runs:write",
    ("GET", "/files/{file_id}"): "runs:read",
    ("DELETE", "/files/{file_id}"): "runs:write",
    ("GET", "/files/{file_id}/content"): "runs:read",
}
"""Method and path template (as FastAPI writes it, no prefix) -> the scope it needs; None: any valid key will do."""


def scope_for(method: str, template: str) -> Scope | None:
    """Return the scope that a route needs, None where any valid key will do.

    Raises:
        KeyError: nobody has placed this route in the table.
    """
    return POLICY[method, template]


def require(caller: Caller, scope: Scope | None) -> None:
    """Return if the caller has the scope, or none is needed.

    Raises:
        InsufficientScopeError: the message names the scope.
    """
    if scope is None or caller.may(scope):
        return
    message = f"This needs an API key with the scope {scope}."
    raise InsufficientScopeError(message)
