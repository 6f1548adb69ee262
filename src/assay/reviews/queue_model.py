"""What the review queue is made of: a run's place in it, who has it, and which place comes first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from assay.reviews.model import ItemState

QueueReason = Literal["random", "stratum", "minimum", "picked", "reported"]
"""Why a run is in the queue: drawn for the sample (as one of a stratum, or to fill the day), or added by somebody."""

PRIORITIES: Mapping[QueueReason, int] = {"reported": 30, "picked": 20, "stratum": 10, "random": 0, "minimum": 0}
"""Higher ones come first, and of equal ones the older; a disagreement comes before all of them."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A slot that somebody has until a moment of the database's clock."""

    reviewer: str
    email: str | None
    claimed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A run's place in the queue, as one reviewer sees it.

    `verdicts` of its `slots` are in. `leases` are those that hold, his own too, none once it is done; `judged` tells
    whether he has given his verdict, and `skipped_because` why he put it off.
    """

    id: str
    run_id: str
    automation_id: str
    automation_slug: str
    automation_name: str | None
    version_label: str | None
    mode: str
    reason: QueueReason
    rank: int
    slots: int
    verdicts: int
    state: ItemState
    created_at: datetime
    done_at: datetime | None
    judged: bool
    skipped_because: str | None
    leases: Sequence[Lease] = ()


@dataclass(frozen=True, slots=True)
class ItemPlace:
    """Where an item stands in the order of the queue."""

    rank: int
    created_at: datetime
    item_id: str


@dataclass(frozen=True, slots=True)
class ItemFilters:
    """Which items a list shows; None means all that wait, and of one run the item also when it is done.

    `available`: those that the reviewer may claim now. `mine`: those that he has.
    """

    automation_id: str | None = None
    state: Literal["open", "disagreement"] | None = None
    reason: QueueReason | None = None
    run_id: str | None = None
    available: bool = False
    mine: bool = False


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue; `next_cursor` is None at its end."""

    items: Sequence[QueueItem]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Added:
    """What became of runs that somebody wanted in the queue; the counts after `matched` add up to it.

    `waiting` were in it already (`raised` of them move forward), `reviewed` have been judged, `unfinished` have
    nothing to judge yet. `reopened` had been judged and were reported again. `more`: there are further ones.
    """

    matched: int
    added: int
    reopened: int
    waiting: int
    reviewed: int
    unfinished: int
    raised: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """What one reviewer has done: verdicts given, items he has at the moment, and the median time for one."""

    reviewer: str
    email: str | None
    done: int
    open: int
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many items wait of one state and reason, and since when the oldest does."""

    state: ItemState
    reason: QueueReason
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class AutomationQueue:
    """How much of one automation waits. Disagreements are counted apart too; `mine` are those that the caller has."""

    automation_id: str
    slug: str
    name: str | None
    waiting: int
    disagreements: int
    mine: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class QueueStats:
    """How the queue stands. `claimed` items are somebody's at the moment; `verdicts` came in since `since`."""

    waiting: Sequence[Waiting]
    claimed: int
    verdicts: int
    reviewers: Sequence[Progress]
    since: datetime
