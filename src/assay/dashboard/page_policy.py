"""Which page is for whom: the one table of pages and the scopes that they need."""

from collections.abc import Mapping

from assay.access import Scope

PAGE_POLICY: Mapping[tuple[str, str], Scope | None] = {
    ("GET", "/"): None,
    ("POST", "/sign-out"): None,
    ("GET", "/account"): None,
    ("POST", "/account/password"): None,
    ("POST", "/account/sessions/{session_id}/end"): None,
    ("GET", "/live"): None,
    ("GET", "/automations"): "automations:read",
}
"""Method and path -> the scope it needs; None: whoever is signed in."""


def scope_of_page(method: str, path: str) -> Scope | None:
    """Return the scope that a page needs, None where being signed in is enough.

    Raises:
        KeyError: nobody has placed this page in the table.
    """
    return PAGE_POLICY["GET" if method == "HEAD" else method, path]
