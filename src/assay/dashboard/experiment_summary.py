"""What came of an experiment, as pages show it: read from the summary that it left, with its interval in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from assay import experiments
from assay.dashboard.formatting import percent


@dataclass(frozen=True, slots=True)
class EvaluatorSummary:
    """What one evaluator said over a whole experiment, run by run."""

    name: str
    type: str
    mean: float | None
    passed: int
    failed: int
    errors: int


@dataclass(frozen=True, slots=True)
class Held:
    """What an experiment was held against when it ended: its baseline, and the conclusion in a sentence."""

    experiment_id: str
    version: str
    conclusion: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Summary:
    """An experiment that has ended. Counts are of examples; `pass_rate` is of those that were graded.

    `median_ms` and `p95_ms` are how long its runs took; `cost` in USD, None where nothing was paid for or known.
    """

    passed: int
    failed: int
    errors: int
    ungraded: int
    cancelled: int
    graded: int
    pass_rate: float | None
    lower: float
    upper: float
    flaky: int
    repeated: int
    flake_rate: float | None
    median_ms: float | None
    p95_ms: float | None
    cost: float | None
    usage: Mapping[str, float]
    evaluators: Sequence[EvaluatorSummary]
    baseline: Held | None

    @property
    def interval_words(self) -> str:
        """Say what the pass rate is worth."""
        if self.pass_rate is None:
            return "No example was graded, so nothing can be said of the pass rate."
        return (
            f"{self.passed} of {self.graded} graded example{'' if self.graded == 1 else 's'} passed. On documents like "
            f"these the rate lies between {percent(self.lower)} and {percent(self.upper)}, with 95\u202f% confidence."
        )

    @property
    def flake_words(self) -> str:
        """Say how often repeats of one example came out differently."""
        if self.flake_rate is None:
            return "No example was graded more than once, so nothing is known of flakiness: repeat them to see it."
        return f"{self.flaky} of {self.repeated} examples that were graded more than once came out both ways."


def summary_of(experiment: experiments.Experiment) -> Summary | None:
    """Read the summary of an experiment; None while it goes on."""
    found = cast("Mapping[str, Any] | None", experiment.summary)
    if found is None:
        return None
    counts, interval, usage = found["examples"], found["passRateInterval"], found["usage"]
    return Summary(
        passed=counts["passed"],
        failed=counts["failed"],
        errors=counts["errors"],
        ungraded=counts["ungraded"],
        cancelled=counts["cancelled"],
        graded=interval["examples"],
        pass_rate=found["passRate"],
        lower=interval["lower"],
        upper=interval["upper"],
        flaky=counts["flaky"],
        repeated=counts["repeated"],
        flake_rate=found["flakeRate"],
        median_ms=found["durationMs"]["p50"],
        p95_ms=found["durationMs"]["p95"],
        cost=usage.get("costUsd"),
        usage=usage,
        evaluators=[
            EvaluatorSummary(one["name"], one["type"], one["meanScore"], one["passed"], one["failed"], one["errors"])
            for one in found["evaluators"]
        ],
        baseline=_held(found.get("baseline")),
    )


def _held(baseline: Mapping[str, Any] | None) -> Held | None:
    if baseline is None:
        return None
    version = baseline["version"] or baseline["versionId"]
    return Held(baseline["experimentId"], version, baseline["conclusion"], baseline["sentence"])
