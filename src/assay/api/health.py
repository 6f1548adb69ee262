"""Is the server there, and how is it doing: for probes and Prometheus."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from assay import runs
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


@router.get("/healthz")
async def healthz(server: Here) -> Response:
    """Answer 200 when the database answers."""
    async with server.database.single_statement() as tx:
        await tx.fetch_value("SELECT 1")
    return JsonResponse({"ok": True})


@router.get("/metrics")
async def metrics(_request: Request, _caller: Authorized, server: Here) -> Response:
    """Report in Prometheus' text format."""
    async with server.database.single_statement() as tx:
        counts = await runs.count_in_flight(tx)
    for status in runs.RunStatus:
        if not status.finished:
            IN_FLIGHT.labels(status.value).set(counts.get(status.value, 0))
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
