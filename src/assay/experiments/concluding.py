"""What comes of an experiment when its last run has ended: counts, rates with intervals, a result for each example."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from assay import db, evaluators, outbox, statistics
from assay.experiments import store
from assay.experiments.model import Counts, Experiment
from assay.experiments.verdicts import is_flaky, verdict_of

PORTION = 1000
"""How many examples are summed up at a time."""


async def conclude(tx: db.Transaction, experiment: Experiment) -> None:
    """End the experiment with what came of it; its row is locked by the caller."""
    evaluator_hash = await _evaluator_hash(tx, experiment)
    outcomes: Counter[str] = Counter()
    for first in range(0, experiment.examples, PORTION):
        places = range(first, min(first + PORTION, experiment.examples))
        outcomes += await _save_results(tx, experiment, evaluator_hash, places)
    counts = await store.counts_of(tx, experiment.id)
    summary = {
        "runs": _counts_of_runs(experiment, counts),
        **_examples(experiment, outcomes),
        "evaluators": [_evaluator(tally) for tally in await store.per_evaluator(tx, experiment.id)],
        **await store.effort(tx, experiment.id),
    }
    await store.finish(tx, experiment.id, counts, summary)
    await outbox.emit(
        tx, experiment.organization_id, experiment.automation_id, "experiment.completed", _told(experiment, summary)
    )
    tx.notify_after_commit("assay_batch_progress", experiment.id)


def _told(experiment: Experiment, summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "experiment": {
            "id": experiment.id,
            "automationId": experiment.automation_id,
            "versionId": experiment.version_id,
            "version": experiment.version_label,
            "datasetRevision": experiment.dataset_revision,
            "wholeDataset": experiment.whole_dataset,
            **{name: summary[name] for name in ("runs", "examples", "passRate", "passRateInterval")},
        }
    }


async def _evaluator_hash(tx: db.Transaction, experiment: Experiment) -> str | None:
    if experiment.evaluator_set_id is None:
        return None
    stored = await evaluators.by_id(tx, experiment.organization_id, experiment.evaluator_set_id)
    return None if stored is None else stored.content_hash


async def _save_results(
    tx: db.Transaction, experiment: Experiment, evaluator_hash: str | None, places: range
) -> Counter[str]:
    """Write what came of the examples at these places of the dataset, over their repeats; count the verdicts."""
    positions = [repeat * experiment.examples + place for repeat in range(experiment.repeats) for place in places]
    means = await store.evaluator_means(tx, experiment.id, positions)
    rows: list[dict[str, Any]] = []
    outcomes: Counter[str] = Counter()
    for tally in await store.tallies(tx, experiment.id, positions):
        row = _result(tally, experiment.required_passes, means.get(tally.example_id, {}))
        rows.append(row)
        outcomes[row["verdict"]] += 1
        outcomes["repeated"] += tally.passes + tally.fails > 1
        outcomes["flaky"] += is_flaky(tally.passes, tally.fails)
    await store.save_results(tx, experiment, evaluator_hash, rows)
    return outcomes


def _result(tally: store.ExampleTally, required: int, scores: Mapping[str, float | None]) -> dict[str, Any]:
    verdict = verdict_of(
        passes=tally.passes,
        fails=tally.fails,
        errors=tally.errors,
        cancelled=tally.cancelled,
        ungraded=tally.ungraded,
        required=required,
    )
    return {
        "example_id": tally.example_id,
        "example_version_id": tally.example_version_id,
        "example_name": tally.example_name,
        "graded_hash": tally.graded_hash,
        "verdict": verdict,
        "passes": tally.passes,
        "fails": tally.fails,
        "errors": tally.errors,
        "score": tally.score,
        "scores": scores,
    }


def _counts_of_runs(experiment: Experiment, counts: Counts) -> dict[str, int]:
    return {
        "total": experiment.runs,
        "completed": counts.completed,
        "passed": counts.passed,
        "failed": counts.failed,
        "errors": counts.errors,
        "ungraded": counts.ungraded,
        "cancelled": counts.cancelled,
    }


def _examples(experiment: Experiment, outcomes: Counter[str]) -> dict[str, Any]:
    """Counts and rates over examples, not runs: repeats of one example say little about others."""
    graded = outcomes["pass"] + outcomes["fail"]
    interval = statistics.wilson(outcomes["pass"], graded)
    return {
        "examples": {
            "total": experiment.examples,
            "passed": outcomes["pass"],
            "failed": outcomes["fail"],
            "errors": outcomes["error"],
            "ungraded": outcomes["ungraded"],
            "cancelled": outcomes["cancelled"],
            "repeated": outcomes["repeated"],
            "flaky": outcomes["flaky"],
        },
        "passRate": outcomes["pass"] / graded if graded else None,
        "passRateInterval": {
            "lower": interval.lower,
            "upper": interval.upper,
            "confidence": 0.95,
            "method": "wilson",
            "examples": graded,
        },
        "flakeRate": outcomes["flaky"] / outcomes["repeated"] if outcomes["repeated"] else None,
    }


def _evaluator(tally: store.EvaluatorTally) -> dict[str, Any]:
    return {
        "name": tally.evaluator_name,
        "type": tally.evaluator_type,
        "version": tally.evaluator_version,
        "meanScore": tally.mean,
        "scored": tally.scored,
        "passed": tally.passed,
        "failed": tally.failed,
        "errors": tally.errors,
    }
