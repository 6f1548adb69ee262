"""How far a dataset stands for the live runs of its automation."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay import experiments, runs
from assay.api import parameters
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse

router = APIRouter(tags=["datasets"])

DEFAULT_RUNS = 10_000
MAX_RUNS = 100_000


@router.get("/automations/{automation_id}/dataset/coverage")
async def get_coverage(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Say what share of live runs has an example like it: of the same type, size, pages, language and source.

    Looks at the newest `limit` runs (10,000, at most 100,000) that ended, of those started from `from` up to `to`.
    `interval` is the share's 95 % Wilson interval. `uncovered` lists the kinds of runs without an example, most
    frequent first, each with up to five runs. What an example is like is known from its latest run, else from the run
    it was promoted from; `neverRun` names those of which it is not known. `unknown` runs, which ended before a worker
    had them or before features were kept, are not counted.
    """
    parameters.only(request, {"from", "to", "limit"})
    limit = parameters.number(request, "limit", default=DEFAULT_RUNS, least=1, most=MAX_RUNS)
    async with server.database.transaction() as tx:
        found = await experiments.coverage(
            tx,
            caller.organization_id,
            automation_id,
            created_from=parameters.moment(request, "from"),
            created_to=parameters.moment(request, "to"),
            limit=limit,
        )
    return JsonResponse(_coverage(found))


def _coverage(found: experiments.Coverage) -> Mapping[str, Any]:
    return {
        "runs": found.total,
        "unknown": found.unknown,
        "covered": found.covered,
        "share": found.share,
        "interval": None if found.interval is None else asdict(found.interval),
        "complete": found.is_complete,
        "uncovered": [
            {"features": _features(group.features), "runs": group.runs, "runIds": list(group.run_ids)}
            for group in found.uncovered
        ],
        "examples": [
            {"features": _features(group.features), "examples": group.examples, "names": list(group.names)}
            for group in found.examples
        ],
        "neverRun": list(found.never_run),
    }


def _features(features: runs.Features | None) -> Mapping[str, Any] | None:
    return None if features is None else asdict(features)
