"""How a partial change turns what was said into what is said: checked, merged, nothing written yet."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import JsonValue

from assay import access, jsontext
from assay.reviews import corrections
from assay.reviews.errors import FeedbackTooLargeError, InvalidFeedbackError
from assay.reviews.model import Correction, Feedback, FeedbackChange, Verdict

MAX_BODY = 100_000
MAX_EXPECTED = 10 * 1024**2
MAX_TAGS = 20
MAX_TAG = 64
MAX_REASON = 10_000

Said = TypeVar("Said", Feedback, Verdict)


def merged(before: Said, change: FeedbackChange, output: JsonValue) -> Said:
    """Return what is said after a change; what the change does not name stays. `output` is the run's.

    New corrections are applied to the output, which gives the expected output, unless the change brings one.

    Raises:
        InvalidFeedbackError: a correction or tag is none.
        FeedbackTooLargeError: a text or the expected output is too large.
    """
    values: dict[str, Any] = {name: value for name, value in change.items() if name in {"rating", "status"}}
    if "body" in change:
        values["body"] = _text("body", change["body"], MAX_BODY) or ""
    if "tags" in change:
        values["tags"] = _tags(change["tags"] or ())
    if "corrections" in change:
        values |= _corrected(before.corrections, before.expected, change["corrections"] or (), output)
    if "expected" in change:
        values["expected"] = change["expected"]
    _check_expected(values.get("expected"))
    if isinstance(before, Feedback):
        values |= _closing(change)
    return replace(before, **values)


def begun(before: Feedback, caller: access.Caller) -> Feedback:
    """Return the record to go on from where there is none to see: begun now, by the caller."""
    if before.exists:
        return before
    return replace(before, cleared=False, created_by=caller.user_id, created_by_email=caller.email, created_at=None)


def says_something(said: Feedback | Verdict) -> bool:
    """Tell whether anything at all is said."""
    return bool(said.rating or said.status or said.body or said.expected is not None or said.corrections or said.tags)


def _closing(change: FeedbackChange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "status" in change and change["status"] != "ignored":
        values["ignore_reason"] = None
    if "reason" in change:
        values["ignore_reason"] = _text("reason", change["reason"], MAX_REASON) or None
    if "status" in change and change["status"] in {None, "open"}:
        values["closed_note"] = None
    if "closed_note" in change:
        values["closed_note"] = _text("closedNote", change["closed_note"], MAX_REASON) or None
    return values


def _corrected(
    before: Sequence[Correction], expected: JsonValue, given: Sequence[Any], output: JsonValue
) -> dict[str, Any]:
    kept = corrections.checked(given, before, output)
    if corrections.has_values(kept):
        return {"corrections": kept, "expected": corrections.applied(kept, output)}
    # What came of corrections goes with them; what somebody gave by himself stays.
    if corrections.has_values(before) and corrections.applied(before, output) == expected:
        return {"corrections": kept, "expected": None}
    return {"corrections": kept}


def _check_expected(expected: JsonValue) -> None:
    if expected is not None and len(jsontext.dump(expected).encode()) > MAX_EXPECTED:
        message = f"The expected output is larger than {MAX_EXPECTED:,} bytes."
        raise FeedbackTooLargeError(message, field="expected")


def _text(field: str, text: str | None, limit: int) -> str | None:
    if text is not None and len(text.encode(errors="replace")) > limit:
        message = f"{field} is longer than {limit:,} bytes."
        raise FeedbackTooLargeError(message, field=field)
    return None if text is None else jsontext.storable_text(text)


def _tags(given: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(jsontext.storable_text(tag).strip() for tag in given))
    if len(found) > MAX_TAGS or any(not 0 < len(tag) <= MAX_TAG for tag in found):
        message = f"There may be {MAX_TAGS} tags of 1 to {MAX_TAG} characters."
        raise InvalidFeedbackError(message, field="tags")
    return found
