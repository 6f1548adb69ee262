"""What the process before made of the same inputs: brought in, and held against runs."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from assay import reviews
from assay.api import parameters
from assay.api.bodies import MalformedJsonError, checked, chunks, parse_json, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso
from assay.errors import InvalidValueError, Issue
from assay.statistics import Interval

router = APIRouter(tags=["shadow comparison"])

MAX_BYTES: Final = 50_000_000
_LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_ITEM = reviews.IncumbentOutput.model_json_schema(by_alias=True)
_BODY = {
    "requestBody": {
        "content": {
            "application/json": {"schema": {"type": "array", "items": _ITEM, "maxItems": 10_000}},
            "application/x-ndjson": {"schema": _ITEM},
        }
    }
}


class IncumbentBody(BaseModel):
    """What the process before made of a run's input."""

    model_config = ConfigDict(extra="forbid", strict=True)

    output: JsonValue = Field(description="The output, with fields named as in the run's.")
    source: str | None = Field(default=None, max_length=200, description="Your name for where it comes from.")


@router.post("/automations/{automation_id}/runs/import", openapi_extra=_BODY)
async def import_incumbents(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Attach outputs of the process before to runs: a JSON array or NDJSON of `{runId | match, output, source?}`.

    `match` is `{key, value}`: the one run of the last 90 days whose metadata has that. At most 10,000 outputs and 50 MB
    a call. All that is wrong is told at once (the first 1,000), and then nothing is imported. A second call replaces.
    """
    outputs = await _outputs(request, min(MAX_BYTES, server.settings.max_body_bytes))
    async with server.database.transaction() as tx:
        done = await reviews.import_incumbents(tx, caller, automation_id, outputs)
    return JsonResponse({"added": done.added, "replaced": done.replaced, "runIds": list(done.run_ids)})


@router.put(
    "/runs/{run_id}/incumbent",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": IncumbentBody.model_json_schema()}}}},
)
async def set_incumbent(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Attach an output of the process before to a run, over what it had; `diff` is null until the run has ended."""
    body = checked(IncumbentBody, await read_json(request, server.settings.max_json_bytes))
    async with server.database.transaction() as tx:
        found = await reviews.set_incumbent(tx, caller, run_id, body.output, source=body.source)
    return JsonResponse({"runId": run_id, "diff": found and _difference(found)})


@router.get("/runs/{run_id}/incumbent-diff")
async def get_incumbent_difference(request: Request, run_id: str, caller: Authorized, server: Here) -> Response:
    """Compare a run with what the process before made of its input, by the automation's `exact-diff` rules.

    Fields that the process before does not have are not compared. `judged` says who is right where a person said what
    is: {field: {run, incumbent}}.
    """
    parameters.only(request, set())
    async with server.database.transaction() as tx:
        found = await reviews.incumbent_difference(tx, caller.organization_id, run_id)
    return JsonResponse(_difference(found))


@router.get("/automations/{automation_id}/incumbent-agreement")
async def get_incumbent_agreement(request: Request, automation_id: str, caller: Authorized, server: Here) -> Response:
    """Say how far an automation agrees with the process before, by field, with Wilson's 95 % intervals.

    Of the newest 10,000 runs that have an incumbent and began between `from` and `to`; `mode` is live or shadow, else
    both. Where people said what is right (a correction, or a pass), `judged` counts who was.
    """
    parameters.only(request, {"from", "to", "mode"})
    modes = parameters.values(request, "mode", ("live", "shadow"))
    async with server.database.transaction() as tx:
        found = await reviews.incumbent_agreement(
            tx,
            caller.organization_id,
            automation_id,
            mode=cast("Literal['live', 'shadow']", modes[0]) if len(modes) == 1 else None,
            since=parameters.moment(request, "from"),
            until=parameters.moment(request, "to"),
        )
    return JsonResponse(_agreement(found))


async def _outputs(request: Request, limit: int) -> Sequence[JsonValue]:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in _LINES:
        return _listed(await read_json(request, limit))
    raw = b"".join([chunk async for chunk in chunks(request, limit)])
    return await asyncio.to_thread(_lines, raw)


def _listed(body: Any) -> Sequence[JsonValue]:
    found: object = cast("dict[str, Any]", body).get("outputs") if isinstance(body, dict) else body
    if not isinstance(found, list):
        message = "Send an array of outputs, or an object with one as `outputs`."
        raise InvalidValueError(message, field="outputs")
    return cast("list[JsonValue]", found)


def _lines(raw: bytes) -> Sequence[JsonValue]:
    found: list[JsonValue] = []
    issues: list[Issue] = []
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(parse_json(line))
        except MalformedJsonError as error:
            issues.append(Issue(f"line {number}", str(error), error.code, line=number))
    if issues:
        raise MalformedJsonError(issues[0].message, issues=issues[:1_000])
    return found


def _difference(found: reviews.IncumbentDifference) -> dict[str, Any]:
    pair, judged = found.pair, found.judged
    return {
        "runId": pair.run_id,
        "same": all(found.fields.values()),
        "fields": dict(found.fields),
        "differences": list(found.mismatches),
        "run": pair.output,
        "incumbent": pair.incumbent,
        "source": pair.source,
        "attachedAt": pair.created_at and iso(pair.created_at),
        "rating": pair.rating,
        "judged": judged
        and {
            name: {"run": judged.run_right[name], "incumbent": right} for name, right in judged.incumbent_right.items()
        },
    }


def _agreement(found: reviews.IncumbentAgreement) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "identical": {"count": found.identical, **_rate(found.identical, found.runs, found.interval)},
        "fields": [
            {
                "field": one.name,
                "compared": one.compared,
                "agreed": one.agreed,
                **_rate(one.agreed, one.compared, one.interval),
                "judged": one.judged and _judged(one.judged),
            }
            for one in found.fields
        ],
        "judgedRuns": found.judged,
        "judgedAtRandom": found.judged_at_random,
        "withoutOutput": found.without_output,
        "unfinished": found.unfinished,
        "notComparable": found.not_comparable,
        "truncated": found.truncated,
        "confidence": 0.95,
    }


def _judged(judged: reviews.Judged) -> Mapping[str, Any]:
    return {
        "runs": judged.runs,
        "bothRight": judged.both_right,
        "run": {"right": judged.run_right, **_rate(judged.run_right, judged.runs, judged.run_interval)},
        "incumbent": {
            "right": judged.incumbent_right,
            **_rate(judged.incumbent_right, judged.runs, judged.incumbent_interval),
        },
    }


def _rate(count: int, total: int, interval: Interval) -> Mapping[str, Any]:
    return {
        "rate": count / total if total else None,
        "interval": {"lower": interval.lower, "upper": interval.upper} if total else None,
    }
