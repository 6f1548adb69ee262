"""The evaluators' tab: who judges runs, as a form or as YAML, tried on an example before it is put in force."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, RedirectResponse, Response

from assay import access, automations, datasets, evaluators, experiments
from assay.dashboard.automation_frame import AutomationPage, heading_of, title_of
from assay.dashboard.error_page import status_of
from assay.dashboard.evaluator_form import EvaluatorForm, TypeChoice, form_of, read_form, type_choices
from assay.dashboard.rendering import render
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, ConflictError
from assay.server import Server

router = APIRouter()

MOST_SETS = 30
MOST_EXAMPLES = 200

View = Literal["form", "yaml"]


class CommentsLostError(ConflictError):
    """The text in force has comments, which the form cannot keep."""

    code = "comments_lost"
    hint = "Save from the YAML view to keep them, or tick that they may go."


@dataclass(frozen=True, slots=True)
class _State:
    """What stands on the page, whether it is in force or not."""

    view: View
    text: str = ""
    form: EvaluatorForm | None = None
    saved: bool = False
    changed: bool = False
    past: evaluators.StoredSet | None = None
    problem: AssayError | None = None
    trial: experiments.Trial | None = None
    tried: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorsPage(AutomationPage):
    """The evaluators in force or what somebody is making of them.

    In the view `form` `form` has them, in the view `yaml` `text`; `changed`: what is shown is not in force. `past` is
    an earlier text that is looked at. `comments`: saving the form would lose those of the text in force. `trial` is
    what came of trying on the example `tried`, one of the `examples` that ran.
    """

    template: ClassVar[str] = "evaluators.html"
    place: ClassVar[str] = "automations"

    view: View
    text: str
    form: EvaluatorForm | None
    types: Sequence[TypeChoice]
    number: int
    changed: bool
    saved: bool
    past: evaluators.StoredSet | None
    comments: bool
    problem: AssayError | None
    trial: experiments.Trial | None
    tried: str
    examples: Sequence[str]
    history: Sequence[evaluators.PastSet]
    people: Mapping[str, str]
    may_write: bool


@router.get("/automations/{slug}/evaluators")
async def evaluators_page(
    request: Request, slug: str, visitor: SignedIn, server: Here, view: str = "form", past: str = "", saved: str = ""
) -> Response:
    """Show the evaluators; `past` is the id of an earlier text, which is shown as YAML."""
    stored, older = None, None
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, visitor.caller.organization_id, slug)
        stored = await evaluators.current(tx, visitor.caller.organization_id, automation.id)
        if past:
            set_id = past.replace("\x00", "")
            older = await evaluators.past_set(tx, visitor.caller.organization_id, automation.id, set_id)
    if older is not None:
        return await _show(request, visitor, server, slug, _State("yaml", older.source, past=older, changed=True))
    text = stored.source if stored else ""
    state = _State("yaml", text, saved=saved == "yes")
    if view != "yaml":
        state = _as_form(state)
    return await _show(request, visitor, server, slug, state)


@router.post("/automations/{slug}/evaluators")
async def change(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Do with what stands on the page as the button says: save it, try it, show it otherwise, or change the form."""
    fields = await request.form(max_fields=20_000)
    state = _state(fields)
    action = _text(fields, "do")
    try:
        if action == "save":
            return await _save(visitor, server, slug, state, fields)
        if action == "try":
            state = await _tried(visitor, server, slug, state)
        elif action == "yaml" and state.form is not None:
            state = _State("yaml", evaluators.written(state.form.draft()), changed=True)
        elif action == "form":
            state = replace(_as_form(state), changed=True)
        elif state.form is not None:
            state = replace(state, form=await _rearranged(visitor, server, slug, state.form, action), changed=True)
    except automations.AutomationNotFoundError:
        raise
    except AssayError as error:
        state = replace(state, problem=error)
    return await _show(request, visitor, server, slug, state)


@router.post("/automations/{slug}/evaluators/check")
async def check(request: Request, slug: str, visitor: SignedIn, server: Here) -> Response:
    """Say what is wrong with a text, for the editor: `[{line, column, message, severity}]`."""
    async with server.database.transaction() as tx:
        await automations.get(tx, visitor.caller.organization_id, slug)
    text = _text(await request.form(), "yaml").replace("\r\n", "\n")
    try:
        await asyncio.to_thread(evaluators.parse, text)
    except evaluators.InvalidEvaluatorsError as error:
        return JSONResponse(
            [
                {"line": one.line, "column": one.column, "message": one.message, "severity": one.severity}
                for one in error.issues
            ]
        )
    return JSONResponse([])


def _state(fields: FormData) -> _State:
    tried = _text(fields, "example")
    if _text(fields, "view") == "yaml":
        return _State("yaml", _text(fields, "yaml").replace("\r\n", "\n"), changed=True, tried=tried)
    return _State("form", form=read_form(fields), changed=True, tried=tried)


def _as_form(state: _State) -> _State:
    """Show a text as a form; one that is not valid stays text, with what is wrong with it."""
    if not state.text:
        return replace(state, view="form", form=EvaluatorForm.empty())
    try:
        return replace(state, view="form", form=form_of(evaluators.draft_of(evaluators.parse(state.text))))
    except evaluators.InvalidEvaluatorsError as error:
        return replace(state, problem=error)


def _source(state: _State) -> str:
    """Return the text that stands on the page, written from the form where that is shown.

    Raises:
        InvalidValueError: numbers or JSON in the form that are none.
    """
    return state.text if state.form is None else evaluators.written(state.form.draft())


async def _save(visitor: Visitor, server: Server, slug: str, state: _State, fields: FormData) -> Response:
    source = _source(state)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, visitor.caller.organization_id, slug)
        before = await evaluators.current(tx, visitor.caller.organization_id, automation.id)
        if state.form is not None and before is not None:
            if evaluators.draft_of(evaluators.set_of(before)) == state.form.draft():
                source = before.source
            elif evaluators.has_comments(before.source) and not _text(fields, "comments"):
                raise CommentsLostError
        number = _text(fields, "number")
        replacing = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else -1
        await evaluators.replace(tx, visitor.caller, automation.id, source, replacing=replacing)
    view = "" if state.view == "form" else "&view=yaml"
    return RedirectResponse(f"/automations/{slug}/evaluators?saved=yes{view}", 303)


async def _tried(visitor: Visitor, server: Server, slug: str, state: _State) -> _State:
    found = await asyncio.to_thread(evaluators.parse, _source(state))
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
    trial = await experiments.try_evaluators(server.grader, organization_id, automation.id, state.tried, found)
    return replace(state, trial=trial)


async def _rearranged(visitor: Visitor, server: Server, slug: str, form: EvaluatorForm, action: str) -> EvaluatorForm:
    verb, _, place = action.partition(":")
    if verb != "reset":
        return form.changed(verb, place)
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, visitor.caller.organization_id, slug)
        before = await evaluators.current(tx, visitor.caller.organization_id, automation.id)
    return form.reset(place, None if before is None else evaluators.draft_of(evaluators.set_of(before)))


async def _show(request: Request, visitor: Visitor, server: Server, slug: str, state: _State) -> Response:
    organization_id = visitor.caller.organization_id
    async with server.database.transaction() as tx:
        automation = await automations.get(tx, organization_id, slug)
        stored = await evaluators.current(tx, organization_id, automation.id)
        history, _ = await evaluators.past_sets(tx, organization_id, automation.id, limit=MOST_SETS)
        rows, _ = await datasets.list_rows(tx, organization_id, automation.id, limit=MOST_EXAMPLES)
        people = await access.addresses(tx, organization_id)
    problem = state.problem
    issues = () if problem is None else problem.issues
    page = EvaluatorsPage(
        title=title_of(automation, "evaluators"),
        heading=heading_of(automation, "evaluators"),
        view=state.view,
        text=state.text,
        form=None if state.form is None else state.form.with_issues(issues),
        types=type_choices(),
        number=stored.number if stored else 0,
        changed=state.changed,
        saved=state.saved,
        past=state.past,
        comments=stored is not None and evaluators.has_comments(stored.source),
        problem=problem,
        trial=state.trial,
        tried=state.tried,
        examples=[one.name for one in rows if one.latest_run_id is not None],
        history=history,
        people=people,
        may_write=visitor.caller.may("datasets:write"),
    )
    return render(request, visitor, page, 200 if problem is None else status_of(problem))


def _text(fields: FormData, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
