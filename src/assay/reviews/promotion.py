"""What of a reviewed run becomes an example of its dataset, and what links the two from then on.

Promotion copies what is on the feedback at that moment: the corrected output and files, the note as annotation, the
reviewer as metadata. Where nothing is corrected, only a pass says what should have come out: what did. So the output
and output files of a run that is called right are its ground truth; of any other there is none, and promoting says so.

Proof that is there already, of the same example in a later version, is told and settles nothing by itself: somebody has
just called the run wrong, and may ask for it.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import JsonValue

from assay import access, clock, datasets, db, files, runs
from assay.errors import Issue
from assay.reviews import proof, store
from assay.reviews.changing import begun
from assay.reviews.errors import (
    DoubleReviewPendingError,
    ExampleUnresolvedError,
    ExpectedRequiredError,
    InputNotKeptError,
    OnlyReviewsError,
)
from assay.reviews.example_guard import ExampleGuard
from assay.reviews.model import Feedback, Held
from assay.reviews.record import hold_finished, read, record
from assay.reviews.resolution import proof_from_before, tell_overridden

NO_GROUND_TRUTH = "no_ground_truth"
EXAMPLE_REPLACED = "example_replaced"
ALREADY_PROVEN = "already_proven"
LONGEST_STEM = 60
LONGEST_ANNOTATION = 2_000


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a run was promoted to; `issues` are warnings."""

    example: datasets.ExampleVersion
    created: bool
    feedback: Feedback
    issues: Sequence[Issue]


@dataclass(frozen=True, slots=True)
class _GroundTruth:
    expected: JsonValue
    files: Sequence[datasets.ExampleFile]
    expects_the_miss: bool = False
    """Whether a run is called wrong, and what is said to be right is what it made."""

    @property
    def is_there(self) -> bool:
        return not self.expects_the_miss and (self.expected is not None or bool(self.files))


async def promote(
    tx: db.Transaction,
    caller: access.Caller,
    run_id: str,
    *,
    name: str | None = None,
    require_expected: bool = False,
    override: str | None = None,
) -> Promoted:
    """Make a finished run an example of its automation's dataset, or the content of the one that is called `name`.

    Without a name it is the example that the run was promoted to before, else a new one with a readable name. A
    second call changes what has changed on the feedback meanwhile; with another name, that example stands for the
    miss from then on and the first one stays. Experiments that run keep to the revision they began with. A miss is open
    from now on. `override` is the reason to give a promoted miss another expectation.

    Raises:
        RunNotFoundError, RunNotFinishedError: there is no such run, or it has not ended.
        InputNotKeptError: nobody knows what it was given.
        DoubleReviewPendingError: two people judge it blindly, and not all verdicts are in.
        ExpectedRequiredError: nothing says what should have come out, and `require_expected`.
        ExampleUnresolvedError: a promoted miss would get another expectation, without a reason.
        InvalidExampleError: the name is none, or the run is too large for an example.
        DatasetFullError: there is no room for another one.
    """
    organization_id = caller.organization_id
    if override is not None and caller.only_reviews:
        raise OnlyReviewsError(field="override")
    held = await _held(tx, organization_id, run_id)
    run = await runs.get(tx, organization_id, run_id)
    given = await runs.get_input(tx, organization_id, run_id)
    if run is None or given is None:
        raise InputNotKeptError
    before = held.feedback
    artifacts = await files.hold_artifacts(tx, organization_id, run_id)
    truth = _ground_truth(before, run, artifacts)
    if require_expected and not truth.is_there:
        raise ExpectedRequiredError(field="requireExpected")
    # Held first, for another promotion could change it meanwhile.
    former = await _former(tx, before)
    example, created = await datasets.upsert_by_name(
        tx,
        caller,
        held.automation_id,
        {
            "name": name or await _name(tx, run.summary, former, artifacts, before),
            "input": dict(given.input),
            "expected": truth.expected,
            "overrides": given.overrides,
            "metadata": _metadata(before, given, caller, run_id),
            **_annotation(before),
        },
        files=[*_inputs(artifacts), *truth.files],
        promoted_run_id=run_id,
        guard=ExampleGuard(override, promoting=run_id),
    )
    after = linked(
        before,
        begun(before, caller),
        example,
        expects_the_miss=truth.expects_the_miss,
        expected_anything=former is None or _expects(former),
        override=override,
    )
    if after.override_reason is not None and after.override_reason != before.override_reason:
        await tell_overridden(tx, after)
    after = await record(tx, before, after, by=caller, action="feedback.promoted")
    issues = [] if truth.is_there else [_no_ground_truth(truth)]
    if not created and (former is None or former.example_id != example.example_id):
        issues.append(_replaced(example))
    known = await proof_from_before(tx, after)
    if known is not None:
        issues.append(_already_proven(example, after, known))
    return Promoted(example, created, after, issues)


def linked(
    before: Feedback,
    after: Feedback,
    example: datasets.ExampleVersion,
    *,
    expects_the_miss: bool,
    expected_anything: bool,
    override: str | None,
) -> Feedback:
    """Return feedback that is promoted to an example: a miss is open, unless it is settled and all stays the same.

    `after` is the record to go on from. An example that `expects_the_miss` is linked without the hash that a proof asks
    for. `expected_anything` tells whether the example that it was promoted to before said what should come out.

    Raises:
        ExampleUnresolvedError: its miss would get another expectation, without a reason.
    """
    after = replace(
        after,
        promoted_example_id=example.example_id,
        promoted_example_name=example.name,
        promoted_graded_hash=None if expects_the_miss else example.graded_hash,
        promoted_at=clock.now(),
    )
    is_another = proof.falls_short_of_another(before, example.graded_hash)
    if is_another and expected_anything:
        if override is None:
            message = f"This miss is promoted as {before.promoted_example_name!r}; another expectation takes a reason."
            raise ExampleUnresolvedError(message, field="override")
        after = proof.overridden(after, override)
    if is_another:
        after = proof.expecting_another(after)
    return proof.opened(after) if after.status is None and _is_miss(after) else after


async def _held(tx: db.Transaction, organization_id: str, run_id: str) -> Held:
    """Lock the dataset, then the run, in the order of all who need both."""
    await datasets.hold(tx, (await read(tx, organization_id, run_id)).automation_id)
    held = await hold_finished(tx, organization_id, run_id)
    if held.is_blind:
        raise DoubleReviewPendingError
    return held


async def _former(tx: db.Transaction, feedback: Feedback) -> datasets.ExampleVersion | None:
    """Return the example that the run was promoted to before, if it is still there."""
    if feedback.promoted_example_id is None:
        return None
    try:
        return await datasets.get_example(
            tx, feedback.organization_id, feedback.automation_id, feedback.promoted_example_id
        )
    except datasets.ExampleNotFoundError:
        return None


def _ground_truth(feedback: Feedback, run: runs.RunDetail, artifacts: Sequence[files.Artifact]) -> _GroundTruth:
    outputs = {f"expected/{one.name}": one for one in artifacts if one.role == "output"}
    if feedback.exists and (feedback.expected is not None or feedback.files):
        corrected = [_example_file(f"expected/{one.name}", one) for one in feedback.files]
        given = {(one.path, one.sha256) for one in corrected}
        made = {(path, one.sha256) for path, one in outputs.items()}
        # A form that was sent as it was corrects nothing, and its example expects the mistake.
        repeats = proof.is_what_it_made(feedback.expected, given, run.output, made)
        return _GroundTruth(feedback.expected, corrected, expects_the_miss=repeats and feedback.rating in proof.MISSES)
    if feedback.exists and feedback.rating == "pass":
        return _GroundTruth(run.output, [_example_file(path, one) for path, one in outputs.items()])
    return _GroundTruth(None, [])


def _inputs(artifacts: Sequence[files.Artifact]) -> list[datasets.ExampleFile]:
    return [_example_file(one.path, one) for one in artifacts if one.role == "input"]


def _example_file(path: str, file: "files.Artifact | store.ExpectedFile") -> datasets.ExampleFile:
    return datasets.ExampleFile(path, file.sha256, file.size, files.content_type_of(path, file.content_type))


def _metadata(feedback: Feedback, given: runs.RunInput, caller: access.Caller, run_id: str) -> dict[str, JsonValue]:
    told: Mapping[str, JsonValue] = given.metadata if isinstance(given.metadata, dict) else {}
    reviewer = feedback.created_by_email if feedback.exists else caller.email
    return {**told, "reviewer": reviewer, "promotedFrom": run_id}


def _annotation(feedback: Feedback) -> dict[str, Any]:
    note = feedback.body.strip() if feedback.exists else ""
    if len(note) > LONGEST_ANNOTATION:
        note = note[: LONGEST_ANNOTATION - 1] + "…"
    return {"annotation": note} if note else {}


async def _name(
    tx: db.Transaction,
    run: runs.RunSummary,
    former: datasets.ExampleVersion | None,
    artifacts: Sequence[files.Artifact],
    feedback: Feedback,
) -> str:
    """Return the former example's name, else one that says what it is about: `acme-invoice-3f9k2a`."""
    if former is not None:
        return former.name
    document = next((PurePosixPath(one.name).stem for one in artifacts if one.role == "input"), "")
    stem = _readable(document) or _readable(run.automation_slug) or "example"
    mark = run.id.rpartition("_")[2].lower()
    # Ids that were made in the same moment begin alike, so it is their ends that tell them apart.
    for length in (6, 12, len(mark)):
        name = f"{stem}-{mark[-length:]}"
        if not await _is_taken(tx, feedback, name):
            return name
    return f"{stem}-{mark}-{round(clock.now().timestamp() * 1000)}"


async def _is_taken(tx: db.Transaction, feedback: Feedback, name: str) -> bool:
    try:
        await datasets.get_example(tx, feedback.organization_id, feedback.automation_id, name)
    except datasets.ExampleNotFoundError:
        return False
    return True


def _readable(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_STEM].rstrip("-")


def _expects(example: datasets.ExampleVersion) -> bool:
    has_files = any(file.folder == "expected" for file in example.files)
    return example.expected is not None or example.expected_error is not None or has_files


def _is_miss(feedback: Feedback) -> bool:
    """Whether somebody called it wrong, in a word or by a correction."""
    if feedback.rating is None:
        return feedback.expected is not None or bool(feedback.corrections) or bool(feedback.files)
    return feedback.rating in proof.MISSES


def _no_ground_truth(truth: _GroundTruth) -> Issue:
    what = "just what the run made" if truth.expects_the_miss else "nothing"
    message = f"The example expects {what}: attach the corrected output to the feedback and promote the run again."
    return Issue("expected", message, NO_GROUND_TRUTH, "warning")


def _replaced(example: datasets.ExampleVersion) -> Issue:
    message = (
        f"There was an example {example.name!r} already: it holds the input and expectation of this run now."
        " What it was before is in the dataset's revisions."
    )
    return Issue("name", message, EXAMPLE_REPLACED, "warning")


def _already_proven(example: datasets.ExampleVersion, feedback: Feedback, known: proof.Trial) -> Issue:
    message = (
        f"Version {known.version} has passed {example.name!r} as it is, in experiment {known.experiment_id}:"
        f" `assay runs feedback resolve {feedback.run_id}` resolves the miss by that proof."
    )
    return Issue("status", message, ALREADY_PROVEN, "warning")
