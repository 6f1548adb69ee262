"""How an automation fares in production: the figures of its reviews over time, and what they are worth.

`summary`, `buckets` and `rolling` count every review, however its run was picked, as clients of the later generation
expect; they describe the reviews. `quality` describes the runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, compress, pairwise

from assay import clock, db, reviews
from assay.errors import InvalidValueError
from assay.monitoring import judging_store, store
from assay.monitoring.dataset_likeness import dataset_likeness
from assay.monitoring.drifting import input_drift
from assay.monitoring.estimation import estimate
from assay.monitoring.judging import judge
from assay.monitoring.live_judging import judging_pace, live_judges
from assay.monitoring.model import (
    Backlog,
    Bucket,
    Drawn,
    InputDrift,
    Judge,
    JudgingPace,
    Likeness,
    LiveJudge,
    Mode,
    Part,
    Point,
    Quality,
    Query,
    Tally,
    Trend,
)
from assay.statistics import wilson

LONGEST = timedelta(days=400)
MOST_POINTS = 200
TIMEOUT_SECONDS = 10.0
_NOW = timedelta(days=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of an automation's results. `rolling` has at most 200 points, none without a window."""

    query: Query
    summary: Tally
    buckets: Sequence[Part]
    rolling: Sequence[Point]
    quality: Sequence[Quality]
    trend: Sequence[Trend]
    debt: Backlog
    queue: Backlog
    drift: InputDrift
    likeness: Likeness
    judges: Sequence[Judge]
    live_judges: Sequence[LiveJudge]
    judging: JudgingPace | None
    reviewers: reviews.Agreement


async def review_health(tx: db.Transaction, organization_id: str, automation_id: str, query: Query) -> Health:
    """Read the health of an automation, by its id. Limits the time of this transaction's statements.

    Raises:
        InvalidValueError: the time range is empty or longer than 400 days.
        asyncpg.QueryCanceledError: a statement took longer than ten seconds.
    """
    if query.start >= query.end:
        message = "from is before to."
        raise InvalidValueError(message, field="from")
    if query.end - query.start > LONGEST:
        message = f"from and to are at most {LONGEST.days} days apart."
        raise InvalidValueError(message, field="from")
    await store.limit_time(tx, TIMEOUT_SECONDS)
    place = organization_id, automation_id
    edges = bucket_edges(query.start, query.end, query.bucket)
    tallies = await store.tallied(tx, *place, query, edges)
    spans: Sequence[_Span] = ()
    if query.window is not None:
        spans = _spans(*await store.reviewed(tx, *place, query), query.window, query.least)
    marks = sorted({*edges, *(mark for span in spans for mark in (span.first, span.after))})
    sums = list(accumulate(await store.counted(tx, *place, query, marks), initial=0)) if len(marks) > 1 else [0]
    runs_before = dict(zip(marks, sums, strict=True))
    buckets = [
        Part(start, end, _tally([ratings], runs_before[end] - runs_before[start]))
        for (start, end), ratings in zip(pairwise(edges), tallies, strict=True)
    ]
    sample = await store.drawn(tx, *place, edges)
    return Health(
        query,
        summary=_tally(tallies, runs_before[edges[-1]] - runs_before[edges[0]]),
        buckets=buckets,
        rolling=[
            Point(
                span.last,
                span.reviewed,
                span.correct,
                runs_before[span.after] - runs_before[span.first],
                wilson(span.correct, span.reviewed),
            )
            for span in spans
        ],
        quality=await _qualities(tx, *place, query, sample),
        trend=_trend(edges, sample["live"]),
        debt=await store.debt(tx, *place),
        queue=await store.queue(tx, *place),
        drift=await input_drift(tx, *place),
        likeness=await dataset_likeness(tx, *place),
        judges=[judge(counts) for counts in await store.judges(tx, *place, query.start, query.end)],
        live_judges=live_judges(*await judging_store.judged(tx, *place, query.start, query.end)),
        judging=await judging_pace(tx, *place),
        reviewers=(await reviews.reviewer_agreement(tx, *place, since=query.start, until=query.end)).together,
    )


def bucket_edges(start: datetime, end: datetime, bucket: Bucket) -> list[datetime]:
    """Cut a time range where days, weeks (Mondays) or months begin in UTC; the first and last part may be shorter."""
    edges = [start]
    while (following := _next(edges[-1].astimezone(UTC), bucket)) < end:
        edges.append(following)
    return [*edges, end]


def _next(moment: datetime, bucket: Bucket) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if bucket == "day":
        return midnight + timedelta(days=1)
    if bucket == "week":
        return midnight + timedelta(days=7 - midnight.weekday())
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class _Span:
    """The last so many ranked reviews up to the one at `last`; `after` is just behind it."""

    first: datetime
    last: datetime
    after: datetime
    reviewed: int
    correct: int


def _spans(newest_first: Sequence[float], codes: str, window: int, least: int) -> list[_Span]:
    ranked = list(compress(newest_first, (code in "pf" for code in codes)))[::-1]
    verdicts = codes.replace("h", "").replace("n", "")[::-1]
    found: list[_Span] = []
    for end in _evenly(least, len(verdicts)):
        start = max(0, end - window)
        last = _moment(ranked[end - 1])
        correct = verdicts.count("p", start, end)
        found.append(_Span(_moment(ranked[start]), last, last + _TICK, end - start, correct))
    return found


def _evenly(least: int, most: int) -> Sequence[int]:
    """Pick up to `MOST_POINTS` numbers from `least` to `most`, the last one always."""
    ends = range(least, most + 1)
    if len(ends) <= MOST_POINTS:
        return ends
    return sorted({ends[-1 - place * len(ends) // MOST_POINTS] for place in range(MOST_POINTS)})


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _tally(parts: Sequence[Mapping[str, int]], runs: int) -> Tally:
    return Tally(runs, *(sum(part.get(rating, 0) for part in parts) for rating in ("pass", "fail", "partial", "none")))


async def _rate_drawn(tx: db.Transaction, organization_id: str, automation_id: str) -> bool:
    """Tell whether any runs are drawn at all now."""
    policy = (await reviews.sampling_of(tx, organization_id, automation_id)).policy
    return max(policy.rate, policy.floor) > 0 or any(stratum.rate > 0 for stratum in policy.strata)


def _trend(edges: Sequence[datetime], parts: Sequence[Sequence[Drawn]]) -> list[Trend]:
    found: list[Trend] = []
    for (start, end), groups in zip(pairwise(edges), parts, strict=True):
        told = estimate(groups)
        reviewed = sum(group.reviewed for group in groups)
        found.append(Trend(start, end, told and told.share, told and told.interval, reviewed))
    return found


async def _qualities(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    query: Query,
    sample: Mapping[Mode, Sequence[Sequence[Drawn]]],
) -> list[Quality]:
    place = organization_id, automation_id
    drawn = await _rate_drawn(tx, *place)
    naive = await store.naive(tx, *place, query.start, query.end)
    return [
        await _quality(tx, *place, mode, query, list(chain(*sample[mode])), naive[mode], drawn=drawn)
        for mode in store.MODES
    ]


async def _quality(
    tx: db.Transaction,
    organization_id: str,
    automation_id: str,
    mode: Mode,
    query: Query,
    groups: Sequence[Drawn],
    naive: tuple[int, int],
    *,
    drawn: bool,
) -> Quality:
    place = organization_id, automation_id, mode, query.start, query.end
    passed, everything = naive
    found = estimate(groups)
    state = "no_reviews" if found is None else "measured"
    if not drawn and query.end > clock.now() - _NOW and await store.has_traffic(tx, *place):
        state = "unmeasured"
    elif not groups and not await store.has_traffic(tx, *place):
        state = "no_traffic"
    told = found if state == "measured" else None
    reviewed = sum(group.reviewed for group in groups)
    return Quality(
        mode,
        state,
        share=told and told.share,
        interval=told and told.interval,
        sampled=sum(group.sampled for group in groups),
        reviewed=reviewed,
        passed=sum(group.passed for group in groups),
        failed=sum(group.failed for group in groups),
        partial=sum(group.partial for group in groups),
        waiting=sum(group.sampled for group in groups) - reviewed,
        unseen=told.unseen if told else 0.0,
        strata=len({group.stratum for group in groups}),
        naive=passed / everything if everything else None,
        naive_interval=wilson(passed, everything),
        naive_reviewed=everything,
    )
