"""What feedback is, what a change of it says, and what a caller gets to see of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

from pydantic import JsonValue

from assay import files

CHANNEL = "assay_reviews"
"""PostgreSQL notifies here, after the commit, that some review or the queue changed."""

Rating = Literal["pass", "fail", "partial"]
FeedbackStatus = Literal["open", "resolved", "ignored"]
ReviewState = Literal["ignored", "regressed", "open", "passed", "failed", "unreviewed"]
ItemState = Literal["open", "disagreement", "done"]

REVIEW_STATES: tuple[ReviewState, ...] = ("ignored", "regressed", "open", "passed", "failed", "unreviewed")
"""The chips a run can carry; the first that fits is the one."""

Correction = Mapping[str, JsonValue]
"""`{id, kind, path, label, originalValue?, correctedValue?, note, correctedArtifactPath?, createdAt, updatedAt}`."""


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """A corrected file; `name` may hold slashes, its bytes are in `Blobs` under the hash, `size` in bytes."""

    name: str
    sha256: str
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Feedback:
    """The one record of a run's review, which everybody sees; `revision` 0 is one that nobody has written yet.

    `cleared`: people see none any more, but a promoted miss stays on the board until it is proven. `evidence` is
    the proof that resolved it, `override_reason` what somebody said instead, and stays for ever; `regressed`
    is `{fixedBy, brokenBy, experimentId}` where it came back after that. `promoted_graded_hash` is None where the
    example expects what the run made, though the run is called wrong.
    """

    run_id: str
    organization_id: str
    automation_id: str
    revision: int = 0
    cleared: bool = False
    rating: Rating | None = None
    status: FeedbackStatus | None = None
    body: str = ""
    expected: JsonValue = None
    corrections: Sequence[Correction] = ()
    tags: Sequence[str] = ()
    ignore_reason: str | None = None
    closed_note: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    promoted_example_id: str | None = None
    promoted_example_name: str | None = None
    promoted_graded_hash: str | None = None
    promoted_at: datetime | None = None
    evidence: JsonValue = None
    override_reason: str | None = None
    regressed: JsonValue = None
    files: Sequence[ExpectedFile] = ()
    created_by_email: str | None = None
    resolved_by_email: str | None = None

    @property
    def exists(self) -> bool:
        """Whether people see a record."""
        return self.revision > 0 and not self.cleared

    @property
    def is_unresolved_miss(self) -> bool:
        """Whether it was promoted and is not settled: nothing but proof, or an override, takes it off the board."""
        return self.promoted_example_id is not None and self.status == "open"


class FeedbackChange(TypedDict, total=False):
    """What somebody wants to change: a key that is absent stays as it is, None clears."""

    rating: Rating | None
    status: FeedbackStatus | None
    body: str | None
    expected: JsonValue
    corrections: Sequence[Mapping[str, JsonValue]] | None
    tags: Sequence[str] | None
    reason: str | None
    closed_note: str | None
    override: str


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A run's place in the review queue: it takes `slots` verdicts, two being a blind double review."""

    id: str
    slots: int
    state: ItemState


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one reviewer said by himself. Without a rating it is a draft.

    `blind_rating` is what he said while he could not see the other's; agreement is measured on nothing else.
    """

    run_id: str
    reviewer: str
    rating: Rating | None = None
    status: FeedbackStatus | None = None
    body: str = ""
    expected: JsonValue = None
    corrections: Sequence[Correction] = ()
    tags: Sequence[str] = ()
    blind_rating: Rating | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    reviewer_email: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A run with its review. `has_second`: the organization has more than one person who may sign in."""

    run_id: str
    automation_id: str
    finished: bool
    feedback: Feedback
    item: ReviewItem | None
    has_second: bool

    @property
    def is_blind(self) -> bool:
        """Whether it is in a double review whose verdicts are not all in: nobody sees but his own."""
        return self._is_double("open") and self.feedback.rating is None and self.has_second

    @property
    def is_disputed(self) -> bool:
        """Whether all verdicts of a double review are in, and they are not equal."""
        return self._is_double("disagreement")

    def _is_double(self, state: ItemState) -> bool:
        return self.item is not None and self.item.slots > 1 and self.item.state == state


@dataclass(frozen=True, slots=True)
class Resolution:
    """How far a miss is settled: `proven` to be fixed, and, apart from it, whether the fix is `live`.

    `override` is what somebody said instead of a proof, at whatever time; `regressed` how it came back.
    """

    proven: bool
    live: bool
    evidence: JsonValue
    override: str | None
    regressed: JsonValue


@dataclass(frozen=True, slots=True)
class View:
    """What a caller sees of a run's review: `feedback` is None where that is nothing.

    While a double review is blind it is his own verdict, in the form of feedback. `verdicts` are those of a double
    review that is not blind any more. `etag` changes whenever what he sees does. `resolution` is None where nothing
    is said.
    """

    run_id: str
    feedback: Feedback | None
    etag: str
    awaits: Literal["verdicts", "adjudication"] | None = None
    verdicts: Sequence[Verdict] = ()
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A corrected file on its way in: `name` may hold slashes."""

    name: str
    content_type: str | None
    spool: files.Spool


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change: `changes` is `{field: {before, after}}`, large values as `{sha256, bytes}`."""

    id: str
    revision: int
    action: str
    changes: Mapping[str, JsonValue]
    user_id: str | None
    user_email: str | None
    key_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FailureTag:
    """A way to fail, as people named it, and how many runs' feedback says so."""

    tag: str
    count: int
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewSummary:
    """What run lists say of a review beside the run's own columns."""

    rating: Rating | None
    status: FeedbackStatus | None
    has_note: bool
    correction_count: int
