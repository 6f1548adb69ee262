"""Rates that move by themselves: what the advisor recommends is done where the policy says so, within its limits."""

import logging
from collections.abc import Awaitable, Callable

from pydantic import JsonValue

from assay import access, automations, clock, db
from assay.reviews import sampling_store as store
from assay.reviews.advice import Advice, Drift, advise
from assay.reviews.sampling import SamplingPolicy, note_rate, sampling_json

log = logging.getLogger(__name__)

DriftWatch = Callable[[db.Transaction, str, str], Awaitable[Drift | None]]
"""What is known of the drift of an automation's inputs: (transaction, organization id, automation id) -> drift."""


async def move_rates(database: db.Database, drift: DriftWatch | None = None) -> int:
    """Move each rate that may move by itself and should, by one step down, or up; return how many moved.

    Each is a transaction of its own: the policy, what the advisor saw, the audit entry and the event stand together.
    A second call moves a rate only if there is new evidence, or the step after that is earned as well.
    """
    async with database.single_statement() as tx:
        wanted = await store.moved_by_themselves(tx)
    moved = 0
    for organization_id, automation_id in wanted:
        try:
            async with database.transaction() as tx:
                moved += await _move(tx, organization_id, automation_id, drift)
        except db.DatabaseUnavailableError:
            raise
        except Exception:
            log.exception("The sampling rate of %s could not be looked at; the others go on.", automation_id)
    return moved


async def _move(tx: db.Transaction, organization_id: str, automation_id: str, drift: DriftWatch | None) -> bool:
    target = await automations.hold(tx, organization_id, automation_id)
    drifted = await drift(tx, organization_id, automation_id) if drift else None
    advice = await advise(tx, organization_id, automation_id, drift=drifted)
    wanted = _within_limits(advice)
    if not advice.policy.auto or wanted is None:
        return False
    policy = SamplingPolicy.model_validate({**advice.policy.model_dump(), "rate": wanted}, by_name=True)
    await store.save_policy(tx, organization_id, automation_id, sampling_json(policy), None)
    reason = " ".join(reason.message for reason in advice.reasons)
    evidence = advice_evidence(advice)
    await note_rate(tx, target, advice.policy.rate, wanted, reason, user_id=None, evidence=evidence)
    await access.record(
        tx,
        organization_id=organization_id,
        user_id=None,
        key_id=None,
        action="sampling.moved",
        target=automation_id,
        detail={"rateBefore": advice.policy.rate, "rateAfter": wanted, "reason": reason},
    )
    log.info("The sampling rate of %s moved from %g to %g: %s", target.slug, advice.policy.rate, wanted, reason)
    return True


def _within_limits(advice: Advice) -> float | None:
    """Return the rate to move to; None where it stays, or the limits would turn the step round."""
    rate, limits = advice.policy.rate, advice.policy.limits
    if advice.action == "raise":
        wanted = min(advice.recommended_rate, limits.highest)
        return wanted if wanted > rate else None
    if advice.action == "lower":
        wanted = max(advice.recommended_rate, limits.lowest, advice.policy.floor)
        return wanted if wanted < rate else None
    return None


def advice_evidence(advice: Advice) -> dict[str, JsonValue]:
    """Write what an advice rests on."""
    seen, found = advice.evidence, advice.miss_rate
    return {
        "mode": seen.mode,
        "version": None if seen.version is None else seen.version.label,
        "versionId": None if seen.version is None else seen.version.id,
        "since": None if seen.version is None else clock.iso(seen.version.since),
        "reviewed": seen.reviewed,
        "missed": seen.missed,
        "failed": sum(group.failed for group in seen.groups),
        "partial": sum(group.partial for group in seen.groups),
        "waiting": sum(group.waiting for group in seen.groups),
        "overdue": sum(group.overdue for group in seen.groups),
        "missRate": {
            "estimate": found.estimate,
            "upperOnce": found.upper_once,
            "lowerAlways": found.always.lower,
            "upperAlways": found.always.upper,
            "confidence": 0.95,
        },
        "strata": [
            {
                "name": group.stratum or None,
                "runs": round(group.population),
                "drawn": group.sampled,
                "reviewed": group.reviewed,
                "missed": group.missed,
                "cleanSinceLastMiss": group.clean,
            }
            for group in seen.groups
        ],
        "reasons": [{"code": reason.code, "message": reason.message} for reason in advice.reasons],
        "drift": None if seen.drift is None else seen.drift.message,
    }
