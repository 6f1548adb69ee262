"""Whose verdict counts: one reviewer's is the feedback; of two, neither sees the other's until both are in.

A run whose place in the queue takes two verdicts is reviewed blind. Until both are in, what a reviewer says stands
in `verdicts` alone, and the feedback, the run's columns and so every list and export say nothing. Equal verdicts
become the feedback; unequal ones leave it open without a rating, as a disagreement, until one of the two changes
his mind or a third person who may write runs decides. Where there is only one person, one verdict is enough.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from assay import access, db, jsontext
from assay.reviews import queue, resolution, store
from assay.reviews.changing import begun, merged, says_something
from assay.reviews.errors import AdjudicationForbiddenError, DoubleReviewPendingError
from assay.reviews.model import Feedback, FeedbackChange, FeedbackStatus, Held, Verdict, View
from assay.reviews.record import record, remembered, wire_name
from assay.runs import get as get_run


async def see(tx: db.Transaction, caller: access.Caller, held: Held) -> View:
    """Return what the caller may see of a run's review."""
    if held.is_blind:
        return await _see_own(tx, caller, held)
    found: Sequence[Verdict] = ()
    etag = f'"{held.feedback.revision}"'
    if held.item is not None and held.item.slots > 1:
        found = [one for one in await _verdicts(tx, held) if one.rating is not None]
        etag = f'"{held.feedback.revision}-{_digest([_said(one) for one in found])}"'
    feedback = held.feedback if held.feedback.exists else None
    return View(held.run_id, feedback, etag, "adjudication" if held.is_disputed else None, found)


async def give(tx: db.Transaction, caller: access.Caller, held: Held, change: FeedbackChange) -> None:
    """Change what the caller says of a run, and the feedback where it follows from that.

    Raises:
        InvalidFeedbackError, FeedbackTooLargeError: the change is none.
        DoubleReviewPendingError: it closes what two people have not judged yet.
        AdjudicationForbiddenError: two disagree, and the caller is neither of them nor may write runs.
        ResolutionUnprovenError, ReasonRequiredError: the status may not be that.
    """
    if held.is_blind:
        await _give_blind(tx, caller, held, change)
        return
    own = await store.verdicts(tx, caller.organization_id, held.run_id, caller.user_id)
    if held.is_disputed and own and own[0].rating is not None:
        await _change_mind(tx, caller, held, own[0], change)
        return
    if held.is_disputed and not queue.adjudicates(caller):
        raise AdjudicationForbiddenError
    await _give_alone(tx, caller, held, own[0] if own else None, change)


async def withdraw(tx: db.Transaction, caller: access.Caller, held: Held) -> None:
    """Take verdicts back where the feedback is: in a blind double review the caller's own, else all but blind ones."""
    own = caller.user_id if held.is_blind else None
    for verdict in await store.verdicts(tx, caller.organization_id, held.run_id, own):
        if verdict.blind_rating is not None and not held.is_blind:
            continue
        await store.delete_verdict(tx, caller.organization_id, held.run_id, verdict.reviewer)
        if verdict.rating is not None:
            await queue.verdict_withdrawn(tx, held.run_id, verdict.reviewer)
        if held.is_blind:
            await _remember(tx, caller, held, "verdict.cleared", verdict, Verdict(held.run_id, caller.user_id))


async def _see_own(tx: db.Transaction, caller: access.Caller, held: Held) -> View:
    own = await store.verdicts(tx, caller.organization_id, held.run_id, caller.user_id)
    if not own:
        feedback = held.feedback if held.feedback.exists else None
        return View(held.run_id, feedback, f'"{held.feedback.revision}"', "verdicts")
    verdict = own[0]
    files = await store.files(tx, caller.organization_id, held.run_id, caller.user_id)
    feedback = replace(
        held.feedback,
        revision=max(held.feedback.revision, 1),
        cleared=False,
        **_said(verdict),
        created_by=verdict.reviewer,
        created_by_email=verdict.reviewer_email,
        created_at=verdict.created_at,
        updated_at=verdict.updated_at,
        files=files,
    )
    etag = _digest([_said(verdict), [[file.name, file.sha256] for file in files]])
    return View(held.run_id, feedback, f'"own-{etag}"', "verdicts")


async def _give_alone(
    tx: db.Transaction, caller: access.Caller, held: Held, own: Verdict | None, change: FeedbackChange
) -> None:
    before = held.feedback
    base = begun(before, caller)
    rating = change.get("rating")
    decides = held.is_disputed and rating is not None
    if decides:
        base = await _adjudicating(tx, held, base, change)
    after = merged(base, change, await _output(tx, held, change))
    if not before.exists and not says_something(after):
        return
    after = await resolution.check_transition(tx, caller, before, after, override=change.get("override"))
    after = await record(tx, before, after, by=caller, action="feedback.adjudicated" if decides else None)
    if "rating" not in change:
        return
    if rating is None:
        await withdraw(tx, caller, held)
        return
    verdict = own or Verdict(held.run_id, caller.user_id)
    await store.save_verdict(tx, caller.organization_id, _as_said(verdict, after), blind=False)
    await queue.verdict_given(tx, held.run_id, caller.user_id)
    if held.item is not None and held.item.slots > 1:
        await store.set_item_state(tx, caller.organization_id, held.item.id, "done")


async def _give_blind(tx: db.Transaction, caller: access.Caller, held: Held, change: FeedbackChange) -> None:
    own = await store.verdicts(tx, caller.organization_id, held.run_id, caller.user_id)
    before = own[0] if own else Verdict(held.run_id, caller.user_id)
    after = await _changed(tx, held, before, change)
    if after == before:
        return
    await store.save_verdict(tx, caller.organization_id, after, blind=True)
    await _remember(tx, caller, held, "verdict.updated", before, after)
    if after.rating is not None:
        await queue.verdict_given(tx, held.run_id, caller.user_id)
        await _compare(tx, caller, held)
    elif before.rating is not None:
        await queue.verdict_withdrawn(tx, held.run_id, caller.user_id)


async def _change_mind(
    tx: db.Transaction, caller: access.Caller, held: Held, before: Verdict, change: FeedbackChange
) -> None:
    after = await _changed(tx, held, before, change)
    await store.save_verdict(tx, caller.organization_id, after, blind=False)
    await _remember(tx, caller, held, "verdict.updated", before, after)
    await _compare(tx, caller, held)


async def _changed(tx: db.Transaction, held: Held, before: Verdict, change: FeedbackChange) -> Verdict:
    """Merge a change into one of two verdicts; neither can close by itself what both are asked about."""
    after = merged(before, change, await _output(tx, held, change))
    # A pass leaves nothing to do, so that later clients say closed with it; and it is open again with the pass.
    if after.status == "resolved" and after.rating != "pass" and "status" not in change:
        after = replace(after, status=None)
    closes_nothing = after.status == "resolved" and after.rating == "pass"
    if "override" in change or (after.status in {"resolved", "ignored"} and not closes_nothing):
        raise DoubleReviewPendingError(field="status")
    return after


async def _compare(tx: db.Transaction, caller: access.Caller, held: Held) -> None:
    """Once all verdicts are in: equal ones become the feedback, others are a disagreement."""
    assert held.item is not None
    given = [one for one in await _verdicts(tx, held) if one.rating is not None]
    if len(given) < held.item.slots:
        return
    base = begun(held.feedback, caller)
    if len({one.rating for one in given}) > 1:
        after = replace(base, rating=None, status="open")
        await record(tx, held.feedback, after, by=caller, action="feedback.disagreed")
        await store.set_item_state(tx, caller.organization_id, held.item.id, "disagreement")
        return
    after = await _following(tx, held, base, given)
    after = await resolution.check_transition(tx, caller, held.feedback, after, override=None)
    await record(tx, held.feedback, after, by=caller, action="feedback.agreed")
    await store.set_item_state(tx, caller.organization_id, held.item.id, "done")


async def _adjudicating(tx: db.Transaction, held: Held, base: Feedback, change: FeedbackChange) -> Feedback:
    """What the reviewers said whom this decision follows comes along, unless it brings its own."""
    given = [one for one in await _verdicts(tx, held) if one.rating == change.get("rating")]
    return await _following(tx, held, base, given) if given else replace(base, status=_settled_status(base, given))


async def _following(tx: db.Transaction, held: Held, base: Feedback, given: Sequence[Verdict]) -> Feedback:
    first = given[0]
    correcting = next((one for one in given if one.expected is not None or one.corrections), first)
    bodies = dict.fromkeys(one.body for one in given if one.body)
    files = base.files
    for one in given:
        if await store.files(tx, base.organization_id, held.run_id, one.reviewer):
            await store.adopt_files(tx, base.organization_id, held.run_id, one.reviewer)
            files = await store.files(tx, base.organization_id, held.run_id, "")
            break
    return replace(
        base,
        rating=first.rating,
        status=_settled_status(base, given),
        body="\n\n".join(bodies) or base.body,
        expected=base.expected if correcting.expected is None else correcting.expected,
        corrections=correcting.corrections or base.corrections,
        tags=list(dict.fromkeys([*base.tags, *(tag for one in given for tag in one.tags)])),
        files=files,
        created_by=first.reviewer,
        created_by_email=first.reviewer_email,
    )


def _settled_status(base: Feedback, given: Sequence[Verdict]) -> FeedbackStatus | None:
    # A disagreement is open only because it is one; what was promoted stays on the board.
    if base.promoted_example_id is not None:
        return base.status
    said = {one.status for one in given}
    return "open" if "open" in said else "resolved" if said == {"resolved"} else None


async def _remember(
    tx: db.Transaction, caller: access.Caller, held: Held, action: str, before: Verdict, after: Verdict
) -> None:
    was, is_now = _said(before), _said(after)
    changes = {
        wire_name(name): {"before": remembered(was[name]), "after": remembered(is_now[name])}
        for name in was
        if was[name] != is_now[name]
    }
    await store.add_history(tx, held.feedback, action, changes, user_id=caller.user_id, key_id=caller.key_id)


async def _verdicts(tx: db.Transaction, held: Held) -> list[Verdict]:
    return await store.verdicts(tx, held.feedback.organization_id, held.run_id)


async def _output(tx: db.Transaction, held: Held, change: FeedbackChange) -> Any:
    """Read the run's output where the change is measured against it."""
    if "corrections" not in change:
        return None
    run = await get_run(tx, held.feedback.organization_id, held.run_id)
    return run.output if run else None


def _said(one: Feedback | Verdict) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("rating", "status", "body", "expected", "corrections", "tags")}


def _as_said(verdict: Verdict, feedback: Feedback) -> Verdict:
    return replace(verdict, **_said(feedback))


def _digest(value: Any) -> str:
    return hashlib.sha256(jsontext.dump(value).encode()).hexdigest()[:16]
