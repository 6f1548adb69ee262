"""The one place where feedback is written: the record, the run's columns, its history and the event, all at once."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from assay import access, db, jsontext, outbox
from assay.clock import iso
from assay.reviews import store
from assay.reviews.model import CHANNEL, Feedback, Held
from assay.runs import RunNotFinishedError, RunNotFoundError

MOST_KEPT = 100_000
"""Bytes of a value that history keeps; of larger ones it keeps the hash."""

# What people and proofs change; all else follows from that.
_REMEMBERED = (
    "rating",
    "status",
    "body",
    "expected",
    "corrections",
    "tags",
    "ignore_reason",
    "closed_note",
    "cleared",
    "promoted_example_id",
    "promoted_example_name",
    "promoted_graded_hash",
    "evidence",
    "override_reason",
    "regressed",
)


async def read(tx: db.Transaction, organization_id: str, run_id: str) -> Held:
    """Read a run's review without keeping others from it.

    Raises:
        RunNotFoundError: the organization has no such run.
    """
    held = await store.read(tx, organization_id, run_id)
    if held is None:
        raise RunNotFoundError
    return held


async def hold(tx: db.Transaction, organization_id: str, run_id: str) -> Held:
    """Read a run's review; nobody else can change it until the transaction ends. Hold several in order of their ids.

    Raises:
        RunNotFoundError: the organization has no such run.
    """
    if not await store.lock(tx, organization_id, run_id):
        raise RunNotFoundError
    return await read(tx, organization_id, run_id)


async def hold_finished(tx: db.Transaction, organization_id: str, run_id: str) -> Held:
    """Like `hold`, for a run that there is something to say about.

    Raises:
        RunNotFoundError: the organization has no such run.
        RunNotFinishedError: it has not ended.
    """
    held = await hold(tx, organization_id, run_id)
    if not held.finished:
        raise RunNotFinishedError(hint="Feedback is about what a run left; wait until it ends.")
    return held


async def record(
    tx: db.Transaction, before: Feedback, after: Feedback, *, by: access.Caller | None, action: str | None = None
) -> Feedback:
    """Write what became of a run's feedback and return it; where nothing changed, nothing happens.

    `before` must come from `hold` in this transaction. Who resolves or ignores is stamped, and by nobody (`by`
    is None) it was assay itself. `action` is what history calls it, by default what the event is called. The
    expected files of `after` are what `feedback_files` already holds.

    Emits `feedback.created`, `feedback.updated` or `feedback.cleared`.
    """
    changes = _changes(before, after)
    if not changes and before.revision > 0:
        return before
    settled = after.status in {"resolved", "ignored"}
    resolved_now = settled and (before.status != after.status or before.resolved_at is None)
    after = replace(after, revision=before.revision + 1)
    if resolved_now:
        after = replace(after, resolved_by=by.user_id if by else None, resolved_by_email=by.email if by else None)
    if not settled:
        after = replace(after, resolved_by=None, resolved_by_email=None, resolved_at=None)
    event = _event(before, after)
    written = await store.save(tx, after, resolved_now=resolved_now)
    after = replace(after, **_times(written))
    user_id, key_id = (by.user_id, by.key_id) if by else (None, None)
    await store.add_history(tx, after, action or event, changes, user_id=user_id, key_id=key_id)
    tx.notify_after_commit(CHANNEL, "")
    await outbox.emit(tx, after.organization_id, after.automation_id, event, _payload(after))
    return after


def remembered(value: Any) -> JsonValue:
    """Return a value as history keeps it."""
    text = jsontext.dump(value).encode()
    if len(text) <= MOST_KEPT:
        return jsontext.load(text.decode())
    return {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}


def wire_name(name: str) -> str:
    """Return what a field is called outside: `promotedExampleName`."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _changes(before: Feedback, after: Feedback) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for name in _REMEMBERED:
        was, is_now = getattr(before, name), getattr(after, name)
        if was != is_now and (was or is_now):
            found[wire_name(name)] = {"before": remembered(was), "after": remembered(is_now)}
    names = [[{"name": file.name, "sha256": file.sha256} for file in one.files] for one in (before, after)]
    if names[0] != names[1]:
        found["expectedFiles"] = {"before": remembered(names[0]), "after": remembered(names[1])}
    return found


def _event(before: Feedback, after: Feedback) -> outbox.Event:
    if before.exists == after.exists:
        return "feedback.updated"
    return "feedback.created" if after.exists else "feedback.cleared"


def _payload(feedback: Feedback) -> dict[str, JsonValue]:
    assert feedback.updated_at is not None
    return {
        "runId": feedback.run_id,
        "automationId": feedback.automation_id,
        "revision": feedback.revision,
        "rating": feedback.rating if feedback.exists else None,
        "status": feedback.status if feedback.exists else None,
        "promotedExampleName": feedback.promoted_example_name,
        "updatedAt": iso(feedback.updated_at),
    }


def _times(written: Mapping[str, Any]) -> dict[str, Any]:
    return {name: written[name] for name in ("created_at", "updated_at", "resolved_at")}
