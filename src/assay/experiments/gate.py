"""Which version may become current: where there is a policy, one that has passed it, or one for which somebody answers.

The decision and the activation are one transaction, in which nobody can change the examples, the evaluators,
the policy or the current version.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from assay import access, automations, datasets, db, evaluators
from assay.errors import ConflictError, InvalidValueError, Issue
from assay.experiments import result_store
from assay.experiments.gate_rules import (
    GateDecision,
    GatePolicy,
    GradedExample,
    decide,
    decision_json,
    policy_json,
    read_policy,
)
from assay.experiments.result_store import GatedVersion, StandingResult

MAX_REASON = 2_000

StagedBecause = Literal["requested", "gate_policy"]


class GateNotPassedError(ConflictError):
    """This version has not passed the gate."""

    code = "gate_not_passed"

    def __init__(
        self, automation: automations.Automation, version: automations.Version, decision: GateDecision
    ) -> None:
        """Say what is missing, an issue for each; `decision` is all of it as JSON."""
        label = version.label or version.id
        words = "has failed the gate" if decision.status == "failed" else "has not passed the gate yet"
        worst = min(decision.missing, key=lambda found: (found.status != "failed", not found.examples))
        message = f"Version {label} of {automation.slug} {words}: {worst.message}"
        hint = (
            f"`assay gate {automation.slug} --version {label} --run` runs what is missing and says what is wrong."
            " Or override the gate with a reason, which is kept."
        )
        issues = [
            Issue("<root>", message, self.code, hint=hint),
            *(Issue("gate", found.message, found.code) for found in decision.missing),
        ]
        super().__init__(message, hint=hint, issues=issues)
        self.decision = decision_json(decision)


class OverrideReasonError(InvalidValueError):
    """An override of the gate needs a reason in words."""

    code = "override_reason_missing"


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A gate policy in force, and who set it when."""

    policy: GatePolicy
    updated_by: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Examined:
    """How a version stands before its gate: `results` are what the decision rests on."""

    automation: automations.Automation
    version: automations.Version
    policy: GatePolicy | None
    decision: GateDecision
    results: Sequence[StandingResult]


@dataclass(frozen=True, slots=True)
class LetThrough:
    """What a promotion did, and what the gate said of it; None where it was not asked. `overridden`: it had said no."""

    promoted: automations.Promoted
    decision: GateDecision | None
    overridden: bool


@dataclass(frozen=True, slots=True)
class PushedThrough:
    """What a push did; `staged_because` is None where the version is current."""

    pushed: automations.Pushed
    staged_because: StagedBecause | None


# --- the policy


async def policy_of(tx: db.Transaction, organization_id: str, automation_id: str) -> StoredPolicy | None:
    """Return the gate policy of an automation; None where nothing is asked of its versions."""
    found = await result_store.find_policy(tx, organization_id, automation_id)
    return None if found is None else StoredPolicy(read_policy(found.policy), found.updated_by, found.updated_at)


async def set_policy(tx: db.Transaction, caller: access.Caller, automation: str, value: JsonValue) -> StoredPolicy:
    """Put a policy in force, given as JSON; that which is in force already changes nothing.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
        InvalidGatePolicyError: it is not valid; it lists everything that is wrong.
    """
    target = await automations.hold(tx, caller.organization_id, automation)
    policy = read_policy(value)
    before = await policy_of(tx, caller.organization_id, target.id)
    if before is not None and before.policy == policy:
        return before
    text = policy_json(policy)
    await result_store.save_policy(tx, caller.organization_id, target.id, text, caller.user_id)
    shown = None if before is None else policy_json(before.policy)
    await access.record_by(tx, caller, "gate.set", target.id, {"policy": text, "before": shown})
    after = await policy_of(tx, caller.organization_id, target.id)
    assert after is not None, "it was just written"
    return after


async def remove_policy(tx: db.Transaction, caller: access.Caller, automation: str) -> None:
    """Ask nothing of versions any more; without a policy this changes nothing.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
    """
    target = await automations.hold(tx, caller.organization_id, automation)
    before = await policy_of(tx, caller.organization_id, target.id)
    if before is not None:
        await result_store.delete_policy(tx, caller.organization_id, target.id)
        await access.record_by(tx, caller, "gate.removed", target.id, {"before": policy_json(before.policy)})


async def gated_versions(
    tx: db.Transaction, organization_id: str, automation_ids: Sequence[str]
) -> dict[str, GatedVersion]:
    """Return, for each of the automations that have a gate policy, its highest version and whether that got through.

    It is what a list shows: one query, and no gate is examined.
    """
    found = await result_store.gated_versions(tx, organization_id, automation_ids)
    return {one.automation_id: one for one in found}


# --- the decision


async def examine(tx: db.Transaction, organization_id: str, automation: str, version: str | None) -> Examined:
    """Say how a version (an id or label; None and `latest` are the current one) stands before the gate as it is now.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
        VersionNotFoundError: it has no such version.
        NoCurrentVersionError: none is current, and none was named.
    """
    target = await automations.get(tx, organization_id, automation)
    chosen = await automations.version_by_ref(tx, organization_id, target, version)
    return await _examined(tx, target, chosen)


async def _examined(tx: db.Transaction, target: automations.Automation, chosen: automations.Version) -> Examined:
    organization_id = target.organization_id
    stored = await policy_of(tx, organization_id, target.id)
    in_force = await evaluators.current(tx, organization_id, target.id)
    evaluator_hash = None if in_force is None else in_force.content_hash
    examples = await result_store.graded_examples(tx, organization_id, target.id)
    results = _as_graded_now(
        await result_store.standing_results(tx, organization_id, chosen.id, evaluator_hash), examples
    )
    current = None
    if target.current_version_id not in {None, chosen.id}:
        assert target.current_version_id is not None
        standing = await result_store.standing_results(tx, organization_id, target.current_version_id, evaluator_hash)
        current = [one.result for one in standing]
    policy = None if stored is None else stored.policy
    decision = await asyncio.to_thread(decide, policy, [one.result for one in results], current, examples)
    return Examined(target, chosen, policy, decision, results)


def _as_graded_now(results: Sequence[StandingResult], examples: Sequence[GradedExample]) -> list[StandingResult]:
    hashes = {example.example_id: example.graded_hash for example in examples}
    return [one for one in results if hashes.get(one.result.example_id) == one.result.graded_hash]


# --- through the gate


async def promote(
    tx: db.Transaction, caller: access.Caller, *, automation: str, version: str, override: str | None = None
) -> LetThrough:
    """Make a version current if its gate has passed, or there is none, or `override` says why it is to be so anyhow.

    Going back to a version that was current before is never gated, and noted as a rollback. What the gate said is
    kept with the activation, and so is the reason of an override; one that was not needed is not kept.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
        VersionNotFoundError: it has no such version.
        GateNotPassedError: the gate has not passed; nothing was changed.
        OverrideReasonError: the reason is empty or too long.
        StoredVersionError: this assay does not accept the version's file.
    """
    reason = _checked_reason(override)
    target = await automations.hold(tx, caller.organization_id, automation)
    chosen = await automations.version_by_ref(tx, caller.organization_id, target, version)
    if await policy_of(tx, caller.organization_id, target.id) is None or await automations.was_current(
        tx, caller.organization_id, chosen
    ):
        promoted = await automations.promote(tx, caller, automation=target.id, version=chosen.id)
        return LetThrough(promoted, None, overridden=False)
    await datasets.hold(tx, target.id)
    decision = (await _examined(tx, target, chosen)).decision
    passed = decision.status == "passed"
    if not passed and reason is None:
        raise GateNotPassedError(target, chosen, decision)
    promoted = await automations.promote(
        tx,
        caller,
        automation=target.id,
        version=chosen.id,
        gate=automations.GateRecord(decision_json(decision), None if passed else reason),
    )
    return LetThrough(promoted, decision, overridden=not passed)


async def push(
    tx: db.Transaction,
    caller: access.Caller,
    *,
    source: str,
    files: automations.NewFiles | None = None,
    automation: str | None = None,
    activate: bool | None = None,
    override: str | None = None,
) -> PushedThrough:
    """Store a version as `automations.push` does; where there is a gate policy it is staged.

    `activate` None leaves it to that. True makes the version current, which a gate lets only pass with an `override`,
    since nothing was run with the version yet.

    Raises:
        GateNotPassedError: it was to be made current; nothing was stored.
        OverrideReasonError: the reason is empty or too long.
        AssayError: as `automations.push`.
    """
    reason = _checked_reason(override)
    gated = False
    if automation is not None:
        target = await automations.hold(tx, caller.organization_id, automation)
        gated = await policy_of(tx, caller.organization_id, target.id) is not None
    at_once = activate is not False and not gated
    pushed = await automations.push(tx, caller, source=source, files=files, automation=automation, activate=at_once)
    if at_once:
        return PushedThrough(pushed, None)
    if not activate:
        return PushedThrough(pushed, "requested" if activate is False else "gate_policy")
    through = await promote(tx, caller, automation=pushed.automation.id, version=pushed.version.id, override=reason)
    promoted = through.promoted
    return PushedThrough(automations.Pushed(promoted.automation, promoted.version, pushed.created, pushed.issues), None)


def _checked_reason(override: str | None) -> str | None:
    if override is None:
        return None
    reason = override.strip()
    if not reason or len(reason) > MAX_REASON:
        message = f"The reason of an override is a text of 1 to {MAX_REASON:,} characters."
        raise OverrideReasonError(message, field="override.reason")
    return reason
