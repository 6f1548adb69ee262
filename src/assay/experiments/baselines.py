"""Which experiment another is held against, and what that gives: computed when it ends, and kept."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from assay import clock, db, jsontext
from assay.experiments import result_store, store
from assay.experiments.comparing import DEFAULT_THRESHOLD, Comparison, RowOrder, Side, compare, sentence
from assay.experiments.comparison_json import comparison_json
from assay.experiments.errors import DifferentAutomationsError, ExperimentNotFinishedError
from assay.experiments.model import Experiment
from assay.experiments.reading import get
from assay.experiments.slicing import slices

DEFAULT_ORDER: RowOrder = "abs-delta-desc"
LOOKED_THROUGH = 50
"""So many experiments are asked, nearest first, whether they share an example."""


@dataclass(frozen=True, slots=True)
class _Material:
    """All that a comparison is computed from."""

    a: Experiment
    b: Experiment
    side_a: Side
    side_b: Side
    groups: Mapping[str, Collection[str]]
    same_evaluators: bool


async def compare_experiments(
    database: db.Database,
    organization_id: str,
    a_id: str,
    b_id: str,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    order: RowOrder = DEFAULT_ORDER,
) -> str:
    """Hold experiment B against A, the baseline; returns JSON text as `comparison_json` has it, with both described.

    What is asked for as it comes is computed once and kept; another threshold or order is computed each time.

    Raises:
        ExperimentNotFoundError: the organization has no such experiment.
        DifferentAutomationsError: they are experiments of different automations.
        ExperimentNotFinishedError: one of them goes on.
        InvalidValueError: the threshold is not between 0 and 1.
    """
    kept = threshold == DEFAULT_THRESHOLD and order == DEFAULT_ORDER
    async with database.transaction() as tx:
        a, b = await _comparable(tx, organization_id, a_id, b_id)
        if kept and (text := await result_store.find_comparison(tx, organization_id, a.id, b.id)):
            return text
        material = await _material(tx, a, b)
    text, _ = await asyncio.to_thread(_computed, material, threshold, order)
    if kept:
        async with database.transaction() as tx:
            await result_store.save_comparison(tx, organization_id, a.id, b.id, text)
    return text


async def compare_with_baseline(database: db.Database, organization_id: str, experiment_id: str) -> None:
    """Hold an ended experiment against its baseline, keep that, and note it in the experiment's summary.

    The baseline is the latest completed, uncancelled experiment before it, with at least one example in common, of
    the version that was current when it began. Where that version has none, it is one of the version that was current
    before, and so on; so the first experiment of a version that was made current at once is held against its
    predecessor. A second call does the same again.
    """
    async with database.transaction() as tx:
        experiment = await get(tx, organization_id, experiment_id)
        baseline = await _baseline(tx, experiment)
        if baseline is None:
            await result_store.set_baseline(tx, experiment, None)
            return
        material = await _material(tx, baseline, experiment)
    text, comparison = await asyncio.to_thread(_computed, material, DEFAULT_THRESHOLD, DEFAULT_ORDER)
    async with database.transaction() as tx:
        await result_store.save_comparison(tx, organization_id, baseline.id, experiment.id, text)
        await result_store.set_baseline(tx, experiment, _summary(baseline, comparison))


async def _comparable(tx: db.Transaction, organization_id: str, a_id: str, b_id: str) -> tuple[Experiment, Experiment]:
    a, b = await get(tx, organization_id, a_id), await get(tx, organization_id, b_id)
    if a.automation_id != b.automation_id:
        raise DifferentAutomationsError
    for experiment in (a, b):
        if experiment.status != "completed":
            message = f"The experiment {experiment.id} goes on; it can be compared once it has ended."
            raise ExperimentNotFinishedError(message)
    return a, b


async def _baseline(tx: db.Transaction, experiment: Experiment) -> Experiment | None:
    for candidate in await result_store.baselines_of(tx, experiment, LOOKED_THROUGH):
        if await result_store.share_an_example(tx, candidate, experiment.id):
            return await store.get(tx, experiment.organization_id, candidate)
    return None


async def _material(tx: db.Transaction, a: Experiment, b: Experiment) -> _Material:
    return _Material(
        a,
        b,
        Side(a.id, await result_store.results_of(tx, a.id)),
        Side(b.id, await result_store.results_of(tx, b.id)),
        slices(await result_store.traits_of(tx, b.id)),
        await result_store.have_the_same_evaluators(tx, a.id, b.id),
    )


def _computed(material: _Material, threshold: float, order: RowOrder) -> tuple[str, Comparison]:
    found = compare(
        material.side_a,
        material.side_b,
        threshold=threshold,
        slices=material.groups,
        same_evaluators=material.same_evaluators,
    )
    described: dict[str, JsonValue] = {"experimentA": _described(material.a), "experimentB": _described(material.b)}
    return jsontext.dump(described | comparison_json(found, order)), found


def _described(experiment: Experiment) -> JsonValue:
    return {
        "id": experiment.id,
        "version": experiment.version_label,
        "versionId": experiment.version_id,
        "datasetRevision": experiment.dataset_revision,
        "cancelled": experiment.cancel_requested_at is not None,
        "createdAt": clock.iso(experiment.created_at),
    }


def _summary(baseline: Experiment, comparison: Comparison) -> dict[str, Any]:
    return {
        "experimentId": baseline.id,
        "version": baseline.version_label,
        "versionId": baseline.version_id,
        "conclusion": comparison.conclusion,
        "sentence": sentence(comparison),
    }
