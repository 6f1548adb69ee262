"""How many of an automation's runs people review: the policy, who changed it, and every rate there was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictInt, ValidationError
from pydantic.alias_generators import to_camel

from assay import access, automations, db, outbox
from assay.errors import InvalidValueError, Issue
from assay.reviews import sampling_store as store
from assay.reviews.sampling_store import RateChange
from assay.reviews.strata import MAX_STRATA, Rate, Stratum, condition_problems

DEFAULT_RATE = 0.15
MAX_REASON = 2_000


class InvalidSamplingPolicyError(InvalidValueError):
    """The sampling policy is not valid."""

    code = "invalid_sampling_policy"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class RateLimits(_Model):
    """Between what the advisor may move the rate by itself."""

    lowest: Rate = Field(default=0.01, description="At 0 nothing is measured any more; that is left to people.")
    highest: Rate = Field(default=DEFAULT_RATE, description="How far up it may go.")


class SamplingPolicy(_Model):
    """Which of the completed live and shadow runs are drawn for review.

    A run is drawn if its rank, a hash of its id, is below the rate in force for it, so the sample of a lower rate is
    part of that of a higher one. What was drawn once is never drawn again.
    """

    rate: Rate = Field(default=DEFAULT_RATE, description="Share of the runs in no stratum that is drawn.")
    floor: Rate = Field(
        default=0.0, description="No rate is below this; 1 is a permanent review step, in which every run is reviewed."
    )
    strata: tuple[Stratum, ...] = Field(
        default=(), max_length=MAX_STRATA, description="Runs with a rate of their own; the first that fits counts."
    )
    double_review_share: Rate = Field(
        default=0.1, description="Share of the drawn runs that two people review, neither seeing the other's verdict."
    )
    minimum_per_day: Annotated[StrictInt, Field(ge=0, le=10_000)] = Field(
        default=0,
        description="Where fewer runs of a day (UTC) were drawn, so many are queued on the next; those"
        " added are no part of the random sample, and no figure is computed from them.",
    )
    judge_share: Rate = Field(
        default=0.0,
        description="Share of the completed live runs that the llm-judge evaluators judge too, without an expected"
        " output. Each of them asks a model, which costs; where people review a part of the same runs, both together"
        " tell more than people alone.",
    )
    auto: StrictBool = Field(default=False, description="Whether the advisor moves the rate by itself.")
    limits: RateLimits = Field(default=RateLimits(), description="Within which the advisor moves the rate.")
    tolerated_miss_rate: Annotated[float, Field(strict=True, gt=0, le=0.5, allow_inf_nan=False)] = Field(
        default=0.05, description="Share of wrong results that can be lived with; the steps down are measured by it."
    )


@dataclass(frozen=True, slots=True)
class StoredSampling:
    """A policy in force; who set it when is None where it is the default."""

    policy: SamplingPolicy
    updated_by: str | None = None
    updated_at: datetime | None = None


def read_policy(value: JsonValue) -> SamplingPolicy:
    """Build a policy from JSON (camelCase keys); an empty object is the default policy.

    Raises:
        InvalidSamplingPolicyError: with an issue for everything that is wrong, unknown keys and conditions too.
    """
    if isinstance(value, Mapping) and "rate" not in value:
        floor = value.get("floor")
        if isinstance(floor, float | int) and DEFAULT_RATE < floor <= 1 and floor is not True:
            value = {**value, "rate": float(floor)}
    try:
        policy = SamplingPolicy.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        issues = [
            Issue(_place(found["loc"]), found["msg"], "invalid_value")
            for found in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    else:
        issues = _problems(policy)
        if not issues:
            return policy
    message = f"{issues[0].field}: {issues[0].message}"
    raise InvalidSamplingPolicyError(message, field=issues[0].field, issues=issues)


def sampling_json(policy: SamplingPolicy) -> dict[str, JsonValue]:
    """Write a policy with all its keys; `read_policy` reads it again."""
    return policy.model_dump(mode="json", by_alias=True)


async def sampling_of(tx: db.Transaction, organization_id: str, automation_id: str) -> StoredSampling:
    """Return the sampling policy of an automation; the default where nobody has set one."""
    found = await store.find_policy(tx, organization_id, automation_id)
    if found is None:
        return StoredSampling(SamplingPolicy())
    return StoredSampling(stored_policy(found.policy), found.updated_by, found.updated_at)


def stored_policy(value: JsonValue) -> SamplingPolicy:
    """Read a policy that was accepted once; conditions that this assay would refuse are not true of any run."""
    return SamplingPolicy.model_validate(value, by_alias=True, by_name=False)


async def set_sampling(
    tx: db.Transaction, caller: access.Caller, automation: str, value: JsonValue, *, reason: str | None = None
) -> StoredSampling:
    """Put a policy in force, given as JSON; one that is in force already changes nothing.

    Runs that end from then on are drawn by it, within a minute even where a notification is lost. A changed rate is
    kept with the reason, and told as `sampling.rate_changed`.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
        InvalidSamplingPolicyError: it is not valid; it lists everything that is wrong.
    """
    policy = read_policy(value)
    if reason is not None and not 0 < len(reason.strip()) <= MAX_REASON:
        message = f"A reason has 1 to {MAX_REASON:,} characters."
        raise InvalidSamplingPolicyError(message, field="reason")
    target = await automations.hold(tx, caller.organization_id, automation)
    before = await sampling_of(tx, caller.organization_id, target.id)
    if before.updated_at is not None and before.policy == policy:
        return before
    await store.save_policy(tx, caller.organization_id, target.id, sampling_json(policy), caller.user_id)
    if before.policy.rate != policy.rate:
        await note_rate(tx, target, before.policy.rate, policy.rate, reason or "set by hand", user_id=caller.user_id)
    await access.record_by(
        tx,
        caller,
        "sampling.set",
        target.id,
        {
            "policy": sampling_json(policy),
            "before": sampling_json(before.policy) if before.updated_at else None,
            "reason": reason,
        },
    )
    return await sampling_of(tx, caller.organization_id, target.id)


async def note_rate(
    tx: db.Transaction,
    automation: automations.Automation,
    before: float,
    after: float,
    reason: str,
    *,
    user_id: str | None,
    evidence: JsonValue = None,
) -> None:
    """Keep that the rate changed, and tell it. Without `user_id` it was the advisor, by `evidence`."""
    organization_id = automation.organization_id
    change_id = await store.add_rate_change(
        tx, organization_id, automation.id, before, after, reason, user_id=user_id, evidence=evidence
    )
    payload: dict[str, JsonValue] = {
        "id": change_id,
        "automationId": automation.id,
        "rateBefore": before,
        "rateAfter": after,
        "reason": reason,
        "by": user_id,
    }
    await outbox.emit(tx, organization_id, automation.id, "sampling.rate_changed", payload)


async def rate_changes(
    tx: db.Transaction, organization_id: str, automation_id: str, *, limit: int, offset: int = 0
) -> tuple[Sequence[RateChange], int]:
    """Return a page of the rates there were, newest first, and how many changes there are."""
    return await store.rate_changes(tx, organization_id, automation_id, limit, offset)


def _problems(policy: SamplingPolicy) -> list[Issue]:
    issues: list[Issue] = []
    names = [stratum.name for stratum in policy.strata]
    for index, stratum in enumerate(policy.strata):
        place = f"strata.{index}"
        issues += condition_problems(stratum.when, f"{place}.when")
        if stratum.name in names[:index]:
            issues.append(Issue(f"{place}.name", f"There are two strata {stratum.name!r}.", "invalid_value"))
        if stratum.rate < policy.floor:
            issues.append(_below_floor(f"{place}.rate", policy))
    if policy.rate < policy.floor:
        issues.append(_below_floor("rate", policy))
    if policy.limits.lowest > policy.limits.highest:
        issues.append(Issue("limits", "limits.lowest is at most limits.highest.", "invalid_value"))
    return issues


def _below_floor(field: str, policy: SamplingPolicy) -> Issue:
    return Issue(
        field, f"It is below the floor of {policy.floor:g}: lower the floor, or raise the rate.", "below_floor"
    )


def _place(location: Sequence[str | int]) -> str:
    return ".".join(str(part)[:80] for part in location) or "<root>"
