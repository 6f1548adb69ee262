"""What an experiment is held against when it ends, and two of them side by side."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.experiments.laboratory import SQUARED, Laboratory, open_laboratory

from assay import access, db, experiments, reviews
from assay.errors import InvalidValueError


@pytest.fixture(scope="module")
async def lab(
    database: db.Database,
    ownership: tuple[access.Organization, access.User],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Laboratory]:
    async with open_laboratory(database, ownership, tmp_path_factory.mktemp("data")) as lab:
        yield lab


async def baseline(lab: Laboratory, experiment_id: str) -> Any:
    return (await lab.summary(experiment_id))["baseline"]


async def test_the_first_experiment_of_all_has_no_baseline(lab: Laboratory) -> None:
    name = await lab.workflow(1)
    assert await baseline(lab, await lab.run(name)) is None


async def test_a_staged_version_is_held_against_the_latest_experiment_of_the_current_one(lab: Laboratory) -> None:
    name = await lab.workflow(1, 2, 3)
    await lab.run(name)
    latest = await lab.run(name)
    await lab.push(name, "1.1.0", SQUARED, activate=False)
    staged = await lab.run(name, "1.1.0")
    found = await baseline(lab, staged)
    assert (found["experimentId"], found["version"], found["conclusion"]) == (latest, "1.0.0", "too_few_to_tell")
    assert found["sentence"].startswith("Too few to tell: 3 examples were graded in both")
    assert (await baseline(lab, await lab.run(name, "1.1.0")))["experimentId"] == latest


async def test_the_current_version_is_held_against_itself_and_at_first_against_its_predecessor(lab: Laboratory) -> None:
    name = await lab.workflow(1)
    before = await lab.run(name)
    await lab.push(name, "1.1.0")
    first = await lab.run(name)
    assert (await baseline(lab, first))["experimentId"] == before
    assert (await baseline(lab, await lab.run(name)))["experimentId"] == first


async def test_an_experiment_without_a_common_example_or_a_cancelled_one_is_no_baseline(lab: Laboratory) -> None:
    name = await lab.workflow(1, 2)
    first = await lab.run(name, example_ids=["n1"])
    cancelled = await lab.start(name)
    async with lab.database.transaction() as tx:
        await experiments.cancel(tx, lab.caller, cancelled)
    await lab.summary(cancelled)
    assert await baseline(lab, await lab.run(name, example_ids=["n2"])) is None
    assert (await baseline(lab, await lab.run(name, example_ids=["n1"])))["experimentId"] == first


async def test_regressions_and_improvements_are_listed(lab: Laboratory) -> None:
    name = await lab.workflow(1, 2, 3)
    a = await lab.run(name)
    await lab.push(name, "1.1.0", SQUARED)
    b = await lab.run(name)
    found = await lab.compare(a, b)
    assert [flip["example"] for flip in found["regressed"]] == ["n1", "n3"]
    assert (found["batchA"], found["batchB"], found["improved"]) == (a, b, [])
    assert (found["experimentA"]["version"], found["experimentB"]["version"]) == ("1.0.0", "1.1.0")
    back = await lab.compare(b, a, order="name")
    assert [row["example"] for row in back["rows"]] == ["n1", "n2", "n3"]
    assert [flip["example"] for flip in back["improved"]] == ["n1", "n3"]


async def test_a_comparison_is_kept_unless_it_was_asked_for_otherwise(lab: Laboratory) -> None:
    name = await lab.workflow(1)
    a, b = await lab.run(name), await lab.run(name)

    async def kept() -> int:
        async with lab.database.transaction() as tx:
            return await tx.fetch_value("SELECT count(*) FROM comparisons WHERE base_id = $1 AND other_id = $2", b, a)

    assert (await lab.compare(b, a, threshold=0.5))["summary"]["regressionThreshold"] == 0.5
    assert await kept() == 0
    first = await lab.compare(b, a)
    assert await kept() == 1
    assert await lab.compare(b, a) == first


async def test_experiments_of_different_datasets_say_how_much_they_share(lab: Laboratory) -> None:
    name = await lab.workflow(1, 2, 3)
    a = await lab.run(name, example_ids=["n1", "n2"])
    await lab.change(name, "n2", expected={"answer": 5})
    b = await lab.run(name)
    found = await lab.compare(a, b)
    assert (found["summary"]["sharedExamples"], found["summary"]["onlyInB"]) == (2, ["n3"])
    assert [(out["example"], out["reason"]) for out in found["leftOut"]] == [("n2", "changed")]
    assert (found["experimentA"]["datasetRevision"], found["experimentB"]["datasetRevision"]) == (3, 4)


async def test_groups_by_metadata_are_slices(lab: Laboratory) -> None:
    name = await lab.workflow()
    for number in range(1, 5):
        metadata = {"parity": "even" if number % 2 == 0 else "odd", "unit": "none", "id": {"nested": number}}
        await lab.example(name, number, metadata=metadata)
    a, b = await lab.run(name), await lab.run(name)
    assert [one["slice"] for one in (await lab.compare(a, b))["slices"]] == ["parity: even", "parity: odd"]


async def test_what_cannot_be_compared_is_refused(lab: Laboratory) -> None:
    name, other = await lab.workflow(1), await lab.workflow(1)
    a, b = await lab.run(name), await lab.run(other)
    with pytest.raises(experiments.DifferentAutomationsError):
        await lab.compare(a, b)
    with pytest.raises(experiments.ExperimentNotFoundError):
        await lab.compare(a, "evb_nothing")
    with pytest.raises(InvalidValueError):
        await lab.compare(a, a, threshold=2)


async def test_changed_evaluators_are_pointed_out(lab: Laboratory) -> None:
    name = await lab.workflow(1)
    a = await lab.run(name)
    await lab.judge_by(name, "evaluators:\n  - {name: same, type: exact-diff, config: {numericTolerance: 1}}\n")
    found = await lab.compare(a, await lab.run(name))
    assert found["notes"] == ["The evaluators were changed between both experiments; a difference may be theirs."]


async def test_a_comparison_that_a_crash_prevented_is_made_by_the_next_worker(lab: Laboratory) -> None:
    name = await lab.workflow(1)
    a, b = await lab.run(name), await lab.run(name)
    async with lab.database.transaction() as tx:
        await tx.execute("UPDATE experiments SET summary = (summary::jsonb - 'baseline')::json WHERE id = $1", b)
    conducting = asyncio.create_task(experiments.Conductor(lab.database, reviews.settle).run())
    try:
        assert (await baseline(lab, b))["experimentId"] == a
    finally:
        conducting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await conducting
