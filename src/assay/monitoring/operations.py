"""How an automation runs in production: which runs fail and where, how long runs take, and what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from assay import db
from assay.errors import InvalidValueError
from assay.monitoring import operations_store
from assay.monitoring.health import LONGEST, TIMEOUT_SECONDS, bucket_edges
from assay.monitoring.model import Bucket
from assay.monitoring.operations_store import FailureGroup, Pace, Spending
from assay.monitoring.store import limit_time

MOST_BUCKETS = 100


@dataclass(frozen=True, slots=True)
class Stretch:
    """How runs that were created between two moments went: their pace, and what they cost."""

    start: datetime
    end: datetime
    pace: Pace
    spending: Spending


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed runs, by code and by step, the most frequent first; `looked_at` are the newest of `total`."""

    total: int
    looked_at: int
    by_code: Sequence[FailureGroup]
    by_step: Sequence[FailureGroup]


@dataclass(frozen=True, slots=True)
class Operations:
    """What runs in production did; those of examples and experiments are left out."""

    start: datetime
    end: datetime
    bucket: Bucket
    overall: Pace
    failures: Failures
    stretches: Sequence[Stretch]


async def operations(
    tx: db.Transaction, organization_id: str, automation_id: str, start: datetime, end: datetime, bucket: Bucket
) -> Operations:
    """Read failures, latency and cost of an automation, by its id. Limits the time of this transaction's statements.

    Of each part of the time the newest 1,000 ended runs give the latency and the newest 100 completed ones the cost;
    the newest 2,000 failed runs say why. Each figure comes with how many runs it is from.

    Raises:
        InvalidValueError: the time range is empty, longer than 400 days, or falls into more than 100 parts.
        asyncpg.QueryCanceledError: a statement took longer than ten seconds.
    """
    if not start < end <= start + LONGEST:
        message = f"from is before to, by at most {LONGEST.days} days."
        raise InvalidValueError(message, field="from")
    edges = bucket_edges(start, end, bucket)
    if len(edges) > MOST_BUCKETS + 1:
        message = f"from and to fall into at most {MOST_BUCKETS} parts."
        raise InvalidValueError(message, field="bucket", hint="Take weeks or months.")
    await limit_time(tx, TIMEOUT_SECONDS)
    place = organization_id, automation_id
    paces = await operations_store.paces(tx, *place, edges)
    spent = await operations_store.spending(tx, *place, edges)
    total, looked_at = await operations_store.count_failed(tx, *place, start, end)
    by_code, by_step = await operations_store.failures(tx, *place, start, end) if looked_at else ([], [])
    return Operations(
        start,
        end,
        bucket,
        overall=await operations_store.pace(tx, *place, start, end),
        failures=Failures(total, looked_at, by_code, by_step),
        stretches=[
            Stretch(first, after, pace, spending)
            for (first, after), pace, spending in zip(pairwise(edges), paces, spent, strict=True)
        ],
    )
