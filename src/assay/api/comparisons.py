"""Two experiments side by side."""

from typing import cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import experiments
from assay.api import parameters
from assay.api.callers import Authorized, Here
from assay.errors import InvalidValueError

router = APIRouter(tags=["experiments"])

_ORDERS = ("abs-delta-desc", "delta-asc", "delta-desc", "name")


@router.get("/experiments/{baseline_id}/compare/{experiment_id}")
async def compare_experiments(
    request: Request, baseline_id: str, experiment_id: str, caller: Authorized, server: Here
) -> Response:
    """Hold an experiment (B) against another of the same automation (A), example by example.

    `threshold` is what a score must change by to count as regression or improvement (default 0.05); `sort` is
    `abs-delta-desc` (default), `delta-asc`, `delta-desc` or `name`. The conclusion rests on the exact McNemar test.
    """
    parameters.only(request, {"threshold", "sort"})
    orders = parameters.values(request, "sort", _ORDERS)
    text = await experiments.compare_experiments(
        server.database,
        caller.organization_id,
        baseline_id,
        experiment_id,
        threshold=_threshold(request),
        order=cast("experiments.RowOrder", orders[0]) if orders else experiments.DEFAULT_ORDER,
    )
    return Response(text, media_type="application/json")


def _threshold(request: Request) -> float:
    raw = parameters.text(request, "threshold")
    if raw is None:
        return experiments.DEFAULT_THRESHOLD
    try:
        threshold = float(raw)
    except ValueError:
        threshold = -1.0
    if not 0 <= threshold <= 1:
        message = "threshold is a number from 0 to 1."
        raise InvalidValueError(message, field="threshold")
    return threshold
