"""What a run's review looks like on the wire, in both vocabularies: one record, two views of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay import access, db, reviews
from assay.clock import iso
from assay.errors import InvalidValueError

Json = dict[str, Any]

VERDICTS: Mapping[reviews.Rating | None, str | None] = {
    "pass": "correct",
    "fail": "incorrect",
    "partial": None,
    None: None,
}
STATUSES: Mapping[reviews.FeedbackStatus, str] = {"open": "open", "resolved": "closed", "ignored": "wont_fix"}


def feedback_detail(view: reviews.View) -> Json:
    """The review as clients up to 0.9 know it, and more."""
    found = view.feedback
    return {
        "feedback": feedback(view),
        "expected": found and found.expected,
        "expectedFiles": expected_files(view),
        "awaits": view.awaits,
        "verdicts": [_verdict(one) for one in view.verdicts],
    }


def feedback(view: reviews.View) -> Json | None:
    """The record; None where nobody has said anything."""
    found = view.feedback
    if found is None:
        return None
    return {
        "rating": found.rating,
        "status": found.status,
        "body": found.body,
        "createdAt": found.created_at and iso(found.created_at),
        "createdBy": found.created_by,
        "createdByEmail": found.created_by_email,
        "updatedAt": found.updated_at and iso(found.updated_at),
        "resolvedAt": found.resolved_at and iso(found.resolved_at),
        "resolvedBy": found.resolved_by,
        "resolvedByEmail": found.resolved_by_email,
        "resolvedBySessionId": None,
        "promotedExampleName": found.promoted_example_name,
        "promotedExampleId": found.promoted_example_id,
        "promotedAt": found.promoted_at and iso(found.promoted_at),
        "corrections": list(found.corrections),
        "tags": list(found.tags),
        "reason": found.ignore_reason,
        "closedNote": found.closed_note,
        "resolution": view.resolution and _resolution(view.resolution),
        "revision": found.revision,
    }


def review_detail(view: reviews.View) -> Json:
    """The review as clients from 0.10 on know it."""
    return {"review": view.feedback and review(view.feedback)}


def review(found: reviews.Feedback) -> Json:
    """The same record in their words."""
    created, updated, closed = (
        moment and iso(moment) for moment in (found.created_at, found.updated_at, found.resolved_at)
    )
    return {
        "id": f"rev_{found.run_id.partition('_')[2]}",
        "verdict": VERDICTS[found.rating],
        "status": review_status(found.rating, found.status),
        "note": found.body,
        "reviewedBy": found.created_by,
        "reviewedByEmail": found.created_by_email,
        "reviewedAt": created,
        "closedBy": found.resolved_by,
        "closedByEmail": found.resolved_by_email,
        "closedAt": closed,
        "closedNote": found.closed_note,
        "createdAt": created,
        "updatedAt": updated,
        "corrections": list(found.corrections),
        "correctedOutput": found.expected,
        "promotedExampleName": found.promoted_example_name,
    }


def review_status(rating: reviews.Rating | None, status: reviews.FeedbackStatus | None) -> str:
    """Say how a review stands; one that says nothing of it is closed if it found nothing wrong."""
    if status is None:
        return "closed" if rating == "pass" else "open"
    return STATUSES[status]


def review_summary(found: reviews.ReviewSummary) -> Json:
    """What the slim execution of a run says of its review."""
    return {
        "verdict": VERDICTS[found.rating],
        "status": review_status(found.rating, found.status),
        "hasNote": found.has_note,
        "correctionCount": found.correction_count,
    }


async def expanded(tx: db.Transaction, caller: access.Caller, run_id: str) -> Json:
    """What `expand=execution` says of a run's review: `feedback`, `expected`, and the later `review`."""
    view = await reviews.get(tx, caller, run_id)
    return {
        "feedback": feedback(view),
        "expected": {"output": view.feedback and view.feedback.expected, "files": expected_files(view)},
        **({} if view.feedback is None else {"review": review(view.feedback)}),
    }


def expected_files(view: reviews.View) -> Sequence[Json]:
    """The corrected files."""
    return [
        {"name": file.name, "size": file.size, "sha256": file.sha256, "contentType": file.content_type}
        for file in (view.feedback.files if view.feedback else ())
    ]


def history_entry(entry: reviews.HistoryEntry) -> Json:
    """One change."""
    return {
        "id": entry.id,
        "revision": entry.revision,
        "action": entry.action,
        "changes": entry.changes,
        "by": entry.user_id and {"id": entry.user_id, "email": entry.user_email},
        "keyId": entry.key_id,
        "createdAt": iso(entry.created_at),
    }


def failure_tag(found: reviews.FailureTag) -> Json:
    """A way to fail."""
    return {"tag": found.tag, "count": found.count, "lastUsedAt": iso(found.last_used_at)}


def change(body: Mapping[str, Any]) -> reviews.FeedbackChange:
    """Read a checked body of either vocabulary that is in the words of the domain already.

    Raises:
        InvalidValueError: the override says no reason.
    """
    values = dict(body)
    override = values.pop("override", None)
    if override is not None:
        reason = str(override["reason"]).strip()
        if not reason:
            message = "An override says why it is one."
            raise InvalidValueError(message, field="override.reason")
        values["override"] = reason
    return reviews.FeedbackChange(**values)  # pyright: ignore[reportArgumentType] # pydantic has checked the types


def _resolution(found: reviews.Resolution) -> Json:
    return {
        "proven": found.proven,
        "live": found.live,
        "evidence": found.evidence,
        "override": found.override,
        "regressed": found.regressed,
    }


def _verdict(one: reviews.Verdict) -> Json:
    assert one.created_at is not None
    return {
        "reviewer": one.reviewer,
        "reviewerEmail": one.reviewer_email,
        "rating": one.rating,
        "body": one.body,
        "expected": one.expected,
        "tags": list(one.tags),
        "createdAt": iso(one.created_at),
    }
