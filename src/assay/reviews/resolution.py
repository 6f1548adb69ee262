"""How a miss is settled: by proof when an experiment ends, or by hand for a reason that is never forgotten.

The rules stand in `proof`. Here they meet the database: `check_transition` before a person's change is written,
`settle` in the transaction that ends an experiment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic import JsonValue

from assay import access, automations, datasets, db, files, outbox, runs
from assay.errors import Issue
from assay.reviews import proof, resolution_store
from assay.reviews.errors import ReasonRequiredError, ResolutionUnprovenError
from assay.reviews.model import Feedback, Resolution
from assay.reviews.reach import check_settling
from assay.reviews.record import hold, record
from assay.reviews.required_repeats import RequiredRepeats, required_repeats

MOST_ISSUES = 20


async def check_transition(
    tx: db.Transaction, caller: access.Caller, before: Feedback, after: Feedback, *, override: str | None
) -> Feedback:
    """Return what is to be written where somebody wants `after`: with proof, override or setback noted.

    A wish to resolve is granted with the proof, if there is one, even where an override came with it; where neither
    is needed, an override says nothing. A promoted miss stays open where nobody says a status, and a run that is
    called wrong after it was resolved without a proof is open again; where its example expects what the run made,
    because it was called right once, that example proves nothing until it is corrected. Emits `resolution.proven` and
    `resolution.overridden`.

    Raises:
        OnlyReviewsError: the caller may give verdicts and nothing else.
        ReasonRequiredError: it is to be ignored, and neither `ignore_reason` nor `body` says why.
        ResolutionUnprovenError: it takes a proof or an override; the issues say what is missing.
    """
    check_settling(caller, before, after, override=override)
    if proof.becomes_a_miss(before, after) and await _expects_what_it_made(tx, after):
        after = replace(after, promoted_graded_hash=None)
    if after.status == "ignored" and not (after.ignore_reason or after.body.strip()):
        raise ReasonRequiredError(field="reason")
    found: proof.Trial | Sequence[Issue] = ()
    is_remark = False
    if proof.needs_proof(before, after):
        is_remark = await _is_remark(tx, after)
        found = await _proof(tx, after)
    match proof.decide(before, after, override=override, found=found, is_remark=is_remark):
        case proof.Refused(field, message, missing):
            raise _unproven(before, message, missing, field=field)
        case proof.Granted(granted, by):
            if by == "proof":
                await _tell(tx, "resolution.proven", granted, {"evidence": granted.evidence})
            elif by == "override":
                await tell_overridden(tx, granted)
            return granted


async def settle(tx: db.Transaction, experiment_id: str, organization_id: str) -> None:
    """Resolve the promoted misses that an experiment proves to be fixed, and open again those that it shows to be back.

    To be called in the transaction that ends the experiment, after its results are written; a second call changes
    nothing. Emits `resolution.proven` and `resolution.regressed`.
    """
    if not await resolution_store.concerned_runs(tx, organization_id, experiment_id):
        return
    await datasets.hold(tx, await resolution_store.automation_of(tx, organization_id, experiment_id))
    for run_id in await resolution_store.concerned_runs(tx, organization_id, experiment_id):
        before = (await hold(tx, organization_id, run_id)).feedback
        await _settle_one(tx, before, experiment_id)


async def resolution_of(tx: db.Transaction, feedback: Feedback) -> Resolution:
    """Tell apart whether a miss is fixed, and whether the fix serves calls: in that version, or a later one."""
    is_proven = feedback.status == "resolved" and feedback.evidence is not None
    live = False
    if is_proven:
        fixed_by = await _version_named(tx, feedback, feedback.evidence)
        current = await resolution_store.current_version(tx, feedback.organization_id, feedback.automation_id)
        live = fixed_by is not None and current is not None and not fixed_by.is_later_than(current)
    return Resolution(is_proven, live, feedback.evidence, feedback.override_reason, feedback.regressed)


async def proof_from_before(tx: db.Transaction, feedback: Feedback) -> proof.Trial | None:
    """Return the trial that would prove an open miss fixed if somebody asked now; None: there is none."""
    if feedback.status != "open" or feedback.promoted_example_id is None:
        return None
    found = await _proof(tx, feedback)
    return found if isinstance(found, proof.Trial) else None


async def tell_overridden(tx: db.Transaction, feedback: Feedback) -> None:
    """Emit `resolution.overridden`."""
    await _tell(tx, "resolution.overridden", feedback, {"reason": feedback.override_reason})


async def _expects_what_it_made(tx: db.Transaction, feedback: Feedback) -> bool:
    """Whether the example that a run was promoted to expects just what the run made."""
    if feedback.promoted_example_id is None:
        return False
    place = feedback.organization_id, feedback.automation_id, feedback.promoted_example_id
    try:
        example = await datasets.get_example(tx, *place)
    except datasets.ExampleNotFoundError:
        return False
    expected = {(file.path, file.sha256) for file in example.files if file.folder == "expected"}
    run = await runs.get(tx, feedback.organization_id, feedback.run_id)
    if run is None or (example.expected is None and not expected):
        return False
    artifacts = await files.list_artifacts(tx, feedback.organization_id, feedback.run_id)
    made = {(f"expected/{file.name}", file.sha256) for file in artifacts if file.role == "output"}
    return proof.is_what_it_made(example.expected, expected, run.output, made)


async def _is_remark(tx: db.Transaction, feedback: Feedback) -> bool:
    """Whether nobody ever called the run wrong, neither in a word nor by a correction."""
    if feedback.rating is not None or feedback.promoted_example_id is not None:
        return False
    if feedback.expected is not None or feedback.corrections or feedback.files:
        return False
    return not await resolution_store.was_a_miss(tx, feedback.organization_id, feedback.run_id)


async def _proof(tx: db.Transaction, feedback: Feedback) -> proof.Trial | Sequence[Issue]:
    """Return the trial that proves a miss to be fixed, or what is missing."""
    if feedback.promoted_example_id is None:
        return [Issue("status", "The run is not promoted: no example of the dataset stands for it.", "not_promoted")]
    case = await _case(tx, feedback)
    found = proof.closest(case, await _trials(tx, feedback))
    if found is None:
        message = f"No experiment with the example {feedback.promoted_example_name!r} has ended since."
        return [Issue("status", message, "no_experiment")]
    trial, lacks = found
    return lacks or trial


async def _settle_one(tx: db.Transaction, before: Feedback, experiment_id: str) -> None:
    case = await _case(tx, before)
    for trial in await _trials(tx, before, experiment_id):
        if before.status == "open" and not proof.shortcomings(case, trial):
            after = await record(tx, before, proof.proven(before, trial), by=None, action="feedback.resolved")
            await _tell(tx, "resolution.proven", after, {"evidence": after.evidence})
        elif proof.is_setback(case, trial):
            after = await record(tx, before, proof.regressed(case, trial), by=None, action="feedback.regressed")
            await _tell(tx, "resolution.regressed", after, {"regressed": after.regressed})


async def _case(tx: db.Transaction, feedback: Feedback) -> proof.Case:
    named = [_named_version(feedback.evidence), _named_version(_part(feedback.regressed, "brokenBy"))]
    known = await resolution_store.places(tx, feedback.organization_id, [one for one in named if one])
    missed_by = await resolution_store.missed_by(tx, feedback.organization_id, feedback.run_id)
    return proof.Case(feedback, missed_by, known)


async def _trials(tx: db.Transaction, feedback: Feedback, experiment_id: str | None = None) -> list[proof.Trial]:
    assert feedback.promoted_example_id is not None
    organization_id = feedback.organization_id
    found = await resolution_store.results(tx, organization_id, feedback.promoted_example_id, experiment_id)
    required = await required_repeats(tx, organization_id, feedback.automation_id)
    versions = {result.version.id for result in found}
    needed = {one: await _needed(tx, organization_id, one, required) for one in versions}
    return [
        proof.Trial(
            one.experiment_id,
            one.version,
            one.cancelled,
            one.repeats,
            needed[one.version.id],
            one.verdict,
            one.passes,
            one.score,
            cast("Mapping[str, JsonValue]", one.scores),
            one.graded_hash,
            one.evaluator_set_id,
            one.evaluator_hash,
            one.completed_at,
        )
        for one in found
    ]


async def _needed(tx: db.Transaction, organization_id: str, version_id: str, required: RequiredRepeats) -> int:
    try:
        definition = await automations.definition_of(tx, organization_id, version_id)
    except (automations.StoredVersionError, automations.VersionNotFoundError):
        return max(required.repeats, required.with_model)
    asks = await automations.asks_a_model(tx, organization_id, definition)
    return required.with_model if asks else required.repeats


async def _version_named(tx: db.Transaction, feedback: Feedback, evidence: JsonValue) -> proof.VersionPlace | None:
    version_id = _named_version(evidence)
    found = await resolution_store.places(tx, feedback.organization_id, [version_id] if version_id else [])
    return found.get(version_id or "")


async def _tell(
    tx: db.Transaction, event: outbox.Event, feedback: Feedback, more: Mapping[str, JsonValue | None]
) -> None:
    payload = {
        "runId": feedback.run_id,
        "automationId": feedback.automation_id,
        "exampleId": feedback.promoted_example_id,
        "exampleName": feedback.promoted_example_name,
        **more,
    }
    await outbox.emit(tx, feedback.organization_id, feedback.automation_id, event, payload)


def _unproven(
    feedback: Feedback, message: str, missing: Sequence[Issue], *, field: str = "status"
) -> ResolutionUnprovenError:
    run_id, example = feedback.run_id, feedback.promoted_example_name
    first = "Push" if example else f"Run `assay runs promote {run_id}`, then push"
    hint = (
        f"{first} a fixed version and run `assay workflow experiment run` on it: it is resolved by itself when "
        f"{example or 'the example'} passes. Or say why it counts as resolved without a proof: `assay runs feedback "
        f'resolve {run_id} --override REASON` (API: {{"status": "resolved", "override": {{"reason": …}}}}).'
    )
    refused = Issue(field, message, ResolutionUnprovenError.code)
    return ResolutionUnprovenError(message, field=field, hint=hint, issues=[refused, *missing[:MOST_ISSUES]])


def _named_version(value: JsonValue) -> str | None:
    found = _part(value, "versionId")
    return found if isinstance(found, str) else None


def _part(value: JsonValue, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
