"""Reviewing one run: its document beside its output as fields, and one form that says what is right."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse, RedirectResponse, Response

from assay import access, automations, db, files, reviews, runs, traces
from assay.dashboard import review_fields, review_sources
from assay.dashboard.document_pages import DocumentView, RunFile, run_file, view_of
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import Page, render, render_part
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.dashboard.word_boxes import find_words
from assay.errors import AssayError, ErrorKind, InvalidValueError
from assay.server import Server

router = APIRouter()

MOST_TAGS_SHOWN = 12
MOST_RAW = 1_000_000
MOST_PARTS = 5_000
MOST_WORD_BYTES = 32 * 1024**2
_READERS = frozenset({"ai.extract", "extract.layout", "transform.regex-extract"})
"""Steps that note where a value stands."""
_MOST_READERS = 6


class UnreadableFieldsError(InvalidValueError):
    """Some fields cannot be read; they are marked."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the form holds when it is sent: the verdict (empty: none yet), and all that belongs to it."""

    rating: str = ""
    note: str = ""
    tags: Sequence[str] = ()
    etag: str | None = None
    promote: bool = False
    advance: bool = True
    submitted: review_fields.Submitted = field(default_factory=review_fields.Submitted)


@dataclass(frozen=True, slots=True)
class Place:
    """What the URL says: the automation that is worked on (empty: all), the item judged last, the file to look at."""

    automation: str = ""
    done: str = ""
    file: str = ""

    @property
    def query(self) -> str:
        """Return the query that keeps to the automation."""
        return _query(self.automation, "")


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was refused, with what the form held, and what is wrong with which field."""

    error: AssayError
    given: Given | None = None
    problems: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run put out and what stands in its place now, with all that the form is made of."""

    run: runs.RunDetail
    view: reviews.View
    value: JsonValue
    schema: Mapping[str, Any] | None

    def form(
        self,
        sources: Mapping[str, review_fields.Source] | None = None,
        given: Given | None = None,
        problems: Mapping[str, str] | None = None,
    ) -> review_fields.Form:
        """Return the form of it."""
        submitted = given.submitted if given else None
        return review_fields.form_of(self.value, self.run.output, self.schema, sources, submitted, problems)


@dataclass(frozen=True, slots=True)
class ExpectedFiles:
    """The corrected files of a run under review; `etag` is what the verdict refers to after a change of them."""

    item_id: str
    query: str
    files: Sequence[reviews.ExpectedFile]
    etag: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class LeaseLeft:
    """Until when the reader has the item; None: he has it not, and `lost` tells whether he had."""

    item_id: str
    until: datetime | None
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItemPage(Page):
    """One item of the queue.

    `given_input` is what the run was given, shown where there is no document. `raw` is the JSON of what is shown, None
    where it has more than a megabyte. `feedback` is what the reader may see of what was said, `verdicts` are those of a
    double review once it is blind no more. `own` is what the reader did lately, `waiting` what is left. `queue` is the
    automation that he works on, empty for all. `done` is the item he judged just now. `notice` tells why the item
    cannot be claimed.
    """

    template: ClassVar[str] = "review_item.html"
    place: ClassVar[str] = "review"

    item: reviews.QueueItem
    run: runs.RunDetail
    form: review_fields.Form
    raw: str | None
    files: Sequence[RunFile]
    document: DocumentView | None
    given_input: Mapping[str, JsonValue]
    feedback: reviews.Feedback | None
    verdicts: Sequence[reviews.Verdict]
    awaits: str | None
    given: Given
    known_tags: Sequence[str]
    expected: ExpectedFiles
    lease: LeaseLeft
    own: reviews.Progress | None
    waiting: int
    queue: str
    done: str | None
    query: str
    may_see_run: bool
    notice: str | None
    problem: AssayError | None
    problems: Mapping[str, str]


@router.get("/review/next")
async def next_item(visitor: SignedIn, server: Here, automation: str = "", after: str = "", done: str = "") -> Response:
    """Go to the item that the reader has, or claim the next one; with `after`, the one behind that, which is left."""
    caller = visitor.caller
    async with server.database.transaction() as tx:
        automation_id = await _automation_id(tx, caller, automation)
        if after:
            item = await _item_after(tx, caller, after.replace("\x00", ""), automation_id)
        else:
            own = reviews.ItemFilters(automation_id=automation_id, mine=True)
            held = await reviews.list_queue(tx, caller, own, limit=1)
            item = next(iter(held.items), None) or await reviews.claim(tx, caller, automation_id=automation_id)
    query = _query(automation, done)
    return RedirectResponse(f"/review/{item.id}{query}" if item else f"/review{_query('', done)}", 303)


@router.get("/review/{item_id}")
async def item_page(
    request: Request,
    item_id: str,
    visitor: SignedIn,
    server: Here,
    automation: str = "",
    done: str = "",
    file: str = "",
) -> Response:
    """Show an item, and claim it for the reader where it is open to him; `file` is the document to look at."""
    return await _show(request, visitor, server, item_id, Place(automation, done, file))


@router.get("/review/{item_id}/place")
async def place_of_text(item_id: str, visitor: SignedIn, server: Here, text: str, page: int | None = None) -> Response:
    """Say where a text stands in the document, `{page, box, sheet}`, or null where nobody knows."""
    caller = visitor.caller
    async with server.database.transaction() as tx:
        item = await reviews.get_item(tx, caller, item_id)
        artifacts = await files.list_artifacts(tx, caller.organization_id, item.run_id)
    kept = next((one for one in artifacts if one.name == "words.json" and one.size <= MOST_WORD_BYTES), None)
    if kept is None:
        return JSONResponse(None)
    content = b"".join([piece async for piece in await server.blobs.stream(kept.sha256)])
    found = await asyncio.to_thread(find_words, content, text[:2_000], page)
    return JSONResponse(found and {"page": found.page, "box": found.box, "sheet": found.sheet})


@router.post("/review/{item_id}/verdict")
async def give_verdict(request: Request, item_id: str, visitor: SignedIn, server: Here) -> Response:
    """Keep what the form says, promote the run where that is wanted, and go on to the next item."""
    given = _given(await request.form(max_files=1, max_fields=MOST_PARTS))
    place = _place(request)
    problems: Mapping[str, str] = {}
    try:
        async with server.database.transaction() as tx:
            item = await reviews.get_item(tx, visitor.caller, item_id)
            shown = await _shown(tx, visitor.caller, item)
            read = review_fields.corrected(shown.value, shown.form(), given.submitted)
            problems = read.problems
            if problems:
                raise UnreadableFieldsError
            await reviews.update(
                tx, visitor.caller, item.run_id, _change(shown, given, read.value), if_match=given.etag
            )
            if given.promote:
                await reviews.promote(tx, visitor.caller, item.run_id, require_expected=given.rating != "pass")
    except reviews.StaleFeedbackError as error:
        return await _show(request, visitor, server, item_id, place, Refused(error, given))
    except AssayError as error:
        if error.kind is ErrorKind.NOT_FOUND:
            raise
        return await _show(request, visitor, server, item_id, place, Refused(error, given, problems))
    if given.rating and given.advance:
        return RedirectResponse(f"/review/next{_query(place.automation, item_id)}", 303)
    return RedirectResponse(f"/review/{item_id}{place.query}", 303)


@router.post("/review/{item_id}/undo")
async def undo(request: Request, item_id: str, visitor: SignedIn, server: Here) -> Response:
    """Take the reader's verdict back, keep the rest of what he said, and go to the item."""
    async with server.database.transaction() as tx:
        item = await reviews.get_item(tx, visitor.caller, item_id)
        change: reviews.FeedbackChange = {"rating": None}
        view = await reviews.get(tx, visitor.caller, item.run_id)
        if view.feedback is not None and view.feedback.promoted_example_id is None:
            change["status"] = None
        await reviews.update(tx, visitor.caller, item.run_id, change)
    return RedirectResponse(f"/review/{item_id}{_place(request).query}", 303)


@router.post("/review/{item_id}/skip")
async def skip(request: Request, item_id: str, visitor: SignedIn, server: Here) -> Response:
    """Put the item off, for the reason that the form says, and go on to the next one."""
    form = await request.form(max_files=0, max_fields=10)
    place = _place(request)
    try:
        async with server.database.transaction() as tx:
            await reviews.skip(tx, visitor.caller, item_id, reason=_text(form, "reason"))
    except reviews.ReasonRequiredError as error:
        return await _show(request, visitor, server, item_id, place, Refused(error))
    return RedirectResponse(f"/review/next{place.query}", 303)


@router.post("/review/{item_id}/renew")
async def renew(item_id: str, visitor: SignedIn, server: Here) -> Response:
    """Keep the item for longer: a part of its page."""
    try:
        async with server.database.transaction() as tx:
            item = await reviews.renew(tx, visitor.caller, item_id)
    except reviews.ClaimLostError:
        return render_part(visitor, "parts/review_lease.html", LeaseLeft(item_id, None, lost=True))
    return render_part(visitor, "parts/review_lease.html", LeaseLeft(item_id, _until(item, visitor)))


@router.post("/review/{item_id}/files")
async def upload(request: Request, item_id: str, visitor: SignedIn, server: Here) -> Response:
    """Add a corrected file, or take the one away that `remove` names; without htmx, show the item again."""
    form = await request.form(max_files=1, max_fields=10)
    caller = visitor.caller
    problem: AssayError | None = None
    try:
        async with server.database.single_statement() as tx:
            item = await reviews.get_item(tx, caller, item_id)
        if _text(form, "remove"):
            await _remove(server, caller, item.run_id, _text(form, "remove"))
        else:
            await _add(server, caller, item.run_id, form)
    except AssayError as error:
        if error.kind is ErrorKind.NOT_FOUND:
            raise
        problem = error
    place = _place(request)
    if "hx-request" not in request.headers:
        if problem:
            return await _show(request, visitor, server, item_id, place, Refused(problem))
        return RedirectResponse(f"/review/{item_id}{place.query}", 303)
    async with server.database.transaction() as tx:
        item = await reviews.get_item(tx, caller, item_id)
        view = await reviews.get(tx, caller, item.run_id)
    part = _expected(item_id, place.query, view, problem.message if problem else None)
    return render_part(visitor, "parts/review_files.html", part)


async def _show(
    request: Request,
    visitor: Visitor,
    server: Server,
    item_id: str,
    place: Place,
    refused: Refused | None = None,
) -> Response:
    given = refused.given if refused else None
    problems: Mapping[str, str] = refused.problems if refused else {}
    caller = visitor.caller
    notice = None
    async with server.database.transaction() as tx:
        item = await reviews.get_item(tx, caller, item_id)
        automation_id = await _automation_id(tx, caller, place.automation)
        try:
            if item.state != "done" and not item.judged:
                item = await reviews.claim_item(tx, caller, item_id)
        except reviews.ItemNotAvailableError:
            notice = "Somebody else has this run at the moment. What you say counts all the same."
        shown = await _shown(tx, caller, item)
        sources = await _sources(tx, caller, shown)
        found = await files.list_artifacts(tx, caller.organization_id, item.run_id)
        tags = await reviews.failure_tags(tx, caller.organization_id, item.automation_id)
        stats = await reviews.queue_stats(tx, caller, automation_id, days=1)
        run_input = await runs.get_input(tx, caller.organization_id, item.run_id)
        judged = await _judged(tx, caller, place.done)
    if refused and given and isinstance(refused.error, reviews.StaleFeedbackError):
        given = _beside_theirs(given, shown)
    seen = [one for one in found if one.role in {"input", "output"}]
    chosen = next((one for one in seen if one.path == place.file), None) or next(iter(seen), None)
    feedback = shown.view.feedback
    raw = given.submitted.raw if given else None
    if raw is None:
        raw = review_fields.raw_text(shown.value)
    page = ReviewItemPage(
        title=f"Review {item.automation_name or item.automation_slug}",
        item=item,
        run=shown.run,
        form=shown.form(sources, given, problems),
        raw=raw if len(raw) <= MOST_RAW else None,
        files=[run_file(item.run_id, one) for one in seen],
        document=await view_of(request, server, item.run_id, chosen) if chosen else None,
        given_input=run_input.input if run_input else {},
        feedback=feedback,
        verdicts=shown.view.verdicts,
        awaits=shown.view.awaits,
        given=given or Given(note=feedback.body if feedback else "", tags=feedback.tags if feedback else ()),
        known_tags=[one.tag for one in tags[:MOST_TAGS_SHOWN]],
        expected=_expected(item_id, place.query, shown.view),
        lease=LeaseLeft(item_id, _until(item, visitor)),
        own=next((one for one in stats.reviewers if one.reviewer == caller.user_id), None),
        waiting=sum(one.count for one in stats.waiting),
        queue=place.automation,
        done=judged,
        query=place.query,
        may_see_run=caller.may("runs:read"),
        notice=notice,
        problem=refused.error if refused else None,
        problems=problems,
    )
    return render(request, visitor, page, status_of(refused.error) if refused else 200)


def _beside_theirs(given: Given, shown: Shown) -> Given:
    """Keep what the reader typed, and take what somebody else said where he said nothing."""
    own = review_fields.own_changes(shown.form(), shown.run.output, given.submitted)
    theirs = shown.view.feedback
    if theirs is None:
        return replace(given, submitted=own)
    return replace(given, submitted=own, note=given.note or theirs.body, tags=given.tags or theirs.tags)


async def _shown(tx: db.Transaction, caller: access.Caller, item: reviews.QueueItem) -> Shown:
    run = await runs.get(tx, caller.organization_id, item.run_id)
    if run is None:
        raise runs.RunNotFoundError
    view = await reviews.get(tx, caller, item.run_id)
    try:
        definition = await automations.definition_of(tx, caller.organization_id, run.summary.version_id)
    except AssayError:
        # Its version is no longer understood; the output can be reviewed all the same.
        schema = None
    else:
        schema = definition.output_schema
    expected = view.feedback.expected if view.feedback else None
    return Shown(run, view, run.output if expected is None else expected, schema)


async def _sources(tx: db.Transaction, caller: access.Caller, shown: Shown) -> dict[str, review_fields.Source]:
    run_id = shown.run.summary.id
    outline = await traces.outline(tx, caller.organization_id, run_id)
    readers = [one.step_key for one in outline if one.type in _READERS][:_MOST_READERS]
    steps = [await traces.get_step(tx, caller.organization_id, run_id, key) for key in readers]
    return review_sources.sources_of(shown.value, [step.output for step in steps if step])


def _given(form: FormData) -> Given:
    texts = {name[2:]: value for name, value in form.multi_items() if name.startswith("v:") and isinstance(value, str)}
    meant = {name[2:]: value for name, value in form.multi_items() if name.startswith("k:") and isinstance(value, str)}
    rating = _text(form, "rating")
    tags = [tag.strip() for one in _texts(form, "tag") for tag in one.split(",")]
    raw = form.get("raw")
    return Given(
        rating=rating if rating in {"pass", "fail", "partial"} else "",
        note=_text(form, "note").replace("\r\n", "\n"),
        tags=list(dict.fromkeys(tag for tag in tags if tag)),
        etag=_text(form, "etag") or None,
        promote=bool(_text(form, "promote")),
        advance=bool(_text(form, "advance")),
        submitted=review_fields.Submitted(
            texts, meant, frozenset(_texts(form, "drop")), raw if isinstance(raw, str) else None
        ),
    )


def _change(shown: Shown, given: Given, value: JsonValue) -> reviews.FeedbackChange:
    """Say it as a change of the feedback: a pass closes, what is wrong is open until it is proven to be fixed."""
    corrections = reviews.corrections_between(shown.run.output, value)
    change: reviews.FeedbackChange = {"body": given.note, "tags": given.tags, "corrections": corrections}
    feedback = shown.view.feedback
    if not corrections:
        change["expected"] = None
    if given.rating:
        change["rating"] = cast("reviews.Rating", given.rating)
        if given.rating != "pass":
            change["status"] = "open"
        elif feedback is not None and feedback.status == "open" and feedback.promoted_example_id is None:
            change["status"] = None
    return change


async def _item_after(
    tx: db.Transaction, caller: access.Caller, item_id: str, automation_id: str | None
) -> reviews.QueueItem | None:
    """Claim the first item behind another one, from the top where there is none, and give the other one back."""
    current = await reviews.get_item(tx, caller, item_id)
    available = reviews.ItemFilters(automation_id=automation_id, available=True)
    for cursor in (reviews.cursor_after(current), None):
        page = await reviews.list_queue(tx, caller, available, cursor=cursor, limit=10)
        for one in page.items:
            if one.id == item_id:
                continue
            try:
                claimed = await reviews.claim_item(tx, caller, one.id)
            except reviews.ItemNotAvailableError:
                continue
            await reviews.release(tx, caller, item_id)
            return claimed
    return current


async def _add(server: Server, caller: access.Caller, run_id: str, form: FormData) -> None:
    sent = form.get("file")
    if not isinstance(sent, UploadFile) or not sent.filename:
        message = "Choose a file first."
        raise InvalidValueError(message, field="file")
    async with server.blobs.spool(reviews.MAX_FILE) as spool:
        while chunk := await sent.read(1 << 20):
            await spool.write(chunk)
        upload = reviews.Upload(files.safe_filename(sent.filename), sent.content_type, spool)
        async with server.database.transaction() as tx:
            await reviews.add_file(tx, server.blobs, caller, run_id, upload)


async def _remove(server: Server, caller: access.Caller, run_id: str, name: str) -> None:
    async with server.database.transaction() as tx:
        sha256 = await reviews.delete_file(tx, caller, run_id, name)
    await server.blobs.forget(server.database, [sha256])


def _expected(item_id: str, query: str, view: reviews.View, problem: str | None = None) -> ExpectedFiles:
    return ExpectedFiles(item_id, query, view.feedback.files if view.feedback else (), view.etag, problem)


async def _automation_id(tx: db.Transaction, caller: access.Caller, ref: str) -> str | None:
    if not ref:
        return None
    return (await automations.get(tx, caller.organization_id, ref.replace("\x00", "")[:200])).id


async def _judged(tx: db.Transaction, caller: access.Caller, item_id: str) -> str | None:
    """Return the item if it is one that the caller can take back."""
    if not item_id:
        return None
    try:
        found = await reviews.get_item(tx, caller, item_id.replace("\x00", ""))
    except reviews.ItemNotFoundError:
        return None
    return found.id if found.judged else None


def _place(request: Request) -> Place:
    return Place(request.query_params.get("automation", ""))


def _until(item: reviews.QueueItem, visitor: Visitor) -> datetime | None:
    return next((lease.expires_at for lease in item.leases if lease.reviewer == visitor.caller.user_id), None)


def _query(automation: str, done: str) -> str:
    values = {name: value for name, value in (("automation", automation), ("done", done)) if value}
    return f"?{urlencode(values)}" if values else ""


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _texts(form: FormData, name: str) -> list[str]:
    return [value for value in form.getlist(name) if isinstance(value, str)]
