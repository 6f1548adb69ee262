"""Making an automation: from a template with its examples and evaluators, or from the text of a workflow."""

import io
import zipfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from assay import automations, datasets, evaluators, experiments, reviews, workflow_templates
from assay.dashboard.automation_workflow import MAX_SOURCE, Diagnostics
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import Page, render
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError
from assay.server import Server
from assay.workflow_templates import TEMPLATES, TemplateName

router = APIRouter()

_WORKFLOW, _EVALUATORS, _DATASET = (PurePosixPath(name) for name in ("workflow.yaml", "evaluators.yaml", "dataset"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAutomationPage(Page):
    """Two ways to begin: a `name` and a template, or a `source`; what was refused stands there with its `problem`."""

    template: ClassVar[str] = "automation_new.html"
    place: ClassVar[str] = "automations"

    templates: Mapping[TemplateName, str]
    chosen: TemplateName
    name: str
    name_problem: str | None
    source: str
    diagnostics: Diagnostics
    problem: str | None
    hint: str | None


_EMPTY = NewAutomationPage(
    title="New automation",
    templates=TEMPLATES,
    chosen="blank",
    name="",
    name_problem=None,
    source="",
    diagnostics=Diagnostics(checked=False),
    problem=None,
    hint=None,
)


@router.get("/new-automation")
async def new_automation_page(request: Request, visitor: SignedIn) -> Response:
    """Show both ways to begin."""
    return render(request, visitor, _EMPTY)


@router.post("/new-automation")
async def create(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Make the automation and go to its workflow."""
    form = await request.form()
    template: TemplateName | None = next((one for one in TEMPLATES if one == form.get("template")), None)
    try:
        if template is None:
            pushed = await _from_text(server, visitor, _text(form, "yaml"))
        else:
            pushed = await _from_template(server, visitor, template, _text(form, "name").strip())
    except AssayError as error:
        return render(request, visitor, _refused(form, template, error), status_of(error))
    version = pushed.version.label or pushed.version.id
    query = urlencode({"version": version, "done": "pushed"})
    return RedirectResponse(f"/automations/{pushed.automation.slug}/workflow?{query}", 303)


async def _from_text(server: Server, visitor: Visitor, source: str) -> automations.Pushed:
    if not 0 < len(source) <= MAX_SOURCE:
        message = f"A workflow file has 1 to {MAX_SOURCE:,} characters."
        raise InvalidValueError(message, field="yaml")
    async with server.database.transaction() as tx:
        return (await experiments.push(tx, visitor.caller, source=source)).pushed


async def _from_template(server: Server, visitor: Visitor, template: TemplateName, name: str) -> automations.Pushed:
    contents = workflow_templates.contents(template)
    source = workflow_templates.named(contents[_WORKFLOW].decode(), name)
    async with server.database.transaction() as tx:
        pushed = (await experiments.push(tx, visitor.caller, source=source)).pushed
        await evaluators.replace(tx, visitor.caller, pushed.automation.id, contents[_EVALUATORS].decode())
    async with AsyncExitStack() as stack:
        spool = await stack.enter_async_context(server.blobs.spool(datasets.MAX_ARCHIVE))
        await spool.write(_archive(contents))
        await datasets.import_archive(
            server.database,
            server.blobs,
            visitor.caller,
            pushed.automation.id,
            spool,
            "append",
            guard=reviews.ExampleGuard(None),
        )
    return pushed


def _archive(contents: Mapping[PurePosixPath, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in contents.items():
            if path.is_relative_to(_DATASET):
                archive.writestr(str(path.relative_to(_DATASET)), content)
    return packed.getvalue()


def _refused(form: FormData, template: TemplateName | None, error: AssayError) -> NewAutomationPage:
    page = replace(_EMPTY, problem=error.message, hint=error.hint)
    if template is None:
        return replace(page, source=_text(form, "yaml"), diagnostics=Diagnostics(error.issues, valid=False))
    return replace(page, chosen=template, name=_text(form, "name")[:200], name_problem=error.message)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""
