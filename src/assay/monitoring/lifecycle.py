"""How far an automation has come on the way to being trusted, and what takes it further.

The stages follow each other: pass the evaluation, let applications call, see their traffic, review a sample of it,
close what the reviews opened. The checks are what stands before an integration ships. Both are read off what is there;
nobody ticks anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from assay import automations, clock, db, experiments, reviews, statistics
from assay.monitoring import alert_store, store
from assay.monitoring.model import Backlog, Mode

TRAFFIC_DAYS = 30
CONFIDENCE = 0.95
FEWEST_EXAMPLES = statistics.fewest_to_show(0.9, CONFIDENCE)
"""With fewer, not even a run in which all pass shows that nine of ten do."""
HIGHEST_FAILURE_RATE = 0.05

StageKey = Literal["passing_experiment", "api_trigger", "traffic", "sample_reviewed", "reviews_closed"]
CheckKey = Literal["run_lifecycle", "dataset", "gate", "sampling", "reviews", "alert"]
Action = Literal[
    "push_version",
    "add_examples",
    "run_experiment",
    "see_experiments",
    "switch_api_on",
    "call_api",
    "see_runs",
    "set_sampling",
    "review",
    "close_reviews",
    "set_gate",
    "add_alert",
]


@dataclass(frozen=True, slots=True)
class Call:
    """The last completed run that an application started."""

    mode: Mode
    at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """How the current version fared on the examples as they are graded now; the rest of `examples` was not run."""

    examples: int
    passed: int
    failed: int
    broken: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the lifecycle is read off. `gate` is what the gate says of the current version, None without a policy."""

    version: str | None
    tried: Tried
    gate: Literal["passed", "failed", "cannot_tell"] | None
    gate_missing: str | None
    api_on: bool
    last_call: Call | None
    ended_calls: int
    failed_calls: int
    advice: reviews.Advice
    open_reviews: Backlog
    alerts: int


@dataclass(frozen=True, slots=True)
class Line:
    """A stage or a check: whether it is done, what shows that, and the action that takes it further (None: none)."""

    key: StageKey | CheckKey
    title: str
    done: bool
    evidence: str
    action: Action | None


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where an automation stands. `next_stage` is the first that is not done, None where all are."""

    stages: Sequence[Line]
    checks: Sequence[Line]

    @property
    def next_stage(self) -> Line | None:
        """The first stage that is not done."""
        return next((stage for stage in self.stages if not stage.done), None)

    @property
    def may_ship(self) -> bool:
        """Whether nothing is left to do before shipping."""
        return all(check.done for check in self.checks)


async def lifecycle(tx: db.Transaction, organization_id: str, automation: str) -> Lifecycle:
    """Say how far an automation (an id or name) has come. It changes nothing.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
    """
    found = await automations.get(tx, organization_id, automation)
    return lifecycle_from(await _facts(tx, found), clock.now())


def lifecycle_from(facts: Facts, now: datetime) -> Lifecycle:
    """Say how far an automation has come, from what is known of it at a moment."""
    stages = (_experiment(facts), _trigger(facts), _traffic(facts, now), _sample(facts), _closed(facts))
    checks = (_calls(facts), _dataset(facts), _gate(facts), _sampling(facts), _debt(facts), _alert(facts))
    return Lifecycle(stages, checks)


# What is known.


async def _facts(tx: db.Transaction, automation: automations.Automation) -> Facts:
    place = automation.organization_id, automation.id
    call = await store.last_call(tx, *place, TRAFFIC_DAYS)
    ended, failed = await store.ended_calls(tx, *place, TRAFFIC_DAYS)
    mode: Mode = "shadow" if call is not None and call[0] == "shadow" else "live"
    tried, gate, missing = await _tried(tx, automation)
    return Facts(
        version=automation.current_version_label or automation.current_version_id,
        tried=tried,
        gate=gate,
        gate_missing=missing,
        api_on=automation.triggers.api,
        last_call=None if call is None else Call(*call),
        ended_calls=ended,
        failed_calls=failed,
        advice=await reviews.advise(tx, *place, mode=mode),
        open_reviews=await store.debt(tx, *place),
        alerts=len(await alert_store.list_alerts(tx, *place)),
    )


async def _tried(
    tx: db.Transaction, automation: automations.Automation
) -> tuple[Tried, Literal["passed", "failed", "cannot_tell"] | None, str | None]:
    if automation.current_version_id is None:
        return Tried(0, 0, 0, 0), None, None
    found = await experiments.examine(tx, automation.organization_id, automation.id, automation.current_version_id)
    verdicts = [one.result.verdict for one in found.results]
    tried = Tried(
        examples=found.decision.examples,
        passed=verdicts.count("pass"),
        failed=verdicts.count("fail"),
        broken=verdicts.count("error") + verdicts.count("ungraded"),
    )
    if found.policy is None:
        return tried, None, None
    missing = next((one.message for one in found.decision.missing), None)
    return tried, found.decision.status, missing


# The stages.


def _experiment(facts: Facts) -> Line:
    done, evidence, action = _passing(facts)
    return Line("passing_experiment", "Pass the evaluation", done, evidence, action)


def _passing(facts: Facts) -> tuple[bool, str, Action | None]:
    tried = facts.tried
    if facts.version is None:
        return False, "No version is current.", "push_version"
    if not tried.examples:
        return False, "The dataset has no examples, so nothing can be measured.", "add_examples"
    run = f"Version {facts.version} passes {tried.passed:,} of {_examples(tried.examples)}"
    left = tried.examples - tried.passed - tried.failed
    details = _listed(
        [
            f"{tried.failed:,} failed" if tried.failed else "",
            f"{left:,} {'was' if left == 1 else 'were'} not run, or could not be judged" if left else "",
        ]
    )
    evidence = f"{run}: {details}." if details else f"{run}."
    if facts.gate is not None:
        said = "Its gate has passed." if facts.gate == "passed" else facts.gate_missing or "Its gate has not passed."
        done = facts.gate == "passed"
    else:
        said, done = "", tried.passed == tried.examples
    action: Action = "see_experiments" if tried.failed else "run_experiment" if left else "add_examples"
    return done, f"{evidence} {said}".strip(), None if done else action


def _trigger(facts: Facts) -> Line:
    evidence = (
        "The API trigger is on: applications may start runs."
        if facts.api_on
        else "The API trigger is off: POST /api/v1/runs answers 403 api_trigger_disabled."
    )
    action: Action | None = None if facts.api_on else "switch_api_on"
    return Line("api_trigger", "Integrate behind your application", facts.api_on, evidence, action)


def _traffic(facts: Facts, now: datetime) -> Line:
    title = "Route production traffic"
    if facts.last_call is None:
        evidence = f"No application has completed a run in the last {TRAFFIC_DAYS} days."
        return Line("traffic", title, done=False, evidence=evidence, action="call_api")
    kind = "in shadow: nothing acts on its output yet" if facts.last_call.mode == "shadow" else "live"
    count = "1 run was" if facts.ended_calls == 1 else f"{facts.ended_calls:,} runs were"
    evidence = (
        f"{count} started by applications in the last {TRAFFIC_DAYS} days; the last was {_ago(facts.last_call.at, now)}"
        f" ago, {kind}."
    )
    return Line("traffic", title, done=True, evidence=evidence, action=None)


def _sample(facts: Facts) -> Line:
    done, evidence, action = _sampled(facts)
    return Line("sample_reviewed", "Sample runs for review", done, evidence, action)


def _sampled(facts: Facts) -> tuple[bool, str, Action | None]:
    advice = facts.advice
    groups = advice.evidence.groups
    drawn = sum(group.sampled for group in groups)
    waiting = sum(group.waiting for group in groups)
    overdue = sum(group.overdue for group in groups)
    reviewed = advice.evidence.reviewed
    if not advice.measured:
        return False, "Runs complete and none is drawn: how good they are is not measured.", "set_sampling"
    if not drawn:
        evidence = f"No run of this version was drawn yet; {_percent(advice.rate)} of completed runs are."
        return False, evidence, "call_api" if facts.last_call is None else None
    if not reviewed:
        return False, f"{_runs(drawn)} of the random sample {_wait(drawn)} for a verdict.", "review"
    late = f", {overdue:,} of them for more than a week" if overdue else ""
    rest = f"; {waiting:,} {_wait(waiting)}{late}" if waiting else ""
    evidence = f"{reviewed:,} of {_runs(drawn)} drawn have a verdict{rest}."
    if overdue:
        return False, evidence, "review"
    return True, evidence, "set_sampling" if advice.action != "keep" else "review" if waiting else None


def _closed(facts: Facts) -> Line:
    backlog, title = facts.open_reviews, "Close the loop"
    if backlog.count:
        evidence = _open_reviews(backlog)
        return Line("reviews_closed", title, done=False, evidence=evidence, action="close_reviews")
    if not facts.advice.evidence.reviewed:
        evidence = "No drawn run of this version was reviewed yet, so no miss could be found."
        return Line("reviews_closed", title, done=False, evidence=evidence, action=None)
    evidence = "Every open review was fixed and proven, or set aside."
    return Line("reviews_closed", title, done=True, evidence=evidence, action=None)


# The checks.


def _calls(facts: Facts) -> Line:
    title = "Your integration handles the run lifecycle"
    if not facts.ended_calls:
        evidence = "It has not called yet: start a run, then wait for its end or poll for it."
        return Line("run_lifecycle", title, done=False, evidence=evidence, action="call_api")
    rate = facts.failed_calls / facts.ended_calls
    evidence = f"{facts.failed_calls:,} of {_runs(facts.ended_calls)} that applications started failed."
    done = rate <= HIGHEST_FAILURE_RATE
    return Line("run_lifecycle", title, done, evidence, None if done else "see_runs")


def _dataset(facts: Facts) -> Line:
    count = facts.tried.examples
    done = count >= FEWEST_EXAMPLES
    shown = statistics.rate_at_least(count, count, CONFIDENCE) if count else 0.0
    evidence = (
        f"{_examples(count)}: if all pass, a pass rate above {_percent(shown)} is shown with"
        f" {_percent(CONFIDENCE)} confidence."
        if count
        else "There are no examples."
    )
    return Line(
        "dataset", "The dataset is large enough to show something", done, evidence, _unless(done, "add_examples")
    )


def _gate(facts: Facts) -> Line:
    done = facts.gate is not None
    evidence = (
        "A gate policy is in force: a push stages its version."
        if done
        else "There is no gate policy: whatever is pushed is current at once."
    )
    return Line("gate", "No version goes live unproven", done, evidence, _unless(done, "set_gate"))


def _sampling(facts: Facts) -> Line:
    rate = facts.advice.rate
    drawn = rate > 0 or any(stratum.rate > 0 for stratum in facts.advice.policy.strata)
    evidence = f"{_percent(rate)} of completed runs are drawn for review." if drawn else "No run is drawn for review."
    return Line("sampling", "A sample is kept for review", drawn, evidence, _unless(drawn, "set_sampling"))


def _debt(facts: Facts) -> Line:
    done = not facts.open_reviews.count
    evidence = "No review is open." if done else _open_reviews(facts.open_reviews)
    return Line("reviews", "No known miss is left open", done, evidence, _unless(done, "close_reviews"))


def _alert(facts: Facts) -> Line:
    done = facts.alerts > 0
    count = "1 alert watches" if facts.alerts == 1 else f"{facts.alerts:,} alerts watch"
    evidence = f"{count} over it." if done else "Nobody is told when it gets worse."
    return Line("alert", "Somebody is told when it gets worse", done, evidence, _unless(done, "add_alert"))


# Words.


def _unless(done: bool, action: Action) -> Action | None:
    return None if done else action


def _open_reviews(backlog: Backlog) -> str:
    count = "1 review is open" if backlog.count == 1 else f"{backlog.count:,} reviews are open"
    back = f", {backlog.regressed:,} of them came back after they were fixed" if backlog.regressed else ""
    return f"{count}{back}. Fix what they show, and prove it with an experiment."


def _examples(count: int) -> str:
    return "1 example" if count == 1 else f"{count:,} examples"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _listed(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.995 else f"{share * 100:.0f} %"


def _ago(moment: datetime, now: datetime) -> str:
    past = max(timedelta(), now - moment)
    if past >= timedelta(days=2):
        return f"{past.days} days"
    minutes = int(past.total_seconds() // 60)
    if minutes >= 120:
        return f"{minutes // 60} hours"
    return "1 minute" if minutes <= 1 else f"{minutes} minutes"
