"""Is the server there, and how is it doing: for probes and Prometheus."""

from datetime import datetime

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from assay import access, clock, monitoring, runs
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse

router = APIRouter(tags=["health"])
REGISTRY = CollectorRegistry()
REQUESTS = Counter("assay_http_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY)
SECONDS = Histogram(
    "assay_http_request_seconds",
    "Time to answer, held requests included.",
    ["method", "route"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
IN_FLIGHT = Gauge("assay_runs_in_flight", "Runs that have not ended, by status.", ["status"], registry=REGISTRY)
DEBT = Gauge("assay_review_debt", "Runs with open feedback.", registry=REGISTRY)
DEBT_AGE = Gauge("assay_review_debt_oldest_seconds", "Age of the oldest open feedback; 0: none.", registry=REGISTRY)
QUEUE = Gauge("assay_review_queue_depth", "Runs that wait for a verdict.", registry=REGISTRY)
QUEUE_AGE = Gauge("assay_review_queue_oldest_seconds", "How long the oldest has waited; 0: none.", registry=REGISTRY)


@router.get("/healthz")
async def healthz(server: Here) -> Response:
    """Answer 200 when the database answers."""
    async with server.database.single_statement() as tx:
        await tx.fetch_value("SELECT 1")
    return JsonResponse({"ok": True})


@router.get("/metrics")
async def metrics(caller: Authorized, server: Here) -> Response:
    """Report in Prometheus' text format.

    Figures are of the whole server, so only the organization that it began with is told them.
    """
    access.check_operates(caller)
    async with server.database.single_statement() as tx:
        counts = await runs.count_in_flight(tx)
        waiting = await monitoring.waiting(tx)
    DEBT.set(waiting.debt)
    DEBT_AGE.set(_seconds_since(waiting.debt_oldest))
    QUEUE.set(waiting.queue)
    QUEUE_AGE.set(_seconds_since(waiting.queue_oldest))
    for status in runs.RunStatus:
        if not status.finished:
            IN_FLIGHT.labels(status.value).set(counts.get(status.value, 0))
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


def _seconds_since(moment: datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (clock.now() - moment).total_seconds())
