"""Which page is for whom: the one table of pages and the scopes that they need."""

from collections.abc import Mapping

from assay import access

_SEES_RUN: access.Needed = ("runs:read", "reviews:write")
"""Whoever may only review is let in, too; `visitors.signed_in` sees to it that the run is one of theirs."""

PAGE_POLICY: Mapping[tuple[str, str], access.Needed] = {
    ("GET", "/"): None,
    ("POST", "/sign-out"): None,
    ("GET", "/account"): None,
    ("POST", "/account/password"): None,
    ("POST", "/account/sessions/{session_id}/end"): None,
    ("GET", "/live"): None,
    ("GET", "/automations"): "automations:read",
    ("GET", "/automations/{slug}"): "automations:read",
    ("GET", "/automations/{slug}/workflow"): "automations:read",
    ("POST", "/automations/{slug}/workflow"): "automations:write",
    ("POST", "/automations/{slug}/workflow/check"): "automations:read",
    ("POST", "/automations/{slug}/workflow/promote"): "automations:write",
    ("GET", "/automations/{slug}/settings"): "automations:read",
    ("POST", "/automations/{slug}/settings/{part}"): "automations:write",
    ("GET", "/run"): "runs:write",
    ("GET", "/run/{slug}"): "runs:write",
    ("POST", "/run/{slug}"): "runs:write",
    ("GET", "/runs"): "runs:read",
    ("GET", "/runs/bulk"): "runs:write",
    ("POST", "/runs/bulk"): "runs:write",
    ("GET", "/runs/news"): "runs:read",
    ("GET", "/runs/{run_id}"): "runs:read",
    ("GET", "/runs/{run_id}/pane"): "runs:read",
    ("GET", "/runs/{run_id}/step"): "runs:read",
    ("POST", "/runs/{run_id}/rerun"): "runs:write",
    ("POST", "/runs/{run_id}/cancel"): "runs:write",
    ("POST", "/runs/{run_id}/delete"): "runs:write",
    ("GET", "/runs/{run_id}/files/{path:path}"): _SEES_RUN,
    ("GET", "/runs/{run_id}/zip"): _SEES_RUN,
    ("GET", "/runs/{run_id}/pages/{page}/{path:path}"): _SEES_RUN,
    ("GET", "/runs/{run_id}/document/{path:path}"): _SEES_RUN,
}
"""Method and path -> the scope it needs, or several of which one is enough; None: whoever is signed in."""


def scope_of_page(method: str, path: str) -> access.Needed:
    """Return what a page needs, None where being signed in is enough.

    Raises:
        KeyError: nobody has placed this page in the table.
    """
    return PAGE_POLICY["GET" if method == "HEAD" else method, path]
