"""What a gate lets through, on a real database: what counts, what is kept, and what may happen at the same time."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from tests.experiments.laboratory import EVALUATORS, SQUARED, Laboratory, open_laboratory

from assay import access, automations, datasets, db, experiments


@pytest.fixture(scope="module")
async def lab(
    database: db.Database,
    ownership: tuple[access.Organization, access.User],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Laboratory]:
    async with open_laboratory(database, ownership, tmp_path_factory.mktemp("data")) as lab:
        yield lab


@pytest.fixture
async def name(lab: Laboratory) -> str:
    """A workflow with a gate that asks for all of two examples, and 1.1.0 staged before it."""
    name = await lab.workflow(1, 2)
    await lab.set_gate(name, mustPass="all", minExamples=2)
    await lab.push(name, "1.1.0")
    return name


async def refused(lab: Laboratory, name: str, version: str = "1.1.0") -> list[str]:
    """Fail to promote a version; return the codes of what is missing."""
    with pytest.raises(experiments.GateNotPassedError) as caught:
        await lab.promote(name, version)
    return [issue.code for issue in caught.value.issues[1:]]


async def to_run(lab: Laboratory, name: str, version: str = "1.1.0") -> list[str]:
    return [example.name for example in (await lab.examine(name, version)).decision.examples_to_run]


async def test_a_version_that_has_passed_becomes_current_and_what_the_gate_said_is_kept(
    lab: Laboratory, name: str
) -> None:
    assert "examples_not_run" in await refused(lab, name)
    await lab.run(name, "1.1.0")
    through = await lab.promote(name, "1.1.0")
    assert (through.promoted.version.is_current, through.overridden) == (True, False)
    async with lab.database.transaction() as tx:
        row = await tx.fetch_one(
            "SELECT gate, override_reason FROM automation_activations WHERE version_id = $1",
            through.promoted.version.id,
        )
    assert row is not None
    assert (json.loads(row["gate"])["status"], row["override_reason"]) == ("passed", None)


async def test_results_add_up_over_experiments_and_the_newest_of_an_example_counts(lab: Laboratory, name: str) -> None:
    await lab.run(name, "1.1.0", example_ids=["n1"])
    assert await to_run(lab, name) == ["n2"]
    await lab.run(name, "1.1.0", example_ids=["n2"])
    assert (await lab.examine(name, "1.1.0")).decision.status == "passed"
    await lab.push(name, "1.2.0", SQUARED)
    await lab.run(name, "1.2.0")
    assert await refused(lab, name, "1.2.0") == ["must_pass_failed"]


async def test_results_of_another_version_do_not_count(lab: Laboratory, name: str) -> None:
    await lab.run(name, "1.0.0")
    assert await to_run(lab, name) == ["n1", "n2"]


async def test_a_cancelled_experiment_hides_no_result(lab: Laboratory, name: str) -> None:
    await lab.run(name, "1.1.0")
    started = await lab.start(name, "1.1.0", concurrency=1, repeats=100)
    async with lab.database.transaction() as tx:
        await experiments.cancel(tx, lab.caller, started)
    await lab.summary(started)
    assert (await lab.examine(name, "1.1.0")).decision.status == "passed"


async def test_only_what_a_verdict_rests_on_asks_for_another_run(lab: Laboratory, name: str) -> None:
    await lab.run(name, "1.1.0")
    await lab.change(name, "n1", annotation="the least", metadata={"from": "a letter"}, rowOrder=7)
    assert await to_run(lab, name) == []
    await lab.change(name, "n1", expected={"answer": 2, "unit": "none"})
    assert await to_run(lab, name) == ["n1"]
    await lab.change(name, "n1", expected={"answer": 2})
    assert await to_run(lab, name) == [], "as it is graded now, it was run"


async def test_other_evaluators_ask_for_all_again_and_the_same_in_other_words_do_not(
    lab: Laboratory, name: str
) -> None:
    await lab.run(name, "1.1.0")
    await lab.judge_by(name, f"# ours\n{EVALUATORS}")
    assert await to_run(lab, name) == []
    await lab.judge_by(name, "evaluators:\n  - {name: same, type: exact-diff, config: {numericTolerance: 1}}\n")
    assert await to_run(lab, name) == ["n1", "n2"]


async def test_an_empty_reason_overrides_nothing(lab: Laboratory, name: str) -> None:
    for reason in ("", " \n", "x" * 3000):
        with pytest.raises(experiments.OverrideReasonError):
            await lab.promote(name, "1.1.0", reason)
    assert not (await lab.examine(name, "1.1.0")).version.is_current


async def test_an_override_that_was_not_needed_is_none(lab: Laboratory, name: str) -> None:
    await lab.run(name, "1.1.0")
    through = await lab.promote(name, "1.1.0", "to be sure")
    assert (through.overridden, through.promoted.version.override_reason) == (False, None)


async def test_the_first_version_of_an_automation_is_never_gated(lab: Laboratory, name: str) -> None:
    other = await lab.workflow(1)
    assert (await lab.examine(other, "latest")).version.is_current
    with pytest.raises(automations.VersionExistsError):
        await lab.push(name, "1.1.0")


async def change_the_dataset(lab: Laboratory, name: str) -> None:
    await lab.example(name, 3)


async def change_the_evaluators(lab: Laboratory, name: str) -> None:
    await lab.judge_by(name, "evaluators: []\n")


async def change_the_policy(lab: Laboratory, name: str) -> None:
    await lab.set_gate(name, minExamples=90)


async def push_another(lab: Laboratory, name: str) -> None:
    await lab.push(name, "2.0.0")


@pytest.mark.parametrize("change", [change_the_dataset, change_the_evaluators, change_the_policy, push_another])
async def test_nothing_that_a_decision_rests_on_changes_before_it_is_carried_out(
    lab: Laboratory, name: str, change: Callable[[Laboratory, str], Awaitable[None]]
) -> None:
    await lab.run(name, "1.1.0")
    async with lab.database.transaction() as tx:
        await experiments.promote(tx, lab.caller, automation=name, version="1.1.0")
        changing = asyncio.ensure_future(change(lab, name))
        await lab.until_somebody_waits_for_a_lock()
        assert not changing.done()
    await changing
    assert (await lab.examine(name, "1.1.0")).version.is_current


async def test_a_decision_waits_for_a_change_that_is_under_way_and_sees_it(lab: Laboratory, name: str) -> None:
    await lab.run(name, "1.1.0")
    automation_id = await lab.automation_id(name)
    async with lab.database.transaction() as tx:
        values: dict[str, Any] = {"name": "n3", "input": {"n": 3}, "expected": {"answer": 6}}
        await datasets.create_example(tx, lab.caller, automation_id, values)
        promoting = asyncio.ensure_future(refused(lab, name))
        await lab.until_somebody_waits_for_a_lock()
    assert await promoting == ["examples_not_run"]
    assert await to_run(lab, name) == ["n3"]
