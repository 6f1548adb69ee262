"""What may become of an example that stands for a miss: as long as it does, not anything, and nothing unnoticed.

`datasets` asks before an example changes or goes, whatever door it is. Deleting one is refused while its miss is
open. Giving it another input or expectation is an override, like calling the miss none: it takes a reason, is
remembered for ever, and opens the miss where it was resolved, for the new form has not passed yet. Where the example
expected nothing so far, there was nothing to fall short of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay import access, datasets, db
from assay.errors import Issue
from assay.reviews import store
from assay.reviews.errors import ExampleUnresolvedError, OnlyReviewsError
from assay.reviews.model import Feedback
from assay.reviews.proof import expecting_another, falls_short_of_another
from assay.reviews.record import hold, record
from assay.reviews.resolution import tell_overridden

MOST_ISSUES = 200


@dataclass(frozen=True, slots=True)
class ExampleGuard:
    """Asked by `datasets` before examples change. `override` is the reason to change what misses depend on.

    `promoting` is a run that is being promoted just now; its own promotion is decided by `promotion`.
    """

    override: str | None = None
    promoting: str | None = None

    async def __call__(
        self, tx: db.Transaction, caller: access.Caller, changes: Sequence[datasets.ExampleChange]
    ) -> None:
        """Let changes pass, and note in the feedback what follows: the form to be proven, the name, the override.

        Raises:
            ExampleUnresolvedError: open misses depend on examples that are to go, or misses on another expectation
                without a reason; an issue for each of the first 200.
            OnlyReviewsError: the caller gives a reason and may only review.
        """
        by_id = {change.example_id: change for change in changes}
        issues: list[Issue] = []
        for run_id in await store.promoted_runs(tx, caller.organization_id, by_id):
            if run_id == self.promoting:
                continue
            before = (await hold(tx, caller.organization_id, run_id)).feedback
            change = by_id.get(before.promoted_example_id or "")
            if change is None:
                continue
            issue = refusal(before, change, self.override)
            if issue is not None:
                issues.append(issue)
            elif not issues:
                await self._follow(tx, caller, before, change)
        if issues:
            raise ExampleUnresolvedError(issues[0].message, issues=issues[:MOST_ISSUES])

    async def _follow(
        self, tx: db.Transaction, caller: access.Caller, before: Feedback, change: datasets.ExampleChange
    ) -> None:
        if change.graded_hash_then is None:
            return
        after = following(before, change, self.override)
        if after.override_reason != before.override_reason:
            if caller.only_reviews:
                raise OnlyReviewsError(field="override")
            await tell_overridden(tx, after)
        await record(tx, before, after, by=caller, action="feedback.example_changed")


def following(feedback: Feedback, change: datasets.ExampleChange, override: str | None) -> Feedback:
    """Return the feedback after its example became another one: that is what has to pass from now on."""
    after = replace(feedback, promoted_example_name=change.name_then)
    if change.graded_hash_then != change.graded_hash:
        after = replace(after, promoted_graded_hash=change.graded_hash_then)
        if falls_short_of_another(feedback, change.graded_hash_then):
            after = expecting_another(after)
    return replace(after, override_reason=override) if override and takes_override(feedback, change) else after


def takes_override(feedback: Feedback, change: datasets.ExampleChange) -> bool:
    """Whether a change gives the example of a miss another input or expectation than the one it fell short of."""
    return change.expected_anything and falls_short_of_another(feedback, change.graded_hash_then)


def refusal(feedback: Feedback, change: datasets.ExampleChange, override: str | None) -> Issue | None:
    """Return why a change is refused for the sake of a run's feedback, or None."""
    if change.graded_hash_then is None and feedback.is_unresolved_miss:
        message = f"The example {change.name!r} stands for an open miss of the run {feedback.run_id}."
    elif override is None and takes_override(feedback, change):
        message = (
            f"The example {change.name!r} stands for a miss of the run {feedback.run_id}; another input or "
            "expectation takes a reason."
        )
    else:
        return None
    return Issue("example", message, ExampleUnresolvedError.code)
