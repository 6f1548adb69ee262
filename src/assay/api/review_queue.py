"""The review queue: what waits for a verdict, who has it, and how far the reviewers are."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay import access, automations, db, reviews
from assay.api import parameters, run_filters
from assay.api.bodies import checked, described, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso
from assay.errors import InvalidValueError
from assay.statistics import Interval

router = APIRouter(tags=["review queue"])

_FILTERS = run_filters.NAMES
_STATES = ("open", "disagreement")
_REASONS = ("random", "stratum", "minimum", "picked", "reported")


class LeaseBody(BaseModel):
    """How long an item is wanted for."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    lease_seconds: int = Field(
        default=int(reviews.LEASE.total_seconds()),
        alias="leaseSeconds",
        ge=int(reviews.SHORTEST_LEASE.total_seconds()),
        le=int(reviews.LONGEST_LEASE.total_seconds()),
        description="After so many seconds without a verdict the item is open to others again; `renew` asks for more.",
    )

    @property
    def duration(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.lease_seconds)


class ClaimBody(LeaseBody):
    """Which item is wanted: the next one unless `itemId` names it."""

    automation: str | None = Field(
        default=None, max_length=200, description="Only of this automation (id, or `workflows.<name>`)."
    )
    item_id: str | None = Field(default=None, alias="itemId", max_length=64, description="This item and no other.")


class ReasonBody(BaseModel):
    """Why an item is given back."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=2_000, description="Skipping needs one, releasing does not.")


class AddBody(BaseModel):
    """Runs that somebody wants reviewed: named by `runIds`, or found by the filters of `/runs` in the query."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    run_ids: list[str] | None = Field(
        default=None, alias="runIds", min_length=1, max_length=10_000, description="Runs that have ended."
    )
    reason: Literal["picked", "reported"] = Field(
        default="picked", description="`reported` comes before `picked`, and asks again about what has been judged."
    )
    double_review: bool = Field(
        default=False, alias="doubleReview", description="Two people judge it, and neither sees the other's verdict."
    )
    dry_run: bool = Field(default=False, alias="dryRun", description="Count, and add nothing.")


@router.get("/review-queue")
async def list_queue(request: Request, caller: Authorized, server: Here) -> Response:
    """List what waits: disagreements first, then what was reported, picked, a stratum's, random, the oldest first.

    `available=true`: only what you may claim now. `mine=true`: what you have. `runId`: that run's, also if it is done.
    """
    parameters.only(request, {"automation", "state", "reason", "runId", "available", "mine", "cursor", "limit"})
    states: Any = parameters.values(request, "state", _STATES)
    reasons: Any = parameters.values(request, "reason", _REASONS)
    if len(states) > 1 or len(reasons) > 1:
        message = "One state and one reason at a time."
        raise InvalidValueError(message, field="state" if len(states) > 1 else "reason")
    limit = parameters.number(request, "limit", default=50, least=1, most=100)
    async with server.database.transaction() as tx:
        filters = reviews.ItemFilters(
            automation_id=await _automation_id(tx, caller, parameters.text(request, "automation")),
            state=states[0] if states else None,
            reason=reasons[0] if reasons else None,
            run_id=parameters.text(request, "runId"),
            available=parameters.flag(request, "available", default=False),
            mine=parameters.flag(request, "mine", default=False),
        )
        page = await reviews.list_queue(tx, caller, filters, cursor=parameters.text(request, "cursor"), limit=limit)
    return JsonResponse({"items": [_item(one, caller) for one in page.items], "nextCursor": page.next_cursor})


@router.get("/review-queue/stats")
async def get_stats(request: Request, caller: Authorized, server: Here) -> Response:
    """Say how much waits and since when, what each reviewer did in the last `days`, and how far they agree.

    A key that may only review is told of itself alone.
    """
    parameters.only(request, {"automation", "days"})
    days = parameters.number(request, "days", default=30, least=1, most=366)
    async with server.database.transaction() as tx:
        automation_id = await _automation_id(tx, caller, parameters.text(request, "automation"))
        stats = await reviews.queue_stats(tx, caller, automation_id, days=days)
        body = _stats(stats)
        if not caller.only_reviews:
            agreement = await reviews.reviewer_agreement(tx, caller.organization_id, automation_id, since=stats.since)
            body["agreement"] = agreement_json(agreement)
    return JsonResponse(body)


@router.get("/review-queue/{item_id}")
async def get_item(item_id: str, caller: Authorized, server: Here) -> Response:
    """Read an item."""
    async with server.database.transaction() as tx:
        return JsonResponse(_item(await reviews.get_item(tx, caller, item_id), caller))


@router.post("/review-queue", openapi_extra=described(AddBody))
async def add(request: Request, caller: Authorized, server: Here) -> Response:
    """Put runs into the queue, named by `runIds` or found by the filters of `/runs`; a second call adds nothing.

    Answers with counts that add up; runs that filters find and that have not ended are left out.
    """
    parameters.only(request, _FILTERS)
    body = checked(AddBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    if (body.run_ids is None) == (not request.query_params):
        message = "Name the runs, as `runIds` or by filters: one of the two."
        raise InvalidValueError(message, field="runIds")
    async with server.database.transaction() as tx:
        if body.run_ids is not None:
            added = await reviews.add_runs(
                tx, caller, body.run_ids, reason=body.reason, double=body.double_review, dry_run=body.dry_run
            )
        else:
            added = await reviews.add_matching(
                tx,
                caller,
                await run_filters.read(tx, caller, request),
                reason=body.reason,
                timeout_seconds=server.settings.list_timeout_seconds,
                double=body.double_review,
                dry_run=body.dry_run,
            )
    return JsonResponse(_added(added, dry_run=body.dry_run))


@router.post("/review-queue/claim", openapi_extra=described(ClaimBody))
async def claim(request: Request, caller: Authorized, server: Here) -> Response:
    """Claim the next item, or the one that is named; `item` is null where nothing is open to you.

    Nobody else gets its slot while the lease holds. A named item that you have already is yours for longer.
    """
    body = checked(ClaimBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        if body.item_id is not None:
            item = await reviews.claim_item(tx, caller, body.item_id, duration=body.duration)
        else:
            automation_id = await _automation_id(tx, caller, body.automation)
            item = await reviews.claim(tx, caller, automation_id=automation_id, duration=body.duration)
    return JsonResponse({"item": item and _item(item, caller)})


@router.post("/review-queue/{item_id}/renew", openapi_extra=described(LeaseBody))
async def renew(request: Request, item_id: str, caller: Authorized, server: Here) -> Response:
    """Keep an item for longer; 409 `claim_lost` if the lease was over and somebody else has it."""
    body = checked(LeaseBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        return JsonResponse(_item(await reviews.renew(tx, caller, item_id, duration=body.duration), caller))


@router.post("/review-queue/{item_id}/release", openapi_extra=described(ReasonBody))
async def release(request: Request, item_id: str, caller: Authorized, server: Here) -> Response:
    """Give an item back, open to everybody at once. Safe to repeat."""
    body = checked(ReasonBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        return JsonResponse(_item(await reviews.release(tx, caller, item_id, reason=body.reason), caller))


@router.post("/review-queue/{item_id}/skip", openapi_extra=described(ReasonBody))
async def skip(request: Request, item_id: str, caller: Authorized, server: Here) -> Response:
    """Give an item back and let it come last for you; others get it in its turn. Needs a `reason`."""
    body = checked(ReasonBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.transaction() as tx:
        return JsonResponse(_item(await reviews.skip(tx, caller, item_id, reason=body.reason), caller))


def agreement_json(found: reviews.ReviewerAgreement) -> dict[str, Any]:
    """Write how far reviewers agree as the wire does."""
    return {
        **one_agreement_json(found.together),
        "pairs": [
            {
                "reviewers": [
                    {"userId": user_id, "email": email}
                    for user_id, email in zip(pair.reviewers, pair.emails, strict=True)
                ],
                **one_agreement_json(pair.agreement),
            }
            for pair in found.pairs
        ],
    }


async def _automation_id(tx: db.Transaction, caller: access.Caller, ref: str | None) -> str | None:
    return None if ref is None else (await automations.get(tx, caller.organization_id, ref)).id


def _item(item: reviews.QueueItem, caller: access.Caller) -> dict[str, Any]:
    own = next((lease for lease in item.leases if lease.reviewer == caller.user_id), None)
    others = [lease for lease in item.leases if lease.reviewer != caller.user_id]
    body: dict[str, Any] = {
        "id": item.id,
        "runId": item.run_id,
        "automation": {"id": item.automation_id, "slug": item.automation_slug, "name": item.automation_name},
        "version": item.version_label,
        "mode": item.mode,
        "reason": item.reason,
        "priority": item.rank,
        "state": item.state,
        "slots": item.slots,
        "verdicts": item.verdicts,
        "createdAt": iso(item.created_at),
        "doneAt": item.done_at and iso(item.done_at),
        "judged": item.judged,
        "skippedBecause": item.skipped_because,
        "lease": own and {"claimedAt": iso(own.claimed_at), "expiresAt": iso(own.expires_at)},
        "claims": len(item.leases),
    }
    if not caller.only_reviews:
        body["claimedBy"] = [
            {"userId": lease.reviewer, "email": lease.email, "expiresAt": iso(lease.expires_at)} for lease in others
        ]
    return body


def _added(added: reviews.Added, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dryRun": dry_run,
        "matched": added.matched,
        "added": added.added,
        "reopened": added.reopened,
        "alreadyWaiting": added.waiting,
        "alreadyReviewed": added.reviewed,
        "unfinished": added.unfinished,
        "movedForward": added.raised,
        "more": added.more,
    }


def _stats(stats: reviews.QueueStats) -> dict[str, Any]:
    oldest = min((one.oldest_at for one in stats.waiting), default=None)
    return {
        "waiting": sum(one.count for one in stats.waiting),
        "oldestAt": oldest and iso(oldest),
        "claimed": stats.claimed,
        "byReason": [
            {"state": one.state, "reason": one.reason, "count": one.count, "oldestAt": iso(one.oldest_at)}
            for one in stats.waiting
        ],
        "since": iso(stats.since),
        "verdicts": stats.verdicts,
        "reviewers": [
            {
                "userId": one.reviewer,
                "email": one.email,
                "done": one.done,
                "open": one.open,
                "medianSeconds": one.median_seconds,
            }
            for one in stats.reviewers
        ],
    }


def one_agreement_json(found: reviews.Agreement) -> Mapping[str, Any]:
    """Write one agreement as the wire does: kappa with its `interval`, AC1 with its own, and what they warn of."""
    return {
        "runs": found.runs,
        "agreed": found.agreed,
        "kappa": found.kappa,
        "interval": _interval(found.interval),
        "ac1": found.ac1,
        "ac1Interval": _interval(found.ac1_interval),
        "confidence": 0.95,
        "unknown": found.unknown,
        "warning": found.warning,
    }


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return interval and {"lower": interval.lower, "upper": interval.upper}
