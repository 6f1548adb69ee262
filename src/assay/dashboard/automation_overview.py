"""The first tab of an automation: how far it has come on the way to being trusted, and what takes it further."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.responses import Response

from assay import automations, db, monitoring
from assay.dashboard.automation_figures import Figures, figures_of
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn, site_url
from assay.errors import AssayError

router = APIRouter()

_ACTIONS: Mapping[str, tuple[str, str]] = {
    "push_version": ("Write the workflow", "/automations/{slug}/workflow"),
    "add_examples": ("Add examples", "/automations/{slug}/dataset"),
    "run_experiment": ("Run an experiment", "/automations/{slug}/experiments"),
    "see_experiments": ("See what fails", "/automations/{slug}/experiments"),
    "switch_api_on": ("Switch the API trigger on", "/automations/{slug}/settings#triggers"),
    "call_api": ("How to call it", "#calling"),
    "see_runs": ("See the failed runs", "/runs?source=workflows.{slug}&status=failed"),
    "set_sampling": ("Set the sampling rate", "/automations/{slug}/settings#sampling"),
    "review": ("Review the sample", "/review?automation={slug}"),
    "close_reviews": ("See what is open", "/runs?source=workflows.{slug}&reviewState=open"),
    "set_gate": ("Set a gate policy", "/automations/{slug}/settings#gate"),
    "add_alert": ("Add an alert", "/automations/{slug}/settings#alerts"),
}


@dataclass(frozen=True, slots=True)
class ChecklistLine:
    """A line of a checklist; `is_next` marks the one to do now. Without a `url` there is nothing to press."""

    title: str
    done: bool
    is_next: bool
    evidence: str
    label: str | None
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewPage(AutomationPage):
    """How it stands, the stages to trust and the list before shipping; `call` is how a shell starts a run."""

    template: ClassVar[str] = "automation_overview.html"
    place: ClassVar[str] = "automations"

    figures: Figures
    stages: Sequence[ChecklistLine]
    checks: Sequence[ChecklistLine]
    stages_left: int
    checks_left: int
    call: str


@router.get("/automations/{slug}")
async def overview_page(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Show how far an automation has come."""
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        found = await monitoring.lifecycle(tx, organization_id, automation.id)
        figures = await figures_of(tx, organization_id, [automation])
        schema = await _input_schema(tx, automation)
    page = OverviewPage(
        title=title_of(automation, "overview"),
        heading=heading_of(automation, "overview"),
        figures=figures[automation.id],
        stages=[_line(stage, automation.slug, found.next_stage) for stage in found.stages],
        checks=[_line(check, automation.slug, None) for check in found.checks],
        stages_left=sum(not stage.done for stage in found.stages),
        checks_left=sum(not check.done for check in found.checks),
        call=_call(request, automation.slug, schema),
    )
    return render(request, visitor, page)


async def _input_schema(tx: db.Transaction, automation: automations.Automation) -> Mapping[str, Any]:
    try:
        version_id = automation.current_version_id or ""
        return (await automations.definition_of(tx, automation.organization_id, version_id)).inputs.schema
    except AssayError:  # there is none, or none that this assay still reads
        return {"properties": {}}


def _line(line: monitoring.Line, slug: str, following: monitoring.Line | None) -> ChecklistLine:
    label, url = _ACTIONS[line.action] if line.action else (None, None)
    return ChecklistLine(
        title=line.title,
        done=line.done,
        is_next=line is following,
        evidence=line.evidence,
        label=label,
        url=url.format(slug=slug) if url else None,
    )


def _call(request: Request, slug: str, schema: Mapping[str, Any]) -> str:
    """Return what a shell would type: a form where the workflow takes files, else JSON, with every required input."""
    base, target = site_url(request), f"workflows.{slug}"
    declared: Mapping[str, Any] = schema["properties"]
    files = [
        name
        for name, one in declared.items()
        if automations.FILE_MARK in one or automations.FILE_MARK in one.get("items", {})
    ]
    values = {name: _placeholder(declared[name]) for name in schema.get("required", ()) if name not in files}
    shown = json.dumps(values, ensure_ascii=False)
    if files:
        sent = [f"-F 'files.{name}=@document.pdf'" for name in files]
        sent = [f"-F target={target}", *([f"-F 'input={shown}'"] if values else []), *sent]
    else:
        sent = ['-H "Content-Type: application/json"', f'-d \'{{"target": "{target}", "input": {shown}}}\'']
    first = f"curl '{base}/api/v1/runs?wait_for_completion=30'"
    return " \\\n  ".join([first, '-H "Authorization: Bearer $ASSAY_API_KEY"', *sent])


def _placeholder(declared: Mapping[str, Any]) -> JsonValue:
    """Return a value that the input takes, as far as its type says."""
    if "enum" in declared:
        return declared["enum"][0]
    empty: Mapping[str, JsonValue] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    return empty.get(declared.get("type", "string"), "…")
