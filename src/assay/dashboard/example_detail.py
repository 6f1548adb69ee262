"""The page of one example: what goes in and what should come out, its files, which steps are skipped, its history."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar, cast

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from assay import access, automations, datasets, db, files, reviews, runs
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.document_pages import RunFile, file_below
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError, Issue
from assay.server import Server

router = APIRouter()

MOST_VERSIONS = 50
MOST_RUNS = 10
_JSON_FIELDS = ("input", "expected", "metadata", "overrides")


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of the example; `referenced` tells whether its JSON names it."""

    file: RunFile
    folder: datasets.Folder
    below: str
    referenced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplePage(AutomationPage):
    """An example, to be read and changed.

    `texts` are what stands in the form's fields: JSON as text, as it was written where it was refused. `steps` say
    which steps its overrides skip, by the current version. `past` is an earlier version that is looked at; then
    nothing can be changed. `recent` are its newest runs, `history` its versions, newest first. `wrong` says what is
    wrong with which field, `problem` why the last action was refused, `needs_reason` that a reason would let it pass.
    """

    template: ClassVar[str] = "example.html"
    place: ClassVar[str] = "automations"

    example: datasets.ExampleVersion
    base: str
    texts: Mapping[str, str]
    files: Sequence[FileRow]
    shown: RunFile | None
    steps: Sequence[runs.StepOverride]
    recent: Sequence[runs.RunSummary]
    running: bool
    history: Sequence[datasets.PastVersion]
    people: Mapping[str, str]
    past: datasets.PastVersion | None
    wrong: Mapping[str, str]
    problem: AssayError | None
    needs_reason: bool
    saved: bool
    may_write: bool
    may_run: bool


def example_base(slug: str, example: str) -> str:
    """Return the URL of an example's page."""
    return f"/automations/{slug}/dataset/examples/{example}"


@router.get("/automations/{slug}/dataset/examples/{example}")
async def example_page(request: Request, slug: str, example: str, visitor: SignedIn, server: Here) -> Response:
    """Show an example; `version` is the id of an earlier one to look at, `file` the path of the file to see."""
    return await show_example(request, visitor, server, slug, example)


@router.post("/automations/{slug}/dataset/examples/{example}")
async def save(request: Request, slug: str, example: str, visitor: SignedIn, server: Here) -> Response:
    """Change an example: all of the form at once, one revision of the dataset."""
    form = await request.form(max_files=200, max_fields=5000)
    try:
        values = _values(form)
        async with server.database.transaction() as tx:
            automation = await automations.get(tx, visitor.caller.organization_id, slug)
            changed = await datasets.update_example(
                tx, visitor.caller, automation.id, example, values, guard=_guard(form)
            )
    except (automations.AutomationNotFoundError, datasets.ExampleNotFoundError):
        raise
    except AssayError as error:
        return await show_example(request, visitor, server, slug, example, form=form, problem=error)
    return RedirectResponse(f"{example_base(slug, changed.name)}?saved=yes", 303)


@router.post("/automations/{slug}/dataset/examples/{example}/delete")
async def delete(request: Request, slug: str, example: str, visitor: SignedIn, server: Here) -> Response:
    """Take an example out of the dataset; earlier revisions keep it."""
    try:
        async with server.database.transaction() as tx:
            automation = await automations.get(tx, visitor.caller.organization_id, slug)
            await datasets.delete_example(tx, visitor.caller, automation.id, example, guard=reviews.ExampleGuard(None))
    except (automations.AutomationNotFoundError, datasets.ExampleNotFoundError):
        raise
    except AssayError as error:
        return await show_example(request, visitor, server, slug, example, problem=error)
    return RedirectResponse(f"/automations/{slug}/dataset", 303)


async def show_example(
    request: Request,
    visitor: Visitor,
    server: Server,
    slug: str,
    example: str,
    form: FormData | None = None,
    problem: AssayError | None = None,
) -> Response:
    """Show an example, with what was written into `form` where the change was refused."""
    organization_id, asked = visitor.caller.organization_id, request.query_params
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        now = await datasets.get_example(tx, organization_id, automation.id, example)
        history, _ = await datasets.past_versions(
            tx, organization_id, automation.id, now.example_id, limit=MOST_VERSIONS
        )
        past = next((one for one in history if one.id == asked.get("version") and one.id != now.id), None)
        found = now if past is None else await datasets.version_of(tx, organization_id, past.id, of=now)
        sheet = await _steps(tx, automation, found.overrides)
        recent = await runs.list_runs(
            tx,
            organization_id,
            runs.RunFilters(automations=[automation.id], example_ids=[now.example_id]),
            limit=MOST_RUNS,
            timeout_seconds=server.settings.list_timeout_seconds,
        )
        people = await access.addresses(tx, organization_id)
    base = example_base(automation.slug, now.name)
    referred = {one.path for one in datasets.referenced_files(found)}
    rows = [] if past is not None else [_file_row(base, one, one.path in referred) for one in found.files]
    shown = next((row.file for row in rows if row.file.path == asked.get("file")), rows[0].file if rows else None)
    page = ExamplePage(
        title=f"{found.name} · {title_of(automation, 'dataset')}",
        heading=heading_of(automation, "dataset"),
        example=found,
        base=base,
        texts=_texts(found) if form is None else {**_texts(found), **_written(form)},
        files=rows,
        shown=shown,
        steps=sheet,
        recent=recent.runs,
        running=any(not one.status.finished for one in recent.runs),
        history=history,
        people=people,
        past=past,
        wrong=_wrong(problem),
        problem=problem,
        needs_reason=isinstance(problem, reviews.ExampleUnresolvedError),
        saved=asked.get("saved") == "yes",
        may_write=visitor.caller.may("datasets:write"),
        may_run=visitor.caller.may("runs:write"),
    )
    return render(request, visitor, page, 200 if problem is None else status_of(problem))


def _guard(form: FormData) -> reviews.ExampleGuard:
    reason = form.get("reason")
    return reviews.ExampleGuard(reason.strip() or None if isinstance(reason, str) else None)


async def _steps(
    tx: db.Transaction, automation: automations.Automation, overrides: JsonValue
) -> Sequence[runs.StepOverride]:
    if automation.current_version_id is None:
        return ()
    definition = await automations.definition_of(tx, automation.organization_id, automation.current_version_id)
    return runs.override_sheet(definition, overrides)


def _file_row(base: str, file: datasets.ExampleFile, referenced: bool) -> FileRow:
    name = PurePosixPath(file.path).name
    described = file_below(
        base, files.Artifact(file.path, name, file.folder, None, file.content_type, file.size, file.sha256)
    )
    return FileRow(described, file.folder, file.path.removeprefix(f"{file.folder}/"), referenced)


def _texts(found: datasets.ExampleVersion) -> Mapping[str, str]:
    return {
        "name": found.name,
        "annotation": found.annotation or "",
        "rowOrder": "" if found.row_order is None else str(found.row_order),
        "input": _pretty(found.input),
        "expected": _pretty(found.stated_expectation),
        "metadata": _pretty(found.metadata),
        "overrides": _pretty(found.overrides),
    }


def _written(form: FormData) -> Mapping[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str) and name != "csrf"}


def _pretty(value: JsonValue) -> str:
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)


def _values(form: FormData) -> dict[str, JsonValue]:
    """Read the form as the API's keys; an empty field clears.

    Raises:
        InvalidValueError: JSON that is none, or a row order that is no number; all of them at once.
    """
    given = _written(form)
    values: dict[str, JsonValue] = {}
    issues: list[Issue] = []
    for name in _JSON_FIELDS:
        text = given.get(name, "").strip()
        try:
            values[name] = cast("JsonValue", json.loads(text, parse_constant=_no_constant)) if text else None
        except (ValueError, RecursionError) as error:
            issues.append(Issue(name, f"This is no JSON: {error}.", "malformed_json"))
    order = given.get("rowOrder", "").strip()
    if order and not (order.isascii() and order.isdigit() and len(order) < 11):
        issues.append(Issue("rowOrder", "The place is a whole number, 0 or more.", "invalid_value"))
    if issues:
        raise InvalidValueError(issues[0].message, field=issues[0].field, issues=issues)
    values["rowOrder"] = int(order) if order else None
    values["name"] = given.get("name", "").strip()
    values["annotation"] = given.get("annotation", "").replace("\r\n", "\n").strip() or None
    return values


def _no_constant(name: str) -> Any:
    message = f"{name} is no JSON value"
    raise ValueError(message)


def _wrong(problem: AssayError | None) -> Mapping[str, str]:
    issues = () if problem is None else problem.issues
    return {issue.field.partition(".")[0].partition("[")[0]: issue.message for issue in reversed(issues)}
