"""What is read out of an experiment's runs and scores: how each evaluator fared, and where outputs were wrong."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from assay.cli.answers import Json, items, part

_INDEX = re.compile(r"\[\d+\]")


@dataclass
class _Tally:
    """What one evaluator said."""

    type_name: str
    scores: list[float] = field(default_factory=list[float])
    passed: int = 0
    failed: int = 0
    errors: int = 0

    def add(self, score: Json) -> None:
        if score["score"] is not None:
            self.scores.append(score["score"])
        self.passed += score["passed"] is True
        self.failed += score["passed"] is False
        self.errors += score["error"] is not None


def analyse(detail: Json, *, failed_only: bool) -> dict[str, Any]:
    """Return `{experiment, evaluators, mismatches, runs}` of an experiment with its scores.

    `mismatches` are `{example, run, evaluator, path, expected, actual, reason}`, those of the most frequent
    path first, whatever the index of a list in it. `failed_only` leaves out runs that passed, and theirs.
    """
    runs = [run for run in items(detail, "runs") if not failed_only or run["verdict"] not in {"pass", None}]
    found = list(_mismatches(runs, part(detail, "resultsByRun")))
    frequency = Counter(_pattern(one) for one in found)
    found.sort(key=lambda one: (-frequency[_pattern(one)], _pattern(one), one["example"], one["path"]))
    experiment = {name: value for name, value in detail.items() if name not in {"runs", "resultsByRun"}}
    return {"experiment": experiment, "evaluators": _evaluators(detail), "mismatches": found, "runs": runs}


def sentences(experiment: Json) -> Iterator[str]:
    """Say in words how many examples passed, how sure that is, and what it leaves out."""
    summary = part(experiment, "summary")
    if not summary:
        done = f"{experiment['completedCount']:,} of {experiment['runCount']:,} runs"
        yield f"The experiment goes on: {done} have ended, {experiment['passedCount']:,} of them passed."
        return
    counts, interval = summary["examples"], summary["passRateInterval"]
    graded = interval["examples"]
    if graded:
        lower, upper = interval["lower"], interval["upper"]
        yield (
            f"{counts['passed']:,} of {graded:,} graded {'example' if graded == 1 else 'examples'} passed:"
            f" {summary['passRate']:.1%}; {interval['confidence']:.0%} confidence puts it between"
            f" {lower:.1%} and {upper:.1%}."
        )
    else:
        yield "No example was graded, so there is no pass rate."
    left_out = ", ".join(f"{counts[name]:,} {word}" for name, word in _LEFT_OUT.items() if counts[name])
    if left_out:
        yield f"Not counted in the rate: {left_out}."
    if counts["repeated"]:
        yield f"{counts['flaky']:,} of {counts['repeated']:,} repeated examples came out both ways (flaky)."
    if experiment["cancelled"]:
        yield "It was cancelled before its end."


_LEFT_OUT = {"errors": "with an error", "ungraded": "that nothing graded", "cancelled": "cancelled"}


def _mismatches(runs: Sequence[Json], scores_by_run: Json) -> Iterator[dict[str, Any]]:
    for run in runs:
        for score in items(scores_by_run, run["id"]):
            for mismatch in items(part(score, "details"), "mismatches"):
                yield {
                    "example": run["exampleName"],
                    "run": run["id"],
                    "evaluator": score["evaluatorName"],
                    "path": str(mismatch.get("path", "")),
                    "expected": mismatch.get("expected"),
                    "actual": mismatch.get("actual"),
                    "reason": mismatch.get("reason"),
                }


def _pattern(mismatch: Json) -> str:
    return _INDEX.sub("[]", mismatch["path"])


def _evaluators(detail: Json) -> list[dict[str, Any]]:
    tallies: dict[str, _Tally] = {}
    by_run = part(detail, "resultsByRun")
    for run_id in by_run:
        for score in items(by_run, run_id):
            tallies.setdefault(score["evaluatorName"], _Tally(score["evaluatorType"])).add(score)
    return [
        {
            "name": name,
            "type": tally.type_name,
            "meanScore": fmean(tally.scores) if tally.scores else None,
            "scored": len(tally.scores),
            "passed": tally.passed,
            "failed": tally.failed,
            "errors": tally.errors,
        }
        for name, tally in tallies.items()
    ]
