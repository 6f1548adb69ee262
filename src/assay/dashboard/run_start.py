"""The page that starts a run: a form made of an automation's inputs, and the manual trigger behind it."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from assay import automations, db, rollouts, runs
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import Page, render
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError
from assay.server import Server

router = APIRouter()

PAGE = 60
MOST_VERSIONS = 30
_CHUNK = 1024**2

Control = Literal["text", "number", "boolean", "enum", "file", "files", "json"]


@dataclass(frozen=True, slots=True)
class InputField:
    """One input: `options` are JSON texts (of an enum), `default` is what is taken where nothing is given, as text.

    `value` is what was written last, `problem` what is wrong with it.
    """

    name: str
    control: Control
    required: bool
    description: str | None
    options: Sequence[tuple[str, str]]
    default: str | None
    value: str
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosePage(Page):
    """The automations that can be run, newest first, sixty a page."""

    template: ClassVar[str] = "run_choose.html"
    place: ClassVar[str] = "run"

    found: Sequence[automations.Automation]
    total: int
    search: str
    previous: str | None
    following: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPage(Page):
    """The form of one automation, for the version that is chosen (empty: the current one).

    `refused` says why nothing can be started at all, `problem` why it was not started this time.
    """

    template: ClassVar[str] = "run_start.html"
    place: ClassVar[str] = "run"

    automation: automations.Automation
    fields: Sequence[InputField]
    versions: Sequence[automations.Version]
    version: str
    refused: AssayError | None
    problem: AssayError | None


@router.get("/run")
async def choose_page(request: Request, visitor: SignedIn, server: Here, search: str = "", page: int = 1) -> Response:
    """Show what can be run."""
    page = min(max(page, 1), 10_000)
    search = search.replace("\x00", "")[:200]
    async with server.database.transaction() as tx:
        found, total = await automations.list_automations(
            tx, visitor.caller.organization_id, search=search or None, limit=PAGE, offset=(page - 1) * PAGE
        )
    shown = ChoosePage(
        title="Run",
        found=found,
        total=total,
        search=search,
        previous=_url(request, page - 1) if page > 1 else None,
        following=_url(request, page + 1) if page * PAGE < total else None,
    )
    return render(request, visitor, shown)


@router.get("/run/{slug}")
async def start_page(request: Request, slug: str, visitor: SignedIn, server: Here, version: str = "") -> Response:
    """Show the form."""
    async with server.database.transaction() as tx:
        page = await _page(tx, visitor, slug, version.replace("\x00", ""))
    return render(request, visitor, page)


@router.post("/run/{slug}")
async def start(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Start a run by the manual trigger and go to it; what is wrong is said at its field."""
    form = await request.form(max_files=200, max_fields=5000)
    version = str(form.get("version") or "")
    run_id = runs.new_run_id()
    problem: AssayError
    try:
        await _start(server, visitor, slug, version, run_id, form)
    except automations.AutomationNotFoundError:
        raise
    except AssayError as error:
        problem = error
    else:
        return RedirectResponse(f"/runs/{run_id}", 303)
    async with server.database.transaction() as tx:
        page = await _page(tx, visitor, slug, version, form, problem)
    return render(request, visitor, page, status_of(problem))


async def _start(server: Server, visitor: Visitor, slug: str, version: str, run_id: str, form: FormData) -> None:
    organization_id = visitor.caller.organization_id
    async with AsyncExitStack() as stack:
        uploads = await _uploads(server, stack, form)
        async with server.database.transaction() as tx:
            automation = await automations.get(tx, organization_id, slug)
            choice = await rollouts.which_version(tx, organization_id, automation.id, version or None)
            runs.check_trigger(choice.automation, "manual")
            contract = (await automations.definition_of(tx, organization_id, choice.chosen.version_id)).inputs
            asked = runs.StartRequest(
                input=_read(contract.schema, form),
                trigger_type="manual",
                triggered_by=visitor.caller.user_id,
                uploads=uploads,
                coerce_strings=True,
                awaited=False,
            )
            await runs.start(tx, server.blobs, organization_id, run_id, choice.chosen, asked)


async def _uploads(server: Server, stack: AsyncExitStack, form: FormData) -> list[runs.Upload]:
    found: list[runs.Upload] = []
    for name, part in form.multi_items():
        if not isinstance(part, UploadFile) or not name.startswith("files.") or not (part.filename or part.size):
            continue
        spool = await stack.enter_async_context(server.blobs.spool(server.settings.max_body_bytes))
        while chunk := await part.read(_CHUNK):
            await spool.write(chunk)
        found.append(runs.Upload(name.removeprefix("files."), part.filename or "file", part.content_type, spool))
    return found


def _read(schema: Mapping[str, Any], form: FormData) -> dict[str, JsonValue]:
    """Read the input out of the form; what was left empty is not given, so that defaults hold.

    Raises:
        InvalidValueError: what should be JSON is none.
    """
    given: dict[str, JsonValue] = {}
    for name, declared in cast("Mapping[str, Any]", schema["properties"]).items():
        text = form.get(f"input.{name}")
        control = _control(declared)
        if not isinstance(text, str) or text == "" or control in {"file", "files"}:
            continue
        given[name] = _json(name, text) if control in {"json", "enum"} else text
    return given


def _json(name: str, text: str) -> JsonValue:
    try:
        return cast("JsonValue", json.loads(text))
    except ValueError as error:
        message = f"This is no JSON: {error}."
        raise InvalidValueError(message, field=name) from error


async def _page(
    tx: db.Transaction,
    visitor: Visitor,
    slug: str,
    version: str,
    form: FormData | None = None,
    problem: AssayError | None = None,
) -> StartPage:
    organization_id = visitor.caller.organization_id
    automation = await automations.get(tx, organization_id, slug)
    versions, _ = await automations.list_versions(tx, organization_id, automation.id, limit=MOST_VERSIONS)
    refused: AssayError | None = None
    schema: Mapping[str, Any] = {"properties": {}}
    try:
        choice = await rollouts.which_version(tx, organization_id, automation.id, version or None)
        schema = (await automations.definition_of(tx, organization_id, choice.chosen.version_id)).inputs.schema
        runs.check_trigger(automation, "manual")
    except AssayError as error:
        refused = error
    issues = {} if problem is None else {issue.field: issue.message for issue in reversed(problem.issues)}
    fields = [
        _field(name, declared, name in schema.get("required", ()), form, issues)
        for name, declared in cast("Mapping[str, Any]", schema["properties"]).items()
    ]
    return StartPage(
        title=f"Run {automation.name or automation.slug}",
        automation=automation,
        fields=fields,
        versions=versions,
        version=version,
        refused=refused,
        problem=problem,
    )


def _field(
    name: str, declared: Mapping[str, Any], required: bool, form: FormData | None, issues: Mapping[str, str]
) -> InputField:
    control = _control(declared)
    given = form.get(f"input.{name}") if form is not None else None
    default = declared.get("default")
    options: list[tuple[str, str]] = []
    if control == "enum":
        values: Sequence[Any] = declared["enum"]
        options = [(json.dumps(value), value if isinstance(value, str) else json.dumps(value)) for value in values]
    if control == "boolean":
        options = [("true", "Yes"), ("false", "No")]
    said = [message for field, message in issues.items() if field == name or field.startswith((f"{name}.", f"{name}["))]
    shown = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return InputField(
        name=name,
        control=control,
        required=required,
        description=declared.get("description"),
        options=options,
        default=shown if "default" in declared else None,
        value=given if isinstance(given, str) else "",
        problem=said[-1] if said else None,
    )


def _control(declared: Mapping[str, Any]) -> Control:
    if automations.FILE_MARK in declared:
        return "file"
    if automations.FILE_MARK in declared.get("items", {}):
        return "files"
    if "enum" in declared:
        return "enum"
    kinds: Mapping[str, Control] = {"string": "text", "number": "number", "integer": "number", "boolean": "boolean"}
    return kinds.get(declared.get("type", ""), "json")


def _url(request: Request, page: int) -> str:
    return str(request.url.include_query_params(page=page).replace(scheme="", netloc=""))
