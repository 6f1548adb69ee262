"""Where the pages are: the one list of the way through them."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation; `key` says which one a page belongs to."""

    key: str
    label: str
    url: str
    icon: str
    scope: Scope | None


PLACES: Sequence[Place] = (
    Place("automations", "Automations", "/automations", "grid", "automations:read"),
    Place("run", "Run", "/run", "play", "runs:write"),
    Place("runs", "Runs", "/runs", "list", "runs:read"),
    Place("review", "Review", "/review", "check", "reviews:write"),
    Place("monitoring", "Monitoring", "/monitoring", "pulse", "runs:read"),
    Place("settings", "Settings", "/settings", "gear", "full_access"),
)

AUTOMATION_TABS: Sequence[tuple[str, str]] = (
    ("overview", "Overview"),
    ("workflow", "Workflow"),
    ("dataset", "Dataset"),
    ("evaluators", "Evaluators"),
    ("experiments", "Experiments"),
    ("settings", "Settings"),
)
"""Tabs of an automation: last part of the URL (`overview` has none) and label."""


SETTINGS_TABS: Sequence[tuple[str, str, str]] = (
    ("keys", "API keys", "/settings/keys"),
    ("members", "Members", "/settings/members"),
    ("providers", "Model providers", "/settings/providers"),
    ("webhooks", "Webhooks", "/settings/webhooks"),
    ("hosts", "Allowed hosts", "/settings/hosts"),
    ("storage", "Storage", "/settings/storage"),
    ("audit", "Audit log", "/settings/audit"),
    ("reference", "API reference", "/reference"),
)
"""Pages of the settings: key, label and URL."""


def places_for(caller: Caller) -> list[Place]:
    """Return the entries that a person may use; a reviewer has the queue alone."""
    if not caller.may("runs:read"):
        return [place for place in PLACES if place.key == "review"]
    return [place for place in PLACES if place.scope is None or caller.may(place.scope)]
