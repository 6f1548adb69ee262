"""What stands above every tab of an automation: its name, its version, and the way to the other tabs."""

from dataclasses import dataclass

from assay import automations
from assay.dashboard.navigation import AUTOMATION_TABS
from assay.dashboard.rendering import Page


@dataclass(frozen=True, slots=True)
class Heading:
    """Which automation and which of its tabs; `version` is None where none is current."""

    slug: str
    name: str
    description: str | None
    version: str | None
    archived: bool
    tab: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationPage(Page):
    """A page of one automation; its template extends `automation_frame.html` and fills the block `tab`."""

    heading: Heading


def heading_of(automation: automations.Automation, tab: str) -> Heading:
    """Return what stands above a tab, named as in `navigation.AUTOMATION_TABS`."""
    return Heading(
        slug=automation.slug,
        name=automation.name or automation.slug,
        description=automation.description,
        version=automation.current_version_label or automation.current_version_id,
        archived=automation.status == "archived",
        tab=tab,
    )


def title_of(automation: automations.Automation, tab: str) -> str:
    """Return the title of a tab's page."""
    label = dict(AUTOMATION_TABS)[tab]
    return f"{label} · {automation.name or automation.slug}"
